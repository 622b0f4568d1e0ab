package buffer

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSecondRouterIsRefused(t *testing.T) {
	dir := t.TempDir()
	q := mustOpen(t, Options{Dir: dir, Name: "es.0"})
	_, err := Open(Options{Dir: dir, Name: "es.0"})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), filepath.Join(dir, "es.0")) {
		t.Errorf("the second Open: %v", err)
	}
	mustOpen(t, Options{Dir: dir, Name: "es.1"}).Close()
	q.Close()
	mustOpen(t, Options{Dir: dir, Name: "es.0"}).Close()
}

func TestNamesOfQueuesOnDisk(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"es.0", "a name/with: things", "empty"} {
		q := mustOpen(t, Options{Dir: dir, Name: name})
		if name != "empty" {
			fill(t, q, 0, 1)
		}
		q.Close()
	}
	os.Mkdir(filepath.Join(dir, "not ours"), 0o755)
	os.WriteFile(filepath.Join(dir, "file"), nil, 0o644)
	names, err := Names(dir)
	slices.Sort(names)
	if want := []string{"a name/with: things", "es.0"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("%q, %v, want %q", names, err, want)
	}
	if names, err := Names(filepath.Join(dir, "nowhere")); err != nil || names != nil {
		t.Errorf("%q, %v", names, err)
	}
	for _, name := range []string{"", ".", ".."} {
		if _, err := Open(Options{Dir: dir, Name: name}); err == nil {
			t.Errorf("a queue of the name %q was opened", name)
		}
	}
}

func TestDefaultLimits(t *testing.T) {
	free := int64(100 << 20)
	for name, c := range map[string]struct {
		o                Options
		limit, seg, long int64
	}{
		"memory":        {Options{}, MemoryLimit, 2 << 20, 2 << 20},
		"set":           {Options{Limit: 5 << 20}, 5 << 20, 640 << 10, 640 << 10},
		"tiny":          {Options{Limit: 100}, 100, minSegmentSize, minSegmentSize},
		"a small disk":  {Options{Dir: t.TempDir(), Name: "x", FS: sized{newFolder(), free}}, free / 4, 25 << 17, maxSegmentSize},
		"a large disk":  {Options{Dir: t.TempDir(), Name: "x", FS: sized{newFolder(), 1 << 40}}, MaxLimit, segmentSize, maxSegmentSize},
		"segments' own": {Options{Limit: 1 << 30, SegmentSize: 12345}, 1 << 30, 12345, 12345},
	} {
		t.Run(name, func(t *testing.T) {
			q := mustOpen(t, c.o)
			defer q.Close()
			if got := q.Stats().Limit; got != c.limit || q.segSize != c.seg || q.maxSegSize != c.long {
				t.Errorf("limit %d and segments of %d to %d, want %d, %d, %d", got, q.segSize, q.maxSegSize, c.limit, c.seg, c.long)
			}
		})
	}
}

type sized struct {
	*memory
	free int64
}

func (s sized) Free() (int64, error) { return s.free, nil }

// TestOpenReadsHeadsAndTheLastSegment opens 5,000,000 records in as many segments as 1 GB has: what Open reads of all but the
// last segment doesn't depend on their length.
func TestOpenReadsHeadsAndTheLastSegment(t *testing.T) {
	const perBatch, batches, segment, head = 10_000, 500, 26 << 10, 512
	mem := newFolder()
	disk := &faulty{FS: mem}
	o := Options{FS: disk, Limit: 4 << 30, SegmentSize: segment}
	q := mustOpen(t, o)
	batch := make([]byte, 13_000)
	for range batches {
		if err := q.Append(t.Context(), batch, perBatch, nil); err != nil {
			t.Fatal(err)
		}
	}
	segments := len(q.segs)
	disk.FS = mem.clone() // as kill -9 leaves it: the last segment isn't sealed
	reads, bytes := 0, 0
	disk.fault = func(what, _ string, size int) (int, error) {
		if what == "read" {
			reads++
			bytes += size
		}
		return size, nil
	}
	q = mustOpen(t, o)
	if s := q.Stats(); s.Records != perBatch*batches {
		t.Fatalf("%+v", s)
	}
	t.Logf("%d bytes in %d reads of %d segments", bytes, reads, segments)
	if segments < batches/2 || reads > 2*segments || bytes > segments*head+2*segment {
		t.Errorf("got %d bytes in %d reads of %d segments, want at most two reads and %d bytes of each, and the last one", bytes, reads, segments, head)
	}
}
