package deliver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/sink"
)

var cut = sink.Reply{Verdict: sink.Again, Err: errors.New("sending to test: connection reset by peer"), CutOff: true}

// lines puts n records of 1 KB, in batches of 10.
func (r *rig) lines(from, n int) {
	line := strings.Repeat("x", 980)
	for i := range n / 10 {
		var texts []string
		for j := range 10 {
			texts = append(texts, fmt.Sprint(from+i*10+j, line))
		}
		r.put(texts...)
	}
}

// TestServerThatCutsOffLargeRequestsGetsSmallerOnes: it resets the connection instead of answering 413.
func TestServerThatCutsOffLargeRequestsGetsSmallerOnes(t *testing.T) {
	var cuts atomic.Int32
	d := newStrict(func(_ context.Context, _ int, items []string) sink.Reply {
		if len(strings.Join(items, "")) > 200_000 {
			cuts.Add(1)
			return cut
		}
		return sink.Reply{Cause: sink.Answered}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, d, nil)
		r.lines(0, 3000)
		start := time.Now()
		r.start(t.Context())
		s := r.finish()
		r.wantOnce(3000)
		if took := time.Since(start); took > 5*time.Second || s.Dead != 0 {
			t.Errorf("took %v, want 5 s at most; %+v", took, s)
		}
		if n := cuts.Load(); n > 8 {
			t.Errorf("got %d requests cut off, want 8 at most", n)
		}
		if n := strings.Count(r.logs.String(), "cuts off large requests"); n == 0 || n > 4 {
			t.Errorf("logged %d times: %s", n, r.logs)
		}
	})
}

// TestRequestsGrowAgainAfterCutOffs: what looked like a limit was a server in trouble.
func TestRequestsGrowAgainAfterCutOffs(t *testing.T) {
	d := newStrict(func(_ context.Context, n int, _ []string) sink.Reply {
		if n < 6 {
			return cut
		}
		return sink.Reply{Cause: sink.Answered}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, d, func(c *Config) { c.Limits.Workers = 1 })
		r.lines(0, 3000)
		r.start(t.Context())
		eventually(t, "the first records are delivered", func() bool { return r.out.Stats().Delivered == 3000 })
		for i := 1; i <= 25; i++ {
			r.lines(i*3000, 3000)
			eventually(t, "more are", func() bool { return r.out.Stats().Delivered == int64(i+1)*3000 })
		}
		r.finish()
		all := d.received()
		size := func(requests []request) (n int) {
			for _, q := range requests {
				n = max(n, len(strings.Join(q.items, "")))
			}
			return n
		}
		if after, end := size(all[6:30]), size(all[len(all)-10:]); after > 300_000 || end < 900_000 {
			t.Errorf("after cut-offs requests had %d bytes, at the end %d; want them to shrink, and to grow to 1 MiB", after, end)
		}
	})
}

// TestLimitOfCutOffsIsTriedEverMoreRarely: requests that grow again are cut off again.
func TestLimitOfCutOffsIsTriedEverMoreRarely(t *testing.T) {
	s := sizer{ceiling: 1 << 20}
	size, now, passes := 1<<20, time.Now(), 0
	for cuts := 0; cuts < 10; {
		p := &part{started: now}
		p.out.bytes, p.req.Ends = size, []int{1, 2}
		now = now.Add(time.Second)
		switch {
		case size > 600<<10 && s.cutOff(p, now):
			size /= 2
			s.shrunk(true, size)
			cuts++
		case size <= 600<<10:
			passes++
			if s.pass(size, size) {
				size *= 2
			}
		}
	}
	if passes < 20_000 {
		t.Errorf("got 10 cut-offs in %d requests, want one after ever more", passes)
	}
}

// TestRestartOfTheServerDoesNotShrinkRequests: all requests in progress are cut off at once.
func TestRestartOfTheServerDoesNotShrinkRequests(t *testing.T) {
	var down atomic.Bool
	d := newStrict(func(context.Context, int, []string) sink.Reply {
		time.Sleep(10 * time.Millisecond)
		if down.Load() {
			return cut
		}
		return sink.Reply{Cause: sink.Answered}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, d, nil)
		r.lines(0, 9000)
		r.start(t.Context())
		eventually(t, "several requests are in progress", func() bool { return r.out.Stats().InFlight > 1 })
		down.Store(true)
		time.Sleep(11 * time.Millisecond)
		down.Store(false)
		r.finish()
		if strings.Contains(r.logs.String(), "cuts off large requests") {
			t.Errorf("requests got smaller: %s", r.logs)
		}
	})
}
