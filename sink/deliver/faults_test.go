package deliver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/internal/race"
	"github.com/firelane/firelane/sink"

	"github.com/rs/zerolog"
)

// faulty is a script of random faults: whole requests refused, lost replies, items refused for now and for good,
// requests too large, hanging, panicking, learning.
func faulty(d *strict, rng *rand.Rand) func(context.Context, int, []string) sink.Reply {
	return func(ctx context.Context, _ int, items []string) sink.Reply {
		d.mu.Lock()
		dice, limit, each := rng.IntN(100), 20+rng.IntN(2000), rng.IntN(4)
		d.mu.Unlock()
		time.Sleep(time.Duration(dice) * time.Millisecond)
		switch {
		case len(strings.Join(items, "")) > 20*limit:
			return sink.Reply{Verdict: sink.Again, Err: errRefused, Status: 413, Cause: sink.Answered, Split: sink.BySize}
		case dice < 10:
			return sink.Reply{Verdict: sink.Again, Err: errRefused, Status: 429, Cause: sink.Throttled, RetryAfter: time.Duration(dice) * time.Second}
		case dice < 20:
			return sink.Reply{Verdict: sink.Again, Err: errors.New("connection reset")}
		case dice < 25: // the server took it all, and the reply is lost
			d.mu.Lock()
			for _, it := range items {
				d.taken[id(it)] = 1
			}
			d.mu.Unlock()
			return sink.Reply{Verdict: sink.Again, Err: errors.New("unexpected EOF")}
		case dice < 28:
			return sink.Reply{Verdict: sink.Again, Err: errRefused, Status: 403, Cause: sink.Unauthorised}
		case dice < 31:
			panic("faulty")
		case dice < 33:
			return sink.Reply{Verdict: sink.Again, Err: errRefused, Status: 400, Cause: sink.Answered, Reencode: true}
		case dice < 35:
			select {
			case <-time.After(20 * time.Second):
			case <-ctx.Done():
			}
			return sink.Reply{Verdict: sink.Again, Err: context.DeadlineExceeded}
		}
		r := sink.Reply{Cause: sink.Answered}
		for i, it := range items {
			d.mu.Lock()
			k := rng.IntN(100)
			d.mu.Unlock()
			switch {
			case d.has(it):
				r.Items = append(r.Items, sink.ItemReply{Index: i, Verdict: sink.Done, Status: 409})
			case strings.HasPrefix(number(it), "bad"):
				r.Items = append(r.Items, sink.ItemReply{Index: i, Verdict: sink.Never, Status: 400, Reason: "bad"})
			case k < 5*each:
				r.Items = append(r.Items, sink.ItemReply{Index: i, Verdict: sink.Again, Status: 429})
			}
		}
		return r
	}
}

// has says whether the record was written; a second write of it is a 409, which counts as no write.
func (d *strict) has(item string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.taken[id(item)] == 0 {
		return false
	}
	d.taken[id(item)] = 0 // the strict destination counts the item that is done below
	return true
}

// delivered runs n records through a destination whose faults follow from seed.
func delivered(t *testing.T, seed uint64, n int) {
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(seed, 1))
		d := newStrict(nil)
		d.script = faulty(d, rng)
		r := newRig(t, d, func(c *Config) {
			c.Log = zerolog.New(io.Discard)
			c.Limits.MaxBytes = 200 + int(seed%5)*2000
			c.Limits.MaxItems = 1 + int(seed%7)*40
		})
		r.start(t.Context())
		sent, bad := 0, 0
		for sent < n {
			var texts []string
			d.mu.Lock()
			k := 1 + rng.IntN(60)
			d.mu.Unlock()
			for range k {
				text := fmt.Sprint(sent)
				if sent%97 == 0 {
					text = "bad" + text
					bad++
				}
				texts = append(texts, text)
				sent++
			}
			r.put(texts...)
			r.check()
			time.Sleep(time.Duration(k) * 10 * time.Millisecond)
			r.check()
		}
		for r.out.Stats().Buffered > 0 {
			time.Sleep(time.Second)
			r.check()
		}
		s := r.finish()
		// A bad record whose request was taken while the reply was lost is there already.
		if got := s.Delivered + s.Dead; got != int64(sent) || len(r.dead.ids) != int(s.Dead) {
			t.Fatalf("seed %d: got %+v, want %d delivered and dead", seed, s, sent)
		}
		ended := map[string]int{}
		d.mu.Lock()
		defer d.mu.Unlock()
		for id, k := range d.taken {
			ended[id] += k
		}
		for _, id := range r.dead.ids {
			ended[id]++
		}
		if len(ended) != sent {
			t.Fatalf("seed %d: got %d records ended, want %d", seed, len(ended), sent)
		}
		for id, k := range ended {
			if k != 1 {
				t.Errorf("seed %d: got record %s ended %d times, want once", seed, id, k)
			}
		}
	})
}

func TestNothingIsLostOrWrittenTwiceUnderFaults(t *testing.T) {
	seeds := uint64(40)
	if race.Enabled { // it makes each ten times dearer
		seeds = 10
	}
	for seed := range seeds {
		delivered(t, seed, 1500)
		if t.Failed() {
			return
		}
	}
}

func FuzzFaults(f *testing.F) {
	for seed := range uint64(3) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) { delivered(t, seed, 300) })
}
