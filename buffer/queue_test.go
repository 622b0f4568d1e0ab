package buffer

import (
	"bytes"
	"context"
	"errors"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/firelane/firelane/internal/race"
)

func TestBatchesComeOutInOrderAndOnce(t *testing.T) {
	for name, dir := range map[string]string{"disk": t.TempDir(), "memory": ""} {
		t.Run(name, func(t *testing.T) {
			q := mustOpen(t, Options{Dir: dir, Name: "es.0", SegmentSize: 1000})
			defer q.Close()
			want := fill(t, q, 0, 300)
			checkDeliveries(t, deliver(t, q), want)
			want = fill(t, q, 300, 310) // a drained queue still takes batches
			checkDeliveries(t, deliver(t, q), want)
			if s := q.Stats(); s.Records != 0 || s.Appended != s.Committed || s.Durable != (dir != "") {
				t.Fatalf("%+v", s)
			}
		})
	}
}

func TestChunkIsAsLargeAsAskedFor(t *testing.T) {
	q := mustOpen(t, Options{})
	defer q.Close()
	for range 10 {
		if err := q.Append(t.Context(), make([]byte, 1000), 1, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ max, batches int }{{1, 1}, {3500, 3}, {1, 1}, {1 << 20, 5}} {
		chunk, err := q.Next(t.Context(), c.max, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(chunk.Batches) != c.batches {
			t.Errorf("a chunk of at most %d bytes has %d batches, want %d", c.max, len(chunk.Batches), c.batches)
		}
		q.Commit(chunk)
	}
}

func TestLargeBatchIsWhole(t *testing.T) {
	for name, dir := range map[string]string{"disk": t.TempDir(), "memory": ""} {
		t.Run(name, func(t *testing.T) {
			q := mustOpen(t, Options{Dir: dir, Name: "x", Limit: 100 << 20})
			defer q.Close()
			for _, size := range []int{1, 1 << 10, 256 << 10, segmentSize + 5, maxSegmentSize + 5} {
				batch := bytes.Repeat([]byte{byte(size), 1, 2, 3, 5}, size/5+1)[:size]
				if err := q.Append(t.Context(), batch, 1, nil); err != nil {
					t.Fatal(err)
				}
				c, err := q.Next(t.Context(), 1000, 0)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(c.Batches[0], batch) {
					t.Fatalf("a batch of %d bytes came out differently", size)
				}
				q.Commit(c)
			}
		})
	}
}

func TestImpossibleBatchIsRefused(t *testing.T) {
	q := mustOpen(t, Options{})
	defer q.Close()
	if err := q.Append(t.Context(), nil, 1, nil); err == nil {
		t.Error("an empty batch was taken")
	}
	if err := q.Append(t.Context(), []byte("x"), 0, nil); err == nil {
		t.Error("a batch without records was taken")
	}
	if err := q.Append(t.Context(), make([]byte, MaxBatch+1), 1, nil); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a batch over MaxBatch: %v", err)
	}
}

func TestDeliveredSegmentsAreRemovedAtOnce(t *testing.T) {
	fs := newFolder()
	q := mustOpen(t, Options{FS: fs, SegmentSize: 400})
	defer q.Close()
	fill(t, q, 0, 40)
	for {
		before := len(fs.segments())
		c, err := q.Next(t.Context(), 1<<20, 0)
		if err != nil {
			t.Fatal(err)
		}
		q.Commit(c)
		if q.Stats().Records == 0 {
			break
		}
		if after := len(fs.segments()); after != before-1 {
			t.Fatalf("%d segments, then %d", before, after)
		}
		if spares := len(fs.names()) - len(fs.segments()); spares > maxSpares {
			t.Fatalf("%d spares", spares)
		}
	}
}

func TestSlowQueueIsRemovedBeforeTheDiskSeesIt(t *testing.T) {
	fs := newFolder()
	q := mustOpen(t, Options{FS: fs})
	defer q.Close()
	for range 10 {
		q.Append(t.Context(), make([]byte, recycleAt/2), 1, nil)
		c, err := q.Next(t.Context(), 1<<20, 0)
		if err != nil {
			t.Fatal(err)
		}
		q.Commit(c)
		for _, name := range fs.segments() {
			if size := fs.files[name].size; size >= recycleAt && q.active.end.off >= recycleAt {
				t.Fatalf("a delivered segment of %d bytes is still there", size)
			}
		}
	}
}

func TestChunksAreCommittedInAnyOrder(t *testing.T) {
	fs := newFolder()
	o := Options{FS: fs, SegmentSize: 300}
	q := mustOpen(t, o)
	want := fill(t, q, 0, 60)
	var chunks []*Chunk
	for range 30 {
		c, err := q.Next(t.Context(), 100, 0)
		if err != nil {
			t.Fatal(err)
		}
		chunks = append(chunks, c)
	}
	first := deliveries(chunks[0])
	for _, c := range slices.Backward(chunks[1:]) {
		q.Commit(c)
		checkBalance(t, q)
	}
	after := len(deliveries(chunks[0]))
	if after == 0 {
		t.Fatal("the first chunk's memory is gone")
	}
	// The segments between are cut to their heads; a crash now gives out the first one again and no other.
	for _, name := range fs.names()[1:5] {
		if size := fs.files[name].size; size != dataAt {
			t.Errorf("segment %s still has %d bytes", name, size)
		}
	}
	crashed := mustOpen(t, Options{FS: fs.clone(), SegmentSize: 300})
	got := deliver(t, crashed)
	rest := int(chunks[len(chunks)-1].First) + chunks[len(chunks)-1].Records
	i := slices.IndexFunc(want, func(d delivery) bool { return d.pos == uint64(rest) })
	j := slices.IndexFunc(want, func(d delivery) bool { return d.pos >= q.segs[1].first })
	checkDeliveries(t, got, append(slices.Clone(want[:j]), want[i:]...))
	if s := crashed.Stats(); s.DroppedRecords != 0 || s.Damaged != 0 {
		t.Errorf("segments that were delivered early are missed: %+v", s)
	}

	q.Commit(chunks[0])
	q.Commit(chunks[0]) // twice is once
	checkDeliveries(t, append(first, deliver(t, q)...), append(slices.Clone(first), want[i:]...))
	q.Close()
	if names := fs.names(); len(names) != 0 {
		t.Errorf("left behind: %v", names)
	}
}

func TestRestartGivesOutWhatIsNotCommittedUnderTheSameIds(t *testing.T) {
	for _, how := range []string{"close", "crash"} {
		t.Run(how, func(t *testing.T) {
			fs := newFolder()
			q := mustOpen(t, Options{FS: fs, SegmentSize: 500})
			want := fill(t, q, 0, 50)
			delivered := 0
			for range 5 {
				c, err := q.Next(t.Context(), 100, 0)
				if err != nil {
					t.Fatal(err)
				}
				delivered += len(c.Batches)
				q.Commit(c)
			}
			held, err := q.Next(t.Context(), 100, 0)
			if err != nil {
				t.Fatal(err)
			}
			q.Release(held)
			checkBalance(t, q)
			if how == "close" {
				if err := q.Close(); err != nil {
					t.Fatal(err)
				}
			}
			r := mustOpen(t, Options{FS: fs.clone(), SegmentSize: 500})
			defer r.Close()
			if got, want := r.Stats().Records, q.Stats().Records; got != want {
				t.Fatalf("%d records found, %d left", got, want)
			}
			if r.id == q.id {
				t.Fatal("two runs share an identity")
			}
			want = append(want[delivered:], fill(t, r, 50, 60)...)
			checkDeliveries(t, deliver(t, r), want)
			q.Close()
		})
	}
}

func TestPositionsGoOnOverRestarts(t *testing.T) {
	fs := newFolder()
	next := uint64(0)
	for i := range 10 {
		q := mustOpen(t, Options{FS: fs})
		for _, d := range fill(t, q, i*5, i*5+5) {
			if d.pos != next {
				t.Fatalf("position %d, want %d", d.pos, next)
			}
			next += uint64(d.records)
		}
		q.Close()
	}
}

func TestDropOldest(t *testing.T) {
	log := new(logged)
	q := mustOpen(t, Options{FS: newFolder(), Limit: 4000, SegmentSize: 500, Full: DropOldest, Log: log.logger()})
	want := fill(t, q, 0, 20)
	held, err := q.Next(t.Context(), 100, 0)
	if err != nil {
		t.Fatal(err)
	}
	back, err := q.Next(t.Context(), 100, 0)
	if err != nil {
		t.Fatal(err)
	}
	early, err := q.Next(t.Context(), 100, 0)
	if err != nil {
		t.Fatal(err)
	}
	q.Release(early)
	inFlight := deliveries(held)
	want = append(want, fill(t, q, 20, 500)...)
	s := q.Stats()
	if s.DroppedNoRoom == 0 || q.size > 4000 || q.size < 2000 {
		t.Fatalf("%d bytes of 4000, %+v", q.size, s)
	}
	// A chunk of a dropped segment stays in memory.
	checkDeliveries(t, deliveries(held), inFlight)
	q.Commit(held)
	checkBalance(t, q)
	q.Release(back) // nowhere to be put back to
	checkBalance(t, q)
	got := deliver(t, q)
	checkDeliveries(t, got, want[len(want)-len(got):])
	if err := q.Append(t.Context(), make([]byte, 4000), 1, nil); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a batch over the limit: %v", err)
	}
	q.Close()
	checkBalance(t, q)
	if s := q.Stats(); s.Records != 0 || s.DroppedNoRoom != s.Appended-s.Committed {
		t.Errorf("%+v", s)
	}
	if log.String() == "" {
		t.Error("nothing was said")
	}
}

func TestNextAfterDropGoesOnWithTheOldestLeft(t *testing.T) {
	q := mustOpen(t, Options{FS: newFolder(), Limit: 4000, SegmentSize: 500, Full: DropOldest})
	defer q.Close()
	last := uint64(0)
	for i := range 400 {
		fill(t, q, i, i+1)
		if i%3 > 0 {
			continue
		}
		c, err := q.Next(t.Context(), 50, 0)
		if err != nil {
			t.Fatal(err)
		}
		if c.First < last {
			t.Fatalf("position %d after %d", c.First, last)
		}
		last = c.First + uint64(c.Records)
		if i%2 == 0 {
			q.Commit(c)
		}
		checkBalance(t, q)
	}
}

func TestAppendersAndReadersAtOnce(t *testing.T) {
	for name, o := range map[string]Options{
		"disk":   {Dir: t.TempDir(), Name: "x", Limit: 200 << 10},
		"memory": {Limit: 200 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			q := mustOpen(t, o)
			const clients, each = 50, 200
			var appenders, readers sync.WaitGroup
			for range clients {
				appenders.Go(func() {
					for i := range each {
						if err := q.Append(t.Context(), []byte(batchText(i)), batchRecords(i), nil); err != nil {
							t.Error(err)
						}
					}
				})
			}
			var mu sync.Mutex
			seen := map[uint64]bool{}
			for range 4 {
				readers.Go(func() {
					for {
						c, err := q.Next(context.Background(), 5000, time.Millisecond)
						if err != nil {
							return
						}
						mu.Lock()
						for _, d := range deliveries(c) {
							if seen[d.pos] {
								t.Errorf("position %d twice", d.pos)
							}
							seen[d.pos] = true
						}
						mu.Unlock()
						q.Commit(c)
						checkBalance(t, q)
					}
				})
			}
			appenders.Wait()
			q.Drain()
			readers.Wait()
			if s := q.Stats(); len(seen) != clients*each || s.Records != 0 {
				t.Errorf("%d batches of %d, %+v", len(seen), clients*each, s)
			}
			q.Close()
		})
	}
}

func TestClosedQueue(t *testing.T) {
	fs := newFolder()
	q := mustOpen(t, Options{FS: fs})
	want := fill(t, q, 0, 10)
	c, err := q.Next(t.Context(), 1000, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if err := q.Close(); err != nil {
		t.Fatal("the second Close:", err)
	}
	if err := q.Append(t.Context(), []byte("x"), 1, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("Append: %v", err)
	}
	if _, err := q.Next(t.Context(), 1, 0); !errors.Is(err, ErrClosed) {
		t.Errorf("Next: %v", err)
	}
	before := fs.names()
	q.Commit(c) // too late for the files, which may be another's by now
	checkBalance(t, q)
	if after := fs.names(); !slices.Equal(before, after) {
		t.Errorf("a late Commit changed %v to %v", before, after)
	}
	r := mustOpen(t, Options{FS: fs})
	defer r.Close()
	checkDeliveries(t, deliver(t, r), want)
}

func TestAppendAllocatesNothing(t *testing.T) {
	q := mustOpen(t, Options{Dir: t.TempDir(), Name: "x", SegmentSize: 64 << 20})
	defer q.Close()
	batch := make([]byte, 500)
	count := 0
	accepted := func() { count++ }
	if n := testing.AllocsPerRun(1000, func() { q.Append(t.Context(), batch, 1, accepted) }); n > 0 {
		t.Errorf("%v allocations an Append", n)
	}
}

func TestMemoryOfChunksIsReused(t *testing.T) {
	if race.Enabled {
		t.Skip("under the race detector a sync.Pool drops at random what is put into it")
	}
	q := mustOpen(t, Options{Dir: t.TempDir(), Name: "x", Limit: 1 << 30})
	defer q.Close()
	batch := make([]byte, 50_000)
	round := func() {
		for range 20 {
			q.Append(t.Context(), batch, 1, nil)
		}
		c, err := q.Next(t.Context(), 1<<20, 0)
		if err != nil {
			t.Fatal(err)
		}
		q.Commit(c)
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection empties the pool
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(math.MaxInt64))
	round()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const rounds = 100
	for range rounds {
		round()
	}
	runtime.ReadMemStats(&after)
	if got := (after.TotalAlloc - before.TotalAlloc) / rounds; got > 200_000 {
		t.Errorf("%d bytes allocated for a chunk of 1 MB", got)
	}
}

// TestSegmentsGrowWithTheQueue: files are few where there is much to hold, and small again when it is delivered. What
// was held is delivered whole, and a spare of a long file doesn't stay.
func TestSegmentsGrowWithTheQueue(t *testing.T) {
	q := mustOpen(t, Options{FS: newFolder(), SegmentSize: 400})
	defer q.Close()
	q.maxSegSize = 1600
	want := fill(t, q, 0, 600)
	rooms := func() (rooms []int64) {
		for _, s := range q.segs {
			if s.end.off > s.room {
				t.Errorf("a segment of %d bytes has %d", s.room, s.end.off)
			}
			rooms = append(rooms, s.room)
		}
		return rooms
	}
	if long := rooms(); long[0] != 400 || long[len(long)-1] != 1600 || !slices.IsSorted(long) {
		t.Errorf("segments of %d", long)
	}
	q.keep = 0
	var got []delivery
	for q.Stats().Records > 0 {
		c, err := q.Next(t.Context(), 100, 0)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, deliveries(c)...)
		if len(q.segs) <= 2 {
			q.keep = maxSpares // from here on they would be kept if they weren't too large
		}
		q.Commit(c)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d were delivered, of %d", len(got), len(want))
	}
	for _, sp := range q.spares {
		if sp.size > maxSpareRooms*400 {
			t.Errorf("a spare of %d bytes", sp.size)
		}
	}
	fill(t, q, 600, 630)
	if short := rooms()[1:]; len(short) == 0 || slices.Max(short) > 500 { // the first was made when the queue was long
		t.Errorf("segments of %d", short)
	}
}
