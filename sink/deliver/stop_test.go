package deliver

import (
	"context"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/sink"
)

func TestDrainCancelsBackoffs(t *testing.T) {
	var up atomic.Bool
	d := newStrict(func(context.Context, int, []string) sink.Reply {
		if up.Load() {
			return sink.Reply{Cause: sink.Answered}
		}
		return sink.Reply{Verdict: sink.Again, Err: errRefused, Cause: sink.Throttled, RetryAfter: 4 * time.Minute}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, d, nil)
		r.put(upTo(0, 10)...)
		r.start(t.Context())
		time.Sleep(time.Second)
		start := time.Now()
		r.out.Hurry()
		time.Sleep(10 * time.Second)
		up.Store(true)
		r.finish()
		r.wantOnce(10)
		if w := time.Since(start); w > 11*time.Second {
			t.Errorf("got it ended after %v, of which the destination was down for 10s; want 11s at most", w)
		}
	})
}

func TestRunEndsAtOnceWhenIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newStrict(nil), func(c *Config) { c.Limits.Linger = time.Hour })
		r.start(t.Context())
		r.put("1")
		time.Sleep(time.Second)
		start := time.Now()
		r.finish()
		r.wantOnce(1)
		if w := time.Since(start); w > 0 {
			t.Errorf("got it ended after %v, want at once", w)
		}
	})
}

func TestWhatAStopLeavesIsPutBack(t *testing.T) {
	d := newStrict(func(ctx context.Context, n int, items []string) sink.Reply {
		if n == 0 {
			return sink.Reply{Cause: sink.Answered, Items: []sink.ItemReply{{Index: 0, Verdict: sink.Again, Status: 429}}}
		}
		<-ctx.Done()
		return sink.Reply{Verdict: sink.Again, Err: ctx.Err()}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, d, nil)
		r.put(upTo(0, 10)...)
		ctx, cancel := context.WithCancel(t.Context())
		r.start(ctx)
		time.Sleep(time.Minute)
		cancel()
		s := r.wait()
		if s.Delivered != 9 || s.Buffered != 1 || s.Failed != 0 {
			t.Errorf("got %+v, want 9 delivered, 1 buffered and no failure", s)
		}
		if q := r.queue.Stats(); q.Committed != 0 {
			t.Errorf("got a chunk committed with a record that has not ended, want none: %+v", q)
		}
	})
}

func TestTheFirstRecordWaitsForMoreForTheLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newStrict(nil)
		r := newRig(t, d, func(c *Config) { c.Limits.Linger = 0 })
		r.start(t.Context())
		time.Sleep(time.Second)
		start := time.Now()
		r.put("1")
		time.Sleep(50 * time.Millisecond)
		r.put("2")
		time.Sleep(time.Second)
		linger := sink.Limits{}.WithDefaults().Linger
		if got := d.received(); len(got) != 1 || got[0].at.Sub(start) != linger {
			t.Errorf("got the requests %v, want one %v after %v", got, linger, start)
		}
		r.finish()
	})
}

func TestAttemptsThatHangDontHoldUpTheOthers(t *testing.T) {
	const hanging = 2 // more than the workers
	d := newStrict(nil)
	d.script = func(ctx context.Context, n int, items []string) sink.Reply {
		if n < hanging {
			select {
			case <-ctx.Done():
			case <-time.After(time.Minute):
			}
			return sink.Reply{Verdict: sink.Again, Err: context.DeadlineExceeded}
		}
		return sink.Reply{Cause: sink.Answered}
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, d, func(c *Config) { c.Limits.Workers = 1 })
		r.start(t.Context())
		for n := range hanging {
			r.put(strconv.Itoa(n))
			time.Sleep(stallAfter + time.Second)
		}
		r.put("last")
		time.Sleep(time.Second)
		if s := r.out.Stats(); s.Delivered != 1 {
			t.Errorf("got %+v while %d attempts hang, want 1 delivered", s, hanging)
		}
		r.finish()
		r.wantOnce(hanging + 1)
	})
}

func TestRequestsKeepToTheLimits(t *testing.T) {
	d := newStrict(func(_ context.Context, _ int, items []string) sink.Reply {
		if n := len(strings.Join(items, "")); n > 1000 {
			t.Errorf("got a request of %d bytes, want 1000 at most", n)
		}
		if len(items) > 20 {
			t.Errorf("got a request of %d items, want 20 at most", len(items))
		}
		return sink.Reply{Cause: sink.Answered}
	})
	r := newRig(t, d, func(c *Config) { c.Limits.MaxBytes, c.Limits.MaxItems = 1000, 20 })
	r.put(upTo(0, 1000)...)
	r.put(append(upTo(1000, 1010), strings.Repeat("y", 900))...)
	r.start(t.Context())
	r.finish()
	r.wantOnce(1011)
}

func TestADamagedBatchCostsItsRecordsAndNoOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newStrict(nil), nil)
		bad := batchOf("1", "2", "3")
		bad[len(bad)-5] = 0xc1
		if err := r.queue.Append(t.Context(), bad, 3, nil); err != nil {
			t.Fatal(err)
		}
		r.start(t.Context())
		eventually(t, "the damaged batch ends", func() bool { return r.out.Stats().Buffered == 0 })
		r.put("4")
		s := r.finish()
		if s.Delivered != 3 || s.Unreadable != 1 {
			t.Errorf("got %+v, want 3 delivered and 1 unreadable\n%s", s, r.logs)
		}
	})
}

func TestAStopByDeadlineIsNoErrorOfTheQueue(t *testing.T) {
	d := newStrict(func(context.Context, int, []string) sink.Reply { return sink.Reply{Cause: sink.Answered} })
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, d, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r.start(ctx)
		r.wait()
		if strings.Contains(r.logs.String(), "failed") {
			t.Errorf("got this log, want no failure in it: %s", r.logs)
		}
	})
}

// A chunk is partly delivered when its segment is dropped for room, and the stop comes before the rest is: only the rest is dropped.
func TestWhatIsDeliveredOfAChunkIsNotDroppedAtAStop(t *testing.T) {
	d := newStrict(func(_ context.Context, n int, items []string) sink.Reply {
		if n > 0 {
			return sink.Reply{Verdict: sink.Again, Cause: sink.Unreached, Err: errRefused}
		}
		return sink.Reply{Cause: sink.Answered, Err: errRefused, Items: []sink.ItemReply{{Index: len(items) - 1, Verdict: sink.Again, Status: 403}}}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRigOn(t, d, buffer.Options{Limit: 8 << 10, SegmentSize: 1 << 10, Full: buffer.DropOldest}, nil)
		ctx, cancel := context.WithCancel(t.Context())
		r.start(ctx)
		r.put(upTo(0, 10)...)
		eventually(t, "nine records delivered", func() bool { return r.out.Stats().Delivered == 9 })
		appended := 10
		for ; r.queue.Stats().DroppedNoRoom == 0; appended++ {
			r.put(strings.Repeat("x", 500))
		}
		for range 10 {
			r.put(strings.Repeat("x", 500))
			appended++
		}
		cancel()
		s := r.wait()
		held := s.Queue.Records
		if s.Buffered != held || s.Delivered+s.Queue.DroppedNoRoom+held != int64(appended) {
			t.Errorf("got %+v, want as many buffered as the queue holds", s)
		}
	})
}
