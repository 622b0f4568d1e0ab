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

	"github.com/firelane/firelane/sink"
)

func TestTheRetryLimitCountsRefusalsOnly(t *testing.T) {
	for _, c := range []struct {
		name  string
		reply sink.Reply
		dead  bool
	}{
		{"refused by a server that answered", sink.Reply{Verdict: sink.Again, Err: errRefused, Status: 500, Cause: sink.Answered}, true},
		{"an item refused", sink.Reply{Cause: sink.Answered, Items: []sink.ItemReply{{Verdict: sink.Again, Status: 500, Reason: "oops"}}}, true},
		{"an item that the server had no room for", sink.Reply{Cause: sink.Answered, Items: []sink.ItemReply{{Verdict: sink.Again, Status: 429}}}, false},
		{"an item whose index is blocked", sink.Reply{Cause: sink.Answered, Items: []sink.ItemReply{{Verdict: sink.Again, Status: 403, Busy: true}}}, false},
		{"not reached", sink.Reply{Verdict: sink.Again, Err: errRefused}, false},
		{"throttled", sink.Reply{Verdict: sink.Again, Err: errRefused, Cause: sink.Throttled}, false},
		{"credentials refused", sink.Reply{Verdict: sink.Again, Err: errRefused, Cause: sink.Unauthorised}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newStrict(func(context.Context, int, []string) sink.Reply { return c.reply })
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, d, func(c *Config) { c.Retry.Limit = 2 })
				r.put("1")
				ctx, cancel := context.WithCancel(t.Context())
				r.start(ctx)
				time.Sleep(time.Hour)
				cancel()
				s := r.wait()
				if got := s.Dead == 1; got != c.dead || s.Delivered != 0 || s.GivenUp != s.Dead {
					t.Fatalf("given up: got %v, want %v; %+v", got, c.dead, s)
				}
				if c.dead {
					if n := len(d.received()); n != 3 {
						t.Errorf("got %d attempts, want 3: the first and two retries", n)
					}
					if !strings.Contains(r.dead.dead[0].Reason, "given up after 3 refusals") {
						t.Errorf("got the reason %q, want the number of refusals", r.dead.dead[0].Reason)
					}
				}
			})
		})
	}
}

func TestItemsThatNeverPassDontBlockOthers(t *testing.T) {
	d := newStrict(func(_ context.Context, _ int, items []string) sink.Reply {
		r := sink.Reply{Cause: sink.Answered}
		for i, it := range items {
			if strings.HasPrefix(number(it), "stuck") {
				r.Items = append(r.Items, sink.ItemReply{Index: i, Verdict: sink.Again, Status: 429, Reason: "index is read-only"})
			}
		}
		return r
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, d, nil)
		ctx, cancel := context.WithCancel(t.Context())
		r.start(ctx)
		for i := range 100 {
			r.put(fmt.Sprintf("stuck%d", i), fmt.Sprintf("free%d", i))
			time.Sleep(time.Second)
			r.check()
		}
		eventually(t, "the others are delivered", func() bool { return r.out.Stats().Delivered == 100 })
		cancel()
		s := r.wait()
		r.wantOnce(100)
		if s.Buffered != 100 {
			t.Errorf("got %+v, want 100 buffered", s)
		}
	})
}

func TestARequestThatAlwaysFailsDoesntBlockOthers(t *testing.T) {
	var attempts atomic.Int32
	d := newStrict(func(_ context.Context, _ int, items []string) sink.Reply {
		if strings.Contains(strings.Join(items, ""), "poison") {
			attempts.Add(1)
			return sink.Reply{Verdict: sink.Again, Err: errRefused, Status: 502, Cause: sink.Answered}
		}
		return sink.Reply{Cause: sink.Answered}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, d, nil)
		ctx, cancel := context.WithCancel(t.Context())
		r.start(ctx)
		r.put("poison1", "its company")
		time.Sleep(time.Minute)
		r.put("poison2")
		time.Sleep(time.Minute)
		before := attempts.Load()
		for i := range 100 {
			r.put(fmt.Sprint(i))
			time.Sleep(time.Second)
		}
		eventually(t, "the others are delivered", func() bool { return r.out.Stats().Delivered >= 100 })
		if n := attempts.Load() - before; n > 50 { // the others' success says nothing about it
			t.Errorf("got it tried %d times in 100 seconds, want 50 at most", n)
		}
		cancel()
		r.wait()
	})
}

func TestWhatWaitsIsBounded(t *testing.T) {
	d := newStrict(func(context.Context, int, []string) sink.Reply {
		return sink.Reply{Verdict: sink.Again, Err: errRefused}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, d, nil)
		line := strings.Repeat("x", 1000)
		for range 14 {
			var texts []string
			for range 1000 {
				texts = append(texts, line)
			}
			r.put(texts...)
		}
		ctx, cancel := context.WithCancel(t.Context())
		r.start(ctx)
		time.Sleep(10 * time.Minute)
		s := r.out.Stats()
		if taken := s.Waiting * 1000; taken > ownBudget/2 {
			t.Errorf("got %d bytes of records waiting, want at most %d", taken, ownBudget/2)
		}
		cancel()
		if s := r.wait(); s.Buffered != 14_000 {
			t.Errorf("got %+v, want 14,000 buffered", s)
		}
	})
}

// Panics

func TestAPanicOfTheDestinationIsContained(t *testing.T) {
	d := newStrict(func(_ context.Context, n int, _ []string) sink.Reply {
		if n < 2 {
			panic("nil map")
		}
		return sink.Reply{Cause: sink.Answered}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, d, nil)
		r.put("a", "panic here", "b", "unencodable", "c")
		r.start(t.Context())
		s := r.finish()
		r.wantOnce(3)
		if s.Delivered != 3 || s.Dead != 2 || s.Panics < 2 {
			t.Errorf("got %+v, want 3 delivered, 2 dead and 2 panics or more", s)
		}
		if got := r.dead.numbers(); !slices.Equal(got, []string{"panic here", "unencodable"}) {
			t.Errorf("got the dead letters %v, want the two that can't be encoded", got)
		}
		if n := strings.Count(r.logs.String(), `"stack"`); n != 1 {
			t.Errorf("got %d stacks in the log, want one:\n%s", n, r.logs)
		}
	})
}

func TestAReplyOutOfOrderCountsAsNoReply(t *testing.T) {
	d := newStrict(nil)
	d.script = func(_ context.Context, n int, items []string) sink.Reply {
		if n == 0 {
			return sink.Reply{Verdict: sink.Again, Cause: sink.Answered, Items: []sink.ItemReply{{Index: 9, Verdict: sink.Done}}}
		}
		return sink.Reply{Cause: sink.Answered}
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, d, nil)
		r.put("1", "2")
		r.start(t.Context())
		if s := r.finish(); s.Delivered != 2 {
			t.Errorf("got %+v, want 2 delivered", s)
		}
	})
}

func TestFailingSinceIsTheFirstFailureWithoutADelivery(t *testing.T) {
	d := newStrict(func(_ context.Context, n int, items []string) sink.Reply {
		switch n {
		case 0:
			return sink.Reply{Cause: sink.Answered}
		case 3: // one of the two passes
			return sink.Reply{Cause: sink.Answered, Err: errRefused, Items: []sink.ItemReply{{Index: 1, Verdict: sink.Again, Status: 429, Busy: true}}}
		}
		return sink.Reply{Verdict: sink.Again, Err: errRefused}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, d, nil)
		ctx, cancel := context.WithCancel(t.Context())
		r.start(ctx)
		r.put("1")
		time.Sleep(time.Hour) // delivered, and then idle
		r.put("2", "3")
		begun := time.Now()
		eventually(t, "two failures", func() bool { return r.out.Stats().Failed == 2 })
		if since := r.out.Stats().FailingSince; since.Before(begun) || since.After(begun.Add(time.Second)) {
			t.Errorf("got failing since %v, want since the first failure at %v", since, begun)
		}
		eventually(t, "a delivery", func() bool { return r.out.Stats().Delivered == 2 })
		if s := r.out.Stats(); s.Failed == 2 && !s.FailingSince.IsZero() {
			t.Errorf("got failing since %v, want zero, as a record was just delivered", s.FailingSince)
		}
		cancel()
		r.wait()
		if !strings.Contains(r.logs.String(), "the destination refuses records for now, index-of-3: 1 record waits") {
			t.Errorf("got this log, want what was refused: %s", r.logs)
		}
	})
}
