package buffer

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// fillUp appends until there is no room, and returns how many records it appended.
func fillUp(t *testing.T, q *Queue) (n int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	for q.Append(ctx, make([]byte, 100), 1, nil) == nil {
		n++
	}
	return n
}

func TestAStalledQueueDropsItsOldestForACallerThatOthersWaitFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mustOpen(t, Options{FS: newFolder(), Limit: 4000, SegmentSize: 500})
		defer q.Close()
		fillUp(t, q)
		alone, cancel := context.WithCancel(t.Context())
		waits := make(chan error, 1) // a caller that nobody waits for is first in line
		go func() { waits <- q.Append(alone, make([]byte, 3000), 1, nil) }()
		synctest.Wait()
		begin := time.Now()
		yields := func() bool { return true }
		if err := q.AppendBeside(t.Context(), make([]byte, 100), 1, nil, yields); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took < stalledAfter-time.Second || took > stalledAfter+2*retryEvery {
			t.Errorf("the first one took %v, want about %v", took, stalledAfter)
		}
		if s := q.Stats(); s.DroppedNoRoom == 0 || s.DroppedNoRoom > 10 {
			t.Errorf("got %d records dropped, want those of a segment", s.DroppedNoRoom)
		}
		begin = time.Now()
		for range 1000 {
			if err := q.AppendBeside(t.Context(), make([]byte, 100), 1, nil, yields); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(begin); took > 0 {
			t.Errorf("the next ones took %v, want no time: the queue is known to be stalled", took)
		}
		checkBalance(t, q)
		cancel()
		if err := <-waits; err == nil {
			t.Error("got a batch of a caller that nobody waits for appended, want it to wait")
		}
		checkBalance(t, q)
	})
}

func TestAQueueThatDeliversIsNotStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mustOpen(t, Options{FS: newFolder(), Limit: 4000, SegmentSize: 500})
		defer q.Close()
		fillUp(t, q)
		for range 20 { // slow, but not away
			time.Sleep(stalledAfter / 2)
			if q.Stalled() {
				t.Fatal("got a stalled queue, want one that is slow")
			}
			c, err := q.Next(t.Context(), 100, 0)
			if err != nil {
				t.Fatal(err)
			}
			q.Commit(c)
			fillUp(t, q)
		}
		time.Sleep(stalledAfter)
		if !q.Stalled() {
			t.Error("got a queue that isn't stalled, want a stalled one: nothing was delivered")
		}
		if s := q.Stats(); s.DroppedNoRoom > 0 {
			t.Errorf("got %d records dropped, want none: nobody asked for it", s.DroppedNoRoom)
		}
	})
}

func TestAStalledQueueTakesABatchThatIsLargerThanItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mustOpen(t, Options{FS: newFolder(), Limit: 4000, SegmentSize: 500})
		defer q.Close()
		fillUp(t, q)
		if err := q.AppendBeside(t.Context(), make([]byte, 10_000), 1, nil, func() bool { return true }); err != nil {
			t.Errorf("got %v, want the batch appended", err)
		}
		checkBalance(t, q)
	})
}

// TestAQueueWhoseDestinationIsAwayIsStalledAsSoonAsItIsFull: others need not wait then.
func TestAQueueWhoseDestinationIsAwayIsStalledAsSoonAsItIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mustOpen(t, Options{FS: newFolder(), Limit: 4000, SegmentSize: 500})
		defer q.Close()
		time.Sleep(time.Hour) // it was empty
		fill(t, q, 0, 1)
		if fillUp(t, q); q.Stalled() {
			t.Error("got a stalled queue, want one that has had no time to deliver")
		}
		c, err := q.Next(t.Context(), 4000, 0)
		if err != nil {
			t.Fatal(err)
		}
		q.Commit(c)
		time.Sleep(stalledAfter)
		if fillUp(t, q); !q.Stalled() {
			t.Error("got a queue that isn't stalled, want a stalled one: nothing has been delivered for as long")
		}
	})
}
