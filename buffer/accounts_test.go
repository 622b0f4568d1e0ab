package buffer

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

// TestAcceptedIsCalledWhenStatsCountTheRecords counts what Append accepts beside the queue: whenever Inspect is called,
// while Appends wait, fail and are cancelled, both counts are the same.
func TestAcceptedIsCalledWhenStatsCountTheRecords(t *testing.T) {
	for name, policy := range map[string]Policy{"block": Block, "drop the oldest": DropOldest} {
		t.Run(name, func(t *testing.T) {
			const appenders, each = 4, 200
			q := mustOpen(t, Options{FS: newFolder(), Limit: 4000, Full: policy})
			var accepted int64 // guarded by the queue's lock
			check := func() {
				q.Inspect(func(s Stats) {
					if accepted != s.Appended || accepted != s.Committed+s.DroppedRecords+s.Records {
						t.Errorf("%d accepted, %+v", accepted, s)
					}
				})
			}
			var appending, delivering sync.WaitGroup
			for range appenders {
				appending.Go(func() {
					for i := range each {
						ctx, cancel := t.Context(), func() {}
						if i%10 == 0 {
							ctx, cancel = context.WithTimeout(ctx, time.Microsecond)
						}
						n := batchRecords(i)
						called := 0
						err := q.Append(ctx, make([]byte, 300), n, func() { accepted += int64(n); called++ })
						if (err == nil) != (called == 1) || called > 1 {
							t.Errorf("accepted was called %d times by an Append that returned %v", called, err)
						}
						cancel()
						check()
					}
				})
			}
			delivering.Go(func() { deliverUntilClosed(t, q, check) })
			appending.Wait()
			q.Drain()
			delivering.Wait()
			check()
			q.Close()
			if err := q.Append(t.Context(), []byte("x"), 1, func() { t.Error("a closed queue accepted") }); err == nil {
				t.Error("a closed queue takes a batch")
			}
		})
	}
}

// deliverUntilClosed takes and commits what comes until the queue is drained.
func deliverUntilClosed(t *testing.T, q *Queue, after func()) {
	for {
		c, err := q.Next(t.Context(), 1000, 0)
		if errors.Is(err, ErrClosed) {
			return
		}
		if err != nil {
			t.Error(err)
			return
		}
		q.Commit(c)
		after()
	}
}
