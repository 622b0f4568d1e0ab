package buffer

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestAQueueWhoseFolderIsRemovedDeliversWhatAFanAppended, though the other queue has delivered it, and made spares of its files.
func TestAQueueWhoseFolderIsRemovedDeliversWhatAFanAppended(t *testing.T) {
	dir := t.TempDir()
	a := mustOpen(t, Options{Dir: dir, Name: "a", SegmentSize: 500})
	defer a.Close()
	b := mustOpen(t, Options{Dir: dir, Name: "b", SegmentSize: 500})
	defer b.Close()
	queues := []*Queue{a, b}
	f := NewFan(queues)
	want := fan(t, f, queues, 0, 60)
	if err := os.RemoveAll(filepath.Join(dir, "a")); err != nil {
		t.Fatal(err)
	}
	checkDeliveries(t, deliver(t, b), want[1])
	b.draining = false
	more := fill(t, b, 60, 100)
	checkDeliveries(t, deliver(t, a), want[0])
	checkDeliveries(t, deliver(t, b), more)
	for _, q := range queues {
		if s := q.Stats(); s.DroppedRecords+s.Damaged > 0 {
			t.Errorf("got %+v, want nothing lost", s)
		}
	}
}

// TestAFanThatCanMakeNoFileLeavesTheQueuesTheirs: without descriptors each goes on with the file that it has open.
func TestAFanThatCanMakeNoFileLeavesTheQueuesTheirs(t *testing.T) {
	none := false
	var queues []*Queue
	for _, l := range newLinked(2) {
		disk := &faulty{FS: l, fault: func(op, _ string, size int) (int, error) {
			if none && (op == "open" || op == "create") {
				return 0, syscall.EMFILE
			}
			return size, nil
		}}
		q := mustOpen(t, Options{FS: disk, SegmentSize: 4000})
		defer q.Close()
		queues = append(queues, q)
		fill(t, q, 0, 1)
	}
	none = true
	f := NewFan(queues)
	for i := 1; i < 20; i++ {
		f.Append([]byte(batchText(i)), batchRecords(i), func(*Queue) { t.Error("got a batch appended to a file that can't be made") })
		for _, q := range queues {
			if q.active == nil {
				t.Fatal("got no file left to append to, want the queue's own")
			}
			fill(t, q, i, i+1)
		}
	}
}

// TestAFanMakesNoLargerFileOfASpareThanAllHaveRoomFor: a queue with a small limit would drop its records for another's spare.
func TestAFanMakesNoLargerFileOfASpareThanAllHaveRoomFor(t *testing.T) {
	folders := newLinked(2)
	large := mustOpen(t, Options{FS: folders[0], SegmentSize: 4000})
	defer large.Close()
	small := mustOpen(t, Options{FS: folders[1], SegmentSize: 500, Limit: 4000, Full: DropOldest})
	defer small.Close()
	fill(t, large, 0, 200)
	deliver(t, large)
	if large.spareSize < 2000 {
		t.Fatalf("got spares of %d bytes, want some that are larger than the other queue's files", large.spareSize)
	}
	n := 0
	for ; small.left() > 1500; n++ {
		fill(t, small, n, n+1)
	}
	queues := []*Queue{large, small}
	fan(t, NewFan(queues), queues, n, n+1)
	if small.shared() == 0 {
		t.Fatal("got no shared file")
	}
	fill(t, small, n+1, n+2)
	if s := small.Stats(); s.DroppedNoRoom > 0 || small.size > s.Limit {
		t.Errorf("got %d records dropped, and %d bytes, want none dropped in a queue that had room for %d", s.DroppedNoRoom, small.size, s.Limit)
	}
}

// TestALongQueueHasNoMoreFilesForSharingThem with one that keeps up: each is open until it is delivered. A queue with a small limit
// keeps them small.
func TestALongQueueHasNoMoreFilesForSharingThem(t *testing.T) {
	folders := newLinked(4)
	files := func(folders []*linked, limit int64) int {
		f, queues := fanOf(t, folders, Options{SegmentSize: 500})
		for _, q := range queues {
			q.maxSegSize = 4000
		}
		queues[0].stats.Limit = limit
		for i := range 1000 {
			fan(t, f, queues, i, i+1)
			if queues[0].Stats().Records > 3 {
				c, err := queues[0].Next(t.Context(), 1000, 0)
				if err != nil {
					t.Fatal(err)
				}
				queues[0].Commit(c)
			}
		}
		return len(queues[len(queues)-1].segs)
	}
	alone := mustOpen(t, Options{FS: newFolder(), SegmentSize: 500})
	defer alone.Close()
	alone.maxSegSize = 4000
	fill(t, alone, 0, 1000)
	if n := files(folders[:2], 1<<20); n > len(alone.segs)*5/4 {
		t.Errorf("got %d files, want about as many as without another queue, %d", n, len(alone.segs))
	}
	if n := files(folders[2:], 8000); n < 2*len(alone.segs) {
		t.Errorf("got %d files, want them no larger than an eighth of the other queue's limit", n)
	}
}

// TestQueuesOnOtherDisksAreNotAlike: none may wait for another's disk.
func TestQueuesOnOtherDisksAreNotAlike(t *testing.T) {
	var alike []Likeness
	for n, name := range []string{"a", "b", "c"} {
		q := mustOpen(t, Options{Dir: t.TempDir(), Name: name, Limit: 1 << 30})
		defer q.Close()
		if n == 2 {
			q.lock.(*disk).device++
			q.noteLikeness()
		}
		l, ok := q.Likeness()
		if !ok {
			t.Errorf("got no likeness of %s, want one of each queue on disk", name)
		}
		alike = append(alike, l)
	}
	if alike[0] != alike[1] || alike[0] == alike[2] {
		t.Errorf("got %v, want the first two alike", alike)
	}
	memory := mustOpen(t, Options{})
	defer memory.Close()
	if _, ok := memory.Likeness(); ok {
		t.Error("got a likeness of a queue in memory")
	}
}

// TestWithSyncAFileHasItsNamesOnTheDiskBeforeItIsUsed: where the folder of one can't be synced, for lack of a descriptor, that name isn't
// there, and the next file is tried again.
func TestWithSyncAFileHasItsNamesOnTheDiskBeforeItIsUsed(t *testing.T) {
	a := mustOpen(t, Options{Dir: t.TempDir(), Name: "a", Sync: true})
	defer a.Close()
	b := mustOpen(t, Options{Dir: t.TempDir(), Name: "b", Sync: true})
	defer b.Close()
	f, err := a.fs.Open("1", true)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 1, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	err = a.fs.Link("1", b.fs, "2")
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if names, _ := a.fs.Links("1"); !errors.Is(err, syscall.EMFILE) || names != 1 {
		t.Errorf("got the error %v and %d names, want the one that was there before", err, names)
	}
	if err := a.fs.Link("1", b.fs, "2"); err != nil {
		t.Error(err)
	}
}

// TestFullQueuesThatDropTheirOldestStillShareFiles: else they took the disk of all of them, once full. What fits into the limit isn't
// dropped for that.
func TestFullQueuesThatDropTheirOldestStillShareFiles(t *testing.T) {
	f, queues := fanOf(t, newLinked(3), Options{SegmentSize: 2000, Limit: 16000, Full: DropOldest})
	i := 0
	for ; queues[0].left() > 400; i++ {
		fan(t, f, queues, i, i+1)
	}
	for n, q := range queues {
		if s := q.Stats(); s.DroppedNoRoom > 0 {
			t.Errorf("got %d records of queue %d dropped, want none before it is full", s.DroppedNoRoom, n)
		}
	}
	want := fan(t, f, queues, i, i+1000)
	for n, q := range queues {
		if own := len(q.segs) - q.shared(); own > 1 || q.size > q.stats.Limit || q.size < q.stats.Limit*5/8 {
			t.Errorf("got %d files of its own in queue %d, which has %d bytes of %d, want it nearly full of shared ones", own, n, q.size, q.stats.Limit)
		}
	}
	for n, q := range queues {
		got := deliver(t, q)
		checkDeliveries(t, got, want[n][len(want[n])-len(got):])
		checkBalance(t, q)
	}
}

// TestALikenessIsKnownWhileADiskHangs: whoever makes a route holds up all others.
func TestALikenessIsKnownWhileADiskHangs(t *testing.T) {
	q := mustOpen(t, Options{Dir: t.TempDir(), Name: "a"})
	defer q.Close()
	q.mu.Lock() // as a write that doesn't return does
	defer q.unlock()
	if _, ok := q.Likeness(); !ok {
		t.Error("got none, want that of a queue on disk")
	}
}
