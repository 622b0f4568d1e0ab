package config

import (
	"slices"
	"strings"
)

// rules are how tags find filters and outputs.
type rules struct {
	filters []matcher         // Fluent Bit: one for each of the plan's Filters
	outputs []matcher         // and one for each of its Outputs
	labels  map[string][]step // Fluentd: the steps of each label, in order; "" is outside of all
}

// A step is a <filter> or a <match>.
type step struct {
	match  matcher
	text   string
	pos    Pos
	filter int // index of the filter; -1 for a <match>
	target target
}

// A target is what a <match> leads to.
type target struct {
	outputs []int
	labels  []string
}

// label is the label where an input's events begin, "" for the place outside of all.
func (i *Input) label() string { return strings.TrimSuffix(i.Label, rootLabel) }

// Route returns the way the events of a tag go that came in by input (an index into p.Inputs).
// It is pure and safe for concurrent use; callers cache what it returns.
func (p *Plan) Route(input int, tag string) Route {
	if p.Dialect == Fluentd {
		return p.way(p.Inputs[input].label(), tag)
	}
	var r Route
	for i, m := range p.filters {
		if m.match(tag) {
			r.Filters = append(r.Filters, i)
		}
	}
	for i, m := range p.outputs {
		if m.match(tag) {
			r.Outputs = append(r.Outputs, i)
		}
	}
	return r
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

// way is the way of a tag from the beginning of a label on: the filters above the first <match> that takes it, and what
// that leads to.
func (p *Plan) way(label, tag string) Route {
	var r Route
	for _, st := range p.labels[label] {
		switch {
		case !st.match.match(tag):
		case st.filter >= 0:
			r.Filters = append(r.Filters, st.filter)
		case len(st.target.outputs) == 0 && len(st.target.labels) == 1: // a relabel: one way, which goes on
			next := p.way(st.target.labels[0], tag)
			next.Filters = append(r.Filters, next.Filters...)
			return next
		default:
			r.Outputs = append(r.Outputs, st.target.outputs...)
			for _, l := range st.target.labels {
				r.Next = append(r.Next, p.way(l, tag))
			}
			return r
		}
	}
	return r
}
