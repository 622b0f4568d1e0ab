package router

import (
	"fmt"

	"slices"
	"sync/atomic"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/sink"
)

// maxRouteBytes is the memory for the compiled routes of tags, in bytes; routeCost is about what one takes besides its tag, by
// which it is found. Tags are few (one a container); a client that makes them up must not fill the memory.
const (
	maxRouteBytes = 1 << 20
	routeCost     = 512
)

// A stage is one filter section of the configuration: a Filter, or a Step, which may be a Holder.
type stage struct {
	filter enrich.Filter
	step   enrich.Step
	holder *holder // step, where it is a Holder
	label  string  // Fluentd: at which events begin again that the step reroutes
	counts *sectionCounts
}

func newStage(s enrich.Stage, wake chan<- struct{}) (stage, error) {
	switch s := s.(type) {
	case enrich.Filter:
		return stage{filter: s, counts: new(sectionCounts)}, nil
	case enrich.Holder:
		return stage{step: s, holder: &holder{Holder: s, wake: wake}, counts: new(sectionCounts)}, nil
	case enrich.Step:
		return stage{step: s, counts: new(sectionCounts)}, nil
	}
	return stage{}, fmt.Errorf("%T is no Filter, Step or Holder", s)
}

// forTag returns the filter for a tag's events.
func (s *stage) forTag(tag string) enrich.Filter {
	if t, ok := s.filter.(enrich.TagFilter); ok {
		return t.ForTag(tag)
	}
	return s.filter
}

// close ends what the stage has begun.
func (s *stage) close() {
	if c, ok := enrich.Find[enrich.Closer](s.part()); ok {
		c.Close()
	}
}

// part is the filter or the step.
func (s *stage) part() enrich.Stage {
	if s.filter != nil {
		return s.filter
	}
	return s.step
}

// A route is a config.Route with its numbers resolved to parts, up to the first Step: what comes after that is a route of
// its own. It is immutable and shared by all intakes.
type route struct {
	in         *source
	tag        string
	label      string // Fluentd: at which it begins
	kind       routeKind
	filters    []enrich.Filter
	sections   []section   // that filters are made of
	step       enrich.Step // after the filters; nil where they lead to the outputs
	stepCounts *sectionCounts
	holder     *holder // step, where it is a Holder
	again      string  // the label at which events begin again that step reroutes
	after      *route  // what comes after step
	outputs    []int   // indices into Router.outputs
	lift       bool    // all of the outputs read tails
	// constants is the only filter, where lift is set; nil: there are others, or none
	constants *enrich.TailConstants
	next      []*route // the paths that go on after this one
	turns     *turns   // by which of next an event goes on; nil: by all
	repeats   bool     // it leads to an output that the event reaches before, by another way
	counts    bool     // a filter counts records, also those that go nowhere
	reach     []int    // every output that this route leads to, once for each path to it
}

// A routeKind is whose events take a route.
type routeKind uint8

const (
	ofInput  routeKind = iota
	rerouted           // those to which a step has given the tag, where the input's own take another route
)

type routeKey struct {
	input int
	label string
	tag   string
	kind  routeKind
}

// turns is the order of the stores of a roundrobin. All routes through it share it.
type turns struct {
	order []int
	taken atomic.Uint64
}

func (t *turns) take() int { return t.order[(t.taken.Add(1)-1)%uint64(len(t.order))] }

// heldKey is a Holder and a tag of the events that it holds.
type heldKey struct {
	holder *holder
	tag    string
}

// knownRoute returns the route of a tag that came in by in; nil if it must be compiled.
func (r *Router) knownRoute(in *source, tag []byte) *route {
	r.routesMu.Lock()
	defer r.routesMu.Unlock()
	return r.routes[routeKey{in.index, in.label, string(tag), ofInput}]
}

// routeOf returns the route from a label of a tag that came in by in, compiled at the tag's first event there.
func (r *Router) routeOf(in *source, label, tag string, kind routeKind) *route {
	r.routesMu.Lock()
	defer r.routesMu.Unlock()
	return r.lockedRouteOf(in, label, tag, kind)
}

// lockedRouteOf is routeOf with r.routesMu held.
func (r *Router) lockedRouteOf(in *source, label, tag string, kind routeKind) *route {
	key := routeKey{in.index, label, tag, kind}
	if rt, ok := r.routes[key]; ok {
		return rt
	}
	if r.routeBytes += routeCost + len(tag); r.routeBytes > maxRouteBytes {
		r.forgetRoutes()
		r.routeBytes = routeCost + len(tag)
	}
	plan := r.plan.Route(in.index, tag)
	switch {
	case label != in.label:
		plan = r.plan.RouteFrom(label, tag)
	case kind == rerouted:
		plan = r.plan.Rerouted(in.index, tag)
	}
	plan = r.forSignal(in, plan)
	rt := r.compile(route{in: in, label: label, tag: tag, kind: kind}, plan, plan.Filters)
	if r.onRoute != nil {
		r.onRoute(rt)
	}
	r.routeBytes += routeCost * (rt.parts() - 1)
	r.routes[key] = rt
	if len(rt.reach) == 0 && rt.step == nil && !in.ownLog {
		r.events.Warn().Str("tag", tag).Msg("no output matches this tag; its records are dropped and counted as unrouted")
	}
	return rt
}

// forgetRoutes forgets the routes of all tags. Those in use stay valid. r.routesMu is held.
func (r *Router) forgetRoutes() {
	r.routeBytes = 0
	clear(r.routes)
	clear(r.held)
}

// renewRoutes has all routes compiled again, each when its next event comes: a filter does something else now to a tag's events.
func (r *Router) renewRoutes() {
	r.routesMu.Lock()
	defer r.routesMu.Unlock()
	r.forgetRoutes()
	r.routesAge.Add(1)
}

// parts is the number of routes that rt consists of.
func (rt *route) parts() int {
	n := 1
	if rt.after != nil {
		n += rt.after.parts()
	}
	for _, next := range rt.next {
		n += next.parts()
	}
	return n
}

// heldRoute returns the route that leads to a Holder for events of a tag, to go on there with what it held. It is the same
// for all inputs: what comes after a filter section depends on the tag alone. A tag that a route of an input gives is on every
// path of that input.
func (r *Router) heldRoute(h *holder, tag string) *route {
	r.routesMu.Lock()
	defer r.routesMu.Unlock()
	key := heldKey{h, tag}
	for n := 0; r.held[key] == nil && n < len(r.inputs); n++ { // it was forgotten: maxRouteBytes
		r.lockedRouteOf(r.inputs[n], r.inputs[n].label, tag, ofInput)
	}
	for n := 0; r.held[key] == nil && n < len(r.labels); n++ {
		r.lockedRouteOf(r.inputs[0], r.labels[n], tag, ofInput)
	}
	return r.held[key]
}

// compile makes a route through filters and to where plan leads after them. begin is the input, the tag, and whose route it is.
func (r *Router) compile(begin route, plan config.Route, filters []int) *route {
	rt := &begin
	for n, f := range filters {
		s := &r.stages[f]
		if s.step == nil {
			_, measures := enrich.Find[enrich.Measurer](s.filter)
			rt.counts = rt.counts || measures
			rt.add(s.forTag(rt.tag), s.counts)
			continue
		}
		rt.step, rt.holder, rt.again, rt.stepCounts = s.step, s.holder, s.label, s.counts
		rt.after = r.compile(route{in: rt.in, label: rt.label, tag: rt.tag, kind: rt.kind}, plan, filters[n+1:])
		rt.reach = rt.after.reach
		if rt.holder != nil {
			r.held[heldKey{rt.holder, rt.tag}] = rt
		}
		return rt
	}
	rt.outputs = plan.Outputs
	if len(plan.Next) == 0 { // otherwise the filters of the next path need whole bodies
		rt.filters = enrich.DeferConstants(rt.filters)
		rt.lift = !slices.ContainsFunc(plan.Outputs, func(o int) bool { return !readsTails(r.outputs[o].dest) })
		if rt.lift {
			rt.constants = enrich.OnlyTailConstants(rt.filters)
		}
	}
	rt.reach = append(rt.reach, plan.Outputs...)
	r.refine(plan.Outputs)
	if len(plan.Turns) > 0 {
		rt.turns = r.turnsOf(plan.Turns)
	}
	for _, next := range plan.Next {
		begin := route{in: rt.in, label: rt.label, tag: rt.tag, kind: rt.kind}
		if next.Tag != "" {
			begin.tag = next.Tag
		}
		n := r.compile(begin, next, next.Filters)
		n.repeats = len(plan.Turns) == 0 && slices.ContainsFunc(n.reach, func(o int) bool { return slices.Contains(rt.reach, o) })
		rt.next = append(rt.next, n)
		rt.reach = append(rt.reach, n.reach...)
	}
	return rt
}

// add adds a filter, or merges it with the last one.
func (rt *route) add(f enrich.Filter, counts *sectionCounts) {
	rt.filters = enrich.MergeConstants(append(rt.filters, f))
	rt.sections = append(rt.sections, section{len(rt.filters) - 1, counts})
}

// turnsOf is the turns of a roundrobin, which the plan gives all its routes as the same slice. r.routesMu is held.
func (r *Router) turnsOf(order []int) *turns {
	t := r.turns[&order[0]]
	if t == nil {
		t = &turns{order: order}
		r.turns[&order[0]] = t
	}
	return t
}

func readsTails(d sink.Destination) bool {
	t, ok := d.(sink.TailReader)
	return ok && t.ReadsTails()
}
