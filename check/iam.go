package check

import (
	"io"
	"slices"
	"strings"

	"github.com/firelane/firelane/sink"
)

// A policy is an IAM policy document ("IAM JSON policy element reference").
type policy struct {
	Version   string
	Statement []statement
}

// A statement is one of a policy. Its Resource is a list, which may have one element.
type statement struct {
	Effect   string
	Action   []string
	Resource []string
}

// IAM writes the policy document that the task roles of all subjects need together, for what their outputs do. Grants of the same
// actions are one statement.
func (r *Report) IAM(w io.Writer) error {
	doc := policy{Version: "2012-10-17", Statement: []statement{}}
	for i := range r.Subjects {
		for _, s := range r.Subjects[i].grants() {
			doc.add(s)
		}
	}
	return writeJSON(w, doc)
}

// grants are what a subject needs, each with sorted actions: its outputs, and the objects that the init image's variables name.
func (s *Subject) grants() (list []statement) {
	if s.Task != nil && s.Task.Router != nil {
		for _, o := range s.Task.Router.Environment {
			if m := initVariable().FindStringSubmatch(o.Name); m != nil && strings.EqualFold(m[1], "s3") && s3Object().MatchString(o.Text) {
				list = append(list, statement{"Allow", []string{"s3:GetObject"}, []string{sink.LiteralARN(o.Text)}})
			}
		}
	}
	if s.Plan == nil || len(s.Errors) > 0 {
		return list
	}
	for i := range s.Plan.Outputs {
		for _, g := range s.describe(i).Actions {
			actions := slices.Compact(slices.Sorted(slices.Values(g.Actions)))
			list = append(list, statement{"Allow", actions, []string{g.Resource}})
		}
	}
	return list
}

// add adds a statement. A resource that another one of the same actions covers, because it is *, is left out.
func (p *policy) add(s statement) {
	for i := range p.Statement {
		have := &p.Statement[i]
		if !slices.Equal(have.Action, s.Action) {
			continue
		}
		for _, resource := range s.Resource {
			if !slices.Contains(have.Resource, resource) && !slices.Contains(have.Resource, "*") {
				have.Resource = append(have.Resource, resource)
			}
		}
		if slices.Contains(have.Resource, "*") {
			have.Resource = []string{"*"}
		}
		slices.Sort(have.Resource)
		return
	}
	p.Statement = append(p.Statement, s)
	slices.SortStableFunc(p.Statement, func(a, b statement) int {
		return strings.Compare(strings.Join(a.Action, " "), strings.Join(b.Action, " "))
	})
}
