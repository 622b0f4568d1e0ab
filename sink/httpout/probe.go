package httpout

import (
	"context"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/probe"
)

var _ probe.Prober = (*Options)(nil)

// Targets implements probe.Prober.
func (o *Options) Targets(_ context.Context, d config.Dialect, env sink.Env) ([]probe.Target, error) {
	made, err := New(o, d, env)
	if err != nil {
		return nil, err
	}
	var dest *Destination
	switch made := made.(type) {
	case keyed:
		dest = made.Destination
	case *Destination:
		dest = made
	}
	client := dest.servers.Clients[0]
	if client.URL.Hostname() == "" {
		return nil, nil // it depends on the record
	}
	return []probe.Target{probe.OfClient(&client.Config, dest.signer)}, nil
}
