package syslog

import (
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
)

// Describe implements sink.Describer.
func (o *Options) Describe(config.Dialect, time.Time) sink.Description {
	tls := o.secure() && o.Mode != "udp"
	return sink.DescribePeer("a syslog server", sink.Server{Host: o.Host, Port: o.Port, UDP: o.Mode == "udp", TLS: tls, Verify: tls && o.Verified()})
}

// Describe implements sink.Describer.
func (o *RemoteOptions) Describe(d config.Dialect, now time.Time) sink.Description {
	bit, err := o.bit()
	if err != nil {
		return sink.Description{Service: "a syslog server"}
	}
	return bit.Describe(d, now)
}

// secure reports whether TLS is used, on TCP.
func (o *Options) secure() bool { return o.Mode == "tls" || o.TLS }
