package buffer

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestFolderThatIsRemovedIsMadeAgain: what this process appended before is still delivered, and what is appended from then on
// outlives it.
func TestFolderThatIsRemovedIsMadeAgain(t *testing.T) {
	move := func(dir string) error { return os.Rename(dir, dir+".moved") }
	for _, tt := range []struct {
		spares int
		remove func(dir string) error
	}{{0, os.RemoveAll}, {maxSpares, os.RemoveAll}, {maxSpares, move}} {
		dir, spares := t.TempDir(), tt.spares
		log := &logged{}
		o := Options{Dir: dir, Name: "q", SegmentSize: 300, Log: log.logger()}
		q := mustOpen(t, o)
		if spares > 0 {
			formerLife(t, q, spares)
		}
		want := fill(t, q, 0, 10)
		if err := tt.remove(filepath.Join(dir, "q")); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for i := 10; i < 20; i++ {
			if err := q.Append(ctx, []byte(batchText(i)), batchRecords(i), nil); err != nil {
				t.Fatalf("append %d to a queue whose folder was removed: %v; log: %s", i, err, log)
			}
		}
		got := deliver(t, q)
		if len(got) != 20 {
			t.Errorf("got %d batches, want all 20: %s", len(got), list(got))
		}
		checkDeliveries(t, got[:10], want)
		if _, err := Open(o); !errors.Is(err, ErrLocked) {
			t.Errorf("a second Open got %v, want that the folder is locked", err)
		}
		later := fill(t, q, 20, 30)
		q.Close()
		q = mustOpen(t, o)
		checkDeliveries(t, deliver(t, q), later)
		checkBalance(t, q)
		q.Close()
		if n := strings.Count(log.String(), "the queue's folder was removed"); n != 1 {
			t.Errorf("got %d lines about the folder, want one: %s", n, log)
		}
	}
}

// TestRemovedFolderIsFoundOutBeforeTheSegmentEnds: a quiet queue would write into a file that no restart finds for hours.
func TestRemovedFolderIsFoundOutBeforeTheSegmentEnds(t *testing.T) {
	dir := t.TempDir()
	o := Options{Dir: dir, Name: "q"}
	q := mustOpen(t, o)
	fill(t, q, 0, 1)
	deliver(t, q)
	files, _ := filepath.Glob(filepath.Join(dir, "q", "*")) // the lock among them
	for _, name := range files {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	q.checked = time.Now().Add(-checkEvery)
	fill(t, q, 1, 2) // into the old file
	later := fill(t, q, 2, 4)
	if _, err := Open(o); !errors.Is(err, ErrLocked) {
		t.Errorf("a second Open got %v, want that the folder is locked", err)
	}
	q.Close()
	q = mustOpen(t, o)
	defer q.Close()
	checkDeliveries(t, deliver(t, q), later)
}

// TestMissingFileIsDamageAndNotLackOfRoom.
func TestMissingFileIsDamageAndNotLackOfRoom(t *testing.T) {
	fs := newFolder()
	o := Options{FS: fs, SegmentSize: 300}
	q := mustOpen(t, o)
	fill(t, q, 0, 30)
	q.Close()
	o.Full, o.Limit = DropOldest, 3000
	q = mustOpen(t, o)
	defer q.Close()
	first := q.segs[0].end.minus(q.segs[0].low).records
	fs.Remove(q.segs[0].name())
	fill(t, q, 30, 90)
	s := q.Stats()
	if s.DroppedDamaged != first || s.DroppedNoRoom == 0 {
		t.Errorf("got %d records dropped as damaged and %d for room, want the %d of the missing file as damaged", s.DroppedDamaged, s.DroppedNoRoom, first)
	}
	checkBalance(t, q)
}

// TestSegmentsOfAnotherVersionWaitForIt: an upgrade that is taken back loses nothing.
func TestSegmentsOfAnotherVersionWaitForIt(t *testing.T) {
	fs, want := damageable(t, true, false)
	names := fs.names()
	setVersion := func(names []string, v uint32) {
		for _, name := range names {
			b := fs.bytesOf(name)
			for _, h := range [][]byte{b, b[copyAt:]} {
				binary.LittleEndian.PutUint32(h[8:], v)
				binary.LittleEndian.PutUint32(h[60:], crc32.Checksum(h[:60], castagnoli))
			}
		}
	}
	setVersion(names, sharedVersion+1)
	log := &logged{}
	q := mustOpen(t, Options{FS: fs, Log: log.logger()})
	own := fill(t, q, 30, 32)
	q.Close()
	var aside []string
	for _, name := range fs.names() {
		if strings.HasSuffix(name, versionSuffix(sharedVersion+1)) {
			aside = append(aside, name)
		}
	}
	slices.Sort(aside)
	if len(aside) != len(names) || strings.Count(log.String(), "another version") != 1 || strings.Contains(log.String(), "lost") {
		t.Fatalf("got %v and this log, want all of %v kept, and one line that says so: %s", aside, names, log)
	}
	setVersion(aside, version) // the version that wrote them, by a test that has only this one
	for _, name := range aside {
		fs.Rename(name, strings.TrimSuffix(name, versionSuffix(sharedVersion+1))+versionSuffix(version))
	}
	q = mustOpen(t, Options{FS: fs})
	defer q.Close()
	checkDeliveries(t, deliver(t, q), append(want, own...))
}
