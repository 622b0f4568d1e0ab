package buffer

import (
	"context"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

var (
	// ErrClosed is returned by Append after Close, and by Next when no more chunks will come.
	ErrClosed = errors.New("the queue is closed")
	// ErrTooLarge is returned by Append for a batch that can never be taken: over MaxBatch, or over the limit of a
	// queue that drops its oldest.
	ErrTooLarge = errors.New("the batch is larger than the queue may be")
	// ErrDropped is returned by Load for a chunk that was dropped to make room.
	ErrDropped = errors.New("the chunk was dropped to make room")
	// ErrStalled is returned by AppendUnlessStalled for a batch that was not appended, since the queue is stalled.
	ErrStalled = errors.New("the queue is stalled")
	// ErrInterrupted is returned by Append for a batch that was not appended, since it would have to wait: see Interrupt.
	ErrInterrupted = errors.New("the wait for room in the queue was interrupted")
	// ErrLocked is returned by Open when another process has the queue's folder.
	ErrLocked = errors.New("another router uses this folder")

	errEmpty = errors.New("a batch without records")
)

// A Chunk is a run of batches, taken from the queue to be delivered. Its memory is the queue's; it is valid until
// Commit, Release or Free.
type Chunk struct {
	// Queue is the identity under which these records were appended: with their positions, their record.ID. It is not
	// the same for all chunks of a queue, since each Open makes a new one for what is appended from then on; what was
	// found on disk keeps the one it was born with.
	Queue   [10]byte
	First   uint64 // position of the first record, the others follow without a gap
	Records int
	Batches [][]byte // the batches as they were appended, in order
	// Appended is when the oldest batch was appended, as far as this process knows (the zero time after a restart), or
	// a little before.
	Appended time.Time

	seg      *segment
	from, to place
	state    chunkState
	mem      *chunkMemory // nil after Free
	ended    int          // records; see Ended
}

type chunkState uint8

const (
	inFlight chunkState = iota
	committed
	released
	dropped // by dropOldest, after Free
)

// Stats is what the queue holds now and has done since it was opened. At every moment
// Recovered + Appended = Committed + DroppedRecords + Records.
type Stats struct {
	Records, Bytes      int64 // appended and not committed; bytes with frame headers
	Ended               int64 // of these records, those that have reached their end, in chunks with others that have not
	Appended, Committed int64 // records
	Recovered           int64 // records found at Open, those found missing among them
	DroppedRecords      int64 // DroppedNoRoom + DroppedDamaged
	DroppedNoRoom       int64 // records dropped for newer ones, by the policy DropOldest
	DroppedDamaged      int64 // records of segments that are damaged, can't be read, or are missing
	Waiting             int   // callers of Append that wait for room
	Waits               int64 // how often one had to
	Damaged             int64 // segments found damaged
	DiskErrors          int64 // writes and reads that failed
	Limit               int64 // bytes
	Durable             bool  // on disk (false: in memory)
	// Oldest is about when the oldest record was appended, never later than that; if an earlier process appended it, when the queue
	// was opened. Zero: there is none.
	Oldest time.Time
}

// Queue is a FIFO of batches. Append is safe for concurrent use, and so are Next, Commit and Release. It has no
// goroutine of its own.
type Queue struct {
	fs           FS
	lock         io.Closer // of the folder; nil in memory
	serial       uint64    // see opened
	log          zerolog.Logger
	id           [10]byte
	full         Policy
	sync         bool
	keep         int // how many spares are kept
	stalledAfter time.Duration
	downAfter    time.Duration
	relieve      func() bool // see Options.DiskFull
	padBy        int64       // by how much a file is filled ahead; 0: not at all

	segSize, maxSegSize int64 // of a segment's file in a short queue, and in a long one

	// reader is held by the one call of Next that reads or waits for something to read.
	reader chan struct{}
	closed chan struct{} // closed by Close
	wake   chan struct{} // to the call of Next that is parked
	chunks *ChunkPool

	side        *os.File // of notes; nil until one is added
	sideTorn    bool     // the last note was perhaps not written completely
	attempts    *os.File // nil in memory
	interrupted []Attempt

	likeness atomic.Pointer[Likeness]

	born      time.Time
	progress  time.Duration // when something was committed last, or appended to an empty queue, after born
	fullSince atomic.Int64  // progress, if an Append has found no room since then; else 0
	downSince atomic.Int64  // since when the destination has been down, after born; 0: it isn't

	mu            sync.Mutex
	segs          []*segment // the oldest first
	current       int        // index of the segment that is being read
	active        *segment   // the last of segs while it is being written, or nil
	number        uint64     // of the segment that was made last, or could not be made
	next          uint64     // position of the next record
	size          int64      // of all segments: with that of the spares, what the limit is about
	stats         Stats
	spares        []spare // files to make the next segments of, the latest last
	spareSize     int64   // of all of them
	header        [frameHeader]byte
	ended         [frameHeader]byte
	parts         [3][]byte // of one write
	mark          [markSize]byte
	waiters       []*waiter // calls of Append that wait for room, the first one first
	parked        bool      // a call of Next waits
	want          int64     // how many bytes will wake it
	woken         int64     // how often Next was woken
	draining      bool
	overfull      bool // see Overfill
	interrupt     bool // no Append waits
	shut          bool // Close has closed the files
	failing       bool // the last write failed
	noSpace       bool // the disk was full then
	fullness      fullness
	checked       time.Time   // when checkActive last checked the file
	otherVersions int         // segments that Open found and can't read
	notes         []func()    // to be logged without the mutex
	garbage       []io.Closer // files of removed segments, to be closed without the mutex: it is then that they are freed
}

// Append appends one batch of records. The batch is copied (written) before it returns: the caller may reuse it. While
// the queue is full it waits for room until ctx ends. It never appends a part.
//
// accepted, if not nil, is called once if the batch is appended, else never: with the queue's lock held, at the moment
// from which Stats counts the records. It must not block, nor call the queue.
func (q *Queue) Append(ctx context.Context, batch []byte, records int, accepted func()) error {
	return q.AppendBeside(ctx, batch, records, accepted, nil)
}

// AppendBeside is Append for a caller that would keep batches from other queues while it waits: while Stalled and yield are
// true it drops the oldest records instead of waiting. yield is called with the queue's lock held: it must not block, nor call
// a queue's methods other than Stalled. nil: never true.
func (q *Queue) AppendBeside(ctx context.Context, batch []byte, records int, accepted func(), yield func() bool) error {
	return q.append(ctx, batch, records, accepted, yield, false)
}

// AppendUnlessStalled is AppendBeside for a caller that has batches for the other queues, too: instead of dropping records it
// returns ErrStalled, and the others can get theirs first.
func (q *Queue) AppendUnlessStalled(ctx context.Context, batch []byte, records int, accepted func(), yield func() bool) error {
	return q.append(ctx, batch, records, accepted, yield, true)
}

func (q *Queue) append(ctx context.Context, batch []byte, records int, accepted func(), yield func() bool, leave bool) error {
	if len(batch) == 0 || records <= 0 {
		return errEmpty
	}
	if len(batch) > MaxBatch || records > MaxBatch {
		return ErrTooLarge
	}
	h := frame{length: uint32(len(batch)), records: uint32(records), sum: crc32.Checksum(batch, castagnoli)}
	q.mu.Lock()
	if len(q.waiters) == 0 {
		if done, err := q.put(h, batch, accepted, q.full == DropOldest, false); done || err != nil {
			q.unlock()
			return err
		}
	}
	return q.appendLater(ctx, h, batch, accepted, yield, leave)
}

// Next takes the next chunk: as many whole batches as fit into maxBytes (each counts with a frame header of 24 bytes), at
// least one, from one segment. It waits for a first batch until ctx ends, and then for more until maxBytes are there,
// linger has gone by since the first one was appended, or no more can come soon: the segment is full, an Append waits
// for room, the queue is being drained. Chunks are taken in order, each once. ErrClosed: no more will come.
func (q *Queue) Next(ctx context.Context, maxBytes int, linger time.Duration) (*Chunk, error) {
	return q.NextUpTo(ctx, maxBytes, MaxBatch+frameHeader, linger)
}

// NextUpTo is Next, but for a first batch of more than most bytes it takes nothing: the error is a *LargeError then.
func (q *Queue) NextUpTo(ctx context.Context, maxBytes, most int, linger time.Duration) (*Chunk, error) {
	select {
	case q.reader <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-q.closed:
		return nil, ErrClosed
	}
	defer func() { <-q.reader }()
	for {
		if err := q.await(ctx, int64(maxBytes), linger); err != nil {
			return nil, err
		}
		if c, err := q.take(int64(maxBytes), int64(max(most, maxBytes))); c != nil || err != nil {
			return c, err
		}
	}
}

// Commit says that every record of the chunk has reached its end (delivered, dead-lettered). Chunks may be
// committed in any order; room is made as whole segments are. A chunk that is committed after Close is counted, and
// delivered again by a later Open.
func (q *Queue) Commit(c *Chunk) {
	q.mu.Lock()
	defer q.unlock()
	if !q.finish(c, committed) {
		return
	}
	t := c.to.minus(c.from)
	q.fullSince.Store(0)
	q.progress = time.Since(q.born)
	q.stats.Ended -= int64(c.ended)
	q.stats.Committed += t.records
	q.stats.Records -= t.records
	q.stats.Bytes -= t.bytes
	q.updateCommitted(c.seg)
	q.endFull()
}

// Release puts the chunk back without having delivered it: for a stop with work in flight. It will be delivered again
// by a later Open.
func (q *Queue) Release(c *Chunk) {
	q.mu.Lock()
	defer q.unlock()
	if !q.finish(c, released) {
		return
	}
	if t := c.to.minus(c.from); c.seg.gone {
		q.dropChunk(c) // by dropOldest, while it was in flight
	} else {
		c.seg.released.add(t)
	}
}

// finish ends a chunk's life, once, and takes its memory back.
func (q *Queue) finish(c *Chunk, state chunkState) bool {
	if c.state != inFlight {
		return false
	}
	c.state = state
	q.reclaim(c)
	return true
}

// Drain makes Next return at once what there is, without lingering, and ErrClosed when nothing is left that could be
// taken and no Append waits. Append is still possible.
func (q *Queue) Drain() {
	q.mu.Lock()
	defer q.unlock()
	q.draining = true
	q.wakeReader()
}

// Stats returns a consistent snapshot.
func (q *Queue) Stats() (s Stats) {
	q.Inspect(func(now Stats) { s = now })
	return s
}

// Inspect calls see with a consistent snapshot while nothing is appended, taken or committed, so that the caller can read
// its own counters at the same moment. see must not block, call the queue, or take a lock under which the queue is called.
func (q *Queue) Inspect(see func(Stats)) {
	q.mu.Lock()
	defer q.unlock()
	s := q.stats
	s.DroppedRecords = s.DroppedNoRoom + s.DroppedDamaged
	s.Waiting = len(q.waiters)
	s.Oldest = q.oldest()
	see(s)
}

// oldest is Stats.Oldest.
func (q *Queue) oldest() (at time.Time) {
	for _, s := range q.segs {
		if s.done() {
			continue
		}
		if len(s.out) > 0 {
			at = s.out[0].Appended
		} else {
			at = s.peekAppended(s.low.off)
		}
		if at.IsZero() {
			at = q.born
		}
		return at
	}
	return at
}

// Close ends every wait and releases files and the lock. What is not committed stays for the next Open.
func (q *Queue) Close() error {
	q.mu.Lock()
	if q.isClosed() {
		q.unlock()
		return nil
	}
	close(q.closed)
	q.unlock()

	q.reader <- struct{}{} // no Next is reading any more
	q.mu.Lock()
	q.removeIfEmpty(0)
	q.seal()
	for _, s := range q.segs {
		if s.file != nil {
			q.garbage = append(q.garbage, s.file)
			s.file = nil
		}
	}
	q.shut = true
	for q.giveUpSpare() {
	}
	q.unlock()
	<-q.reader
	q.closeAttempts()
	q.closeNotes()
	if q.lock == nil {
		return nil
	}
	return q.lock.Close()
}

func (q *Queue) isClosed() bool {
	select {
	case <-q.closed:
		return true
	default:
		return false
	}
}

// drop takes from the account what was queued and will never be delivered, and adds it to one of the Dropped counters.
func (q *Queue) drop(t tally, counter *int64) {
	q.stats.Records -= t.records
	q.stats.Bytes -= t.bytes
	*counter += t.records
}

// unlock unlocks the mutex, and then does what may take long.
func (q *Queue) unlock() {
	notes, garbage := q.notes, q.garbage
	q.notes, q.garbage = nil, nil
	q.mu.Unlock()
	for _, f := range garbage {
		f.Close() // nothing is lost with it: the file is removed or complete
	}
	for _, log := range notes {
		log()
	}
	if len(garbage) > 0 {
		q.mu.Lock()
		q.wakeWaiter()
		q.mu.Unlock()
	}
}

// Identity returns the identity of records that are appended by this process.
func (q *Queue) Identity() [10]byte { return q.id }
