package deliver

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/budget"
	"github.com/firelane/firelane/sink"
)

// thousand is 1,000 records of 1,000 bytes, from a number on.
func thousand(from int) (texts []string) {
	for n := range 1000 {
		texts = append(texts, fmt.Sprintf("%07d%s", from+n, strings.Repeat("x", 993)))
	}
	return texts
}

// TestOutputsShareTheBudget: ten outputs whose destinations are away hold no more than the budget; when they are back, all is
// delivered, in smaller requests, and all memory returned.
func TestOutputsShareTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const total = 6 << 20
		b := budget.New(total)
		memory := NewMemory(b)
		var back atomic.Bool
		var rigs []*rig
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var mu sync.Mutex
		lowest := total
		least := func() int {
			mu.Lock()
			defer mu.Unlock()
			lowest = min(lowest, b.Free())
			return lowest
		}
		for range 10 {
			d := newStrict(func(context.Context, int, []string) sink.Reply {
				if least(); !back.Load() {
					return sink.Reply{Verdict: sink.Again, Err: errRefused}
				}
				return sink.Reply{Cause: sink.Answered}
			})
			r := newRig(t, d, func(c *Config) { c.Memory = memory })
			for n := range 3 {
				for _, part := range chunked(thousand(n*1000), 100) {
					r.put(part...)
				}
			}
			rigs = append(rigs, r)
		}
		for _, r := range rigs {
			r.start(ctx)
		}
		time.Sleep(10 * time.Minute)
		if free := b.Free(); free == total-10*minShare || least() < 0 {
			t.Errorf("got %d bytes free, and %d at least, want some taken and none too many", free, least())
		}
		back.Store(true)
		time.Sleep(10 * time.Minute)
		for n, r := range rigs {
			if s := r.out.Stats(); s.Delivered != 3000 {
				t.Errorf("output %d: got %d records delivered, want 3,000", n, s.Delivered)
			}
		}
		for _, r := range rigs {
			r.finish()
		}
		if free := b.Free(); least() < 0 || free != total {
			t.Errorf("got %d bytes free in the end and %d at least, want all returned, and never too many taken", free, least())
		}
	})
}

func chunked(texts []string, n int) (parts [][]string) {
	for ; len(texts) > 0; texts = texts[n:] {
		parts = append(parts, texts[:n])
	}
	return parts
}

// TestDeadOutputsLeaveRoom: what one takes whose destination is away is little, so that another one can work.
func TestDeadOutputsLeaveRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(12 << 20)
		d := newStrict(func(context.Context, int, []string) sink.Reply {
			return sink.Reply{Verdict: sink.Again, Err: errRefused}
		})
		r := newRig(t, d, func(c *Config) { c.Memory = NewMemory(b) })
		for n := range 14 {
			r.put(thousand(n * 1000)...)
		}
		ctx, cancel := context.WithCancel(t.Context())
		r.start(ctx)
		time.Sleep(10 * time.Minute)
		if free := b.Free(); free < 8<<20 {
			t.Errorf("got %d bytes left by a dead output, want two thirds of 12 MiB", free)
		}
		cancel()
		r.wait()
	})
}
