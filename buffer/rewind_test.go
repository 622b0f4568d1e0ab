package buffer

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

// TestRewindReturnsWhatWasReleasedAndNothingElse: in order, whatever was committed in between, and with the ids of before.
func TestRewindReturnsWhatWasReleasedAndNothingElse(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		q, err := Open(Options{Dir: dir, Name: "q", SegmentSize: 4 << 10})
		if err != nil {
			t.Fatal(err)
		}
		const n = 100
		for i := range n {
			if err := q.Append(t.Context(), fmt.Appendf(nil, "batch %d", i), 3, nil); err != nil {
				t.Fatal(err)
			}
		}
		q.Drain()
		left := make(map[string]uint64) // text and position
		for i := range n {
			c, err := q.Next(t.Context(), 1, 0)
			if err != nil {
				t.Fatal(err)
			}
			if i%3 == 0 {
				defer q.Commit(c) // of a chunk that was released before: no effect
			}
			if i%5 < 2 {
				q.Commit(c)
				continue
			}
			left[string(c.Batches[0])] = c.First
			q.Ended(c, 1)
			q.Release(c)
		}
		q.Rewind()
		if s := q.Stats(); s.Records != int64(3*len(left)) || s.Ended != 0 || s.Appended != s.Committed+s.Records {
			t.Errorf("got %+v, want the records of %d batches", s, len(left))
		}
		if err := q.Append(t.Context(), []byte("later"), 1, nil); err != nil {
			t.Fatal(err)
		}
		last, seen := uint64(0), 0
		for len(left) > 0 {
			c, err := q.Next(t.Context(), 1<<20, 0)
			if err != nil {
				t.Fatal(err)
			}
			pos := c.First
			for _, b := range c.Batches {
				if want, ok := left[string(b)]; string(b) != "later" && (!ok || want != pos) || pos < last {
					t.Fatalf("got %q at %d after %d, want one of %v", b, pos, last, left)
				}
				delete(left, string(b))
				last, pos = pos, pos+3
				seen++
			}
			q.Commit(c)
		}
		if s := q.Stats(); s.Records > 1 {
			t.Errorf("got %+v, want nothing but the last batch", s)
		}
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestRewoundQueueDropsWhatWasNotCommitted: the account of a queue that drops its oldest agrees after a Rewind, too.
func TestRewoundQueueDropsWhatWasNotCommitted(t *testing.T) {
	q, err := Open(Options{SegmentSize: 4 << 10, Limit: 16 << 10, Full: DropOldest})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	batch := make([]byte, 500)
	for range 10 {
		if err := q.Append(t.Context(), batch, 1, nil); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 10 {
		c, err := q.Next(t.Context(), 1, 0)
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 1 {
			q.Commit(c)
		} else {
			q.Release(c)
		}
	}
	q.Rewind()
	for range 100 {
		if err := q.Append(t.Context(), batch, 1, nil); err != nil {
			t.Fatal(err)
		}
	}
	s := q.Stats()
	if s.DroppedNoRoom == 0 || s.Committed != 5 || s.Appended != s.Committed+s.DroppedRecords+s.Records {
		t.Errorf("got %+v, want 5 committed, and the account to agree", s)
	}
}

func TestInterruptEndsTheWaitForRoom(t *testing.T) {
	q, err := Open(Options{SegmentSize: 4 << 10, Limit: 8 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	batch := make([]byte, 1<<10)
	full := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for {
			if err := q.Append(ctx, batch, 1, nil); err != nil {
				return err
			}
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- full() }()
	for q.Stats().Waiting == 0 {
		time.Sleep(time.Millisecond) // the queue tells nobody that somebody waits
	}
	q.Interrupt(true)
	if err := <-ended; !errors.Is(err, ErrInterrupted) {
		t.Errorf("got %v, want %v", err, ErrInterrupted)
	}
	if err := full(); !errors.Is(err, ErrInterrupted) {
		t.Errorf("got %v, want %v for an Append that comes later", err, ErrInterrupted)
	}
	q.Interrupt(false)
	c, err := q.Next(t.Context(), 1<<20, 0)
	if err != nil {
		t.Fatal(err)
	}
	q.Commit(c)
	if err := q.Append(t.Context(), batch, 1, nil); err != nil {
		t.Errorf("got %v, want room", err)
	}
}
