package deliver

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
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
		t.Errorf("stats: %+v", s)
	}
	if r.dest.closed != 1 {
		t.Errorf("the destination was closed %d times", r.dest.closed)
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
			t.Errorf("sent again: %v, want %v", got, want)
		}
		r.wantOnce(99)
		if s.Delivered != 99 || s.Dead != 1 || s.Retried != 1 {
			t.Errorf("stats: %+v", s)
		}
		if len(r.dead.dead) != 1 {
			t.Fatalf("%d dead letters, want 1", len(r.dead.dead))
		}
		g := r.dead.dead[0]
		if r.dead.texts[0] != "7" || g.Status != 400 || g.Type != "mapper_parsing_exception" ||
			g.Reason != "failed to parse field [a]" || g.Target != "index-of-7" || g.Output != "test.0" {
			t.Errorf("dead letter: %q %+v", r.dead.texts[0], g)
		}
		if d.encoded != 100 {
			t.Errorf("%d records were encoded, want each once", d.encoded)
		}
	})
}

func TestARequestThatIsThrottledClosesTheGate(t *testing.T) {
	// Four attempts are under way when the throttling begins. From then on there is one at a time, until one passes.
	var throttled, probing, most int
	var d *strict
	d = newStrict(func(ctx context.Context, n int, items []string) sink.Reply {
		time.Sleep(50 * time.Millisecond)
		switch {
		case n < 40:
			return sink.Reply{Cause: sink.Answered}
		case n < 60:
			d.mu.Lock()
			throttled++
			if n > 45 { // those under way when the gate closed have come back
				probing = d.flying
				most = max(most, probing)
			}
			d.mu.Unlock()
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
		if r.dest.most < 3 {
			t.Errorf("%d attempts at once before, want concurrency to have grown", r.dest.most)
		}
		eventually(t, "the gate opens", func() bool { return r.out.Stats().Gate == GateOpen })
		if most != 1 {
			t.Errorf("%d attempts at once while throttled, want 1", most)
		}
		if c := r.out.Stats().Concurrency; c >= r.dest.most {
			t.Errorf("concurrency %d after throttling, want it halved", c)
		}
		r.finish()
		r.wantOnce(2000)
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	var first, second time.Time
	d := newStrict(func(_ context.Context, n int, _ []string) sink.Reply {
		if n == 0 {
			first = time.Now()
			return sink.Reply{Verdict: sink.Again, Err: errRefused, Status: 429, Cause: sink.Throttled, RetryAfter: 45 * time.Second}
		}
		second = time.Now()
		return sink.Reply{Cause: sink.Answered}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, d, nil)
		r.put("1")
		r.start(t.Context())
		eventually(t, "it passes", func() bool { return r.out.Stats().Buffered == 0 })
		if w := second.Sub(first); w < 45*time.Second || w > 46*time.Second {
			t.Errorf("tried again after %v, want 45s", w)
		}
		r.finish()
	})
}

func TestAnUnreachableDestinationIsTriedAtMostEvery30Seconds(t *testing.T) {
	var at []time.Time
	up := false
	d := newStrict(func(context.Context, int, []string) sink.Reply {
		at = append(at, time.Now())
		if up {
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
		if n := len(at); n < 120 || n > 1000 {
			t.Errorf("%d attempts in an hour", n)
		}
		for i := 1; i < len(at); i++ {
			if w := at[i].Sub(at[i-1]); w > 31*time.Second {
				t.Errorf("waited %v", w)
			}
		}
		up = true
		r.put(upTo(10, 20)...)
		eventually(t, "it recovers by itself", func() bool { return r.out.Stats().Buffered == 0 })
		s := r.finish()
		r.wantOnce(20)
		if s.Dead != 0 {
			t.Errorf("%d records were given up for waiting", s.Dead)
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
			t.Errorf("gate: %v", r.out.Stats().Gate)
		}
		cancel()
		s := r.wait()
		if !strings.Contains(r.logs.String(), "refuses the credentials") {
			t.Errorf("the log doesn't say why records wait:\n%s", r.logs)
		}
		if s.Dead != 0 || s.Buffered != 1 {
			t.Errorf("stats: %+v", s)
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
			t.Errorf("dead: %v", got)
		}
		if d := r.dead.dead[0]; d.Status != 413 || !strings.Contains(d.Reason, "413") {
			t.Errorf("reason: %+v", d)
		}
		if s.Delivered != 50 || time.Since(start) > time.Second {
			t.Errorf("took %v: %+v", time.Since(start), s)
		}
	})
}

func TestASizeThatWasRefusedIsNotTriedAgain(t *testing.T) {
	refused := 0
	d := newStrict(func(_ context.Context, n int, items []string) sink.Reply {
		if len(strings.Join(items, "")) > 200_000 {
			refused++
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
	if refused > 6 {
		t.Errorf("%d requests were refused for their size", refused)
	}
}

func TestHalvingForOneBadItemSaysNothingAboutSizes(t *testing.T) {
	largest := 0
	d := newStrict(func(_ context.Context, _ int, items []string) sink.Reply {
		size := len(strings.Join(items, ""))
		for _, it := range items {
			if strings.HasPrefix(number(it), "bad") {
				if len(items) == 1 {
					return sink.Reply{Verdict: sink.Again, Err: errRefused, Status: 400, Cause: sink.Answered, Items: []sink.ItemReply{{Verdict: sink.Never, Status: 400}}}
				}
				return sink.Reply{Verdict: sink.Again, Err: errRefused, Status: 400, Cause: sink.Answered, Split: sink.ByItem}
			}
		}
		largest = max(largest, size)
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
	if len(r.dead.dead) != 1 || largest < 900_000 {
		t.Errorf("%d dead, and the largest request had %d bytes", len(r.dead.dead), largest)
	}
}

func TestItemsAreReencodedAndSentAtOnceWhenTheDestinationAsksForIt(t *testing.T) {
	d := newStrict(func(_ context.Context, n int, items []string) sink.Reply {
		if n == 0 {
			return sink.Reply{Verdict: sink.Again, Err: errors.New("_type is not supported"), Status: 400, Cause: sink.Answered, Reencode: true,
				Items: []sink.ItemReply{{Index: 3, Verdict: sink.Done}}}
		}
		return sink.Reply{Cause: sink.Answered}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, d, func(c *Config) { c.Retry.Limit = 0 })
		r.put(upTo(0, 10)...)
		start := time.Now()
		r.start(t.Context())
		eventually(t, "all is delivered", func() bool { return r.out.Stats().Delivered == 10 })
		if w := time.Since(start); w > 10*time.Millisecond {
			t.Errorf("took %v: the items waited", w)
		}
		s := r.finish()
		r.wantOnce(10)
		if d.encoded != 19 || s.Dead != 0 {
			t.Errorf("%d records were encoded, want 10 and then 9; %+v", d.encoded, s)
		}
	})
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
		if n := len(d.attempts); n > 200 {
			t.Errorf("%d attempts in a minute", n)
		}
	})
}
