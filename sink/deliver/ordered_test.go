package deliver

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/sink"
)

// TestOrderIsKept, through an outage, items that are sent again, a request that is halved, and an attempt that hangs: no record
// is sent after a later one was taken.
func TestOrderIsKept(t *testing.T) {
	last := -1
	d := newStrict(nil)
	d.script = func(_ context.Context, n int, items []string) sink.Reply {
		r := sink.Reply{Cause: sink.Answered}
		switch {
		case n >= 2 && n < 6:
			return sink.Reply{Verdict: sink.Again, Err: errRefused}
		case (n == 7 || n == 8) && len(items) > 1:
			return sink.Reply{Verdict: sink.Again, Err: errRefused, Status: 413, Cause: sink.Answered, Split: sink.BySize}
		case n == 10:
			time.Sleep(3 * stallAfter)
		case n == 12 && len(items) > 1: // the second half may pass later
			for i := len(items) / 2; i < len(items); i++ {
				r.Items = append(r.Items, sink.ItemReply{Index: i, Verdict: sink.Again, Status: 500, Reason: "later"})
			}
			items = items[:len(items)/2]
		}
		for _, it := range items {
			i, err := strconv.Atoi(number(it)[:4])
			if err != nil || i <= last {
				t.Errorf("attempt %d takes record %d after record %d", n, i, last)
			}
			last = i
		}
		return r
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, d, func(c *Config) { c.Limits = sink.Limits{Ordered: true, Workers: 1, MaxItems: 20} })
		r.start(t.Context())
		for i := range 60 {
			r.put(fmt.Sprintf("%04d", 2*i), fmt.Sprintf("%04d%s", 2*i+1, strings.Repeat("x", 1000)))
			time.Sleep(time.Second)
		}
		if s := r.finish(); s.Delivered != 120 || s.Deferred != 0 {
			t.Errorf("got %+v, want 120 delivered", s)
		}
	})
	if n := maxInFlight(d.received()); n != 1 {
		t.Errorf("got %d attempts at once, want 1", n)
	}
}
