package syslog

import (
	"context"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/probe"
)

var _ probe.Prober = (*Options)(nil)

// Targets implements probe.Prober.
func (o *Options) Targets(_ context.Context, d config.Dialect, env sink.Env) ([]probe.Target, error) {
	return []probe.Target{probe.OfPeer(o.peerConfig(d, env))}, nil
}

var _ probe.Prober = (*RemoteOptions)(nil)

// Targets implements probe.Prober.
func (o *RemoteOptions) Targets(ctx context.Context, d config.Dialect, env sink.Env) ([]probe.Target, error) {
	bit, err := o.bit()
	if err != nil {
		return nil, err
	}
	return bit.Targets(ctx, d, env)
}
