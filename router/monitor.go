package router

import (
	"slices"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/metric"
)

// A monitor implements input.Monitor with the configuration that is running.
type monitor struct{ *process }

// Parts implements input.Monitor.
func (m monitor) Parts(options bool) (parts []input.Part) {
	r := m.current.Load()
	status := r.Status()
	add := func(kind config.Kind, in *config.Instance, p input.Part) {
		p.Kind, p.ID, p.Type = kind, in.ID, in.Name
		if options {
			p.Options = r.plan.OptionsOf(in)
		}
		parts = append(parts, p)
	}
	for n := range r.plan.Inputs {
		add(config.KindInput, &r.plan.Inputs[n].Instance, input.Part{Records: status.Inputs[n].Received})
	}
	for n := range r.plan.Outputs {
		o := &status.Outputs[n]
		d, q := &o.Delivery, &o.Delivery.Queue
		add(config.KindOutput, &r.plan.Outputs[n].Instance, input.Part{Records: o.Account.Received, Output: &input.OutputPart{
			QueueBytes: q.Bytes + d.DeferredQueue.Bytes, QueueLimit: q.Limit, Requests: d.Requests, Failed: d.Failed,
			Dropped: q.DroppedNoRoom, FailingSince: d.FailingSince,
		}})
	}
	for n := range r.plan.Filters {
		if f := &r.plan.Filters[n]; f.Plugin != nil {
			add(f.Plugin.Kind, &f.Instance, input.Part{Records: r.stages[n].counts.passed.Load()})
		}
	}
	return parts
}

// OutputOf implements input.Monitor.
func (m monitor) OutputOf(tag string) string {
	r := m.current.Load()
	if n := firstOutput(r.plan.RouteFrom("", tag)); n >= 0 {
		return r.plan.Outputs[n].ID
	}
	return ""
}

// filterMetrics implements input.Env.FilterMetrics.
func (p *process) filterMetrics(filter, tag string, since uint64, see func(*metric.Sample)) (changes uint64) {
	r := p.current.Load()
	n := slices.IndexFunc(r.plan.Filters, func(f config.Filter) bool { return f.ID == filter })
	if n < 0 || firstOutput(r.only(true, r.plan.Rerouted(0, tag))) < 0 {
		return since
	}
	m, ok := enrich.Find[enrich.Measurer](r.stages[n].filter)
	if !ok {
		return since
	}
	if changes = m.Metric().Changes(); changes != since { // less, after a reload
		m.Metric().Samples(see)
	}
	return changes
}

// firstOutput returns the index of the first output of a path, -1 if there is none.
func firstOutput(rt config.Route) int {
	if len(rt.Outputs) > 0 {
		return rt.Outputs[0]
	}
	for _, next := range rt.Next {
		if n := firstOutput(next); n >= 0 {
			return n
		}
	}
	return -1
}

// About implements input.Monitor.
func (m monitor) About() input.About {
	r := m.current.Load()
	return input.About{Version: r.env.Version, Config: r.plan.Files[0], RootDir: r.plan.Service.StoragePath}
}
