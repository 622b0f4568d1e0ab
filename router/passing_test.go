package router

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/input"
)

// isHeld reports whether what an intake has added is not all queued.
func (i *intake) isHeld(t *testing.T) bool {
	t.Helper()
	err := i.Flush(t.Context())
	if err != nil && !errors.Is(err, input.ErrHeld) {
		t.Fatal(err)
	}
	return err != nil
}

// On a busy router a filter holds something at every moment: acks wait for what came before alone.
func TestAcksDontWaitForEventsThatAreHeldLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := opened(t, placeholder+nullOutputs("*"), newSplitter(t))
		first, busy, third := r.newIntake(r.inputs[0]), r.newIntake(r.inputs[0]), r.newIntake(r.inputs[0])
		busy.addLogs("before", "x")
		_ = busy.Flush(t.Context())
		time.Sleep(time.Second)
		first.addLogs("a", "one")
		if !first.isHeld(t) {
			t.Error("the ack doesn't wait for an event that is held")
		}
		time.Sleep(time.Second)
		busy.addLogs("b", "y")
		busy.addLogs("before", "\n")
		_ = busy.Flush(t.Context())
		if !first.isHeld(t) {
			t.Error("the ack doesn't wait for an event that is held while others are released")
		}
		time.Sleep(time.Second)
		third.addLogs("c", "z")
		third.addLogs("a", "\n")
		if !first.isHeld(t) {
			t.Error("the ack doesn't wait for an event that was released and isn't queued")
		}
		_ = third.Flush(t.Context())
		if time.Sleep(time.Second); first.isHeld(t) {
			t.Error("the ack waits for events that were held later")
		}
		if !busy.isHeld(t) || !third.isHeld(t) || r.holding.Load() != 2 {
			t.Errorf("got %d events held, want 2, and that their acks wait", r.holding.Load())
		}
		wantQueued(t, r.outputs[0], "before: x", "a: one")
		r.releaseAll(r.expiries())
		if busy.isHeld(t) || third.isHeld(t) {
			t.Error("acks wait although nothing is held")
		}
	})
}

// What one filter releases may be held by the next one, which takes it for a new event.
func TestAcksWaitForEventsThatAreHeldAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := opened(t, placeholder+placeholder+nullOutputs("*"), newSplitter(t), newSplitter(t))
		first, other := r.newIntake(r.inputs[0]), r.newIntake(r.inputs[0])
		first.addLogs("a", "one")
		_ = first.Flush(t.Context())
		time.Sleep(time.Second)
		other.addLogs("a", "\nx")
		for range 2 {
			if time.Sleep(time.Second); !first.isHeld(t) {
				t.Error("the ack doesn't wait for an event that is held again")
			}
			_ = other.Flush(t.Context())
		}
		r.releaseAll(r.expiries())
		if first.isHeld(t) || other.isHeld(t) {
			t.Error("acks wait although nothing is held")
		}
		wantQueued(t, r.outputs[0], "a: onex")
	})
}

// onOldest is a Holder that calls a function when it is asked since when it holds events.
type onOldest struct {
	enrich.Holder
	do func()
}

func (h *onOldest) Oldest() time.Time {
	if do := h.do; do != nil {
		h.do = nil
		do()
	}
	return h.Holder.(enrich.Aged).Oldest()
}

// What was held may be released, and be held again for the first time, while a Flush looks for it.
func TestAcksWaitForEventsThatAreHeldAgainMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second := newSplitter(t)
		asked := &onOldest{Holder: newSplitter(t)}
		r := opened(t, placeholder+placeholder+nullOutputs("*"), asked, second)
		first, other := r.newIntake(r.inputs[0]), r.newIntake(r.inputs[0])
		first.addLogs("a", "one")
		_ = first.Flush(t.Context())
		time.Sleep(time.Second)
		asked.do = func() {
			other.addLogs("a", "\nx")
			_ = other.Flush(t.Context())
		}
		if !first.isHeld(t) {
			t.Error("the ack doesn't wait for an event that is held again")
		}
		r.releaseAll(r.expiries())
		wantQueued(t, r.outputs[0], "a: onex")
	})
}

// Where several connections are busy, one of them has always released something that it has not queued.
func TestAcksDontWaitForAPauseOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := opened(t, placeholder+nullOutputs("*"), newSplitter(t))
		first := r.newIntake(r.inputs[0])
		first.addLogs("a", "one")
		if !first.isHeld(t) {
			t.Error("the ack doesn't wait for an event that is held")
		}
		busy := [2]*intake{r.newIntake(r.inputs[0]), r.newIntake(r.inputs[0])}
		queued := 0
		for n := range 8 {
			time.Sleep(time.Second)
			busy[n%2].addLogs("b", "x", "\n")
			if n == 2 {
				busy[0].addLogs("a", "\n")
			}
			held := first.isHeld(t)
			if n <= 2 && !held {
				t.Error("the ack doesn't wait for an event that isn't queued")
			}
			if !held {
				queued++
			}
			_ = busy[1-n%2].Flush(t.Context())
		}
		if queued == 0 || r.passing.open[0].Load()+r.passing.open[1].Load() == 0 {
			t.Error("the ack waits until others pause")
		}
	})
}
