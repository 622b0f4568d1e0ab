package buffer

import (
	"os"
	"path/filepath"
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
