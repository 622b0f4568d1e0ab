package router

import (
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/sink"
)

// maxTags is how many tags the router keeps the compiled routes of. Tags are few (one a container); a client that
// makes them up must not fill the memory.
const maxTags = 8192

// A route is a config.Route with its numbers resolved to parts. It is immutable and shared by all intakes.
type route struct {
	tag     string
	steps   []enrich.Step
	outputs []int // indices into Router.outputs
	// takes says whether the outputs take events with this tail; nil if one of them takes none, or more ways go on behind.
	takes func(tail []byte) bool
	next  []*route // the ways that go on behind these steps
	reach []int    // every output that this route leads to, once for each way to it
}

// routeOf returns the route of a tag that came in by in, compiled at the tag's first event.
func (r *Router) routeOf(in *source, tag string) *route {
	key := routeKey{in.index, tag}
	r.routesMu.Lock()
	defer r.routesMu.Unlock()
	if rt, ok := r.routes[key]; ok {
		return rt
	}
	if len(r.routes) >= maxTags {
		clear(r.routes)
	}
	rt := r.compile(tag, r.plan.Route(in.index, tag))
	r.routes[key] = rt
	if len(rt.reach) == 0 {
		r.log.Warn().Str("tag", tag).Msg("no output matches this tag; its records are dropped and counted as unrouted")
	}
	return rt
}

type routeKey struct {
	input int
	tag   string
}

func (r *Router) compile(tag string, plan config.Route) *route {
	rt := &route{tag: tag, outputs: plan.Outputs}
	for _, f := range plan.Filters {
		rt.steps = append(rt.steps, r.steps[f])
	}
	rt.steps = enrich.Merge(rt.steps)
	if len(plan.Next) == 0 { // the steps of a way behind these look at the body alone
		rt.steps = enrich.Defer(rt.steps)
		rt.takes = r.takers(plan.Outputs)
	}
	rt.reach = append(rt.reach, plan.Outputs...)
	for _, next := range plan.Next {
		n := r.compile(tag, next)
		rt.next = append(rt.next, n)
		rt.reach = append(rt.reach, n.reach...)
	}
	return rt
}

// takers asks outputs whether all of them read tails; nil if one doesn't.
func (r *Router) takers(outputs []int) func(tail []byte) bool {
	for _, o := range outputs {
		if t, ok := r.outputs[o].dest.(sink.TailReader); !ok || !t.ReadsTails() {
			return nil
		}
	}
	return func([]byte) bool { return true }
}
