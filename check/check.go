// Package check says what a configuration will do with each log line, and what is wrong with it, before it runs.
package check

import (
	"cmp"
	"slices"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/ecs/taskdef"
)

// Severity says how bad a finding is.
type Severity uint8

// The severities. With an error the router doesn't start, or records are lost or never arrive. A warning is what is probably not
// meant. A note is what a person should know.
const (
	Error Severity = iota
	Warning
	Note
)

func (s Severity) String() string {
	switch s {
	case Error:
		return "error"
	case Warning:
		return "warning"
	}
	return "note"
}

// A Finding is one thing to tell about a subject.
type Finding struct {
	Rule     *Rule
	Severity // the rule's, or one that is less bad
	At       taskdef.Place
	Text     string // what is wrong, and what follows from it
	Want     string // what to write instead; "" if Text says it
	Fix      *Fix   // nil: a person has to decide
}

// A Fix replaces one line of a file.
type Fix struct {
	config.Pos
	Old, New string // the line, without its end; or words that the line has once, and those instead of them
}

// A Rule is one kind of mistake. Its number never changes its meaning.
type Rule struct {
	Number string // F201
	Name   string // index-name
	Severity
	Help  string // one sentence for docs/check.md: what the rule finds, and why it matters
	Check func(s *Subject, tell func(Finding))
}

// A Subject is one log router that is checked: its configuration, and the task definition that it belongs to, if there is one.
type Subject struct {
	Name    string // for headings: the file's name, and the task definition's family
	Plan    *config.Plan
	Errors  []config.Diagnostic // the mistakes that keep it from starting; if there are any, only Plan.Warnings may be used
	Task    *taskdef.Rendered   // nil: only a configuration; without a Router there is no configuration, and Plan is nil
	Written []taskdef.Problem   // what is to be told about the task definition as it is written
	Now     time.Time           // for today's names

	files   map[string][]string // lines of files of which fixes show one
	leftOut []string            // what is wrong, and so isn't part of the plan
}

// Place is the place of a position in the configuration: in a task definition the value that the agent rendered into that line, and in
// a file that is in the container the line of its local copy.
func (s *Subject) Place(at config.Pos) taskdef.Place {
	if name := at.Variable(); s.Task != nil && s.Task.Router != nil && name != "" {
		if o, ok := taskdef.Find(s.Task.Router.Environment, name); ok {
			return o.Place
		}
	}
	if s.Task != nil && at.File == s.Task.File && at.Line > 0 && at.Line <= len(s.Task.Lines) {
		return s.Task.Lines[at.Line-1]
	}
	if s.Task != nil && s.Task.Local[at.File] != "" {
		at.File = s.Task.Local[at.File]
	}
	return taskdef.Place{Pos: at}
}

// maxFindings is how many findings one rule makes.
const maxFindings = 1000

// Run applies the rules to a subject. The findings are in the order of their places, the worse first at the same place.
func (s *Subject) Run(rules []Rule) (list []Finding) {
	for i := range rules {
		r, n := &rules[i], 0
		r.Check(s, func(f Finding) {
			if n++; n > maxFindings {
				return
			}
			f.Rule, f.Severity = r, max(f.Severity, r.Severity)
			list = append(list, f)
		})
	}
	slices.SortStableFunc(list, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.At.File, b.At.File), cmp.Compare(a.At.Line, b.At.Line), cmp.Compare(a.Severity, b.Severity))
	})
	return list
}
