package config

import "strings"

// anything replaces the wildcards of a pattern to make a tag whose path is printed: text that no other pattern contains.
const anything = "\x1f"

// routes prints the path of the tags of every pattern that leads to an output.
func (o *planWriter) routes() {
	before := o.out.Len()
	if o.plan.Dialect == Fluentd {
		o.fluentdRoutes()
	} else {
		o.classicRoutes()
	}
	if o.out.Len() == before {
		o.line(1, "none: nothing is delivered")
	}
}

// classicRoutes prints one line for every pattern of an output, and for every input with processors or routes. For a regular
// expression only the output is known: which filters match depends on the tag.
func (o *planWriter) classicRoutes() {
	plain := len(o.plan.Inputs) == 0 || len(o.plan.tasks) > 0
	for n := range o.plan.Inputs {
		plain = plain || !o.plan.HasWays(n)
	}
	if plain {
		o.outputRoutes("", func(tag string) Route { return o.plan.Rerouted(0, tag) })
	}
	for n := range o.plan.Inputs {
		in := &o.plan.Inputs[n]
		switch of := func(tag string) Route { return o.plan.Route(n, tag) }; {
		case len(in.routes) > 0:
			o.line(1, in.ID+" * -> "+o.routeText(of(anything)))
		case o.plan.HasWays(n):
			o.outputRoutes(in.ID+" ", of)
		}
	}
}

// outputRoutes prints one line for every pattern of an output.
func (o *planWriter) outputRoutes(prefix string, of func(tag string) Route) {
	seen := map[string]bool{"": true} // an output without Match is in a route of an input
	for i, out := range o.plan.Outputs {
		if seen[out.Match] {
			continue
		}
		seen[out.Match] = true
		w, ok := o.plan.outputs[i].(wildcard)
		if !ok {
			o.line(1, prefix+out.Match+" -> filters by the tag -> "+out.ID)
			continue
		}
		o.line(1, prefix+out.Match+" -> "+o.routeText(of(strings.ReplaceAll(string(w), "*", anything))))
	}
}

// fluentdRoutes prints one line for every pattern in the labels at which the paths of inputs begin.
func (o *planWriter) fluentdRoutes() {
	labels := []string{""}
	for i := range o.plan.Inputs {
		labels = append(labels, o.plan.Inputs[i].label())
	}
	seen := map[string]bool{}
	for _, label := range labels {
		for _, st := range o.plan.labels[label] {
			for _, pattern := range strings.Fields(st.text) {
				prefix := pattern
				if label != "" {
					prefix = label + " " + pattern
				}
				if st.filter >= 0 || seen[prefix] {
					continue
				}
				seen[prefix] = true
				if pattern[0] == '/' {
					o.line(1, prefix+" -> filters by the tag -> "+o.routeText(o.targetRoute(st.target)))
					continue
				}
				o.line(1, prefix+" -> "+o.routeText(o.plan.routeFrom(label, sampleTag(pattern))))
			}
		}
	}
}

// targetRoute is a route with only a target's outputs.
func (o *planWriter) targetRoute(t target) (r Route) {
	t.all(func(t *target) {
		if r.Outputs = append(r.Outputs, t.outputs...); t.reroute {
			r.Filters = append(r.Filters, t.filter)
		}
	})
	return r
}

// sampleTag is a tag that one of Fluentd's patterns matches.
func sampleTag(pattern string) string {
	var b strings.Builder
	depth, skip := 0, false
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '{':
			depth++
		case c == '}' && depth > 0:
			depth--
			skip = false
		case c == ',' && depth > 0:
			skip = true
		case skip:
		case c == '\\':
		case c == '*':
			if i == 0 || pattern[i-1] != '*' {
				b.WriteString(anything)
			}
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// routeText is a route for people: filters, then outputs, then in brackets the paths that begin after those filters.
func (o *planWriter) routeText(r Route) string {
	var steps []string
	for _, f := range r.Filters {
		steps = append(steps, o.plan.Filters[f].ID)
	}
	var ends []string
	for _, out := range r.Outputs {
		ends = append(ends, o.plan.Outputs[out].ID)
	}
	for _, next := range r.Next {
		text := o.routeText(next)
		if next.Tag != "" {
			text = "tag " + next.Tag + ": " + text
		}
		ends = append(ends, "["+text+"]")
	}
	if n := len(r.Filters); n > 0 && o.plan.Filters[r.Filters[n-1]].Plugin.Kind == KindReroute {
		ends = []string{"its new tag"}
	}
	if len(r.Turns) > 0 {
		ends = []string{"in turn " + strings.Join(ends, ", ")}
	}
	if len(ends) == 0 {
		ends = []string{"nowhere"}
	}
	return strings.Join(append(steps, strings.Join(ends, ", ")), " -> ")
}
