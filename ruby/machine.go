package ruby

import (
	"errors"
	"time"

	"github.com/firelane/firelane/pattern"
	"github.com/firelane/firelane/record"
)

// An Error is an error that Ruby would raise, too; rescue catches it.
type Error struct {
	Class string
	Text  string
}

func (e *Error) Error() string { return e.Class + ": " + e.Text }

// Errors of evaluation that rescue doesn't catch.
var (
	errSteps   = errors.New("the expression takes too many steps")
	errBytes   = errors.New("the expression makes too much data")
	errTimeout = errors.New("the patterns of the expression take too long")
)

// A Machine evaluates expressions for one event at a time, in memory that it reuses. It isn't safe for concurrent use.
type Machine struct {
	ev     *record.Event
	record []byte // as expressions see it, after deletions
	shared []byte // the event's record, without what expressions deleted inside its fields

	arena []byte // of values
	made  int    // bytes of all values of the event
	steps int
	vars  []value
	stack []value // arguments
	calls []*call // reused; the first depth of them are running
	depth int
	until time.Time

	matched []byte // the text of the last match of a pattern
	groups  pattern.Match
	names   []string // of its named groups
}

// Begin prepares the Machine for an event. ev must stay as it is until the last evaluation; End forgets it.
func (m *Machine) Begin(ev *record.Event) {
	m.ev, m.record, m.shared = ev, ev.Body, ev.Body
	m.arena, m.made, m.until, m.matched = m.arena[:0], 0, time.Time{}, nil
}

// Record returns the event's record without what expressions deleted inside its fields. As in Ruby, such deletions also change the
// new record, since it shares the nested values; deletions of fields don't.
func (m *Machine) Record() []byte { return m.shared }

// End releases the event, and memory beyond 64 KiB.
func (m *Machine) End() {
	clear(m.vars[:cap(m.vars)])
	clear(m.stack[:cap(m.stack)])
	arena := m.arena
	if cap(arena) > maxSpare {
		arena = nil
	}
	for _, c := range m.calls {
		*c = call{}
	}
	*m = Machine{arena: arena, vars: m.vars[:0], stack: m.stack[:0], calls: m.calls}
}

// begin prepares for the evaluation of one expression.
func (m *Machine) begin(vars int) {
	m.steps, m.depth = 0, 0
	m.vars = m.vars[:0]
	for range vars {
		m.vars = append(m.vars, value{})
	}
	m.stack = m.stack[:0]
}

// step counts n operations. The error is errSteps.
func (m *Machine) step(n int) error {
	if m.steps += n; m.steps > maxSteps {
		return errSteps
	}
	return nil
}

// room counts n bytes before they are made. The error is errBytes.
func (m *Machine) room(n int) error {
	if m.made += n; n < 0 || m.made > maxBytes {
		return errBytes
	}
	return nil
}

// keep keeps b, which grew out of m.arena, from start on.
func (m *Machine) keep(b []byte, start int) ([]byte, error) {
	m.arena = b
	return b[start:len(b):len(b)], m.room(len(b) - start)
}

// text returns to_s of a value.
func (m *Machine) text(v value) (value, error) {
	switch v.kind {
	case kStr:
		return v, nil
	case kSym:
		v.kind = kStr
		return v, nil
	}
	if err := m.room(len(v.b)); err != nil {
		return value{}, err
	}
	start := len(m.arena)
	b, err := m.keep(appendText(m.arena, v), start)
	return str(b), err
}

// overdue reports whether patterns have taken maxTime for the event.
func (m *Machine) overdue() bool {
	now := time.Now()
	if m.until.IsZero() {
		m.until = now.Add(maxTime)
	}
	return now.After(m.until)
}
