package config

import (
	"fmt"
	"slices"
	"strings"
)

// A planRoute is one path of an input's events to some outputs.
type planRoute struct {
	name    string // the tag that the events get; "": they keep theirs
	selects int    // the filter that keeps the events of this route; -1: all of them
	outputs []int
}

// processors compiles the processors of an input or an output, and returns the filters.
func (k *compilation) processors(s *section, id string) (list []int) {
	for _, sub := range s.processors {
		i, ok := k.classicInstance(KindFilter, sub)
		if ok {
			list = append(list, k.addFilter(Filter{Instance: i, Match: id, When: sub.when}, nobody{}))
		}
	}
	return list
}

// nobody matches no tag.
type nobody struct{}

func (nobody) match(string) bool { return false }

func (k *compilation) addFilter(f Filter, m matcher) int {
	k.plan.Filters = append(k.plan.Filters, f)
	k.plan.filters = append(k.plan.filters, m)
	return len(k.plan.Filters) - 1
}

// inputRoutes compiles the routes of the inputs, once all outputs are known.
//
// In Fluent Bit a record takes every route whose condition holds, and a default route if there is none. An output that several
// routes name gets a record once: by the first of them.
func (k *compilation) inputRoutes(sections []*section) {
	n := 0
	for _, s := range sections {
		if s.name != "input" {
			continue
		}
		if n == len(k.plan.Inputs) || k.plan.Inputs[n].Pos != s.pos {
			continue // it has errors
		}
		in := &k.plan.Inputs[n]
		n++
		var others []Condition
		for _, r := range s.routes {
			if r.when != nil && !r.byDefault {
				others = append(others, *r.when)
			}
		}
		taken := map[int][]Condition{} // by output, the conditions of the routes that name it
		for _, r := range s.routes {
			if len(in.routes) <= maxPaths {
				k.inputRoute(in, r, others, taken)
			}
		}
		if len(in.routes) > maxPaths {
			k.error(in.Pos, fmt.Sprintf("%s: routes make more than %d paths for one tag", in.Name, maxPaths))
		}
	}
}

func (k *compilation) inputRoute(in *Input, r inputRoute, others []Condition, taken map[int][]Condition) {
	var when Condition
	switch {
	case r.byDefault:
		when = Condition{Any: true, Not: true, Of: others}
	case r.when != nil:
		when = *r.when
	}
	name := r.name
	if r.when == nil {
		name = ""
	}
	for _, p := range k.partsOf(r, taken) {
		in.routes = append(in.routes, planRoute{name: name, selects: k.selection(in, r, when, p.before), outputs: p.outputs})
		for _, o := range p.outputs {
			taken[o] = append(taken[o], when)
		}
	}
}

// A routePart is those outputs of a route that the same routes before it name.
type routePart struct {
	before  []Condition // of these routes
	outputs []int
}

// partsOf groups the outputs of a route.
func (k *compilation) partsOf(r inputRoute, taken map[int][]Condition) (parts []*routePart) {
	byRoutes := map[string]*routePart{}
	for _, name := range r.outputs {
		o := k.routeOutput(name)
		if o < 0 {
			continue
		}
		key := fmt.Sprint(taken[o])
		p := byRoutes[key]
		if p == nil {
			p = &routePart{before: slices.Clone(taken[o])}
			byRoutes[key], parts = p, append(parts, p)
		}
		if !slices.Contains(p.outputs, o) {
			p.outputs = append(p.outputs, o)
		}
	}
	return parts
}

// selection adds the filter that keeps the events of a route which no route before it has taken to the same outputs; -1 if
// all are kept.
func (k *compilation) selection(in *Input, r inputRoute, when Condition, before []Condition) int {
	if len(before) > 0 {
		when = Condition{Of: []Condition{when, {Any: true, Not: true, Of: before}}}
	}
	if r.when == nil && len(before) == 0 {
		return -1
	}
	i := Instance{Plugin: &selectPlugin, Name: "route", ID: in.ID + " " + r.name, Options: new(struct{}), Pos: r.pos}
	return k.addFilter(Filter{Instance: i, Match: in.ID, When: &when, Select: true}, nobody{})
}

// selectPlugin is the plugin of a filter that only selects.
var selectPlugin = Plugin{Kind: KindFilter, FluentBit: []string{"route"}, Options: func() any { return new(struct{}) }}

// routeOutput finds an output by its alias, its name with a number, or the name of its plugin, as Fluent Bit does. It is -1
// for one that doesn't exist, which is a warning, as there.
func (k *compilation) routeOutput(p param) int {
	names := []string{p.value}
	if p.key != "outputs" {
		names = append(names, p.key)
	}
	for _, name := range names {
		for n, o := range k.plan.Outputs {
			if o.isCalled(name) {
				return n
			}
		}
	}
	var list []string
	for _, o := range k.plan.Outputs {
		list = append(list, o.ID)
	}
	k.warning(p.pos, fmt.Sprintf("routes: there is no output %s, which is ignored; %s", p.value, wantOneOf(p.value, list))).as(CodeLabel)
	return -1
}

// routeTargets are the names of outputs in the routes of inputs.
func routeTargets(sections []*section) (names []string) {
	for _, s := range sections {
		for _, r := range s.routes {
			for _, p := range r.outputs {
				names = append(names, p.value)
				if p.key != "outputs" {
					names = append(names, p.key)
				}
			}
		}
	}
	return names
}

// isCalled reports whether a route may name the output so.
func (o *Output) isCalled(name string) bool {
	return o.ID == name || slices.ContainsFunc(o.Plugin.FluentBit, func(own string) bool { return strings.EqualFold(own, name) })
}
