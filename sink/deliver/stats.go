package deliver

import (
	"time"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dead"
	"github.com/firelane/firelane/sink/report"
)

// Stats are counts of what an output has done since it was made, and its current state. At every moment
//
//	Queue.Recovered + Queue.Appended + DeferredQueue.Recovered + Again = Delivered + Dead + Unreadable + what the queues dropped + Buffered + Lost
type Stats struct {
	Delivered  int64 // records
	Dead       int64 // records in the dead letter
	Unreadable int64 // records of batches that could not be read
	Buffered   int64 // records in the queues, or taken from them and not ended
	Deferred   int64 // buffered records in the deferred queue
	Lost       int64 // records that are neither buffered nor ended, because of a bug: always 0
	Again      int64 // records that had ended in chunks that an Output released to the next one: they count twice

	Waiting     int64 // buffered records that wait to be tried again
	InFlight    int   // attempts in progress
	Concurrency int   // attempts that may be in progress now
	Retried     int64 // items that were sent again
	Requests    int64 // attempts
	Failed      int64 // attempts that failed as a whole
	BytesSent   int64 // encoded, before compression
	GivenUp     int64 // of the dead ones, records that were refused for now until Retry_Limit or the time for deferred ones was over
	Panics      int64 // panics of the destination

	Replies  Replies      // to the attempts
	Duration metric.Times // of the attempts
	// Delay is how long delivered records were in the queue. Those that an earlier process queued aren't counted.
	Delay metric.Times

	Gate        GateState
	LastError   string    // of an attempt
	LastErrorAt time.Time // zero: there was none
	// LastErrorOfItems is whether LastError is the refusal of single records, which it may quote.
	LastErrorOfItems bool
	DeliveredAt      time.Time // of the last record
	// FailingSince is when the first attempt failed since the last one that delivered a record; zero: none failed.
	FailingSince time.Time

	Queue         buffer.Stats
	DeferredQueue buffer.Stats
}

// Inspect calls see with a consistent snapshot, and blocks the queue and the accounts until see returns.
func (o *Output) Inspect(see func(Stats)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.stats
	o.queue.Inspect(func(q buffer.Stats) {
		s.Queue = q
		s.Buffered = q.Records - q.Ended - o.ended - s.Lost
		if o.deferred.queue == nil {
			see(s)
			return
		}
		o.deferred.queue.Inspect(func(q buffer.Stats) {
			s.DeferredQueue = q
			s.Deferred = q.Records - q.Ended - o.deferred.ended - o.deferred.returned
			s.Buffered += s.Deferred - o.deferred.added
			see(s)
		})
	})
}

// Stats returns the snapshot that Inspect shows.
func (o *Output) Stats() (s Stats) {
	o.Inspect(func(now Stats) { s = now })
	return s
}

// backlog is what the log says of what waits.
func (o *Output) backlog() report.Backlog {
	s := o.Stats()
	return report.Backlog{
		Records: s.Buffered, Refused: s.Waiting + s.Deferred, Bytes: s.Queue.Bytes, Limit: s.Queue.Limit, Oldest: s.Queue.Oldest, Delivered: s.Delivered,
	}
}

// account adds the outcome of an attempt to the statistics, and returns how many records it ended.
func (o *Output) account(p *part, now time.Time) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	s, out := &o.stats, &p.out
	if out.sent {
		s.Requests++
		s.BytesSent += int64(out.bytes)
		s.Replies.Add(&out.reply)
		s.Duration.Add(out.took, 1)
		s.Retried += int64(out.resent)
	}
	if out.panicked {
		s.Panics++
	}
	if out.delivered > 0 {
		s.Delivered += int64(out.delivered)
		s.DeliveredAt, s.FailingSince = now, time.Time{}
		if queued := p.chunk.from.Appended; !queued.IsZero() {
			s.Delay.Add(now.Sub(queued), out.delivered)
		}
	}
	s.GivenUp += int64(out.givenUp)
	s.Dead += int64(out.dead)
	s.Unreadable += int64(out.unreadable)
	if out.lost != 0 {
		s.Lost += int64(out.lost)
		o.log.Error().Int("records", out.lost).Msg("records are neither delivered nor waiting: this is a bug of the delivery loop, please report it; a restart sends their chunk again")
	}
	if err := out.reply.Err; err != nil && !out.stopped {
		s.LastError, s.LastErrorAt = dead.Cut(err.Error(), maxLoggedReason), now
		s.LastErrorOfItems = out.reply.Verdict == sink.Done
		if out.delivered == 0 && s.FailingSince.IsZero() && !p.harmless() {
			s.FailingSince = now
		}
		if out.reply.Verdict == sink.Again {
			s.Failed++
		}
	}
	if p.chunk.marks == nil {
		if out.fresh && refusedByItem(&out.reply) {
			o.flow.add(out.delivered, out.left)
		}
		if out.delivered > 0 {
			o.flow.last = now
		}
	}
	n := out.ended()
	*o.endedOf(p.chunk) += int64(n - out.deferred) // deferItems has counted those
	return n
}

// queueOf returns c's queue.
func (o *Output) queueOf(c *inflightChunk) *buffer.Queue {
	if c.marks != nil {
		return o.deferred.queue
	}
	return o.queue
}

// endedOf returns the count of records that have ended in chunks of c's queue that are not committed.
func (o *Output) endedOf(c *inflightChunk) *int64 {
	if c.marks != nil {
		return &o.deferred.ended
	}
	return &o.ended
}

// commit removes a chunk from its queue. All its records have ended.
func (o *Output) commit(q *buffer.Queue, c *inflightChunk) {
	o.mu.Lock()
	defer o.mu.Unlock()
	q.Commit(c.from)
	*o.endedOf(c) -= int64(c.from.Records - c.ended)
}

// commitUnreadable removes a chunk of which nothing more can be read.
func (o *Output) commitUnreadable(q *buffer.Queue, c *inflightChunk) {
	o.mu.Lock()
	o.stats.Unreadable += int64(c.left)
	*o.endedOf(c) += int64(c.left)
	o.mu.Unlock()
	o.commit(q, c)
}

// free gives a chunk's memory back. From then on the queue may drop it to make room.
func (o *Output) free(q *buffer.Queue, c *inflightChunk) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tellEnded(q, c)
	q.Free(c.from)
}

// release puts a chunk back, which the queue has dropped already if its segment was dropped to make room.
func (o *Output) release(q *buffer.Queue, c *inflightChunk) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tellEnded(q, c)
	q.Release(c.from)
}

// tellEnded has the queue know which records of a chunk that it may drop have ended. o.mu is held.
func (o *Output) tellEnded(q *buffer.Queue, c *inflightChunk) {
	if n := c.from.Records - c.left - c.ended; q.Ended(c.from, n) {
		c.ended += n
		*o.endedOf(c) -= int64(n)
	}
}
