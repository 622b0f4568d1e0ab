package config

import "strings"

// anything is what a wildcard is taken to stand for when the way of a pattern is printed: text that nothing else names.
const anything = "\x1f"

// routes prints the way of the tags of every pattern that leads to an output.
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

// classicRoutes prints one line for every pattern of an output. The way of a regular expression's tags can't be told
// without a tag, but for its output.
func (o *planWriter) classicRoutes() {
	seen := map[string]bool{}
	for i, out := range o.plan.Outputs {
		if seen[out.Match] {
			continue
		}
		seen[out.Match] = true
		w, ok := o.plan.outputs[i].(wildcard)
		if !ok {
			o.line(1, out.Match+" -> filters by the tag -> "+out.ID)
			continue
		}
		o.line(1, out.Match+" -> "+o.way(o.plan.Route(0, strings.ReplaceAll(string(w), "*", anything))))
	}
}

// fluentdRoutes prints, for every label in which events of inputs begin, one line for every pattern.
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
					o.line(1, prefix+" -> filters by the tag -> "+o.way(o.targetRoute(st.target)))
					continue
				}
				o.line(1, prefix+" -> "+o.way(o.plan.way(label, sampleTag(pattern))))
			}
		}
	}
}

// targetRoute is a target's outputs alone.
func (o *planWriter) targetRoute(t target) Route { return Route{Outputs: t.outputs} }

// sampleTag is a tag that one of Fluentd's patterns takes.
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

// way prints a route: filters, then outputs, then in brackets the ways that begin after those filters.
func (o *planWriter) way(r Route) string {
	var steps []string
	for _, f := range r.Filters {
		steps = append(steps, o.plan.Filters[f].ID)
	}
	var ends []string
	for _, out := range r.Outputs {
		ends = append(ends, o.plan.Outputs[out].ID)
	}
	for _, next := range r.Next {
		ends = append(ends, "["+o.way(next)+"]")
	}
	if len(ends) == 0 {
		ends = []string{"nowhere"}
	}
	return strings.Join(append(steps, strings.Join(ends, ", ")), " -> ")
}
