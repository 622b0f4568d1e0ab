package buffer

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestQueuesThatMayDropTheirOldestShareARealFullDisk: nobody reads them, and one caller appends to one after the other. None waits for
// another to give up a file, nor drops all that it has.
func TestQueuesThatMayDropTheirOldestShareARealFullDisk(t *testing.T) {
	t.Run("always", func(t *testing.T) { shareFullDisk(t, DropOldest) })
	t.Run("when stalled", func(t *testing.T) { shareFullDisk(t, Block) })
}

func shareFullDisk(t *testing.T, full Policy) {
	dir := smallDisk(t)
	stalled := time.Duration(1)
	if full == DropOldest {
		stalled = time.Hour
	}
	var queues []*Queue
	for n := range 3 {
		var q *Queue
		q = mustOpen(t, Options{Dir: dir, Name: fmt.Sprint(n), Limit: 1 << 30, SegmentSize: 1 << 20, Full: full, StalledAfter: stalled,
			DiskFull: func() bool { return q.DropOldestWith(queues) || DropOldestOf(queues) }})
		defer q.Close()
		queues = append(queues, q)
	}
	f := NewFan(queues)
	batch := make([]byte, 100<<10)
	for i := range 400 {
		var took []*Queue
		f.Append(batch, 1, func(q *Queue) { took = append(took, q) })
		for n, q := range queues {
			if slices.Contains(took, q) {
				continue
			}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			err := q.AppendBeside(ctx, batch, 1, nil, func() bool { return full == Block })
			cancel()
			if err != nil {
				t.Fatalf("batch %d, queue %d: %v", i, n, err)
			}
		}
	}
	for n, q := range queues {
		if s := q.Stats(); s.Records < 50 {
			t.Errorf("got %d records in queue %d, want about as many as fit on the disk", s.Records, n)
		}
	}
}
