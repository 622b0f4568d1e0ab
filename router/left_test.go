package router

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/sink/deliver"
)

// fill fills the output's queue, and returns a function that empties it again.
func (o *output) fill(t *testing.T) (empty func()) {
	t.Helper()
	ended, end := context.WithCancel(t.Context())
	end()
	for _, size := range []int{1 << 20, 1 << 10, 1} {
		for o.queue.Append(ended, make([]byte, size), 1, func() { o.tally.received++ }) == nil {
		}
	}
	return func() {
		for n := o.queue.Stats().Records; n > 0; n = o.queue.Stats().Records {
			chunk, err := o.queue.Next(t.Context(), 1<<20, 0)
			if err != nil {
				t.Fatal(err)
			}
			o.queue.Commit(chunk)
		}
	}
}

// flushInVain flushes as an input that gives up because a queue is full.
func flushInVain(t *testing.T, i *intake) {
	t.Helper()
	ended, end := context.WithCancel(t.Context())
	end()
	if err := i.Flush(ended); err == nil || errors.Is(err, input.ErrHeld) {
		t.Errorf("flush: got %v, want that the queue is full", err)
	}
	if err := i.Discard(t.Context()); err != nil {
		t.Error(err)
	}
}

// refused returns how many records were not queued, and checks that all others were.
func refused(t *testing.T, o *output) int64 {
	t.Helper()
	var got tally
	o.inspect(func(t tally, _ deliver.Stats) { got = t })
	if s := o.queue.Stats(); got.received+got.added != s.Appended+got.filtered+got.merged+got.held+got.refused || got.held != 0 {
		t.Errorf("%s: got %+v, want it balanced with %d appended", o.id, got, s.Appended)
	}
	return got.refused
}

// An HTTP input answers 503 where the queue is full, and has its client send again what that client sent, and nothing else.
func TestWhatAHolderReleasedIntoAFlushThatFailsIsQueuedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := opened(t, placeholder+nullOutputs("*", "*"), newSplitter(t))
		end, ended := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			r.releaseHeld(nil, end)
		}()
		first, failing := r.newIntake(r.inputs[0]), r.newIntake(r.inputs[0])
		first.addLogs("app", "tw")
		if err := first.Flush(t.Context()); !errors.Is(err, input.ErrHeld) {
			t.Errorf("flush: got %v, want %v", err, input.ErrHeld)
		}
		empty := r.outputs[0].fill(t)
		failing.addLogs("app", "before\n", "o\nafter\n", "own", "\n")
		flushInVain(t, failing)
		time.Sleep(time.Minute)
		synctest.Wait()
		if err := first.Flush(t.Context()); !errors.Is(err, input.ErrHeld) {
			t.Errorf("flush while the queue is full: got %v, want %v", err, input.ErrHeld)
		}
		empty()
		time.Sleep(2 * fullRetry)
		synctest.Wait()
		flush(t, first)
		close(end)
		<-ended
		wantQueued(t, r.outputs[0], "app: twbefore")
		wantQueued(t, r.outputs[1], "app: twbefore", "app: o", "app: after", "app: own")
		if n, m := refused(t, r.outputs[0]), refused(t, r.outputs[1]); n != 3 || m != 0 {
			t.Errorf("got %d and %d refused, want the 3 of the client that sends them again", n, m)
		}
		if r.holding.Load() != 0 || r.left.bytes != 0 {
			t.Errorf("got %d events that hold back acks and %d bytes left, want none", r.holding.Load(), r.left.bytes)
		}
	})
}

func TestWhatIsLeftOfFlushesThatFailIsLimited(t *testing.T) {
	r := opened(t, placeholder+nullOutputs("*"), newSplitter(t))
	empty := r.outputs[0].fill(t)
	first, failing := r.newIntake(r.inputs[0]), r.newIntake(r.inputs[0])
	const size, rounds = 200 << 10, 10
	for range rounds {
		first.addLogs("app", strings.Repeat("x", size))
		if err := first.Flush(t.Context()); !errors.Is(err, input.ErrHeld) {
			t.Fatalf("flush: got %v, want %v", err, input.ErrHeld)
		}
		failing.addLogs("app", "\n")
		flushInVain(t, failing)
	}
	if n := r.left.bytes; n < maxLeft || n > maxLeft+size+2*leftCost {
		t.Errorf("got %d bytes left, want %d and hardly more", n, maxLeft)
	}
	empty()
	r.releaseAll(r.expiries())
	got := len(queued(t, r.outputs[0]))
	if n := refused(t, r.outputs[0]); got == 0 || got+int(n) != rounds {
		t.Errorf("got %d queued and %d refused, want %d in all", got, n, rounds)
	}
	if r.holding.Load() != 0 {
		t.Errorf("got %d events that hold back acks, want none", r.holding.Load())
	}
}

// The reload comes while records are left, and the queue has another output then.
func TestWhatIsLeftOfAFlushThatFailsGoesOnWithTheNextConfiguration(t *testing.T) {
	r := opened(t, placeholder+nullOutputs("*"), newSplitter(t))
	empty := r.outputs[0].fill(t)
	first, failing := r.newIntake(r.inputs[0]), r.newIntake(r.inputs[0])
	first.addLogs("app", "x")
	_ = first.Flush(t.Context())
	failing.addLogs("app", "y\n")
	flushInVain(t, failing)
	next := opened(t, nullOutputs("*"))
	next.process = r.process
	r.outputs[0].heir = next.outputs[0]
	r.current.Store(next)
	next.releaseAll(next.expiries())
	wantQueued(t, next.outputs[0], "app: xy")
	empty()
	if got := queued(t, r.outputs[0]); slices.Contains(got, "app: xy") || r.holding.Load() != 0 {
		t.Errorf("got %q at the old output and %d events that hold back acks, want neither", got, r.holding.Load())
	}
}

func TestWhatAReloadQueuesOfWhatWasLeftIsNoLongerLeft(t *testing.T) {
	r := opened(t, placeholder+nullOutputs("*"), newSplitter(t))
	empty := r.outputs[0].fill(t)
	first, failing := r.newIntake(r.inputs[0]), r.newIntake(r.inputs[0])
	first.addLogs("app", "x")
	_ = first.Flush(t.Context())
	failing.addLogs("app", "y\n")
	flushInVain(t, failing)
	all := r.expiries()
	r.expireNow(&all, time.Now()) // in vain
	empty()
	c := &change{old: r, u: &running{holding: &holding{all: all}}}
	all = c.releaseHolders()
	wantQueued(t, r.outputs[0], "app: xy")
	r.expireNow(&all, time.Now())
	if len(all) > 0 || r.left.bytes != 0 || r.holding.Load() != 0 {
		t.Errorf("got %d that wait, %d bytes left and %d events that hold back acks, want none", len(all), r.left.bytes, r.holding.Load())
	}
}
