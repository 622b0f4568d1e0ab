package buffer

import (
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
