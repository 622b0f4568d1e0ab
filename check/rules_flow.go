package check

import (
	"fmt"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/ecs/taskdef"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/input"
)

// flowRules are about which records get where: F401 to F408.
func flowRules() []Rule {
	return []Rule{
		{"F401", "output-unreached", Warning, "no record gets to the output: no tag that is known matches it", outputUnreached},
		{"F402", "tag-unrouted", Error, "records of a container or an input match no output, and are dropped", tagUnrouted},
		{"F403", "filter-unreached", Warning, "no record gets to the filter, because no tag that is known matches it", filterUnreached},
		{"F404", "no-output", Error, "there is no output: all records are dropped", noOutput},
		{"F405", "same-output", Warning, "two outputs send the same records to the same place: each is stored or sent twice", sameOutput},
		{"F406", "same-address", Error, "two inputs, or an input and the HTTP server, listen on one address: the router doesn't start", sameAddress},
		{"F407", "rewrite-loop", Error, "filters give records tags that lead back to one another: after some rounds the records are dropped", rewriteLoop},
		{"F408", "match-is-text", Warning, "a pattern for tags has characters of a regular expression, which are text there: no tag matches", matchIsText},
	}
}

// A tagged is a tag that records are known to have.
type tagged struct {
	input int // index into the plan's Inputs; -1: a filter has given the tag
	tag   string
	at    taskdef.Place
	what  string // whose records they are
}

// tags are the tags that records are known to have. open means that there may be others, such as those that clients choose.
func (s *Subject) tags() (list []tagged, open bool) {
	p := s.usable()
	forwarded := -1
	for i := range p.Inputs {
		in := &p.Inputs[i]
		tag, at := p.DefaultTag(i), in.Pos
		g, given := firstGiven(&in.Instance, "tag")
		if given && g.Value != "" {
			tag, at = g.Value, g.Pos
		}
		switch kind := strings.ToLower(in.Name); {
		case kind == "forward" || kind == "unix":
			if !given {
				if forwarded < 0 {
					forwarded = i
				}
				continue
			}
		case strings.ContainsAny(tag, "*<$"), kind == "http", kind == "opentelemetry", kind == "syslog" && s.fluentd():
			open = true
			continue
		case kind == "monitor_agent" && !given: // it emits nothing
			continue
		case s.isOwnLog(i):
			for _, level := range logLevels {
				list = append(list, tagged{i, "fluent." + level, s.Place(at), "the router's own log"})
			}
			continue
		}
		list = append(list, tagged{i, tag, s.Place(at), fmt.Sprintf("the input %s, with the tag %s,", in.Name, tag)})
	}
	containers := s.fireLensTags(forwarded)
	open = open || s.incomplete()
	if forwarded >= 0 && len(containers) == 0 {
		open = true
	}
	return s.givenTags(append(list, containers...), open)
}

// logLevels are those of the events of the router's own log in Fluentd's dialect, whose tags are fluent.LEVEL, the usual ones first.
var logLevels = []string{"info", "warn", "error", "fatal", "debug", "trace"}

// isOwnLog reports whether an input reads the router's own log, with tags as Fluentd's log has them.
func (s *Subject) isOwnLog(input int) bool {
	return s.fluentd() && strings.EqualFold(s.Plan.Inputs[input].Name, "fluentd_log")
}

// fireLensTags are the tags of the task's containers: NAME-firelens-TASK, as the agent tells Docker's log driver.
func (s *Subject) fireLensTags(input int) (list []tagged) {
	if s.Task == nil || s.Task.Definition == nil || input < 0 {
		return nil
	}
	for i := range s.Task.Containers {
		c := &s.Task.Containers[i]
		if c.Log == nil || c.Log.Driver.Text != "awsfirelens" || c.Name.Unknown {
			continue
		}
		tag := c.Name.Text + "-firelens-0123456789abcdef0123456789abcdef"
		list = append(list, tagged{input, tag, c.Log.Place, fmt.Sprintf("the container %s, with the tag %s-firelens-…,", c.Name.Text, c.Name.Text)})
	}
	return list
}

// givenTags adds the tags that filters give.
func (s *Subject) givenTags(list []tagged, open bool) ([]tagged, bool) {
	p := s.usable()
	for i := range p.Filters {
		f := &p.Filters[i]
		for _, tag := range newTags(f) {
			if hasPlaceholder(tag) {
				open = true
				continue
			}
			list = append(list, tagged{-1, tag, s.Place(f.Pos), fmt.Sprintf("the filter %s, with the tag %s,", f.Name, tag)})
		}
		if f.Plugin != nil && f.Plugin.Kind == config.KindStream || f.Select || f.Name == "lua" || f.Name == "log_to_metrics" {
			open = true
		}
	}
	for i := range p.Inputs {
		open = open || !s.fluentd() && p.HasWays(i)
	}
	return list, open
}

// hasPlaceholder reports whether a tag depends on the record: $TAG, ${tag}, __TAG__.
func hasPlaceholder(tag string) bool {
	return strings.Contains(tag, "$") || strings.Contains(tag, "__")
}

// newTags are the tags that a filter gives, as they are written.
func newTags(f *config.Filter) (tags []string) {
	if r, ok := f.Options.(enrich.Retagger); ok {
		for _, t := range r.NewTags("$TAG") {
			tags = append(tags, t.Text)
		}
	}
	return tags
}

// reroutes reports whether a filter gives records other tags.
func reroutes(f *config.Filter) bool {
	_, ok := f.Options.(enrich.Retagger)
	return ok
}

// path is the route of a known tag.
func (s *Subject) path(t tagged) config.Route {
	if t.input >= 0 {
		return s.Plan.Route(t.input, t.tag)
	}
	if len(s.Plan.Inputs) == 0 {
		return config.Route{}
	}
	return s.Plan.Rerouted(0, t.tag)
}

// follow calls yield for the filters and the outputs of a route, and those after them.
func follow(r config.Route, filter, output func(int)) {
	for _, f := range r.Filters {
		filter(f)
	}
	for _, o := range r.Outputs {
		output(o)
	}
	for _, next := range r.Next {
		follow(next, filter, output)
	}
}

// reached are the filters and outputs that records with known tags get to; ok is false if other tags may lead to others.
func (s *Subject) reached() (filters, outputs map[int]bool, ok bool) {
	filters, outputs = map[int]bool{}, map[int]bool{}
	list, open := s.tags()
	for _, t := range list {
		follow(s.path(t), func(f int) { filters[f] = true }, func(o int) { outputs[o] = true })
	}
	return filters, outputs, !open && len(s.usable().Inputs) > 0
}

func filterUnreached(s *Subject, tell func(Finding)) {
	filters, _, ok := s.reached()
	want := s.knownTags()
	if !ok || s.fluentd() {
		return
	}
	for i := range s.Plan.Filters {
		f := &s.Plan.Filters[i]
		if filters[i] || f.Select || f.Plugin == nil || f.Plugin.Kind != config.KindFilter {
			continue
		}
		g, given := firstGiven(&f.Instance, "match", "match_regex")
		if !given {
			g.Pos = f.Pos
		}
		tell(s.found(Warning, g.Pos, nil, want, "The filter %s has no effect: %s matches none of the tags that records have", f.Name, f.Match))
	}
}

func noOutput(s *Subject, tell func(Finding)) {
	p := s.usable()
	if s.Plan == nil || len(s.Errors) > 0 || len(p.Inputs) == 0 || len(p.Outputs) > 0 || s.incomplete() {
		return
	}
	if s.Task != nil {
		tell(s.found(Error, p.Inputs[0].Pos, nil, optionOf(s, "an [OUTPUT] in the router's configuration, or Name in the options of a container's awsfirelens", "a <match> in the router's configuration, or @type in the options of a container's awsfirelens"),
			"There is no output: all that is received is dropped"))
		return
	}
	at := p.Inputs[0].Pos
	tell(s.found(Warning, at, nil, s.newOutput(at.File)+" in "+at.File, "There is no output: all that is received is dropped, unless another file that includes this one has an output"))
}

func sameOutput(s *Subject, tell func(Finding)) {
	p := s.usable()
	type seen struct {
		pos   config.Pos
		match string
		index int
	}
	before := map[string][]seen{}
	list, _ := s.tags()
	var reach []map[int]bool // outputs, by tag
	for _, t := range list {
		outputs := map[int]bool{}
		follow(s.path(t), func(int) {}, func(n int) { outputs[n] = true })
		reach = append(reach, outputs)
	}
	for i := range p.Outputs {
		o := &p.Outputs[i]
		if n := strings.ToLower(o.Name); n == "null" || n == "stdout" || n == "counter" || n == "flowcounter" {
			continue
		}
		id := p.Identity(o)
		key := strings.Join(append([]string{id[0]}, id[2:]...), "\n") // without the match
		for _, b := range before[key] {
			both := b.match == o.Match && !s.fluentd()
			for _, outputs := range reach {
				both = both || outputs[i] && outputs[b.index]
			}
			if both {
				tell(s.found(Warning, o.Pos, nil, "one of the two", "This output sends to the same place as the one in %s: each record that both take is sent twice", where(s.Place(b.pos))))
				break
			}
		}
		if len(before[key]) < maxSame {
			before[key] = append(before[key], seen{o.Pos, o.Match, i})
		}
	}
}

// maxSame is with how many outputs to one place another one is compared.
const maxSame = 16

func sameAddress(s *Subject, tell func(Finding)) {
	p := s.usable()
	type user struct {
		what string
		pos  config.Pos
	}
	taken := map[string]user{}
	if p.Service.HTTPServer {
		taken[fmt.Sprintf("tcp localhost:%d", p.Service.HTTPPort)] = user{"the HTTP server of " + optionOf(s, "[SERVICE]", "<system>"), config.Pos{}}
	}
	for i := range p.Inputs {
		in := &p.Inputs[i]
		l, ok := in.Options.(input.Listener)
		if !ok {
			continue
		}
		for _, a := range l.Listens(p.Dialect) {
			address := a.Network + " " + strings.Replace(a.Address, "127.0.0.1:", "localhost:", 1)
			other, twice := taken[address]
			taken[address] = user{"the input " + in.Name, in.Pos}
			if !twice {
				continue
			}
			who := other.what
			if other.pos.File != "" {
				who = fmt.Sprintf("%s in %s:%d", who, other.pos.File, other.pos.Line)
			}
			tell(s.found(Error, in.Pos, nil, "another port for one of them", "The input %s listens on %s, and so does %s: only one of them can, and the router doesn't start", in.Name, listening(&in.Instance, a), who))
		}
	}
}

func optionOf(s *Subject, fluentBit, fluentd string) string {
	if s.fluentd() {
		return fluentd
	}
	return fluentBit
}

// rewriteLoop tells of filters whose tags lead from one to the next and back. A filter alone never matches an event to which it has
// given the tag.
func rewriteLoop(s *Subject, tell func(Finding)) {
	p := s.usable()
	if s.Plan != nil {
		reading(config.CodeLoop)(s, tell)
	}
	next := map[int][]int{}
	for i := range p.Filters {
		for _, tag := range newTags(&p.Filters[i]) {
			if hasPlaceholder(tag) || len(p.Inputs) == 0 {
				continue
			}
			follow(p.Rerouted(0, tag), func(f int) {
				if f != i && reroutes(&p.Filters[f]) {
					next[i] = append(next[i], f)
				}
			}, func(int) {})
		}
	}
	told := map[int]bool{}
	for i := range p.Filters {
		back, seen := false, map[int]bool{}
		var walk func(int)
		walk = func(f int) {
			for _, n := range next[f] {
				back = back || n == i
				if !seen[n] {
					seen[n] = true
					walk(n)
				}
			}
		}
		walk(i)
		if !back || told[i] {
			continue
		}
		for f := range seen {
			told[f] = true
		}
		tell(s.found(Warning, p.Filters[i].Pos, nil, "tags that the filters before don't match",
			"The tags that this filter gives lead to other filters, and back to it: a record that matches all of them goes round, and is dropped after some rounds"))
	}
}
