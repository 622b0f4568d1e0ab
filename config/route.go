package config

import (
	"maps"
	"slices"
	"strings"
)

// rules are what routes are made from.
type rules struct {
	filters []matcher         // Fluent Bit: one for each of the plan's Filters
	outputs []matcher         // and one for each of its Outputs
	tasks   []streamTask      // Fluent Bit: of the stream processor
	labels  map[string][]step // Fluentd: the steps of each label, in order; "" for those outside of all labels
}

// A step is a <filter> or a <match>.
type step struct {
	match  matcher
	text   string
	pos    Pos
	filter int // index of the filter; -1 for a <match>
	target target
}

// A target is where a <match> sends events: to outputs, to the beginning of labels, and to other targets.
type target struct {
	outputs []int
	labels  []string
	stores  []target // of a roundrobin
	turns   []int    // of a roundrobin: the order of its stores
	reroute bool     // to the filter, which gives them another tag
	filter  int
}

// all calls yield for the target and for those inside of it.
func (t *target) all(yield func(*target)) {
	yield(t)
	for i := range t.stores {
		t.stores[i].all(yield)
	}
}

// label is the label at which the paths of an input's events begin, "" if they begin outside of all labels.
func (i *Input) label() string { return strings.TrimSuffix(i.Label, rootLabel) }

// Start is the label at which the paths of an input's events begin, "" outside of all labels.
func (p *Plan) Start(input int) string {
	if p.Dialect == FluentBit {
		return ""
	}
	return p.Inputs[input].label()
}

// Labels are the labels at which paths may begin.
func (p *Plan) Labels() []string {
	if p.Dialect == FluentBit {
		return []string{""}
	}
	return slices.Sorted(maps.Keys(p.labels))
}

// HasLabel reports whether there is a label of that name.
func (p *Plan) HasLabel(name string) bool { _, ok := p.labels[name]; return ok && name != "" }

// Route returns the path of a tag's events from input (an index into p.Inputs). It is safe for concurrent use. It matches
// all patterns, so callers cache its result.
func (p *Plan) Route(input int, tag string) Route {
	if p.Dialect == Fluentd {
		return p.RouteFrom(p.Start(input), tag)
	}
	in := &p.Inputs[input]
	r := Route{Filters: slices.Clone(in.processors)}
	if len(in.routes) > 0 {
		for _, way := range in.routes {
			r.Next = append(r.Next, p.onWay(input, way, tag))
		}
		return r
	}
	r.Filters = append(append(r.Filters, p.filtersFor(tag)...), p.tasksFor(input, tag)...)
	return p.to(r, p.outputsFor(tag))
}

// RouteFrom returns the path of a tag from the beginning of a label of Fluentd, for events that a filter sends there.
func (p *Plan) RouteFrom(label, tag string) Route { return p.routeFrom(label, tag) }

// Rerouted returns the path of an event from input to which a filter has given that tag. In Fluent Bit it doesn't come from
// the input: the input's processors and routes are not for it.
func (p *Plan) Rerouted(input int, tag string) Route {
	if p.Dialect == Fluentd {
		return p.Route(input, tag)
	}
	return p.to(Route{Filters: append(p.filtersFor(tag), p.tasksFor(-1, tag)...)}, p.outputsFor(tag))
}

// HasWays reports whether Rerouted differs from Route for an input.
func (p *Plan) HasWays(input int) bool {
	in := &p.Inputs[input]
	return len(in.processors) > 0 || len(in.routes) > 0 || slices.ContainsFunc(p.tasks, func(t streamTask) bool { return t.from == fromStream || t.input == input })
}

// onWay is the path of an input's route.
func (p *Plan) onWay(input int, way planRoute, tag string) (r Route) {
	if r.Tag = way.name; r.Tag != "" {
		tag = r.Tag
	}
	if way.selects >= 0 {
		r.Filters = append(r.Filters, way.selects)
	}
	r.Filters = append(append(r.Filters, p.filtersFor(tag)...), p.tasksFor(input, tag)...)
	return p.to(r, way.outputs)
}

// to lets a path end at outputs. One with processors is at the end of a path of its own.
func (p *Plan) to(r Route, outputs []int) Route {
	for _, o := range outputs {
		if list := p.Outputs[o].processors; len(list) > 0 {
			r.Next = append(r.Next, Route{Filters: list, Outputs: []int{o}})
		} else {
			r.Outputs = append(r.Outputs, o)
		}
	}
	return r
}

func (p *Plan) filtersFor(tag string) []int { return matching(p.filters, tag) }
func (p *Plan) outputsFor(tag string) []int { return matching(p.outputs, tag) }

// matching are the indices of the patterns that match a tag.
func matching(list []matcher, tag string) (indices []int) {
	for i, m := range list {
		if m.match(tag) {
			indices = append(indices, i)
		}
	}
	return indices
}

// Takes reports whether events of a tag reach an output (an index into p.Outputs) from any input.
func (p *Plan) Takes(output int, tag string) bool {
	for input := range p.Inputs {
		if p.Route(input, tag).leadsTo(output) {
			return true
		}
	}
	return false
}

func (r Route) leadsTo(output int) bool {
	return slices.Contains(r.Outputs, output) || slices.ContainsFunc(r.Next, func(next Route) bool { return next.leadsTo(output) })
}

// routeFrom is the path of a tag from the beginning of a label: the matching filters before the first <match> that matches,
// and that one's target.
func (p *Plan) routeFrom(label, tag string) Route {
	var r Route
	for _, st := range p.labels[label] {
		switch {
		case !st.match.match(tag):
		case st.filter >= 0:
			r.Filters = append(r.Filters, st.filter)
		default:
			end := p.targetRoute(&st.target, tag)
			end.Filters = append(r.Filters, end.Filters...)
			return end
		}
	}
	return r
}

// targetRoute is the path of a tag from a target on.
func (p *Plan) targetRoute(t *target, tag string) (r Route) {
	switch {
	case t.reroute:
		r.Filters = []int{t.filter}
		return r
	case len(t.turns) > 0:
		r.Turns = t.turns
		for i := range t.stores {
			r.Next = append(r.Next, p.targetRoute(&t.stores[i], tag))
		}
		return r
	case len(t.outputs) == 0 && len(t.labels) == 1 && len(t.stores) == 0: // a relabel: the same path goes on
		return p.routeFrom(t.labels[0], tag)
	}
	r.Outputs = append(r.Outputs, t.outputs...)
	for _, l := range t.labels {
		r.Next = append(r.Next, p.routeFrom(l, tag))
	}
	for i := range t.stores {
		r.Next = append(r.Next, p.targetRoute(&t.stores[i], tag))
	}
	return r
}
