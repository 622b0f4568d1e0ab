package router

import (
	"sync/atomic"

	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/record"
)

// A countedFilter counts the events that a filter lets go on. It is there only for an input that reports the counts: it costs an atomic
// addition for each event, and keeps constant fields of several filters from becoming one step.
type countedFilter struct {
	filter  enrich.Filter // nil: it lets all go on unchanged
	emitted *atomic.Int64
}

// Apply implements enrich.Filter.
func (f countedFilter) Apply(ev *record.Event, s *enrich.Scratch) bool {
	if f.filter != nil && !f.filter.Apply(ev, s) {
		return false
	}
	f.emitted.Add(1)
	return true
}

// countFilters has the events counted that each filter emits, if an input reports that.
func (r *Router) countFilters() {
	for n := range r.plan.Inputs {
		if c, ok := r.plan.Inputs[n].Options.(input.FilterCounter); ok && c.CountsFilters() {
			r.emitted = make([]atomic.Int64, len(r.plan.Filters))
			return
		}
	}
}

// counted returns a filter of the plan that counts, if that is wanted.
func (r *Router) counted(n int, f enrich.Filter) enrich.Filter {
	if r.emitted == nil {
		return f
	}
	return countedFilter{f, &r.emitted[n]}
}

// counterOf returns the counter of what a step of the plan emits; nil: it isn't counted.
func (r *Router) counterOf(n int) *atomic.Int64 {
	if r.emitted == nil {
		return nil
	}
	return &r.emitted[n]
}
