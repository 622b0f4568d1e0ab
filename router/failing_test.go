package router

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/record"
)

// failsAt says whether a stage of these tests fails at an event.
func failsAt(ev *record.Event, text string) bool {
	value, _ := record.Find(ev.Body, "log")
	got, _ := record.Text(value)
	return string(got) == text
}

// A failingFilter panics at the text "fail".
type failingFilter struct{}

func (failingFilter) Apply(ev *record.Event, _ *enrich.Scratch) bool {
	if failsAt(ev, "fail") {
		panic("a fault")
	}
	return true
}

// A failingStep emits every event; after "fail" it panics, and before "fail first".
type failingStep struct{}

func (failingStep) Apply(ev *record.Event, out *enrich.Out) {
	if failsAt(ev, "fail first") {
		panic("a fault")
	}
	fail := failsAt(ev, "fail")
	out.Next(ev)
	if fail {
		panic("a fault")
	}
}

// A failingHolder is a Holder that panics at "fail", after it has reported that it holds it, and in its first calls of
// Expire.
type failingHolder struct {
	enrich.Holder
	failures int // of Expire, still to come
}

func (h *failingHolder) Apply(ev *record.Event, out *enrich.Out) {
	if failsAt(ev, "fail") {
		out.Hold(1)
		out.Release(1)
		panic("a fault")
	}
	h.Holder.Apply(ev, out)
}

func (h *failingHolder) Expire(now time.Time, out *enrich.Out) time.Time {
	if h.failures > 0 {
		h.failures--
		panic("a fault")
	}
	return h.Holder.Expire(now, out)
}

// wantFailed checks that the account of an output adds up, with n records that a filter failed at.
func wantFailed(t *testing.T, r *Router, n int64) {
	t.Helper()
	if a := r.Status().Outputs[0].Account; a.Dropped[filterFailed] != n || a.Unaccounted != 0 || a.Held != 0 {
		t.Errorf("got %+v, want %d dropped because a filter failed, none unaccounted and none held", a, n)
	}
}

func TestAFilterThatPanicsLosesThatRecordAndCountsIt(t *testing.T) {
	r := opened(t, placeholder+placeholder+nullOutputs("*"), nil, failingFilter{})
	i := r.newIntake(r.inputs[0])
	i.addLogs("app", "one", "fail", "two")
	flush(t, i)
	wantFailed(t, r, 1)
	wantQueued(t, r.outputs[0], "app: one", "app: two")
}

func TestAStepThatPanicsLosesThatRecordAndCountsIt(t *testing.T) {
	for _, stages := range [][]enrich.Stage{{failingStep{}, nil}, {newSplitter(t), failingStep{}}, {failingStep{}, failingFilter{}}} {
		r := opened(t, placeholder+placeholder+nullOutputs("*"), stages...)
		i := r.newIntake(r.inputs[0])
		i.addLogs("app", "one\n", "fail first", "\n", "two\n")
		_ = i.Flush(t.Context())
		r.releaseAll(r.expiries())
		flush(t, i)
		if a := r.Status().Outputs[0].Account; a.Received != 4 || a.Unaccounted != 0 || a.Held != 0 || a.Dropped[filterFailed] == 0 {
			t.Errorf("got %+v, want 4 received, some dropped because a filter failed, and none unaccounted or held", a)
		}
	}
	r := opened(t, placeholder+nullOutputs("*"), failingStep{})
	i := r.newIntake(r.inputs[0])
	i.addLogs("app", "one", "fail", "two")
	flush(t, i)
	wantFailed(t, r, 1)
	wantQueued(t, r.outputs[0], "app: one", "app: fail", "app: two")
}

// Otherwise no client that asks for acks would get one again.
func TestAHolderThatPanicsKeepsNoAckForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &failingHolder{newSplitter(t), 3}
		r := opened(t, placeholder+nullOutputs("*"), h)
		end := make(chan struct{})
		go r.releaseHeld(nil, end)
		i := r.newIntake(r.inputs[0])
		i.addLogs("app", "whole\n", "fail")
		flush(t, i)
		wantFailed(t, r, 1)
		i.addLogs("app", "held")
		if err := i.Flush(t.Context()); !errors.Is(err, input.ErrHeld) {
			t.Errorf("flush: got %v, want %v", err, input.ErrHeld)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		flush(t, i)
		wantFailed(t, r, 1)
		wantQueued(t, r.outputs[0], "app: whole", "app: held")
		close(end)
	})
}
