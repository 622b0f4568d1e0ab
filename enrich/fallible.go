package enrich

import "github.com/firelane/firelane/record"

// ErrorLabel is the label of Fluentd to which events go that a stage can't handle, if the configuration has it.
const ErrorLabel = "@ERROR"

// A fallible is a Filter that may fail to handle an event. Its Apply logs that and lets the event go on.
type fallible interface {
	Filter
	// try is Apply for an event that is never dropped. On an error the event is unchanged.
	try(ev *record.Event, s *Scratch) error
}

// fallible returns f as it is, or as a Step where failed events have a label to go to.
func (e *Env) fallible(f fallible) Stage {
	if !e.Errors {
		return f
	}
	return &errorStep{f}
}

// errorStep is the Step of a fallible filter.
type errorStep struct{ of fallible }

// Apply implements Step. In the label @ERROR itself there is nowhere else to go: the event goes on.
func (s *errorStep) Apply(ev *record.Event, out *Out) {
	failed := s.of.try(ev, out.Scratch)
	if failed == nil || !out.Divert(ev, ErrorLabel) {
		out.Next(ev)
	}
}
