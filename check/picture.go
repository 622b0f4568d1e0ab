package check

import (
	"cmp"
	"slices"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/ecs/taskdef"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/input"
)

// A flow is the way of the records of one tag through a configuration.
type flow struct {
	from  []string // who writes them
	drv   *driver  // of a container; nil for others
	input int      // the input, as an index into the plan's, if it is one that gives its records a tag
	tag   string   // for people; "" for none that is known
	route config.Route
	again []again // where records begin again to which a step of the route gives another tag
}

// An again is what happens to records that get another tag.
type again struct {
	step int // index of the step in the route's Filters
	new  enrich.NewTag
	flow
}

const (
	// maxAgain is how often records may get another tag in a picture, one time after another.
	maxAgain = 4
	// maxFlows is how many flows a picture has, and how many other tags the records of one get.
	maxFlows = 200
	// maxSteps is how many steps the flows of a picture have together.
	maxSteps = 20_000

	taskID  = "0123456789abcdef0123456789abcdef" // stands for the task's in tags
	firelen = "-firelens-"                       // what is between a container's name and the task's ID in a tag
)

// flows are the ways of all records: those of the task's containers, of inputs with a tag of their own, and of what clients send with
// the tags that the remaining outputs match. short is true if there are too many for a report.
func (s *Subject) flows() (list []flow, short bool) {
	f := follower{plan: s.Plan, seen: map[int]bool{}, from: nobody}
	if s.anyTag() {
		f.from = "clients"
	}
	for _, c := range s.logged() {
		tag := c.Name.Text + firelen
		list = f.add(list, flow{from: []string{c.Name.Text}, drv: s.driverOf(c), tag: tag + "*", route: s.Plan.Route(s.socket(), tag+taskID)}, s.socket(), tag+taskID)
	}
	for n := range s.Plan.Inputs {
		in := &s.Plan.Inputs[n]
		tag, ok := s.fixedTag(n)
		if !ok {
			continue
		}
		if tag == healthTag {
			f.see(s.Plan.Route(n, tag))
			continue
		}
		sample := strings.ReplaceAll(tag, "*", "x")
		list = f.add(list, flow{from: []string{"input " + in.ID}, input: n, tag: tag, route: s.Plan.Route(n, sample)}, n, sample)
	}
	if s.Plan.Dialect == config.Fluentd {
		list = f.fluentdRest(list)
	} else {
		list = f.rest(list)
	}
	return list, f.short
}

// nobody is where records come from whose tags no input and no filter gives.
const nobody = "nobody"

// anyTag reports whether clients or the records choose tags.
func (s *Subject) anyTag() bool {
	_, open := s.tags()
	for n := range s.Plan.Inputs {
		_, ok := s.fixedTag(n)
		open = open || !ok
	}
	return open
}

// logged are the task's containers whose lines the router gets.
func (s *Subject) logged() (list []*taskdef.Container) {
	if s.Task == nil || s.Task.Definition == nil {
		return nil
	}
	for i := range s.Task.Containers {
		if c := &s.Task.Containers[i]; usesFireLens(c) {
			list = append(list, c)
		}
	}
	return list
}

// incomplete reports whether something that may change the configuration isn't known, such as a file in the image.
func (s *Subject) incomplete() bool {
	return slices.ContainsFunc(s.Written, func(p taskdef.Problem) bool { return p.Grade == taskdef.Told })
}

// usesFireLens reports whether a container's lines go to the router.
func usesFireLens(c *taskdef.Container) bool {
	return c.Log != nil && c.Log.Driver.Text == "awsfirelens"
}

// socket is the input that the log driver connects to.
func (s *Subject) socket() int {
	for i := range s.Plan.Inputs {
		in := &s.Plan.Inputs[i]
		for _, name := range []string{"unix_path", "path"} {
			if g, ok := in.Find(name); ok && g.Value == "/var/run/fluent.sock" {
				return i
			}
		}
	}
	return 0
}

// fixedTag is the tag of all events of an input; ok is false if the clients choose it.
func (s *Subject) fixedTag(n int) (tag string, ok bool) {
	in := &s.Plan.Inputs[n]
	if s.isOwnLog(n) {
		for _, level := range logLevels {
			if r := s.Plan.Route(n, "fluent."+level); len(r.Outputs)+len(r.Next) > 0 {
				return "fluent." + level, true
			}
		}
		return "fluent.info", true
	}
	if g, ok := in.Find("tag"); ok && g.Value != "" {
		return g.Value, true
	}
	_, listens := in.Options.(input.Listener)
	return s.Plan.DefaultTag(n), !listens
}

// healthTag is the tag of what ECS's health check sends, which goes nowhere.
const healthTag = "firelens-healthcheck"

// A follower collects flows, and remembers the outputs that they reach.
type follower struct {
	plan *config.Plan
	seen map[int]bool
	from string             // of records with the tags of outputs that no flow reaches: clients or nobody
	tags map[[2]string]bool // labels and tags that the records of the flow that is added get

	steps int  // of all flows
	short bool // something is left out
}

// full reports whether a flow with a route is too much, and counts its steps if it isn't.
func (f *follower) full(r config.Route, flows int) bool {
	if flows == maxFlows || f.steps+len(r.Filters) > maxSteps {
		f.short = true
		return true
	}
	f.steps += len(r.Filters)
	return false
}

// add adds a flow to a list, or its origin to one that is the same.
func (f *follower) add(list []flow, new flow, input int, tag string) []flow {
	f.see(new.route)
	if f.full(new.route, len(list)) {
		return list
	}
	f.tags = map[[2]string]bool{{"", tag}: true}
	new.again = f.follow(new.route, input, tag, maxAgain)
	for i := range list {
		if o := &list[i]; new.drv != nil && o.drv != nil && *new.drv == *o.drv && len(new.again) == 0 && len(o.again) == 0 && same(o.route, new.route) {
			o.from = append(o.from, new.from...)
			return list
		}
	}
	return append(list, new)
}

// same reports whether two routes have the same steps and ends.
func same(a, b config.Route) bool {
	return a.Tag == b.Tag && slices.Equal(a.Filters, b.Filters) && slices.Equal(a.Outputs, b.Outputs) && slices.EqualFunc(a.Next, b.Next, same) && slices.Equal(a.Turns, b.Turns)
}

// see remembers the outputs of a route.
func (f *follower) see(r config.Route) {
	for _, o := range r.Outputs {
		f.seen[o] = true
	}
	for _, next := range r.Next {
		f.see(next)
	}
}

// follow finds where records begin again to which steps of a route give other tags.
func (f *follower) follow(r config.Route, input int, tag string, depth int) (list []again) {
	if depth == 0 {
		return nil
	}
	for i, filter := range r.Filters {
		step, ok := f.plan.Filters[filter].Options.(enrich.Retagger)
		if !ok {
			continue
		}
		for _, t := range step.NewTags(tag) {
			key := [2]string{t.Label, t.Tag}
			if t.Tag == "" || f.tags[key] {
				continue
			}
			route := f.rerouted(input, filter, t)
			if f.full(route, len(f.tags)) {
				return list
			}
			f.tags[key] = true
			route.Filters = slices.DeleteFunc(slices.Clone(route.Filters), func(o int) bool { return o == filter && f.plan.Dialect == config.FluentBit })
			f.see(route)
			list = append(list, again{i, t, flow{tag: t.Text, route: route, again: f.follow(route, input, t.Tag, depth-1)}})
		}
	}
	for _, next := range r.Next {
		for _, a := range f.follow(next, input, cmp.Or(next.Tag, tag), depth-1) {
			a.step = -1
			list = append(list, a)
		}
	}
	return list
}

// rerouted is the route of records to which a filter has given a tag.
func (f *follower) rerouted(input, filter int, t enrich.NewTag) config.Route {
	if f.plan.Dialect == config.FluentBit {
		return f.plan.Rerouted(input, t.Tag)
	}
	label := t.Label
	if label == "" {
		label = f.plan.Filters[filter].Label
	}
	return f.plan.RouteFrom(label, t.Tag)
}

// rest adds what clients send with the tags of outputs that no other flow reaches.
func (f *follower) rest(list []flow) []flow {
	for i := range f.plan.Outputs {
		o := &f.plan.Outputs[i]
		if f.seen[i] || o.Match == "" || len(f.plan.Inputs) == 0 {
			continue
		}
		if _, pattern := o.Find("match_regex"); pattern {
			f.seen[i] = true
			list = append(list, flow{from: []string{f.from}, tag: o.Match, route: config.Route{Outputs: []int{i}}})
			continue
		}
		tag := strings.ReplaceAll(o.Match, "*", "x")
		list = f.add(list, flow{from: []string{f.from}, tag: o.Match, route: f.plan.Rerouted(0, tag)}, 0, tag)
	}
	return list
}

// fluentdRest is rest for Fluentd, where an output's pattern is in a label.
func (f *follower) fluentdRest(list []flow) []flow {
	for i := range f.plan.Outputs {
		o := &f.plan.Outputs[i]
		if f.seen[i] {
			continue
		}
		for n := range f.plan.Inputs {
			label := f.plan.Start(n)
			for pattern := range strings.FieldsSeq(o.Match) {
				tag := sampleTag(pattern)
				route := f.plan.RouteFrom(label, tag)
				if f.seen[i] || !reaches(route, i) {
					continue
				}
				list = f.add(list, flow{from: []string{f.from}, tag: pattern, route: route}, n, tag)
			}
		}
	}
	return list
}

// reaches reports whether a route leads to an output.
func reaches(r config.Route, output int) bool {
	return slices.Contains(r.Outputs, output) || slices.ContainsFunc(r.Next, func(next config.Route) bool { return reaches(next, output) })
}

// sampleTag is a tag that one of Fluentd's patterns probably matches: wildcards become x, and {a,b} becomes a.
func sampleTag(pattern string) string {
	var b strings.Builder
	depth, skip := 0, false
	for i := range len(pattern) {
		switch c := pattern[i]; {
		case c == '{':
			depth++
		case c == '}' && depth > 0:
			depth--
			skip = false
		case c == ',' && depth > 0:
			skip = true
		case skip:
		case c == '*':
			if i == 0 || pattern[i-1] != '*' {
				b.WriteByte('x')
			}
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
