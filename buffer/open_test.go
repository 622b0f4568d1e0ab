package buffer

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/internal/race"
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

// TestBacklogIsOpenedFast opens 5,000,000 records: the heads of some hundred segments are read, and the last segment.
func TestBacklogIsOpenedFast(t *testing.T) {
	if race.Enabled {
		t.Skip("the time allowed is the program's without the race detector")
	}
	const perBatch, batches = 10_000, 500
	dir := t.TempDir()
	o := Options{Dir: dir, Name: "x", Limit: 4 << 30, SegmentSize: 256 << 10} // as many segments as 1 GB has
	q := mustOpen(t, o)
	batch := make([]byte, 130_000)
	for range batches {
		if err := q.Append(t.Context(), batch, perBatch, nil); err != nil {
			t.Fatal(err)
		}
	}
	q.mu.Lock()
	segments := len(q.segs)
	q.mu.Unlock()
	q.lock.Close() // as kill -9 does: the last segment isn't sealed
	fastest := time.Hour
	for range 5 {
		start := time.Now()
		q := mustOpen(t, o)
		fastest = min(fastest, time.Since(start))
		if s := q.Stats(); s.Records != perBatch*batches {
			t.Fatalf("%+v", s)
		}
		q.Close()
	}
	t.Logf("%d segments in %v", segments, fastest)
	if fastest > 50*time.Millisecond { // an idle machine takes a tenth of it
		t.Errorf("opened in %v", fastest)
	}
}
