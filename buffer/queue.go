// Package buffer is a durable FIFO of batches, one queue for each output. It doesn't know what is in a batch: a batch is
// bytes and a number of records.
package buffer

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/firelane/firelane/record"
	"github.com/rs/zerolog"
)

var (
	// ErrClosed is returned by Append after Close, and by Next when no more chunks will come.
	ErrClosed = errors.New("the queue is closed")
	// ErrTooLarge is returned by Append for a batch that can never be taken: over MaxBatch, or over the limit of a
	// queue that drops its oldest.
	ErrTooLarge = errors.New("the batch is larger than the queue's limit")
	// ErrLocked is returned by Open when another process has the queue's folder.
	ErrLocked = errors.New("in use by another router")
)

// MaxBatch is the largest batch that Append takes, in bytes.
const MaxBatch = 64 << 20

// A Policy says what Append does when the queue is full.
type Policy int

const (
	Block      Policy = iota // Append waits for room: back-pressure
	DropOldest               // the oldest segment goes, counted as dropped: for a limit that the user has set
)

// Options says where a queue lives and how large it may become. The zero value is a queue in memory.
type Options struct {
	Dir         string         // the folder that holds all queues; this one is Dir/Name. Empty: in memory
	Name        string         // the output's name
	Limit       int64          // bytes; 0: a default, see DefaultLimit and MemoryLimit
	Full        Policy         // what happens at the limit
	SegmentSize int64          // bytes; 0: a default that suits the limit
	Sync        bool           // every Append is on the disk before it returns (storage.sync full)
	Log         zerolog.Logger // for what an operator should know
}

// A Chunk is a run of batches, taken from the queue to be delivered. Its memory is the queue's; it is valid until
// Commit or Release.
type Chunk struct {
	// Queue is the identity under which these records were appended: with their positions, their record.ID. It is not
	// the same for all chunks of a queue, since each Open makes a new one for what is appended from then on; what was
	// found on disk keeps the one it was born with.
	Queue   [10]byte
	First   uint64 // position of the first record, the others follow without a gap
	Records int
	Batches [][]byte // the batches as they were appended, in order
	// Appended is when the oldest batch was appended, as far as this process knows (the zero time after a restart).
	Appended time.Time

	bytes int64
}

// Stats is what the queue holds now and has done since it was opened. At every moment
// Recovered + Appended = Committed + DroppedRecords + Records.
type Stats struct {
	Records, Bytes               int64 // appended and not committed; bytes with frame headers
	DroppedRecords, DroppedBytes int64 // given up for room (total limit), or lost in a damaged segment
	Appended, Committed          int64 // records
	Recovered                    int64 // records found at Open
	Waiting                      int   // callers of Append that wait for room
	Durable                      bool  // on disk (false: in memory)
}

// Queue is a FIFO of batches. Append is safe for concurrent use, and so are Next, Commit and Release.
type Queue struct {
	mu       sync.Mutex
	changed  chan struct{}
	id       [10]byte
	next     uint64
	limit    int64
	items    []item
	unread   int64
	stats    Stats
	draining bool
	closed   bool
}

type item struct {
	b       []byte
	records int
	at      time.Time
}

// Open opens the queue, and makes it where there is none.
func Open(o Options) (*Queue, error) {
	if o.Limit == 0 {
		o.Limit = 16 << 20
	}
	return &Queue{changed: make(chan struct{}), id: record.NewQueueIdentity(), limit: o.Limit}, nil
}

func (q *Queue) wake() {
	close(q.changed)
	q.changed = make(chan struct{})
}

func (q *Queue) wait(ctx context.Context, d time.Duration) error {
	ch := q.changed
	q.mu.Unlock()
	defer q.mu.Lock()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ch:
	case <-t.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// Append appends one batch of records. The batch is copied (written) before it returns: the caller may reuse it. While
// the queue is full it waits for room until ctx ends. It never appends a part.
func (q *Queue) Append(ctx context.Context, batch []byte, records int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.stats.Bytes > 0 && q.stats.Bytes+int64(len(batch)) > q.limit && !q.closed {
		q.stats.Waiting++
		err := q.wait(ctx, time.Hour)
		q.stats.Waiting--
		if err != nil {
			return err
		}
	}
	if q.closed {
		return ErrClosed
	}
	q.items = append(q.items, item{append([]byte(nil), batch...), records, time.Now()})
	q.unread += int64(len(batch))
	q.stats.Bytes += int64(len(batch))
	q.stats.Records += int64(records)
	q.stats.Appended += int64(records)
	q.wake()
	return nil
}

// Next takes the next chunk: as many whole batches as fit into maxBytes, at least one. It waits for a first batch until
// ctx ends, and then for more until maxBytes are there, linger has gone by since the first one was appended, or the
// queue is being closed or drained. Chunks are given out in order, each once. ErrClosed: no more will come.
func (q *Queue) Next(ctx context.Context, maxBytes int, linger time.Duration) (*Chunk, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if q.closed || q.draining && len(q.items) == 0 {
			return nil, ErrClosed
		}
		d := time.Hour
		if len(q.items) > 0 {
			d = time.Until(q.items[0].at.Add(linger))
			if q.draining || q.unread >= int64(maxBytes) || d <= 0 {
				return q.take(maxBytes), nil
			}
		}
		if err := q.wait(ctx, d); err != nil {
			return nil, err
		}
	}
}

func (q *Queue) take(maxBytes int) *Chunk {
	c := &Chunk{Queue: q.id, First: q.next, Appended: q.items[0].at}
	for len(q.items) > 0 && (c.bytes == 0 || c.bytes+int64(len(q.items[0].b)) <= int64(maxBytes)) {
		it := q.items[0]
		c.Batches = append(c.Batches, it.b)
		c.Records += it.records
		c.bytes += int64(len(it.b))
		q.items = q.items[1:]
	}
	q.next += uint64(c.Records)
	q.unread -= c.bytes
	return c
}

// Commit says that every record of the chunk has reached its end (delivered, dead-lettered). Chunks may be
// committed in any order; room is made as the oldest are.
func (q *Queue) Commit(c *Chunk) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stats.Records -= int64(c.Records)
	q.stats.Bytes -= c.bytes
	q.stats.Committed += int64(c.Records)
	q.wake()
}

// Release puts the chunk back without having delivered it: for a stop with work in flight. It will be given out again
// by a later Open.
func (q *Queue) Release(c *Chunk) {}

// Drain makes Next return at once what there is, without lingering, and ErrClosed when the queue is empty. Append is
// still possible.
func (q *Queue) Drain() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.draining = true
	q.wake()
}

// Stats is a consistent snapshot.
func (q *Queue) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.stats
}

// Close ends every wait and releases files and the lock. What is not committed stays for the next Open.
func (q *Queue) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		q.wake()
	}
	return nil
}
