package buffer

import (
	"errors"
	"strings"
	"testing"
)

func TestALargeBatchIsTakenOnlyByACallerThatWantsIt(t *testing.T) {
	q := mustOpen(t, Options{FS: newFolder()})
	defer q.Close()
	want := fill(t, q, 0, 1)
	large := strings.Repeat("x", 10_000)
	if err := q.Append(t.Context(), []byte(large), 1, nil); err != nil {
		t.Fatal(err)
	}
	c, err := q.NextUpTo(t.Context(), 1000, 1000, 0)
	if err != nil {
		t.Fatal(err)
	}
	checkDeliveries(t, deliveries(c), want)
	q.Commit(c)
	for range 2 { // it takes nothing
		var tooLarge *LargeError
		if c, err := q.NextUpTo(t.Context(), 1000, 5000, 0); c != nil || !errors.As(err, &tooLarge) || tooLarge.Bytes < 10_000 || tooLarge.Bytes > 11_000 {
			t.Fatalf("got the chunk %v and the error %v, want the size of the large batch", c, err)
		}
	}
	if c, err = q.NextUpTo(t.Context(), 1000, 11_000, 0); err != nil || string(c.Batches[0]) != large {
		t.Fatalf("got the error %v, want the large batch", err)
	}
	q.Commit(c)
	checkBalance(t, q)
}

func TestAFreedChunkIsReadAgain(t *testing.T) {
	q := mustOpen(t, Options{FS: newFolder(), SegmentSize: 500})
	defer q.Close()
	fill(t, q, 0, 40)
	var chunks []*Chunk
	var want [][]delivery
	for range 10 {
		c, err := q.Next(t.Context(), 150, 0)
		if err != nil {
			t.Fatal(err)
		}
		chunks, want = append(chunks, c), append(want, deliveries(c))
		q.Free(c)
		if c.Batches != nil {
			t.Error("got a freed chunk with batches, want none")
		}
	}
	q.Commit(chunks[3]) // without memory
	if q.Load(chunks[3]) == nil {
		t.Error("got no error for a chunk that is committed, want one")
	}
	for i, c := range chunks {
		if i == 3 {
			continue
		}
		if err := q.Load(c); err != nil {
			t.Fatal(err)
		}
		checkDeliveries(t, deliveries(c), want[i])
		q.Commit(c)
		checkBalance(t, q)
	}
}

// TestAFreedChunkThatIsDroppedIsCounted: its file is gone, and with it what has not reached its end.
func TestAFreedChunkThatIsDroppedIsCounted(t *testing.T) {
	q := mustOpen(t, Options{FS: newFolder(), Limit: 2000, SegmentSize: 500, Full: DropOldest})
	defer q.Close()
	fill(t, q, 0, 5)
	c, err := q.Next(t.Context(), 200, 0)
	if err != nil {
		t.Fatal(err)
	}
	if !q.Ended(c, 1) || q.Stats().Ended != 1 {
		t.Errorf("got %d records ended, want 1", q.Stats().Ended)
	}
	q.Free(c)
	fill(t, q, 5, 200)
	if err := q.Load(c); !errors.Is(err, ErrDropped) {
		t.Fatalf("got the error %v, want ErrDropped", err)
	}
	if s := q.Stats(); s.Committed != 1 || s.Ended != 0 {
		t.Errorf("got %d records committed and %d ended, want the one that had reached its end committed", s.Committed, s.Ended)
	}
	checkBalance(t, q)
	q.Commit(c) // too late
	checkBalance(t, q)
}

// TestAFreedChunkThatIsDamagedIsNotLoaded: somebody has written to the file.
func TestAFreedChunkThatIsDamagedIsNotLoaded(t *testing.T) {
	folder := newFolder()
	q := mustOpen(t, Options{FS: folder})
	defer q.Close()
	fill(t, q, 0, 3)
	c, err := q.Next(t.Context(), 1000, 0)
	if err != nil {
		t.Fatal(err)
	}
	q.Free(c)
	f, err := folder.Open(segmentName(1), false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("damage"), dataAt+frameHeader+2); err != nil {
		t.Fatal(err)
	}
	if err := q.Load(c); err == nil || c.Batches != nil {
		t.Fatalf("got the error %v and %d batches, want an error and none", err, len(c.Batches))
	}
	q.Commit(c)
	checkBalance(t, q)
}
