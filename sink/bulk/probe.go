package bulk

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/probe"
)

var _ probe.Prober = (*Options)(nil)

// Targets implements probe.Prober.
func (o *Options) Targets(_ context.Context, d config.Dialect, env sink.Env) ([]probe.Target, error) {
	dest, err := newBulk(o, d, env)
	if err != nil {
		return nil, err
	}
	servers, err := configuredServers(o, d)
	if err != nil {
		return nil, err
	}
	var all []probe.Target
	for i, c := range dest.servers.Clients {
		t := probe.OfClient(&c.Config, dest.signer)
		base, err := url.Parse(servers[i].url())
		if err != nil {
			return nil, err
		}
		names := dest.encoder.names
		t.Search = &probe.Search{
			Base: base, Index: names.example(time.Now()), Operation: dest.encoder.verb, Pipeline: o.Pipeline, Serverless: o.serverless(),
		}
		if dest.encoder.target != nil {
			t.Search.Index = "*"
		}
		t.Search.Dynamic = strings.Contains(t.Search.Index, "*")
		if dest.encoder.upsert {
			t.Search.Operation = "upsert"
		}
		all = append(all, t)
	}
	if dest.dashboards != nil {
		t := probe.OfClient(&dest.dashboards.Config, dest.signer)
		t.Dashboards = true
		all = append(all, t)
	}
	return all, nil
}

// example is the index of a record of that time, with * for what depends on the record, or is date math.
func (n *indexNames) example(at time.Time) string {
	if !n.dynamic && !n.verbatim {
		return string(n.makeName(n.name, &sink.Record{}, at))
	}
	literal := n.literal
	if i := strings.IndexAny(literal, "%{"); i >= 0 {
		literal = literal[:i]
	}
	if n.key != nil { // any field's text may be the prefix
		literal = ""
	}
	return literal + "*" + string(n.date(at))
}
