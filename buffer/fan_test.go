package buffer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestAFanWritesOnceWhatSeveralQueuesGet(t *testing.T) {
	dir := t.TempDir()
	var queues []*Queue
	for _, name := range []string{"a", "b", "c"} {
		queues = append(queues, mustOpen(t, Options{Dir: dir, Name: name}))
	}
	f := NewFan(queues)
	want := fan(t, f, queues, 0, 100)
	first, err := os.Stat(filepath.Join(dir, "a", queues[0].active.name()))
	if err != nil {
		t.Fatal(err)
	}
	for n, q := range queues {
		found, err := os.Stat(filepath.Join(dir, q.lock.(*disk).dir[len(dir)+1:], q.active.name()))
		if err != nil || !os.SameFile(first, found) {
			t.Errorf("got another file for queue %d (%v), want the same for all", n, err)
		}
	}
	checkDeliveries(t, deliver(t, queues[1]), want[1])
	for n, q := range queues { // what one has delivered stays for the others
		q.Close()
		q = mustOpen(t, Options{Dir: dir, Name: string(rune('a' + n))})
		if n != 1 {
			checkDeliveries(t, deliver(t, q), want[n])
		} else if s := q.Stats(); s.Records > 0 {
			t.Errorf("got %d records again, want none of what was delivered", s.Records)
		}
		q.Close()
	}
	for _, name := range []string{"a", "b", "c"} {
		left, err := os.ReadDir(filepath.Join(dir, name))
		if err != nil || len(left) != 1 || left[0].Name() != lockName {
			t.Errorf("got %v left in %s (%v), want the lock alone", left, name, err)
		}
	}
}

// TestAQueueWithoutRoomLeavesAFan: the others go on without it, and it comes back when it has room again.
func TestAQueueWithoutRoomLeavesAFan(t *testing.T) {
	f, queues := fanOf(t, newLinked(3), Options{SegmentSize: 600, Limit: 1 << 20})
	small := queues[1]
	small.full, small.stats.Limit = DropOldest, 3000
	want := fan(t, f, queues, 0, 50)
	for i := 50; i < 150; i++ { // one after another, as if it had not been full before
		small.fullness.full = false
		for n, d := range fan(t, f, queues, i, i+1) {
			want[n] = append(want[n], d...)
		}
	}
	if s := small.Stats(); s.DroppedNoRoom == 0 {
		t.Fatalf("got nothing dropped, want a full queue: %+v", s)
	}
	if small.shared() != 0 || queues[0].shared() < 5 || queues[0].active != f.segs[slices.Index(f.members, queues[0])] {
		t.Errorf("got %d files of the full queue shared and %d of another, want none and most", small.shared(), queues[0].shared())
	}
	got := deliver(t, small)
	checkDeliveries(t, got, want[1][len(want[1])-len(got):])
	small.draining = false
	for n, d := range fan(t, f, queues, 150, 175) {
		want[n] = append(want[n], d...)
	}
	if small.shared() == 0 {
		t.Error("got no file shared by the queue that has room again")
	}
	for _, n := range []int{0, 2} {
		checkDeliveries(t, deliver(t, queues[n]), want[n])
	}
	for n, q := range queues {
		if s := q.Stats(); n != 1 && s.DroppedRecords > 0 {
			t.Errorf("got %+v of queue %d, want nothing dropped", s, n)
		}
	}
}

// TestWhatOneQueueDoesWithASharedFileChangesNothingForAnother: it commits out of order, which cuts its own files to stubs, and makes
// spares of files that are its own alone.
func TestWhatOneQueueDoesWithASharedFileChangesNothingForAnother(t *testing.T) {
	folders := newLinked(2)
	f, queues := fanOf(t, folders, Options{SegmentSize: 400})
	want := fan(t, f, queues, 0, 60)
	a, b := queues[0], queues[1]
	var chunks []*Chunk
	for a.Stats().Records > 0 && len(chunks) < 8 {
		c, err := a.Next(t.Context(), 400, 0)
		if err != nil {
			t.Fatal(err)
		}
		chunks = append(chunks, c)
	}
	for _, c := range chunks[1:] {
		a.Commit(c)
	}
	stubs := 0
	for _, s := range a.segs {
		if s.stub {
			stubs++
		}
	}
	if stubs < 3 {
		t.Fatalf("got %d stubs, want those of what was committed before an older one", stubs)
	}
	again := mustOpen(t, Options{FS: cloneAll(folders)[0], SegmentSize: 400})
	if s := again.Stats(); s.DroppedRecords+s.Damaged > 0 {
		t.Errorf("got %+v after a crash, want nothing missed", s)
	}
	again.Close()
	a.Commit(chunks[0])
	for n, d := range fan(t, f, queues, 60, 100) { // over spares, where there are some
		want[n] = append(want[n], d...)
	}
	deliver(t, a)
	checkDeliveries(t, deliver(t, b), want[1])
	if len(b.spares) == 0 {
		t.Error("got no spare of files that no other queue has any more")
	}
}

// TestDamageInASharedFileIsCountedByEachQueueThatReadsIt, which sets it aside under its own name.
func TestDamageInASharedFileIsCountedByEachQueueThatReadsIt(t *testing.T) {
	folders := newLinked(2)
	f, queues := fanOf(t, folders, Options{SegmentSize: 1 << 20})
	want := fan(t, f, queues, 0, 20)
	f.end()
	flip(t, folders[0], queues[0].segs[0].name(), queues[0].segs[0].data()+frameHeader)
	for n, q := range queues {
		checkDeliveries(t, deliver(t, q), want[n][1:])
		if s := q.Stats(); s.DroppedDamaged != int64(want[n][0].records) || s.Damaged != 1 {
			t.Errorf("got %+v, want one damaged batch", s)
		}
		q.Close()
		if names := folders[n].names(); len(names) != 1 || filepath.Ext(names[0]) != asideSuffix {
			t.Errorf("got %v, want the damaged file kept", names)
		}
	}
}

// TestADamagedSlotIsDeliveredFromTheBeginning, and nothing counts as missing. Only if the damage is in what says their ids, its
// records get others, which are nobody else's.
func TestADamagedSlotIsDeliveredFromTheBeginning(t *testing.T) {
	for at := range int64(slotSize) {
		folders := newLinked(2)
		f, queues := fanOf(t, folders, Options{SegmentSize: 400})
		want := fan(t, f, queues, 0, 30)[1]
		s := queues[1].segs[1]
		from, to := s.begin, s.own(s.end.pos)
		queues[0].Close()
		queues[1].Close()
		flip(t, folders[1], s.name(), s.mark()+at)
		q := mustOpen(t, Options{FS: folders[1], SegmentSize: 400})
		got := deliver(t, q)
		if at >= placeIn && at < placeIn+placeSize+4 {
			for n := range want {
				if want[n].pos >= from && want[n].pos < to {
					if got[n].queue == want[n].queue {
						t.Fatalf("byte %d: got the queue's identity, want another one", at)
					}
					want[n].queue = got[n].queue
				}
			}
		}
		checkDeliveries(t, got, want)
		if st := q.Stats(); st.DroppedRecords+st.Damaged > 0 {
			t.Fatalf("byte %d: got %+v, want nothing lost", at, st)
		}
		q.Close()
	}
}

// TestAFanOfFoldersThatCantShareFilesAppendsToNone, and nor does one whose disk is full: each queue does it by itself.
func TestAFanOfFoldersThatCantShareFilesAppendsToNone(t *testing.T) {
	for _, failure := range []error{syscall.EXDEV, syscall.EPERM, syscall.ENOSPC, syscall.EMLINK} {
		folders := newLinked(3)
		var queues []*Queue
		for _, l := range folders {
			disk := &faulty{FS: l, fault: func(op, _ string, size int) (int, error) {
				if op == "link" {
					return 0, failure
				}
				return size, nil
			}}
			queues = append(queues, mustOpen(t, Options{FS: disk, SegmentSize: 400}))
		}
		f := NewFan(queues)
		want := fan(t, f, queues, 0, 20)
		if f.unfit.Load() == isFull(failure) {
			t.Errorf("%v: got unfit %v", failure, f.unfit.Load())
		}
		for n, q := range queues {
			checkDeliveries(t, deliver(t, q), want[n])
			q.Close()
			if names := folders[n].names(); len(names) > 0 {
				t.Errorf("%v: got %v left, want nothing", failure, names)
			}
		}
	}
}

// TestAFanThatCantWriteLeavesNothingBehind: a write that fails, or ends in the middle, is cut off for all.
func TestAFanThatCantWriteLeavesNothingBehind(t *testing.T) {
	for _, failure := range []error{syscall.ENOSPC, syscall.EIO} {
		for _, cuts := range []bool{true, false} {
			t.Run(fmt.Sprint(failure, cuts), func(t *testing.T) {
				folders := newLinked(3)
				var queues []*Queue
				fails := 0
				for _, l := range folders {
					disk := &faulty{FS: l, fault: func(op, _ string, size int) (int, error) {
						switch {
						case op == "write" && size > 60 && fails > 0:
							fails--
							return size / 2, failure
						case op == "truncate" && !cuts:
							return 0, syscall.EIO
						}
						return size, nil
					}}
					queues = append(queues, mustOpen(t, Options{FS: disk, SegmentSize: 2000}))
				}
				f := NewFan(queues)
				want := fan(t, f, queues, 0, 10)
				fails = 1
				for n, d := range fan(t, f, queues, 10, 20) {
					want[n] = append(want[n], d...)
				}
				if fails != 0 {
					t.Fatal("no write failed")
				}
				for n, left := range cloneAll(folders) {
					q := mustOpen(t, Options{FS: left})
					checkDeliveries(t, deliver(t, q), want[n])
					if s := q.Stats(); s.DroppedRecords+s.Damaged > 0 {
						t.Errorf("got %+v after a crash, want nothing lost", s)
					}
					q.Close()
				}
				for n, q := range queues {
					checkDeliveries(t, deliver(t, q), want[n])
					q.Close()
				}
			})
		}
	}
}

// TestWhatAllHaveDeliveredOfAFanReachesNoDisk: the next append begins a new file. While one of them has not, the file is filled.
func TestWhatAllHaveDeliveredOfAFanReachesNoDisk(t *testing.T) {
	f, queues := fanOf(t, newLinked(2), Options{SegmentSize: 1 << 20})
	batch := make([]byte, recycleAt)
	accepted := func(*Queue) {}
	commit := func(q *Queue) {
		c, err := q.Next(t.Context(), 2*recycleAt, 0)
		if err != nil {
			t.Fatal(err)
		}
		q.Commit(c)
	}
	f.Append(batch, 1, accepted)
	first := f.segs[0]
	commit(queues[0])
	if f.Append(batch, 1, accepted); f.segs[0] != first {
		t.Error("got a new file while one queue has delivered nothing of the last one")
	}
	commit(queues[0])
	for queues[1].Stats().Records > 0 {
		commit(queues[1])
	}
	if f.Append(batch[:1], 1, accepted); f.segs[0] == first || len(queues[0].segs)+len(queues[1].segs) != 2 {
		t.Errorf("got %d and %d files, want only a new one", len(queues[0].segs), len(queues[1].segs))
	}
}

// TestTheFilesOfAFanGrowWithItsLongestQueue, so that a dead output's backlog has few. They stay an eighth of the smallest limit.
func TestTheFilesOfAFanGrowWithItsLongestQueue(t *testing.T) {
	for _, tt := range []struct{ limit, want int64 }{{1 << 30, maxSegmentSize}, {64 << 20, 8 << 20}} {
		f, queues := fanOf(t, newLinked(2), Options{Limit: 1 << 30})
		for n, q := range queues { // as on disk
			q.segSize, q.maxSegSize = segmentSize, maxSegmentSize
			q.size = int64(n) * 200 << 20
		}
		queues[0].stats.Limit = tt.limit
		f.Append(make([]byte, 100), 1, func(*Queue) {})
		if len(f.segs) != 2 || f.segs[0].room != tt.want {
			t.Errorf("got %d files, want two of %d bytes", len(f.segs), tt.want)
		}
		queues[1].size -= 200 << 20
	}
}

// TestQueuesGiveWayTogether: a file that two stalled queues have is dropped by both, one that a third needs by none.
func TestQueuesGiveWayTogether(t *testing.T) {
	f, queues := fanOf(t, newLinked(3), Options{SegmentSize: 400, StalledAfter: 1})
	fan(t, f, queues, 0, 60)
	if DropOldestOf(queues[:2]) {
		t.Error("got records dropped for a file that another queue keeps")
	}
	if !DropOldestOf(queues) {
		t.Error("got nothing dropped, want the oldest of all three")
	}
	for n, q := range queues {
		if s := q.Stats(); s.DroppedNoRoom == 0 {
			t.Errorf("got nothing dropped of queue %d", n)
		}
		checkBalance(t, q)
	}
}

func TestAppendingToAFanTakesNoMemory(t *testing.T) {
	f, queues := fanOf(t, newLinked(3), Options{SegmentSize: 64 << 20, Limit: 1 << 30})
	batch := make([]byte, 100)
	accepted := func(*Queue) {}
	f.Append(batch, 1, accepted)
	for _, q := range queues {
		q.active.stamps = slices.Grow(q.active.stamps, 100)
	}
	if n := testing.AllocsPerRun(1000, func() { f.Append(batch, 1, accepted) }); n >= 1 { // blocks of the files
		t.Errorf("got %v allocations, want none", n)
	}
	if !errors.Is(queues[0].Append(t.Context(), nil, 1, nil), errEmpty) {
		t.Error("got an empty batch appended")
	}
}

// TestFansAreUsedByManyAtOnce: several that have queues in common, and readers that commit meanwhile.
func TestFansAreUsedByManyAtOnce(t *testing.T) {
	dir := t.TempDir()
	var queues []*Queue
	for _, name := range []string{"a", "b", "c"} {
		q := mustOpen(t, Options{Dir: dir, Name: name, SegmentSize: 8 << 10})
		defer q.Close()
		queues = append(queues, q)
	}
	fans := []*Fan{NewFan(queues), NewFan([]*Queue{queues[2], queues[1]}), NewFan(queues)}
	const batches = 500
	var appending, reading sync.WaitGroup
	for _, f := range fans {
		appending.Go(func() {
			for i := range batches {
				var took []*Queue
				f.Append([]byte(batchText(i)), batchRecords(i), func(q *Queue) { took = append(took, q) })
				for _, q := range queues {
					if !slices.Contains(took, q) {
						if err := q.Append(t.Context(), []byte(batchText(i)), batchRecords(i), nil); err != nil {
							t.Error(err)
						}
					}
				}
			}
		})
	}
	for n, q := range queues {
		reading.Go(func() {
			seen, ids := make(map[string]int), make(map[delivery]bool)
			for {
				c, err := q.Next(t.Context(), 1000, time.Millisecond)
				if errors.Is(err, ErrClosed) {
					break
				}
				if err != nil {
					t.Error(err)
					return
				}
				for _, d := range deliveries(c) {
					seen[d.text]++
					ids[d] = true
				}
				q.Commit(c)
			}
			for i := range batches {
				if k := seen[batchText(i)]; k != len(fans) {
					t.Errorf("got batch %d %d times from queue %d, want it from each of %d", i, k, n, len(fans))
					return
				}
			}
			if len(ids) != batches*len(fans) {
				t.Errorf("got %d ids from queue %d, want %d", len(ids), n, batches*len(fans))
			}
		})
	}
	appending.Wait()
	for _, q := range queues {
		q.Drain()
	}
	reading.Wait()
}
