package deliver

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/budget"
	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/sink"
)

// largeText is a text of several MiB, and short ones around it.
func largeText(i int) string { return fmt.Sprintf("large %d %s", i, strings.Repeat("x", 3<<20)) }

// start10 starts ten outputs that share a budget, each with small and large records, of which some are in one batch.
func start10(t *testing.T, total int, script func(out, n int, items []string) sink.Reply) (rigs []*rig, b *budget.Budget, m *Memory) {
	b = budget.New(total)
	m = NewMemory(b)
	for out := range 10 {
		d := newStrict(func(_ context.Context, n int, items []string) sink.Reply { return script(out, n, items) })
		r := newRigOn(t, d, buffer.Options{Limit: 64 << 20}, func(c *Config) { c.Memory = m })
		r.put("a", "b")
		r.put(largeText(0))
		r.put("c", largeText(1), "d")
		r.put(largeText(2))
		r.put("e")
		rigs = append(rigs, r)
	}
	return rigs, b, m
}

func stopAll(rigs []*rig, cancel func()) {
	cancel()
	for _, r := range rigs {
		r.wait()
	}
}

// TestLargeRecordsOfDeadOutputsTakeNoMemory: what fails is read again for the next attempt.
func TestLargeRecordsOfDeadOutputsTakeNoMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		const total = 10 << 20
		rigs, b, m := start10(t, total, func(int, int, []string) sink.Reply {
			if !up.Load() {
				return sink.Reply{Verdict: sink.Again, Err: errRefused}
			}
			return sink.Reply{Cause: sink.Answered}
		})
		ctx, cancel := context.WithCancel(t.Context())
		for _, r := range rigs {
			r.start(ctx)
		}
		for range 200 {
			time.Sleep(time.Second)
			synctest.Wait() // no attempt is in progress
			if free := b.Free(); free < total-10*minShare-(1<<20) || len(m.token) > 0 {
				t.Fatalf("got %d of %d bytes free and the token taken: %v, want nearly all free", free, total, len(m.token) > 0)
			}
		}
		up.Store(true)
		time.Sleep(2 * time.Minute)
		stopAll(rigs, cancel)
		for i, r := range rigs {
			if s := r.out.Stats(); s.Delivered != 8 || s.Buffered != 0 || s.Lost != 0 || s.Unreadable != 0 {
				t.Errorf("output %d: got %d records delivered, %d buffered, %d lost, want 8 delivered", i, s.Delivered, s.Buffered, s.Lost)
			}
			for id, n := range r.dest.taken {
				if n != 1 {
					t.Errorf("output %d: got record %s %d times, want it once", i, id, n)
				}
			}
			if len(r.dest.taken) != 8 {
				t.Errorf("output %d: got %d records, want 8", i, len(r.dest.taken))
			}
		}
		if len(m.token) > 0 {
			t.Error("got the token still taken, want it returned")
		}
	})
}

// TestLargeRecordsOfManyOutputsGoOneByOne where the budget has no room for more, though small ones don't wait for them.
func TestLargeRecordsOfManyOutputsGoOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var inProgress, most atomic.Int32
		rigs, _, _ := start10(t, 4<<20, func(_, _ int, items []string) sink.Reply {
			if slices.ContainsFunc(items, func(it string) bool { return len(it) > 1<<20 }) {
				n := inProgress.Add(1)
				defer inProgress.Add(-1)
				for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
				}
				time.Sleep(time.Second)
			}
			return sink.Reply{Cause: sink.Answered}
		})
		ctx, cancel := context.WithCancel(t.Context())
		for _, r := range rigs {
			r.start(ctx)
		}
		time.Sleep(5 * time.Minute)
		stopAll(rigs, cancel)
		for i, r := range rigs {
			if s := r.out.Stats(); s.Delivered != 8 || s.Lost != 0 {
				t.Errorf("output %d: got %d records delivered, want 8", i, s.Delivered)
			}
		}
		if most.Load() != 1 {
			t.Errorf("got %d large requests at once, want 1", most.Load())
		}
	})
}

// TestALargeRecordThatNobodyTakesHoldsUpNoOther: it is deferred like a small one, although it is encoded for each attempt.
func TestALargeRecordThatNobodyTakesHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newStrict(func(_ context.Context, _ int, items []string) sink.Reply {
			r := sink.Reply{Cause: sink.Answered}
			for i, it := range items {
				if strings.Contains(it, "large 1 ") {
					r.Items = append(r.Items, sink.ItemReply{Index: i, Verdict: sink.Again, Status: 500, Reason: "oops"})
				}
			}
			return r
		})
		r := newRigOn(t, d, buffer.Options{Limit: 64 << 20}, func(c *Config) {
			c.Memory = NewMemory(budget.New(2 << 20))
			c.Retry.Limit = 9
		})
		for i := range 3 {
			r.put("before", largeText(i), "after")
		}
		ctx, cancel := context.WithCancel(t.Context())
		r.start(ctx)
		time.Sleep(30 * time.Minute)
		cancel()
		if s := r.wait(); s.Delivered != 8 || s.Dead != 1 || s.Lost != 0 || s.Buffered != 0 {
			t.Errorf("got %+v, want 8 records delivered and one dead letter", s)
		}
		if len(r.dead.dead) != 1 || !strings.Contains(r.dead.dead[0].Reason, "10 refusals") || !strings.HasPrefix(r.dead.texts[0], "large 1 ") {
			t.Errorf("got %d dead letters, the first for %q, want the large record after ten refusals", len(r.dead.dead), r.dead.dead[0].Reason)
		}
	})
}

// TestAFreedLargeRecordThatItsQueueDropsIsCounted: the accounts add up.
func TestAFreedLargeRecordThatItsQueueDropsIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		d := newStrict(func(context.Context, int, []string) sink.Reply {
			if !up.Load() {
				return sink.Reply{Verdict: sink.Again, Err: errRefused}
			}
			return sink.Reply{Cause: sink.Answered}
		})
		r := newRigOn(t, d, buffer.Options{Limit: 16 << 20, Full: buffer.DropOldest}, func(c *Config) { c.Memory = NewMemory(budget.New(2 << 20)) })
		ctx, cancel := context.WithCancel(t.Context())
		r.start(ctx)
		const sent = 30
		for i := range sent {
			r.put(largeText(i))
			time.Sleep(10 * time.Second)
		}
		up.Store(true)
		time.Sleep(2 * time.Minute)
		cancel()
		s := r.wait()
		if dropped := s.Queue.DroppedNoRoom; s.Delivered+dropped != sent || dropped < sent/2 || s.Queue.DroppedDamaged+s.Unreadable+s.Lost+s.Buffered != 0 {
			t.Errorf("got %d records delivered and %d dropped for lack of room, want all %d: %+v", s.Delivered, dropped, sent, s)
		}
	})
}
