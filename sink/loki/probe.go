package loki

import (
	"context"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/probe"
)

var _ probe.Prober = (*Options)(nil)

// readyPath answers whether the server is ready (Loki, "HTTP API": GET /ready). A gateway before it may not pass it on.
const readyPath = "/ready"

// Targets implements probe.Prober.
func (o *Options) Targets(_ context.Context, d config.Dialect, env sink.Env) ([]probe.Target, error) {
	dest, err := New(o, d, env)
	if err != nil {
		return nil, err
	}
	client := dest.(*Destination).servers.Clients[0]
	t := probe.OfClient(&client.Config, nil)
	t.Health = readyPath
	return []probe.Target{t}, nil
}
