package udp

import (
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
)

// Describe implements sink.Describer.
func (o *Options) Describe(config.Dialect, time.Time) sink.Description {
	return sink.DescribePeer("a UDP server", sink.Server{Host: o.Host, Port: o.Port, UDP: true})
}
