package datadog

import (
	"context"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/probe"
)

var _ probe.Prober = (*Options)(nil)

// Targets implements probe.Prober. The service has no question that isn't a request to store records.
func (o *Options) Targets(_ context.Context, d config.Dialect, env sink.Env) ([]probe.Target, error) {
	dest, err := New(o, d, env)
	if err != nil {
		return nil, err
	}
	client := dest.(*Destination).servers.Clients[0]
	return []probe.Target{probe.OfClient(&client.Config, nil)}, nil
}
