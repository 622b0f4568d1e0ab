package router

import (
	"errors"
	"testing"

	"github.com/firelane/firelane/input"
)

// Lines that wait for others are acknowledged when their record is in the queue, and the accounts add up at every moment.
func TestJoinedLinesAreAcknowledgedWhenTheirRecordIsQueued(t *testing.T) {
	r := opened(t, "[FILTER]\n    Name multiline\n    Match *\n    multiline.parser java\n    multiline.key_content log\n"+nullOutputs("*"))
	out := r.outputs[0]
	i := r.newIntake(r.inputs[0])
	i.addLogs("app", "before", "java.lang.Error: x", "\tat a.b")
	if err := i.Flush(t.Context()); !errors.Is(err, input.ErrHeld) {
		t.Errorf("got %v while lines are held, want %v", err, input.ErrHeld)
	}
	wantTally(t, out, tally{received: 3, held: 2})
	i.addLogs("other", "\tat c.d") // of another tag: it belongs to nothing
	i.addLogs("app", "\tat e.f", "after")
	flush(t, i)
	wantTally(t, out, tally{received: 6, merged: 2})
	wantQueued(t, out, "app: before", "other: \tat c.d", "app: java.lang.Error: x\n\tat a.b\n\tat e.f", "app: after")
}
