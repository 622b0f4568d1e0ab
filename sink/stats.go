package sink

import "time"

// Stats is what an output has done since it was made, and holds now. At every moment
//
//	records found at start + records appended = Delivered + Dead + Dropped + Buffered
type Stats struct {
	Delivered int64 // records
	Dead      int64 // records in the dead letter
	Dropped   int64 // records that the queue gave up for room or lost to damage
	Buffered  int64 // records in the queue, or taken from it and not ended

	BufferedBytes int64 // bytes in the queue
	Waiting       int64 // of the buffered records: those to be tried again
	InFlight      int   // attempts under way
	Concurrency   int   // attempts that may be under way now
	Retried       int64 // items that were sent again
	Requests      int64 // attempts
	Failed        int64 // of them, those that failed as a whole
	BytesSent     int64 // encoded, before any compression
	Panics        int64 // contained panics of the destination

	Gate        GateState
	LastError   string    // of an attempt
	LastErrorAt time.Time // zero: there was none
	DeliveredAt time.Time // when a record was delivered last
	// FailingSince is when the first attempt failed of those that delivered nothing since then; zero: the last one
	// delivered something, or there was none.
	FailingSince time.Time
}

// Stats is a consistent snapshot.
func (o *Output) Stats() Stats {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.stats
	q := o.queue.Stats() // chunks are committed with o.mu held
	s.Buffered = q.Records - o.ended
	s.BufferedBytes = q.Bytes
	s.Dropped += q.DroppedRecords
	return s
}

// account enters what an attempt came to, and reports how many records it ended.
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
	s.Dropped += int64(out.damaged)
	if err := out.reply.Err; err != nil && !out.stopped {
		s.LastError, s.LastErrorAt = cutText(err.Error(), maxLoggedReason), now
		if out.delivered == 0 && s.FailingSince.IsZero() {
			s.FailingSince = now
		}
		if out.reply.Verdict == Again {
			s.Failed++
		}
	}
	n := out.delivered + out.dead + out.damaged
	o.ended += int64(n)
	return n
}

// commit ends a load whose records have all ended.
func (o *Output) commit(l *load) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue.Commit(l.chunk)
	o.ended -= int64(l.chunk.Records)
}
