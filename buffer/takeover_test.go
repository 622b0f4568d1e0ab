package buffer

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func mustLock(t *testing.T, dir, name string) *Lock {
	t.Helper()
	l, err := LockFolder(dir, name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestAQueueThatIsTakenOverKeepsItsRecordsAndTheirIDs(t *testing.T) {
	dir := t.TempDir()
	old := mustOpen(t, Options{Dir: dir, Name: "old", SegmentSize: 500})
	want := fill(t, old, 0, 40)
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	from, to := mustLock(t, dir, "old"), mustLock(t, dir, "new")
	// an earlier one that was interrupted has moved the first segment
	if err := os.Rename(filepath.Join(from.Path(), segmentName(1)), filepath.Join(to.Path(), segmentName(1))); err != nil {
		t.Fatal(err)
	}
	if err := to.TakeOver(from); err != nil {
		t.Fatal(err)
	}
	if names, err := Names(dir); err != nil || len(names) != 1 || names[0] != "new" {
		t.Errorf("got the queues %q and error %v, want the new one only", names, err)
	}
	q := mustOpen(t, Options{Dir: dir, Name: "new", Lock: to})
	defer q.Close()
	checkDeliveries(t, deliver(t, q), want)
}

func TestNoFileIsReplacedWhenAQueueIsTakenOver(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"old", "new"} {
		q := mustOpen(t, Options{Dir: dir, Name: name})
		fill(t, q, 0, 3)
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
	}
	from, to := mustLock(t, dir, "old"), mustLock(t, dir, "new")
	defer from.Close()
	if err := to.TakeOver(from); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got error %v, want that the file exists", err)
	}
	if err := from.Remove(); err == nil || from.Empty() {
		t.Error("got a queue with records removed, want an error")
	}
	q := mustOpen(t, Options{Dir: dir, Name: "new", Lock: to})
	defer q.Close()
	if s := q.Stats(); s.Records == 0 {
		t.Error("got an empty queue, want its own records")
	}
}

func TestTheDescriptionOfAQueueSurvivesItsFolder(t *testing.T) {
	dir := t.TempDir()
	l := mustLock(t, dir, "q")
	if !l.Empty() || l.About() != "" {
		t.Errorf("got the description %q of a new queue, want none", l.About())
	}
	if err := l.Describe("what it is for\n"); err != nil {
		t.Fatal(err)
	}
	q := mustOpen(t, Options{Dir: dir, Name: "q", Lock: l})
	if err := os.RemoveAll(filepath.Join(dir, "q")); err != nil {
		t.Fatal(err)
	}
	fill(t, q, 0, 3)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	l = mustLock(t, dir, "q")
	defer l.Close()
	if got := l.About(); got != "what it is for\n" {
		t.Errorf("got the description %q, want it as it was", got)
	}
	if l.Empty() || !l.OnlySegments() {
		t.Error("got a queue without records, want some")
	}
}
