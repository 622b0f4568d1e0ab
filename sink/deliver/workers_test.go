package deliver

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/sink"
)

// workersOf counts the workers of all outputs of the process.
func workersOf() int {
	stacks := make([]byte, 1<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), ").makeAttempts(")
}

// TestWorkersThatHaveNothingToDoEnd but for one, and come again.
func TestWorkersThatHaveNothingToDoEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newStrict(func(context.Context, int, []string) sink.Reply {
			time.Sleep(4 * stallAfter) // others begin beside it
			return sink.Reply{Cause: sink.Answered}
		})
		r := newRig(t, d, func(c *Config) { c.Limits.MaxItems, c.Limits.Workers = 1, 4 })
		ctx, cancel := context.WithCancel(t.Context())
		r.start(ctx)
		for round := range 3 {
			most := 0
			for i := range 30 { // a chunk each
				r.put(upTo(100*round+i, 100*round+i+1)...)
				time.Sleep(time.Second)
				most = max(most, workersOf())
			}
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			if n := workersOf(); most < 3 || n != 1 {
				t.Errorf("got %d workers at most, and %d after some idle minutes, want 3 or more, and one", most, n)
			}
		}
		cancel()
		if s := r.wait(); s.Delivered != 90 || s.Lost != 0 {
			t.Errorf("got %d records delivered, want 90", s.Delivered)
		}
	})
}
