package buffer

import (
	"context"
	"errors"
	"sync/atomic"
	"syscall"
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

// TestAQueueWhoseDestinationIsDownIsStalledSooner: a few seconds are enough for those that wait beside it.
func TestAQueueWhoseDestinationIsDownIsStalledSooner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mustOpen(t, Options{FS: newFolder(), Limit: 4000, SegmentSize: 500})
		defer q.Close()
		begin := time.Now()
		fillUp(t, q)
		q.SetDown(time.Now())
		if err := q.AppendBeside(t.Context(), make([]byte, 100), 1, nil, func() bool { return true }); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took < downAfter || took > downAfter+2*retryEvery {
			t.Errorf("waited for %v, want about %v", took, downAfter)
		}
		q.SetDown(time.Time{}) // it is up again, and has not delivered yet
		if q.Stalled() {
			t.Error("got a stalled queue, want one that gets the usual time")
		}
		checkBalance(t, q)
	})
}

// TestAShortOutageStallsNoQueue has a destination that is down for a moment after each delivery, and one that delivers
// rarely and then fails: neither is down for long.
func TestAShortOutageStallsNoQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mustOpen(t, Options{FS: newFolder(), Limit: 4000, SegmentSize: 500})
		defer q.Close()
		fillUp(t, q)
		for _, rhythm := range [][2]time.Duration{{0, downAfter}, {stalledAfter - downAfter - time.Second, downAfter}} {
			for range 5 {
				time.Sleep(rhythm[0])
				q.SetDown(time.Now())
				time.Sleep(rhythm[1] - time.Millisecond)
				if q.Stalled() {
					t.Fatalf("got a stalled queue %v after a delivery and %v after a failure, want one that is waited for", rhythm[0]+rhythm[1], rhythm[1])
				}
				c, err := q.Next(t.Context(), 100, 0)
				if err != nil {
					t.Fatal(err)
				}
				q.Commit(c)
				q.SetDown(time.Time{})
				fillUp(t, q)
			}
		}
	})
}

// TestAQueueThatDeliversNothingGivesWayOnAFullDisk: by its spares first, and by its records only if nobody takes them.
func TestAQueueThatDeliversNothingGivesWayOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mustOpen(t, Options{FS: newFolder(), SegmentSize: 500})
		defer q.Close()
		time.Sleep(time.Second)
		fill(t, q, 0, 100)
		q.SetDown(time.Now())
		if DropOldestOf([]*Queue{q}) {
			t.Error("got records dropped at once, want them kept while the destination may come back")
		}
		time.Sleep(downAfter)
		if q.GiveWay() {
			t.Error("got records dropped, want only files that nobody needs")
		}
		if !DropOldestOf([]*Queue{q}) || q.Stats().DroppedNoRoom == 0 {
			t.Error("got nothing dropped, want the oldest segment")
		}
		checkBalance(t, q)
		for DropOldestOf([]*Queue{q}) {
			checkBalance(t, q)
		}
		if n := q.Stats().Records; n == 0 || len(q.segs) != 1 {
			t.Errorf("got %d records left in %d segments, want those of the segment that is written", n, len(q.segs))
		}
		fill(t, q, 100, 101)
		before := q.Stats().DroppedNoRoom
		q.SetDown(time.Time{})
		deliver(t, q)
		for len(q.spares) > 0 {
			if !q.GiveWay() {
				t.Fatal("got a spare kept, want it given up")
			}
		}
		if q.GiveWay() || q.Stats().DroppedNoRoom != before {
			t.Error("got more given up than spares")
		}
	})
}

// TestAQueueThatHasNoRoomToGiveAsksOthersOnAFullDisk: one that is empty, and one that is stalled and short.
func TestAQueueThatHasNoRoomToGiveAsksOthersOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var full atomic.Bool
		asked := 0
		disk := &faulty{FS: newFolder()}
		disk.fault = func(what, _ string, size int) (int, error) {
			if full.Load() && what == "write" {
				return 0, syscall.ENOSPC
			}
			return size, nil
		}
		var q *Queue
		q = mustOpen(t, Options{FS: disk, DiskFull: func() bool {
			q.Stats() // no lock is held
			asked++
			full.Store(asked < 3)
			return asked != 2 // this time nobody has room yet
		}})
		defer q.Close()
		full.Store(true)
		begin := time.Now()
		want := fill(t, q, 0, 1)
		if took := time.Since(begin); asked != 3 || took != retryEvery {
			t.Errorf("asked %d times in %v, want 3 times in %v", asked, took, retryEvery)
		}
		full.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := q.Append(ctx, []byte("x"), 1, nil); err == nil || asked != 3 {
			t.Errorf("got the error %v after asking %d times, want an append that waits for the queue's own records", err, asked)
		}
		q.SetDown(time.Now())
		time.Sleep(downAfter)
		asked = 2 // the next one is the last
		if err := q.AppendBeside(t.Context(), []byte(batchText(1)), batchRecords(1), nil, func() bool { return true }); err != nil || asked != 3 {
			t.Errorf("got the error %v after asking %d times, want others asked for what is stalled and has no segment to drop", err, asked-2)
		}
		want = append(want, delivery{q.id, q.next - uint64(batchRecords(1)), batchRecords(1), batchText(1)})
		checkDeliveries(t, deliver(t, q), want)
	})
}

// TestABatchForAStalledQueueCanBeKeptUntilOthersHaveTheirs: nothing is dropped for it meanwhile.
func TestABatchForAStalledQueueCanBeKeptUntilOthersHaveTheirs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mustOpen(t, Options{FS: newFolder(), Limit: 4000, SegmentSize: 500})
		defer q.Close()
		n := fillUp(t, q)
		waits := false
		others := func() bool { return !waits }
		for range 2 { // the second one finds it stalled
			if err := q.AppendUnlessStalled(t.Context(), make([]byte, 100), 1, nil, others); !errors.Is(err, ErrStalled) {
				t.Fatalf("got the error %v, want ErrStalled", err)
			}
		}
		if s := q.Stats(); s.Records != n || s.DroppedNoRoom > 0 || s.Waiting > 0 {
			t.Errorf("got %d records, %d dropped and %d waiting, want all %d kept, and none waiting", s.Records, s.DroppedNoRoom, s.Waiting, n)
		}
		waits = true
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := q.AppendUnlessStalled(ctx, make([]byte, 100), 1, nil, others); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got the error %v, want a wait for room where nobody else would wait", err)
		}
		checkBalance(t, q)
	})
}
