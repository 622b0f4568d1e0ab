package deliver

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/sink"
)

// fillUp appends until the queue is full.
func (r *rig) fillUp() {
	for r.Context().Err() == nil {
		ctx, cancel := context.WithTimeout(r.Context(), time.Millisecond)
		err := r.queue.Append(ctx, batchOf(strings.Repeat("x", 1000)), 1, nil)
		cancel()
		if err != nil {
			return
		}
	}
}

// TestAFullQueueIsToldThatItsDestinationIsDown: of one that is only slow, overloaded or away for a moment, the queue is waited for.
func TestAFullQueueIsToldThatItsDestinationIsDown(t *testing.T) {
	failed := func(cause sink.Cause, status int) sink.Reply {
		return sink.Reply{Verdict: sink.Again, Err: errRefused, Status: status, Cause: cause}
	}
	for _, c := range []struct {
		name   string
		script func(ctx context.Context, n int) sink.Reply
		soon   bool // the queue is stalled after 4 s
	}{
		{"not reached", func(context.Context, int) sink.Reply { return failed(sink.Unreached, 0) }, true},
		{"503 for all", func(context.Context, int) sink.Reply { return failed(sink.Answered, 503) }, true},
		{"credentials refused", func(context.Context, int) sink.Reply { return failed(sink.Unauthorised, 401) }, true},
		{"overloaded", func(context.Context, int) sink.Reply { return failed(sink.Throttled, 429) }, false},
		{"no answer", func(ctx context.Context, _ int) sink.Reply {
			<-ctx.Done()
			return failed(sink.Unreached, 0)
		}, false},
		{"one failure, then slow", func(ctx context.Context, n int) sink.Reply {
			if n > 0 {
				select {
				case <-time.After(8 * time.Second):
				case <-ctx.Done():
					return failed(sink.Unreached, 0)
				}
				return sink.Reply{Cause: sink.Answered}
			}
			return failed(sink.Unreached, 0)
		}, false},
		{"every second request fails", func(_ context.Context, n int) sink.Reply {
			time.Sleep(300 * time.Millisecond)
			if n%2 == 0 {
				return failed(sink.Unreached, 0)
			}
			return sink.Reply{Cause: sink.Answered}
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newStrict(func(ctx context.Context, n int, _ []string) sink.Reply { return c.script(ctx, n) })
				r := newRigOn(t, d, buffer.Options{Limit: 64 << 10}, func(c *Config) { c.Limits.MaxItems = 1 })
				ctx, cancel := context.WithCancel(t.Context())
				r.start(ctx)
				soon := false
				for begin := time.Now(); time.Since(begin) < 4*time.Second; {
					r.fillUp()
					soon = soon || r.queue.Stalled()
					if soon && time.Since(begin) < 2*time.Second {
						t.Error("got a stalled queue within 2 s, want it waited for")
					}
					time.Sleep(100 * time.Millisecond)
				}
				if soon != c.soon {
					t.Errorf("got a stalled queue after 4 s: %v, want %v", soon, c.soon)
				}
				cancel()
				r.wait()
			})
		})
	}
}

// TestADestinationThatIsUpAgainIsWaitedForAsBefore: the queue is told that, too.
func TestADestinationThatIsUpAgainIsWaitedForAsBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		d := newStrict(func(ctx context.Context, n int, _ []string) sink.Reply {
			if up := time.Since(begin) - 5*time.Second; up < 0 || up > time.Minute {
				return sink.Reply{Verdict: sink.Again, Err: errRefused}
			}
			time.Sleep(5 * time.Second) // slow
			return sink.Reply{Cause: sink.Answered}
		})
		r := newRigOn(t, d, buffer.Options{Limit: 64 << 10}, func(c *Config) { c.Limits.Workers = 1 })
		ctx, cancel := context.WithCancel(t.Context())
		r.start(ctx)
		r.fillUp()
		time.Sleep(4 * time.Second)
		if !r.queue.Stalled() {
			t.Error("got a queue that is waited for, want a stalled one: its destination has been down for 4 s")
		}
		time.Sleep(time.Until(begin.Add(40 * time.Second))) // the wait after a refusal depends on chance: at most 30 s
		for range 5 {
			r.fillUp()
			time.Sleep(4 * time.Second)
			if r.queue.Stalled() {
				t.Error("got a stalled queue, want one that is waited for")
			}
		}
		cancel()
		r.wait()
	})
}
