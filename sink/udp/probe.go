package udp

import (
	"context"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/probe"
)

var _ probe.Prober = (*Options)(nil)

// Targets implements probe.Prober.
func (o *Options) Targets(_ context.Context, d config.Dialect, env sink.Env) ([]probe.Target, error) {
	return []probe.Target{probe.OfPeer(o.peer(d, env))}, nil
}
