package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/firelane/firelane/config"
)

// maxTags is how many tags or outputs a finding lists.
const maxTags = 8

// outputUnreached tells of outputs that no known tag matches. If there are tags that no output takes, it is probably the same mistake,
// and tagUnrouted tells of both.
func outputUnreached(s *Subject, tell func(Finding)) {
	list := s.unreached()
	if len(list) == 0 || s.fluentd() || len(s.unrouted()) > 0 { // in Fluentd each <match> is in a label, and F114 tells of those after another
		return
	}
	want := s.knownTags()
	for _, o := range list {
		tell(s.found(Warning, matchPos(o), nil, want, "No record gets to the output %s: %s matches none of the tags that records have", o.Name, o.Match))
	}
}

// unreached are the outputs that no known tag matches, if all tags are known.
func (s *Subject) unreached() (list []*config.Output) {
	_, outputs, ok := s.reached()
	for i := range s.usable().Outputs {
		if o := &s.Plan.Outputs[i]; ok && !outputs[i] && o.Match != "" {
			list = append(list, o)
		}
	}
	return list
}

// matchPos is where an output says which tags it takes.
func matchPos(o *config.Output) config.Pos {
	if g, ok := firstGiven(&o.Instance, "match", "match_regex"); ok {
		return g.Pos
	}
	return o.Pos
}

// knownTags lists the tags that records have, for a finding.
func (s *Subject) knownTags() string {
	list, _ := s.tags()
	var names []string
	for _, t := range list {
		if name := t.pattern(); len(names) < maxTags && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return "a pattern for " + strings.Join(names, ", ")
}

// pattern is a pattern for a known tag: a container's has the task's id at its end.
func (t *tagged) pattern() string {
	if before, _, ok := strings.Cut(t.tag, firelen); ok {
		return before + "-firelens*"
	}
	return t.tag
}

// unrouted are the known tags that no output takes.
func (s *Subject) unrouted() (list []tagged) {
	p := s.usable()
	if len(p.Outputs) == 0 || len(p.Inputs) == 0 || s.incomplete() {
		return nil // F404, F115; or an output may be in what isn't here, F591
	}
	known, _ := s.tags()
	for _, t := range known {
		arrives := t.input >= 0 && s.isOwnLog(t.input) // of which an output may take some levels alone
		follow(s.path(t), func(f int) {
			arrives = arrives || reroutes(&p.Filters[f]) || p.Filters[f].Plugin != nil && p.Filters[f].Plugin.Kind != config.KindFilter
		}, func(int) { arrives = true })
		if !arrives && (t.input < 0 || !strings.EqualFold(p.Inputs[t.input].Name, "tcp")) { // the agent's health check
			list = append(list, t)
		}
	}
	return list
}

func tagUnrouted(s *Subject, tell func(Finding)) {
	list := s.unrouted()
	if len(list) == 0 {
		return
	}
	unreached := s.unreached()
	takes := s.taken()
	if len(unreached) > 0 {
		takes = s.takers(unreached)
	}
	for _, t := range list {
		severity := Error
		if t.input < 0 || !strings.Contains(t.tag, firelen) {
			severity = Warning
		}
		tell(Finding{Severity: severity, At: t.at, Want: clipped(s.routed(&t, unreached)),
			Text: sentence(clipped(fmt.Sprintf("Records of %s get to no output and are dropped: %s", t.what, takes)))})
	}
}

// taken says which tags the outputs take.
func (s *Subject) taken() string {
	var patterns []string
	for i := range s.Plan.Outputs {
		if o := &s.Plan.Outputs[i]; o.Match != "" && o.Match != healthTag && len(patterns) < maxTags && !slices.Contains(patterns, o.Match) {
			patterns = append(patterns, o.Match)
		}
	}
	if len(patterns) == 0 {
		return "the only output is that of ECS's health check"
	}
	return "the outputs take " + strings.Join(patterns, ", ")
}

// takers says which tags some outputs take, and where.
func (s *Subject) takers(outputs []*config.Output) string {
	var list []string
	for _, o := range outputs[:min(len(outputs), maxTags)] {
		list = append(list, fmt.Sprintf("the output %s takes %s (%s)", o.Name, o.Match, where(s.Place(matchPos(o)))))
	}
	return enumerate(list) + ", and no record has such a tag"
}

// newOutput is what an output is called in a file.
func (s *Subject) newOutput(file string) string {
	switch {
	case isYAMLName(file):
		return "an output"
	case s.fluentd():
		return "a <match>"
	}
	return "an [OUTPUT]"
}

// routed says what would bring the records of a tag to an output.
func (s *Subject) routed(t *tagged, unreached []*config.Output) string {
	match := optionOf(s, "Match "+t.pattern(), "<match "+t.pattern()+">")
	if len(unreached) == 0 {
		return optionOf(s, s.newOutput(t.at.File)+" with "+match, match) + ", if these records are wanted"
	}
	o := unreached[0]
	text := match + " in " + where(s.Place(matchPos(o)))
	if t.input >= 0 && !strings.Contains(t.tag, firelen) {
		text += fmt.Sprintf(", or in %s a tag that %s matches", where(t.at), o.Match)
	}
	return text
}
