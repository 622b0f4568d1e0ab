package router

import (
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/sink"
)

// forSignal leaves in a route what the events of an input may take: metrics pass no filters, and outputs get either metrics or
// other records, or both.
func (r *Router) forSignal(in *source, plan config.Route) config.Route {
	m, ok := in.input.(input.MetricSource)
	return r.only(ok && m.HasMetrics(), plan)
}

func (r *Router) only(metrics bool, plan config.Route) config.Route {
	out := plan
	out.Outputs, out.Next = nil, nil
	if metrics {
		out.Filters = nil
	}
	for _, o := range plan.Outputs {
		if takes(r.outputs[o].dest, metrics) {
			out.Outputs = append(out.Outputs, o)
		}
	}
	for _, next := range plan.Next {
		if metrics && next.Tag != "" { // a copy of records with another tag
			continue
		}
		out.Next = append(out.Next, r.only(metrics, next))
	}
	return out
}

// takes reports whether a destination takes metrics, or other records.
func takes(dest any, metrics bool) bool {
	t, ok := dest.(sink.MetricTaker)
	if !ok {
		return !metrics
	}
	m, others := t.TakesMetrics()
	return m && metrics || others && !metrics
}
