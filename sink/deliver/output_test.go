package deliver

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/sink"
)

// The verdict table of docs/architecture.md, row by row.

func TestDoneIsCommitted(t *testing.T) {
	r := newRig(t, newStrict(nil), nil)
	r.put(upTo(0, 100)...)
	r.start(t.Context())
	s := r.finish()
	r.wantOnce(100)
	if s.Delivered != 100 || s.Buffered != 0 || s.Requests != 1 || r.queue.Stats().Committed != 100 {
		t.Errorf("got %+v, want 100 delivered by one request and committed", s)
	}
	if r.dest.closed != 1 {
		t.Errorf("got the destination closed %d times, want once", r.dest.closed)
	}
}

func TestOnlyTheItemsThatMayPassAreSentAgain(t *testing.T) {
	// 100 records with one 400, one 429 and one 409 on our own id, which the destination calls done.
	d := newStrict(func(_ context.Context, n int, items []string) sink.Reply {
		if n > 0 {
			return sink.Reply{Cause: sink.Answered}
		}
		return sink.Reply{Cause: sink.Answered, Status: 200, Items: []sink.ItemReply{
			{Index: 7, Verdict: sink.Never, Status: 400, Type: "mapper_parsing_exception", Reason: "failed to parse field [a]"},
			{Index: 20, Verdict: sink.Again, Status: 429, Type: "rejected_execution", Reason: "queue is full"},
			{Index: 55, Verdict: sink.Done, Status: 409},
		}}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, d, nil)
		r.put(upTo(0, 100)...)
		r.start(t.Context())
		s := r.finish()
		if got, want := d.numbers()[1:], [][]string{{"20"}}; !reflect.DeepEqual(got, want) {
			t.Errorf("got %v sent again, want %v", got, want)
		}
		r.wantOnce(99)
		if s.Delivered != 99 || s.Dead != 1 || s.Retried != 1 {
			t.Errorf("got %+v, want 99 delivered, 1 dead and 1 retried", s)
		}
		if len(r.dead.dead) != 1 {
			t.Fatalf("got %d dead letters, want 1", len(r.dead.dead))
		}
		g := r.dead.dead[0]
		if r.dead.texts[0] != "7" || g.Status != 400 || g.Type != "mapper_parsing_exception" ||
			g.Reason != "failed to parse field [a]" || g.Target != "index-of-7" || g.Output != "test.0" {
			t.Errorf("got the dead letter %q %+v, want record 7 with the server's reason", r.dead.texts[0], g)
		}
		if d.encoded != 100 {
			t.Errorf("got %d records encoded, want 100, each once", d.encoded)
		}
	})
}

func TestARequestThatIsThrottledClosesTheGate(t *testing.T) {
	// Several requests are in progress when the throttling begins. From then on there is one at a time, until one passes.
	const begins, ends = 40, 50 // the throttling, by requests
	d := newStrict(func(_ context.Context, n int, _ []string) sink.Reply {
		time.Sleep(50 * time.Millisecond)
		if n >= begins && n < ends {
			return sink.Reply{Verdict: sink.Again, Err: errRefused, Status: 429, Cause: sink.Throttled}
		}
		return sink.Reply{Cause: sink.Answered}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, d, func(c *Config) { c.Limits.MaxItems = 10; c.Limits.MaxBytes = 500 })
		for i := range 200 {
			r.put(upTo(i*10, i*10+10)...)
		}
		r.start(t.Context())
		eventually(t, "the gate closes", func() bool { return r.out.Stats().Gate == GateThrottled })
		before := maxInFlight(d.received())
		if before < 3 {
			t.Errorf("got at most %d requests at once before the throttling, want 3 or more", before)
		}
		eventually(t, "the gate opens", func() bool { return r.out.Stats().Gate == GateOpen })
		inProgress := sink.Limits{}.WithDefaults().Workers - 1 // at most, when the gate closed
		if n := maxInFlight(d.received()[begins+1+inProgress : ends]); n != 1 {
			t.Errorf("got %d requests at once while throttled, want 1", n)
		}
		if c := r.out.Stats().Concurrency; c >= before {
			t.Errorf("got concurrency %d after the throttling, want half of %d", c, before)
		}
		r.finish()
		r.wantOnce(2000)
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	d := newStrict(func(_ context.Context, n int, _ []string) sink.Reply {
		if n == 0 {
			return sink.Reply{Verdict: sink.Again, Err: errRefused, Status: 429, Cause: sink.Throttled, RetryAfter: 45 * time.Second}
		}
		return sink.Reply{Cause: sink.Answered}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, d, nil)
		r.put("1")
		r.start(t.Context())
		eventually(t, "it passes", func() bool { return r.out.Stats().Buffered == 0 })
		got := d.received()
		if w := got[1].at.Sub(got[0].at); w < 45*time.Second || w > 46*time.Second {
			t.Errorf("got the retry after %v, want it after 45s", w)
		}
		r.finish()
	})
}

func TestAnUnreachableDestinationIsTriedAtMostEvery30Seconds(t *testing.T) {
	var up atomic.Bool
	d := newStrict(func(context.Context, int, []string) sink.Reply {
		if up.Load() {
			return sink.Reply{Cause: sink.Answered}
		}
		return sink.Reply{Verdict: sink.Again, Err: errors.New("dial tcp: connection refused")}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, d, nil)
		r.put(upTo(0, 10)...)
		r.start(t.Context())
		time.Sleep(time.Hour)
		r.check()
		got := d.received()
		if n := len(got); n < 120 || n > 1000 {
			t.Errorf("got %d attempts in an hour, want 120 to 1000", n)
		}
		for i := 1; i < len(got); i++ {
			if w := got[i].at.Sub(got[i-1].at); w > 31*time.Second {
				t.Errorf("got a wait of %v, want 30s at most", w)
			}
		}
		up.Store(true)
		r.put(upTo(10, 20)...)
		eventually(t, "it recovers by itself", func() bool { return r.out.Stats().Buffered == 0 })
		s := r.finish()
		r.wantOnce(20)
		if s.Dead != 0 {
			t.Errorf("got %d records given up after waiting, want none", s.Dead)
		}
	})
}

func TestRefusedCredentialsLoseNothing(t *testing.T) {
	d := newStrict(func(_ context.Context, n int, _ []string) sink.Reply {
		return sink.Reply{Verdict: sink.Again, Err: errRefused, Status: 403, Cause: sink.Unauthorised}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, d, func(c *Config) { c.Retry.Limit = 1 })
		r.put("1")
		ctx, cancel := context.WithCancel(t.Context())
		r.start(ctx)
		time.Sleep(10 * time.Minute)
		if r.out.Stats().Gate != GateUnauthorised {
			t.Errorf("got the gate %v, want it %v", r.out.Stats().Gate, GateUnauthorised)
		}
		cancel()
		s := r.wait()
		if !strings.Contains(r.logs.String(), "denied access (403): 1 record waits, ") {
			t.Errorf("got this log, want why records wait:\n%s", r.logs)
		}
		if s.Dead != 0 || s.Buffered != 1 {
			t.Errorf("got %+v, want 1 buffered and none dead", s)
		}
	})
}

func TestTooLargeIsHalvedUntilOneRecordIsAlone(t *testing.T) {
	// A server that takes no request over 100 bytes; one record is over it by itself.
	long := "large" + strings.Repeat("x", 200)
	d := newStrict(func(_ context.Context, n int, items []string) sink.Reply {
		if len(strings.Join(items, "")) > 100 {
			return sink.Reply{Verdict: sink.Again, Err: errors.New("posting to test: 413"), Status: 413, Cause: sink.Answered, Split: sink.BySize}
		}
		return sink.Reply{Cause: sink.Answered}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, d, nil)
		r.put(append(append(upTo(0, 20), long), upTo(20, 50)...)...)
		start := time.Now()
		r.start(t.Context())
		s := r.finish()
		r.wantOnce(50)
		if got := r.dead.numbers(); !slices.Equal(got, []string{long}) {
			t.Errorf("got the dead letters %v, want the one that is too large", got)
		}
		if d := r.dead.dead[0]; d.Status != 413 || !strings.Contains(d.Reason, "413") {
			t.Errorf("got %+v, want status 413 and the reason", d)
		}
		if s.Delivered != 50 || time.Since(start) > time.Second {
			t.Errorf("got %+v after %v, want 50 delivered within a second", s, time.Since(start))
		}
	})
}

func TestASizeThatWasRefusedIsNotTriedAgain(t *testing.T) {
	var refused atomic.Int32
	d := newStrict(func(_ context.Context, n int, items []string) sink.Reply {
		if len(strings.Join(items, "")) > 200_000 {
			refused.Add(1)
			return sink.Reply{Verdict: sink.Again, Err: errRefused, Status: 413, Cause: sink.Answered, Split: sink.BySize}
		}
		return sink.Reply{Cause: sink.Answered}
	})
	r := newRig(t, d, nil)
	line := strings.Repeat("x", 980)
	for i := range 300 {
		var texts []string
		for j := range 10 {
			texts = append(texts, fmt.Sprint(i*10+j, line))
		}
		r.put(texts...)
	}
	r.start(t.Context())
	r.finish()
	r.wantOnce(3000)
	if n := refused.Load(); n > 6 {
		t.Errorf("got %d requests refused for their size, want 6 at most", n)
	}
}

func TestHalvingForOneBadItemSaysNothingAboutSizes(t *testing.T) {
	d := newStrict(func(_ context.Context, _ int, items []string) sink.Reply {
		for _, it := range items {
			if strings.HasPrefix(number(it), "bad") {
				if len(items) == 1 {
					return sink.Reply{Verdict: sink.Again, Err: errRefused, Status: 400, Cause: sink.Answered, Items: []sink.ItemReply{{Verdict: sink.Never, Status: 400}}}
				}
				return sink.Reply{Verdict: sink.Again, Err: errRefused, Status: 400, Cause: sink.Answered, Split: sink.ByItem}
			}
		}
		return sink.Reply{Cause: sink.Answered}
	})
	r := newRig(t, d, nil)
	line := strings.Repeat("x", 980)
	r.put(fmt.Sprint("bad ", line))
	for i := range 300 {
		var texts []string
		for j := range 10 {
			texts = append(texts, fmt.Sprint(i*10+j, line))
		}
		r.put(texts...)
	}
	r.start(t.Context())
	r.finish()
	r.wantOnce(3000)
	largest := 0
	for _, req := range d.received() {
		if bad := strings.HasPrefix(number(req.items[0]), "bad"); !bad {
			largest = max(largest, len(strings.Join(req.items, "")))
		}
	}
	if len(r.dead.dead) != 1 || largest < 900_000 {
		t.Errorf("got %d dead letters and %d bytes in the largest request, want 1 and at least 900,000", len(r.dead.dead), largest)
	}
}

func TestItemsThatNobodyRefusedAreSentAtOnceAndEncodedAgainWhereTheDestinationLearned(t *testing.T) {
	for name, tt := range map[string]struct {
		reply   sink.Reply
		encoded int
	}{
		"learned":  {sink.Reply{Err: errors.New("_type is not supported"), Reencode: true}, 10 + 9},
		"unjudged": {sink.Reply{Err: errors.New("an event is invalid"), Unjudged: true}, 10},
	} {
		t.Run(name, func(t *testing.T) {
			d := newStrict(func(_ context.Context, n int, items []string) sink.Reply {
				if n > 0 {
					return sink.Reply{Cause: sink.Answered}
				}
				r := tt.reply
				r.Verdict, r.Status, r.Cause = sink.Again, 400, sink.Answered
				r.Items = []sink.ItemReply{{Index: 3, Verdict: sink.Done}}
				return r
			})
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, d, func(c *Config) { c.Retry.Limit = 0 })
				r.put(upTo(0, 10)...)
				start := time.Now()
				r.start(t.Context())
				eventually(t, "all is delivered", func() bool { return r.out.Stats().Delivered == 10 })
				if w := time.Since(start); w > 10*time.Millisecond {
					t.Errorf("got the items delivered after %v, want no wait", w)
				}
				s := r.finish()
				r.wantOnce(10)
				if d.encoded != tt.encoded || s.Dead != 0 {
					t.Errorf("got %d records encoded, want %d; %+v", d.encoded, tt.encoded, s)
				}
			})
		})
	}
}

func TestADestinationThatAlwaysLearnsIsNotTriedWithoutEnd(t *testing.T) {
	d := newStrict(func(context.Context, int, []string) sink.Reply {
		return sink.Reply{Verdict: sink.Again, Err: errRefused, Cause: sink.Answered, Reencode: true}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, d, nil)
		r.put("1")
		ctx, cancel := context.WithCancel(t.Context())
		r.start(ctx)
		time.Sleep(time.Minute)
		cancel()
		r.wait()
		if n := len(d.received()); n > 200 {
			t.Errorf("got %d attempts in a minute, want 200 at most", n)
		}
	})
}
