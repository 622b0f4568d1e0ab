package deliver

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/budget"
	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/sink"
)

// next replaces the rig's output by another one of the same queue, as a reload does.
func (r *rig) next(ctx context.Context, change func(*Config)) {
	r.Helper()
	r.out.Suspend()
	<-r.done
	r.check()
	c := Config{Name: "test.1", Queue: r.queue, Destination: r.dest, Dead: r.dead, Retry: sink.Retry{Limit: sink.Unlimited},
		Limits: sink.Limits{Linger: sink.Immediately}, Log: r.out.log, Before: r.out}
	if change != nil {
		change(&c)
	}
	r.out, r.done = New(c), make(chan struct{})
	r.check()
	r.start(ctx)
}

// What it shows as the last error would be one of another configuration.
func TestTheNextOutputHasNoErrorYet(t *testing.T) {
	var repaired atomic.Bool
	d := stuckWhile(func() bool { return !repaired.Load() }, blocked)
	synctest.Test(t, func(t *testing.T) {
		r := newRigOn(t, d, buffer.Options{}, nil)
		r.start(t.Context())
		r.put("stuck")
		time.Sleep(time.Minute)
		if s := r.out.Stats(); s.LastError == "" || s.LastErrorAt.IsZero() || !s.LastErrorOfItems {
			t.Errorf("got %+v, want the error of the record", s)
		}
		repaired.Store(true)
		r.next(t.Context(), func(c *Config) {
			if s := New(*c).Stats(); s.LastError != "" || !s.LastErrorAt.IsZero() || s.LastErrorOfItems {
				t.Errorf("got the error %q of %v, of items: %v, want none", s.LastError, s.LastErrorAt, s.LastErrorOfItems)
			}
		})
		r.finish()
		r.wantOnce(1)
	})
}

// TestTheNextOutputGoesOnWhereTheLastOneEnded: with attempts in progress, records that wait, and deferred ones. None is lost, and
// none whose attempt had passed is sent again.
func TestTheNextOutputGoesOnWhereTheLastOneEnded(t *testing.T) {
	for name, dir := range map[string]string{"on disk": t.TempDir(), "in memory": ""} {
		t.Run(name, func(t *testing.T) {
			var repaired, slow atomic.Bool
			d := stuckWhile(func() bool {
				if slow.Load() {
					time.Sleep(time.Second)
				}
				return !repaired.Load()
			}, blocked)
			synctest.Test(t, func(t *testing.T) {
				r := newRigOn(t, d, buffer.Options{Dir: dir}, nil)
				r.start(t.Context())
				const rounds, each = 20, 10
				for i := range rounds {
					r.put(append(upTo(i*each, (i+1)*each), fmt.Sprint("stuck", i))...)
					if i%3 == 2 {
						time.Sleep(time.Minute)
						slow.Store(i%2 == 0)
						r.put(fmt.Sprint("late", i))
						time.Sleep(time.Millisecond)
						r.next(t.Context(), nil)
						slow.Store(false)
					}
				}
				time.Sleep(time.Minute)
				if s := r.out.Stats(); s.Buffered != rounds || s.Deferred != rounds {
					t.Errorf("got %+v, want %d deferred records, and nothing else in the queue", s, rounds)
				}
				repaired.Store(true)
				eventually(t, "the stuck ones are delivered", func() bool { return r.out.Stats().Buffered == 0 })
				r.next(t.Context(), nil)
				r.finish()
				r.wantOnce(rounds*(each+1) + 6)
			})
		})
	}
}

// TestSuspendCutShortSendsAgainUnderTheSameID: what was in progress when the context ended is sent again, and counted once more.
func TestSuspendCutShortSendsAgainUnderTheSameID(t *testing.T) {
	d := newStrict(func(ctx context.Context, n int, _ []string) sink.Reply {
		if n == 0 {
			<-ctx.Done()
			return sink.Reply{Verdict: sink.Again, Cause: sink.Unreached, Err: ctx.Err()}
		}
		return sink.Reply{Cause: sink.Answered}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, d, nil)
		ctx, cancel := context.WithCancel(t.Context())
		r.put(upTo(0, 10)...)
		r.start(ctx)
		time.Sleep(time.Millisecond)
		r.out.Suspend()
		time.Sleep(time.Second)
		select {
		case <-r.done:
			t.Fatal("got Run ended, want it to wait for the attempt in progress")
		default:
		}
		cancel()
		r.next(t.Context(), nil)
		r.finish()
		r.wantOnce(10)
		if n := r.attemptsOf("3"); n != 2 {
			t.Errorf("got %d attempts, want 2", n)
		}
	})
}

// TestSuspendedOutputsReturnTheirMemory: however often an output is replaced, the budget is whole afterwards.
func TestSuspendedOutputsReturnTheirMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(budget.New(ownBudget))
		free := m.budget.Free()
		shared := func(c *Config) { c.Memory = m }
		r := newRig(t, newStrict(nil), shared)
		r.start(t.Context())
		for i := range 100 {
			r.put(fmt.Sprint(i))
			time.Sleep(time.Millisecond)
			r.next(t.Context(), shared)
		}
		r.finish()
		r.wantOnce(100)
		if n := m.budget.Free(); n != free {
			t.Errorf("got %d bytes free, want all %d", n, free)
		}
	})
}

// TestSuspendFinishesTheChunksThatHaveBegun: a chunk becomes several requests, and what some of them have delivered isn't sent again.
func TestSuspendFinishesTheChunksThatHaveBegun(t *testing.T) {
	d := newStrict(func(context.Context, int, []string) sink.Reply {
		time.Sleep(100 * time.Millisecond)
		return sink.Reply{Cause: sink.Answered}
	})
	synctest.Test(t, func(t *testing.T) {
		few := func(c *Config) { c.Limits.MaxItems, c.Limits.Workers = 10, 2 }
		r := newRig(t, d, few)
		for i := range 20 {
			r.put(upTo(i*50, (i+1)*50)...)
		}
		r.start(t.Context())
		for range 30 {
			time.Sleep(150 * time.Millisecond)
			r.next(t.Context(), few)
		}
		r.finish()
		r.wantOnce(1000)
	})
}
