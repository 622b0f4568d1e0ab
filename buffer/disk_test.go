package buffer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

// workload appends, delivers and commits on a disk that may fail, closes, and delivers the rest after another Open. It
// returns all that was delivered. Append waits as long as it must: the clock is synctest's.
func workload(t *testing.T, disk FS, o Options) (got []delivery) {
	t.Helper()
	o.FS, o.SegmentSize = disk, 300
	q := mustOpen(t, o)
	if !o.Sync {
		q.padBy = 70
	}
	var want []delivery
	for i := range 10 { // so that there are spares
		want = append(want, fill(t, q, 100+i, 101+i)...)
		c, err := q.Next(t.Context(), 1000, 0)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, deliveries(c)...)
		q.Commit(c)
	}
	want = append(want, fill(t, q, 0, 10)...)
	for i := range 10 {
		c, err := q.Next(t.Context(), 60, 0)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, deliveries(c)...)
		q.Commit(c)
		checkBalance(t, q)
		want = append(want, fill(t, q, 10+i, 11+i)...)
	}
	q.Close()
	checkBalance(t, q)
	q, err := Open(o)
	if err != nil { // the fault hit Open: it says so, and nothing is changed
		q = mustOpen(t, o)
	}
	got = append(got, deliver(t, q)...)
	q.Close()
	checkSeen(t, got, want)
	return got
}

// checkSeen says that everything was delivered, in order. What was delivered may come again: its mark may have failed.
func checkSeen(t *testing.T, got, want []delivery) {
	t.Helper()
	seen := map[delivery]bool{}
	i := 0
	for _, d := range got {
		if i < len(want) && d == want[i] {
			i++
		} else if !seen[d] {
			t.Fatalf("delivered\n%s\nwant\n%s", list(got), list(want))
		}
		seen[d] = true
	}
	if i < len(want) {
		t.Fatalf("delivered\n%s\nwant\n%s", list(got), list(want))
	}
}

// changing are the operations that a full or a broken disk refuses.
func changing(op string) bool { return op != "read" && op != "open" }

// TestFullDiskLosesNothing makes every operation fail that can, one after the other, once or three times, with each of
// the errors that disks have.
func TestFullDiskLosesNothing(t *testing.T) {
	for _, fault := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.EROFS} {
		for _, times := range []int{1, 3} {
			t.Run(fmt.Sprintf("%v, %d times", fault, times), func(t *testing.T) {
				t.Parallel()
				hit := true
				for at := 0; hit; at++ {
					synctest.Test(t, func(t *testing.T) {
						op := 0
						disk := &faulty{FS: newFolder()}
						disk.fault = func(what, name string, size int) (int, error) {
							if !changing(what) {
								return size, nil
							}
							op++
							if op > at && op <= at+times {
								return 0, &fs.PathError{Op: what, Path: name, Err: fault}
							}
							return size, nil
						}
						workload(t, disk, Options{Sync: true})
						hit = op > at
					})
				}
			})
		}
	}
}

// TestShortWriteIsAsIfNotMade cuts every write at every byte. In half of the cases what was written can't be taken back
// either. At each of these moments a crash must find what was appended, and no part of a batch.
func TestShortWriteIsAsIfNotMade(t *testing.T) {
	for _, truncates := range []bool{true, false} {
		t.Run(fmt.Sprintf("truncate works %v", truncates), func(t *testing.T) {
			t.Parallel()
			hit := true
			for write := 0; hit; write++ {
				for cut, size := 0, 1; cut < size; cut += everyByte() {
					synctest.Test(t, func(t *testing.T) {
						size, hit = shortWrite(t, write, cut, truncates)
					})
				}
			}
		})
	}
}

// shortWrite makes one write short, and returns how long it would have been.
func shortWrite(t *testing.T, write, cut int, truncates bool) (size int, hit bool) {
	mem := newFolder()
	disk := &faulty{FS: mem}
	n := 0
	var crashed *memory
	disk.fault = func(what, name string, bytes int) (int, error) {
		if what == "truncate" && !truncates {
			return 0, syscall.EIO
		}
		if what != "write" {
			return bytes, nil
		}
		n++
		if n == write+2 && crashed == nil && hit {
			crashed = mem.clone()
		}
		if n != write+1 {
			return bytes, nil
		}
		size, hit = bytes, true
		return cut, syscall.ENOSPC
	}
	workload(t, disk, Options{})
	if crashed != nil {
		q := mustOpen(t, Options{FS: crashed})
		if s := q.Stats(); truncates && (s.Damaged > 0 || s.DroppedRecords > 0) {
			t.Fatalf("write %d cut at %d: %+v", write, cut, s)
		}
		last := -100
		for _, d := range deliver(t, q) {
			i := batchNumber(d.text)
			if i >= 100 { // delivered first
				i -= 110
			}
			if i <= last {
				t.Fatalf("write %d cut at %d: %q after batch %d", write, cut, d.text, last)
			}
			last = i
		}
		q.Close()
	}
	return size, hit
}

// TestGivenUpAppendLeavesNothingBehind appends a smaller batch where a larger one was written in part and given up.
func TestGivenUpAppendLeavesNothingBehind(t *testing.T) {
	mem := newFolder()
	disk := &faulty{FS: mem}
	q := mustOpen(t, Options{FS: disk})
	want := fill(t, q, 0, 3)
	disk.fault = func(what, _ string, size int) (int, error) {
		if what == "write" {
			return size - 1, syscall.ENOSPC
		}
		return size, nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := q.Append(ctx, []byte(strings.Repeat("given up ", 50)), 1, nil); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	disk.fault = nil
	want = append(want, fill(t, q, 3, 4)...)
	r := mustOpen(t, Options{FS: mem.clone()}) // after a crash
	if s := r.Stats(); s.Damaged > 0 {
		t.Errorf("%+v", s)
	}
	checkDeliveries(t, deliver(t, r), want)
}

// TestBrokenFileIsLeftForAnother has a file that can't be written any more, on a disk that can.
func TestBrokenFileIsLeftForAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &faulty{FS: newFolder()}
		q := mustOpen(t, Options{FS: disk})
		defer q.Close()
		want := fill(t, q, 0, 5)
		disk.fault = func(what, name string, size int) (int, error) {
			if what != "read" && name == segmentName(1) {
				return 0, syscall.EIO
			}
			return size, nil
		}
		start := time.Now()
		want = append(want, fill(t, q, 5, 10)...)
		if took := time.Since(start); took > retryEvery {
			t.Errorf("appended after %v", took)
		}
		checkDeliveries(t, deliver(t, q), want)
	})
}

// TestSegmentDroppedWhileItIsRead appends, from within a read, so much that the segment goes.
func TestSegmentDroppedWhileItIsRead(t *testing.T) {
	disk := &faulty{FS: newFolder()}
	q := mustOpen(t, Options{FS: disk, Limit: 2000, SegmentSize: 500, Full: DropOldest})
	defer q.Close()
	want := fill(t, q, 0, 10)
	disk.fault = func(what, _ string, size int) (int, error) {
		if what == "read" {
			disk.fault = nil
			want = append(want, fill(t, q, 10, 200)...)
		}
		return size, nil
	}
	got := deliver(t, q)
	checkDeliveries(t, got, want[len(want)-len(got):])
}

func TestFullDiskIsSaidOnceAndTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(logged)
		var full atomic.Bool
		disk := &faulty{FS: newFolder()}
		disk.fault = func(what, _ string, size int) (int, error) {
			if full.Load() && what == "write" {
				return size / 2, syscall.ENOSPC
			}
			return size, nil
		}
		q := mustOpen(t, Options{FS: disk, Log: log.logger()})
		defer q.Close()
		want := fill(t, q, 0, 5)
		full.Store(true)
		more := make(chan []delivery)
		go func() { more <- fill(t, q, 5, 6) }()
		time.Sleep(time.Hour)
		if s := q.Stats(); s.Waiting != 1 || s.Appended != records(want) || s.DiskErrors < 3600 {
			t.Errorf("%+v", s)
		}
		full.Store(false)
		start := time.Now()
		want = append(want, <-more...)
		if took := time.Since(start); took > retryEvery {
			t.Errorf("tried again after %v", took)
		}
		if n := strings.Count(log.String(), "can't be written"); n != 1 {
			t.Errorf("said %d times: %s", n, log)
		}
		if !strings.Contains(log.String(), "again") {
			t.Errorf("not said that it can be written again: %s", log)
		}
		checkDeliveries(t, deliver(t, q), want)
	})
}

func TestFullDiskDropsOldestWhereThatIsThePolicy(t *testing.T) {
	const room = 3000
	mem := newFolder()
	disk := &faulty{FS: mem}
	disk.fault = func(what, _ string, size int) (int, error) {
		used := int64(size)
		for _, f := range mem.files {
			used += f.size
		}
		if used > room && (what == "write" || what == "create") {
			return 0, syscall.ENOSPC
		}
		return size, nil
	}
	q := mustOpen(t, Options{FS: disk, Limit: 1 << 20, SegmentSize: 500, Full: DropOldest})
	defer q.Close()
	want := fill(t, q, 0, 200)
	got := deliver(t, q)
	checkDeliveries(t, got, want[len(want)-len(got):])
	if len(got) == 0 || q.Stats().DroppedRecords == 0 {
		t.Errorf("%+v", q.Stats())
	}
}

// TestReadErrorSetsTheSegmentAside fails the reads of one file from every read on, in a queue that was closed and in one
// that a crash left.
func TestReadErrorSetsTheSegmentAside(t *testing.T) {
	for _, closed := range []bool{true, false} {
		t.Run(fmt.Sprint("closed ", closed), func(t *testing.T) { failEveryRead(t, closed) })
	}
}

func failEveryRead(t *testing.T, closed bool) {
	hit := true
	for at := 0; hit; at++ {
		mem, want := damageable(t, closed, false)
		reads, open := 0, 0
		disk := &faulty{FS: mem}
		broken := ""
		disk.fault = func(what, name string, size int) (int, error) {
			if what == "read" || what == "open" {
				if reads++; reads == at+1 {
					broken = name
				}
				if name == broken {
					return 0, syscall.EIO
				}
			}
			return size, nil
		}
		q := mustOpen(t, Options{FS: disk})
		open = reads
		got := deliver(t, q)
		hit = reads > at
		s := q.Stats()
		if !hit {
			checkDeliveries(t, got, want)
			break
		}
		if lost := len(want) - len(got); lost < 1 || lost > 8 || s.Damaged != 1 || at >= open && s.DroppedRecords != records(want)-records(got) {
			t.Errorf("read %d: %d batches lost, %+v", at, lost, s)
		}
		aside := 0
		for _, name := range mem.names() {
			if strings.HasSuffix(name, asideSuffix) {
				aside++
			}
		}
		if aside != 1 {
			t.Errorf("read %d: left %v", at, mem.names())
		}
		q.Close()
	}
}

// TestReadErrorInTheActiveSegment loses what can't be read, and what is appended then is safe in another file.
func TestReadErrorInTheActiveSegment(t *testing.T) {
	broken := false
	ctx, cancel := context.WithCancel(t.Context())
	disk := &faulty{FS: newFolder()}
	disk.fault = func(what, _ string, size int) (int, error) {
		if broken && what == "read" {
			broken = false
			cancel() // nothing is left to wait for
			return 0, syscall.EIO
		}
		return size, nil
	}
	q := mustOpen(t, Options{FS: disk})
	defer q.Close()
	fill(t, q, 0, 5)
	broken = true
	if c, err := q.Next(ctx, 1000, 0); err == nil {
		t.Fatalf("read in spite of an error: %+v", c)
	}
	checkBalance(t, q)
	want := fill(t, q, 5, 8)
	checkDeliveries(t, deliver(t, q), want)
}

func TestOnlyTheRoutersUserReadsTheQueue(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "queues", "x")
	q := mustOpen(t, Options{Dir: dir, Name: "x"})
	defer q.Close()
	fill(t, q, 0, 5)
	n := 0
	err := filepath.WalkDir(filepath.Dir(dir), func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		want := os.FileMode(0o600)
		if e.IsDir() {
			want = 0o700
		}
		st, err := e.Info()
		if err == nil && st.Mode().Perm() != want {
			t.Errorf("%s: got %v, want %v", path, st.Mode(), want)
		}
		n++
		return err
	})
	if err != nil || n < 4 {
		t.Errorf("got %d files and folders and error %v, want two folders, the lock and a segment", n, err)
	}
}

func TestFolderThatCannotBeWrittenIsAnError(t *testing.T) {
	dir := t.TempDir() + "/file"
	os.WriteFile(dir, nil, 0o644)
	if _, err := Open(Options{Dir: dir, Name: "x"}); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("%v", err)
	}
}

// TestRealFullDisk runs on a file system of 16 MiB: a tmpfs where one can be mounted, or the folder that
// FIRELANE_SMALL_DISK names.
func TestRealFullDisk(t *testing.T) {
	dir := smallDisk(t)
	full := make(chan struct{}) // closed by the first line that is logged
	var once sync.Once
	log := zerolog.New(writerFunc(func() { once.Do(func() { close(full) }) }))
	q := mustOpen(t, Options{Dir: dir, Name: "full", Limit: 1 << 40, Log: log})
	defer q.Close()
	const batches, size = 4000, 10_000 // 40 MB
	batch := func(i int) []byte {
		b := make([]byte, size)
		copy(b, batchText(i))
		return b
	}
	var group sync.WaitGroup
	group.Go(func() {
		for i := range batches {
			if err := q.Append(t.Context(), batch(i), 1, nil); err != nil {
				t.Error(err)
			}
		}
	})
	<-full
	if s := q.Stats(); s.DiskErrors == 0 || s.Bytes < 8<<20 {
		t.Errorf("full: %+v", s)
	}
	for i := 0; i < batches; {
		c, err := q.Next(t.Context(), 1<<20, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range c.Batches {
			if string(b) != string(batch(i)) {
				t.Fatalf("batch %d differs", i)
			}
			i++
		}
		q.Commit(c)
		checkBalance(t, q)
	}
	group.Wait()
}

// writerFunc is a writer that is only told that something is written.
type writerFunc func()

func (f writerFunc) Write(p []byte) (int, error) { f(); return len(p), nil }

func smallDisk(t *testing.T) string {
	if dir := os.Getenv("FIRELANE_SMALL_DISK"); dir != "" {
		return dir
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
		if errors.Is(err, syscall.EPERM) {
			t.Skip("no small disk: FIRELANE_SMALL_DISK is not set, and mount:", err)
		}
		t.Skip("mount:", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error("unmount:", err)
		}
	})
	return dir
}
