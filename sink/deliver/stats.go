package deliver

import (
	"time"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dead"
)

// Stats is what an output has done since it was made, and holds now. At every moment
//
//	Queue.Recovered + Queue.Appended = Delivered + Dead + Unreadable + what the queue dropped + Buffered + Lost
type Stats struct {
	Delivered  int64 // records
	Dead       int64 // records in the dead letter
	Unreadable int64 // records of batches that could not be read
	Buffered   int64 // records in the queue, or taken from it and not ended
	Lost       int64 // records that the loop lost sight of, by a fault of its own: 0, always

	Waiting     int64 // of the buffered records: those to be tried again
	InFlight    int   // attempts in progress
	Concurrency int   // attempts that may be in progress now
	Retried     int64 // items that were sent again
	Requests    int64 // attempts
	Failed      int64 // of them, those that failed as a whole
	BytesSent   int64 // encoded, before any compression
	Panics      int64 // panics of the destination that were caught

	Gate        GateState
	LastError   string    // of an attempt
	LastErrorAt time.Time // zero: there was none
	DeliveredAt time.Time // when a record was delivered last
	// FailingSince is when the first attempt failed of those that delivered nothing since then; zero: the last one
	// delivered something, or there was none.
	FailingSince time.Time

	Queue buffer.Stats
}

// Inspect calls see with a consistent snapshot, while nothing is appended, delivered or committed.
func (o *Output) Inspect(see func(Stats)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.stats
	o.queue.Inspect(func(q buffer.Stats) {
		s.Queue = q
		s.Buffered = q.Records - o.ended - s.Lost
		see(s)
	})
}

// Stats is what Inspect shows.
func (o *Output) Stats() (s Stats) {
	o.Inspect(func(now Stats) { s = now })
	return s
}

// account enters the outcome of an attempt, and reports how many records it ended.
func (o *Output) account(p *part, now time.Time) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	s, out := &o.stats, &p.out
	if out.sent {
		s.Requests++
		s.BytesSent += int64(out.bytes)
		s.Retried += int64(out.resent)
	}
	if out.panicked {
		s.Panics++
	}
	if out.delivered > 0 {
		s.Delivered += int64(out.delivered)
		s.DeliveredAt, s.FailingSince = now, time.Time{}
	}
	s.Dead += int64(out.dead)
	s.Unreadable += int64(out.unreadable)
	if out.lost != 0 {
		s.Lost += int64(out.lost)
		o.log.Error().Int("records", out.lost).Msg("records are neither delivered nor waiting: a fault in the delivery loop, please report it; a restart sends their chunk again")
	}
	if err := out.reply.Err; err != nil && !out.stopped {
		s.LastError, s.LastErrorAt = dead.Cut(err.Error(), maxLoggedReason), now
		if out.delivered == 0 && s.FailingSince.IsZero() {
			s.FailingSince = now
		}
		if out.reply.Verdict == sink.Again {
			s.Failed++
		}
	}
	n := out.ended()
	o.ended += int64(n)
	return n
}

// commit ends a chunk whose records have all ended.
func (o *Output) commit(c *inflightChunk) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue.Commit(c.from)
	o.ended -= int64(c.from.Records)
}
