package router

import (
	"sync/atomic"

	"github.com/firelane/firelane/config"
)

// A FilterAccount is what one filter section has done.
type FilterAccount struct {
	Filter  string `json:"filter"`
	Records int64  `json:"records"` // that reached it
	Bytes   int64  `json:"bytes"`   // of these records as they began their way through filters, as MessagePack
	Added   int64  `json:"added"`   // records that it made in addition to those that it got
	Dropped int64  `json:"dropped"` // records that it filtered out, or gave another tag
	Passed  int64  `json:"passed"`  // records that went on to what follows it
}

// sectionCounts is the running form of a FilterAccount. That of a section with the same ID goes on after a reload.
type sectionCounts struct{ records, bytes, added, dropped, passed atomic.Int64 }

// A section is a filter section on a route.
type section struct {
	filter int // index in route.filters; adjacent sections may be one filter there
	counts *sectionCounts
}

// filterCounts is what filters have done in one intake since the last Flush. Records are counted once for all filters of a route. A
// connection rarely changes its route, so there is memory for one route and one Step; those that were counted before are published.
type filterCounts struct {
	route          *route
	records, bytes int64
	dropped        []quantity // by index in route.filters

	step                             *sectionCounts
	reached, added, filtered, passed int64
	stepBytes                        int64
}

// A quantity is a number of records and their bytes.
type quantity struct{ records, bytes int64 }

// enter counts a record of size bytes that begins its way through the filters of rt.
func (c *filterCounts) enter(rt *route, size int) {
	if c.route != rt {
		c.begin(rt)
	}
	c.records++
	c.bytes += int64(size)
}

// begin begins to count for rt. It is rare, and enter, without it, is inlined.
//
//go:noinline
func (c *filterCounts) begin(rt *route) {
	c.publishRoute()
	c.route = rt
	c.dropped = append(c.dropped[:0], make([]quantity, len(rt.filters))...)
}

// drop counts that a filter dropped a record that entered with this size.
func (c *filterCounts) drop(filter, size int) {
	c.dropped[filter].records++
	c.dropped[filter].bytes += int64(size)
}

// pass counts a record of size bytes that reached a Step, and what became of it.
func (c *filterCounts) pass(step *sectionCounts, size int, t *tally) {
	c.use(step)
	c.reached++
	c.stepBytes += int64(size)
	c.added += t.added
	c.filtered += t.filtered + t.failed
}

// emit counts a record that a Step emitted to what follows it.
func (c *filterCounts) emit(step *sectionCounts) {
	c.use(step)
	c.passed++
}

func (c *filterCounts) use(step *sectionCounts) {
	if c.step != step {
		c.publishStep()
		c.step = step
	}
}

// publish adds the counts to those of the filter sections.
func (c *filterCounts) publish() {
	c.publishRoute()
	c.publishStep()
}

func (c *filterCounts) publishRoute() {
	if c.route == nil {
		return
	}
	left, before := quantity{c.records, c.bytes}, 0 // what reaches the filter, and its index
	for _, s := range c.route.sections {
		for ; before < s.filter; before++ {
			left.records -= c.dropped[before].records
			left.bytes -= c.dropped[before].bytes
		}
		s.counts.records.Add(left.records)
		s.counts.bytes.Add(left.bytes)
		s.counts.dropped.Add(c.dropped[s.filter].records)
		s.counts.passed.Add(left.records - c.dropped[s.filter].records)
	}
	c.route, c.records, c.bytes = nil, 0, 0
}

func (c *filterCounts) publishStep() {
	if c.step == nil {
		return
	}
	c.step.records.Add(c.reached)
	c.step.bytes.Add(c.stepBytes)
	c.step.added.Add(c.added)
	c.step.dropped.Add(c.filtered)
	c.step.passed.Add(c.passed)
	c.step, c.reached, c.stepBytes, c.added, c.filtered, c.passed = nil, 0, 0, 0, 0, 0
}

// knownCounts returns the counts of the running configuration's filter section with the same ID; nil if there is none.
func (p *process) knownCounts(f *config.Filter) *sectionCounts {
	r := p.current.Load()
	if r == nil {
		return nil
	}
	for n := range r.stages {
		if other := &r.plan.Filters[n]; other.ID == f.ID && other.Name == f.Name {
			return r.stages[n].counts
		}
	}
	return nil
}

// filterAccounts returns the accounts of the configuration's filters.
func (r *Router) filterAccounts() (all []FilterAccount) {
	for n := range r.plan.Filters {
		f := &r.plan.Filters[n]
		if f.Plugin == nil {
			continue // a condition
		}
		all = append(all, r.stages[n].counts.account(f.ID))
	}
	return all
}

func (c *sectionCounts) account(filter string) FilterAccount {
	return FilterAccount{filter, c.records.Load(), c.bytes.Load(), c.added.Load(), c.dropped.Load(), c.passed.Load()}
}
