package buffer

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestCrashAtAnyByteOverAFormerLife crashes at every operation of a queue that writes over its old files, and after
// every byte of every write. What was appended and not committed must be found, whole, once, under its id; what is found
// besides it was being appended, or was committed by the last of the chunks; nothing of a former life comes back, and
// nothing is reported damaged.
func TestCrashAtAnyByteOverAFormerLife(t *testing.T) {
	for name, text := range map[string]func(i int) string{
		"of different lengths": batchText,
		"of one length":        func(i int) string { return fmt.Sprintf("batch %04d %s", i, strings.Repeat("y", 20)) },
		"mostly zeros":         func(i int) string { return fmt.Sprint(i) + string(make([]byte, 40+i%2)) },
	} {
		for kind, set := range map[string]func(*Queue){
			"spares":           func(q *Queue) { q.keep = maxSpares },
			"new files":        func(q *Queue) { q.keep = 0 },
			"files with zeros": func(q *Queue) { q.keep, q.padBy = 0, 100 },
			"both":             func(q *Queue) { q.keep, q.padBy = maxSpares, 100 },
		} {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				crashAnywhere(t, text, set)
			})
		}
	}
}

func crashAnywhere(t *testing.T, text func(i int) string, set func(*Queue)) {
	mem := newFolder()
	disk := &faulty{FS: mem}
	o := Options{FS: disk, SegmentSize: 400}
	q := mustOpen(t, o)
	q.maxSegSize = 1000
	set(q)
	var appended []delivery // all, the one that is being appended too
	done, delivered := 0, 0 // how many Append returned for, and how many are given to Commit
	crashes, reused := 0, 0
	crash := func(left *memory) {
		crashes++
		r := mustOpen(t, Options{FS: left, SegmentSize: 400})
		r.Drain()
		var got []delivery
		for r.Stats().Records > 0 {
			c, err := r.Next(t.Context(), 1, 0)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, delivery{c.Queue, c.First, c.Records, string(c.Batches[0])})
			r.Commit(c)
		}
		if s := r.Stats(); s.Damaged > 0 || s.DroppedRecords > 0 {
			t.Fatalf("%d appended: %+v", done, s)
		}
		r.Close()
		if names := left.names(); len(names) > 0 {
			t.Fatalf("left behind: %v", names)
		}
		if len(got) == 0 && delivered >= done {
			return
		}
		first := len(appended) - len(got)
		if n := len(got); n > 0 && got[n-1].pos != appended[len(appended)-1].pos {
			first--
		}
		if first < 0 || first > delivered || first+len(got) < done {
			t.Fatalf("%d of %d delivered, found\n%s", delivered, done, list(got))
		}
		checkDeliveries(t, got, appended[first:first+len(got)])
	}
	disk.fault = func(what, name string, size int) (int, error) {
		if !changing(what) {
			return size, nil
		}
		crash(mem.clone())
		if what == "rename" && isSpare(name) {
			reused++
		}
		return size, nil
	}
	disk.written = func(name string, p []byte, off int64) {
		if off == 0 && !isSpare(name) {
			return // a new file without a head is set aside
		}
		for cut := 0; cut < len(p); cut += everyByte() {
			left := mem.clone()
			f, err := left.Open(name, false)
			if err != nil {
				t.Fatal(err)
			}
			f.WriteAt(p[:cut], off)
			f.Close()
			crash(left)
		}
	}
	for i := range 60 {
		batch := text(i)
		appended = append(appended, delivery{q.id, q.next, 1, batch})
		if err := q.Append(t.Context(), []byte(batch), 1, nil); err != nil {
			t.Fatal(err)
		}
		done++
		if i%20 < 12 { // a backlog, and then none
			continue
		}
		for range 2 + i%20/19*100 {
			if q.Stats().Records == 0 {
				break
			}
			c, err := q.Next(t.Context(), 150, 0)
			if err != nil {
				t.Fatal(err)
			}
			delivered += len(c.Batches)
			q.Commit(c)
		}
	}
	q.Close()
	if t.Logf("%d crashes, %d files written over", crashes, reused); reused < 5 && q.keep > 0 && q.padBy == 0 {
		t.Error("there were no former lives")
	}
}

func TestSparesAreFewAndGoAtTheEnd(t *testing.T) {
	fs := newFolder()
	q := mustOpen(t, Options{FS: fs, SegmentSize: 400})
	fill(t, q, 0, 100)
	deliver(t, q)
	if spares := len(fs.names()) - len(fs.segments()); spares != maxSpares {
		t.Errorf("%d spares, want %d", spares, maxSpares)
	}
	left := fs.clone()
	q.Close()
	if names := fs.names(); len(names) > 0 {
		t.Errorf("after Close: %v", names)
	}
	r := mustOpen(t, Options{FS: left, SegmentSize: 400})
	defer r.Close()
	if names := left.names(); len(names) > 0 {
		t.Errorf("after the next Open: %v", names)
	}
}

func TestNoSparesWithSyncAndInMemory(t *testing.T) {
	for name, o := range map[string]Options{"sync": {FS: newFolder(), Sync: true}, "memory": {}} {
		o.SegmentSize = 400
		q := mustOpen(t, o)
		fill(t, q, 0, 100)
		deliver(t, q)
		if len(q.spares) > 0 {
			t.Errorf("%s: %d spares", name, len(q.spares))
		}
		q.Close()
	}
}

// TestSparesAreWithinTheLimit fills a queue that has spares: they make room before anything waits or is dropped, and the
// files never take more than the limit and their end frames.
func TestSparesAreWithinTheLimit(t *testing.T) {
	for _, policy := range []Policy{Block, DropOldest} {
		fs := newFolder()
		q := mustOpen(t, Options{FS: fs, SegmentSize: 500, Limit: 4000, Full: policy})
		q.padBy, q.maxSegSize = 150, 2000
		for round := range 3 {
			fill(t, q, 0, 40) // 1800 bytes
			deliver(t, q)
			if len(q.spares) == 0 {
				t.Fatal("there are no spares")
			}
			for i := range 300 {
				if s := q.Stats(); policy == Block && s.Records > 0 && q.size+q.growth(100)+dataAt > s.Limit {
					break
				}
				fill(t, q, i, i+1)
				used := int64(0)
				for name := range fs.files {
					used += fs.files[name].size
				}
				if most := q.stats.Limit + frameHeader*int64(len(fs.files)); used > most {
					t.Fatalf("round %d: the files take %d bytes of %d", round, used, most)
				}
			}
			if s := q.Stats(); s.Waits > 0 || s.Bytes < 1500 {
				t.Errorf("round %d: %+v", round, s)
			}
			deliver(t, q)
		}
		q.Close()
	}
}

// TestOnlyFilesThatGrowAreFilledAhead: a queue that is hardly used takes no more room than what it holds.
func TestOnlyFilesThatGrowAreFilledAhead(t *testing.T) {
	fs := newFolder()
	q := mustOpen(t, Options{FS: fs, SegmentSize: 1000})
	defer q.Close()
	q.padBy = 400
	for i, want := range []int64{260, 800} {
		for q.active == nil || q.active.end.off < want-100 {
			fill(t, q, i, i+1)
		}
		size := fs.files[q.active.name()].size
		if most := q.active.end.off + frameHeader; i == 0 && size > most || i == 1 && size != want {
			t.Errorf("%d bytes for %d", size, q.active.end.off)
		}
	}
}

// TestFullDiskTakesSparesFirst has a disk that gets full while there are spares.
func TestFullDiskTakesSparesFirst(t *testing.T) {
	mem := newFolder()
	disk := &faulty{FS: mem}
	q := mustOpen(t, Options{FS: disk, SegmentSize: 500})
	defer q.Close()
	formerLife(t, q, 2)
	disk.fault = func(what, _ string, size int) (int, error) {
		if what == "write" && len(mem.names()) > len(mem.segments()) {
			return 0, syscall.ENOSPC
		}
		return size, nil
	}
	want := fill(t, q, 0, 3)
	if s := q.Stats(); s.Waits > 0 || len(q.spares) > 0 {
		t.Errorf("%d spares, %+v", len(q.spares), s)
	}
	checkDeliveries(t, deliver(t, q), want)
}

func TestDamagedSegmentIsNoSpare(t *testing.T) {
	fs, want := damageable(t, true, true)
	name := fs.names()[0]
	fs.bytesOf(name)[dataAt+frameHeader] ^= 1
	before := bytes.Clone(fs.bytesOf(name))
	q := mustOpen(t, Options{FS: fs, SegmentSize: damageSegment})
	checkDeliveries(t, deliver(t, q), want[1:])
	fill(t, q, 0, 50)
	deliver(t, q)
	q.Close()
	if names := fs.names(); !slices.Equal(names, []string{name + asideSuffix}) {
		t.Fatalf("%v", names)
	}
	if after := fs.bytesOf(name + asideSuffix); !bytes.Equal(before[dataAt:], after[dataAt:]) {
		t.Error("its frames aren't what they were")
	}
}
