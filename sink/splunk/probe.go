package splunk

import (
	"context"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/probe"
)

var _ probe.Prober = (*Options)(nil)

// healthPath answers whether the collector takes events (Splunk, "HTTP Event Collector REST API endpoints":
// services/collector/health).
const healthPath = "/services/collector/health"

// Targets implements probe.Prober.
func (o *Options) Targets(_ context.Context, d config.Dialect, env sink.Env) ([]probe.Target, error) {
	dest, err := New(o, d, env)
	if err != nil {
		return nil, err
	}
	client := dest.(*Destination).servers.Clients[0]
	t := probe.OfClient(&client.Config, nil)
	t.Health = healthPath
	return []probe.Target{t}, nil
}
