package tcp

import (
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
)

// Describe implements sink.Describer.
func (o *Options) Describe(config.Dialect, time.Time) sink.Description {
	return sink.DescribePeer("a TCP server", sink.Server{Host: o.Host, Port: o.Port, TLS: o.TLS, Verify: o.TLS && o.Verified()})
}
