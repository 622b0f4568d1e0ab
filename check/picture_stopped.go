package check

import (
	"slices"
	"strings"
)

// stops are the words with which an error says that ECS doesn't start the task, and those with which it says that the router doesn't
// start.
var stops = struct{ task, router []string }{
	[]string{"ECS refuses the task definition", "the task does not start", "neither starts", "never starts"},
	[]string{"router does not start", "router doesn't start", "container does not start"},
}

// stopped is the heading of a picture of what doesn't start; "" if it does.
func (s *Subject) stopped(findings []Finding) string {
	errors := slices.DeleteFunc(slices.Clone(findings), func(f Finding) bool { return f.Severity != Error })
	says := func(words []string) bool {
		return slices.ContainsFunc(errors, func(f Finding) bool {
			return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(f.Text, w) })
		})
	}
	fixed := " until the errors below are fixed. Without the parts that are wrong, it looks like this:"
	if len(errors) == 1 {
		fixed = strings.Replace(fixed, "errors below are", "error below is", 1)
	}
	switch {
	case s.Task != nil && len(s.Task.Problems) > 0 || says(stops.task):
		return "ECS does not start this task" + fixed
	case says(stops.router):
		return "The router does not start" + fixed
	}
	return ""
}

// noFlow says why no record flows.
func (s *Subject) noFlow() string {
	switch {
	case len(s.Plan.Outputs) == 0 && len(s.Plan.Inputs) > 0:
		return "There is no output: what the inputs get is dropped."
	case s.Task != nil:
		return "The router gets no container's lines: none has the log driver awsfirelens."
	}
	return "No record flows: there is no input, or no output takes what the inputs get."
}
