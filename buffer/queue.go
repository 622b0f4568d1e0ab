// Package buffer is a durable FIFO of batches, one queue for each output. It doesn't know what is in a batch: a batch is
// bytes and a number of records.
package buffer

import (
	"context"
	"time"
)

// A Chunk is a run of batches, taken from the queue to be delivered. Its memory is the queue's; it is valid until
// Commit or Release.
type Chunk struct {
	First   uint64 // position of the first record: records are numbered from 0, across restarts
	Records int
	Batches [][]byte // the batches as they were appended, in order
	// Appended is when the oldest batch was appended, as far as this process knows (the zero time after a restart).
	Appended time.Time
	// unexported: where it is
}

// Stats is what the queue holds now and has done since it was opened.
type Stats struct {
	Records, Bytes               int64 // appended and not committed
	DroppedRecords, DroppedBytes int64 // given up for room (total limit), or lost in a damaged segment
	Appended, Committed          int64 // records
	Recovered                    int64 // records found at Open
	Waiting                      int   // callers of Append that wait for room
	Durable                      bool  // on disk (false: in memory)
}

// Queue is a FIFO of batches. Append is safe for concurrent use, and so are Next, Commit and Release.
type Queue struct{}

// Identity is the queue's own random identity, kept with it across restarts: the Queue part of a record.ID.
func (q *Queue) Identity() [10]byte { panic("not written yet") }

// Append appends one batch of records. The batch is copied (written) before it returns: the caller may reuse it. While
// the queue is full it waits for room until ctx ends. It never appends a part.
func (q *Queue) Append(ctx context.Context, batch []byte, records int) error {
	panic("not written yet")
}

// Next takes the next chunk: as many whole batches as fit into maxBytes, at least one. It waits for a first batch until
// ctx ends, and then for more until maxBytes are there, linger has gone by since the first one was appended, or the
// queue is being closed or drained. Chunks are given out in order, each once. ErrClosed: no more will come.
func (q *Queue) Next(ctx context.Context, maxBytes int, linger time.Duration) (*Chunk, error) {
	panic("not written yet")
}

// Commit says that every record of the chunk has reached its end (delivered, dead-lettered). Chunks may be
// committed in any order; room is made as the oldest are.
func (q *Queue) Commit(c *Chunk) { panic("not written yet") }

// Release puts the chunk back without having delivered it: for a stop with work in flight. It will be given out again
// by a later Open.
func (q *Queue) Release(c *Chunk) { panic("not written yet") }

// Drain makes Next return at once what there is, without lingering, and ErrClosed when the queue is empty.
func (q *Queue) Drain() { panic("not written yet") }

// Stats is a consistent snapshot.
func (q *Queue) Stats() Stats { panic("not written yet") }

// Close ends every wait and releases files and the lock. What is not committed stays for the next Open.
func (q *Queue) Close() error { panic("not written yet") }
