package gather

import (
	"slices"
	"time"

	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dead"
	"github.com/firelane/firelane/sink/deliver"
)

// startJob begins a job if one may begin now: first what an earlier process left is removed, then objects are finished, then the
// largest open object is sent in advance.
func (l *loop) startJob(now time.Time) {
	if l.job != nil || now.Before(l.gate.until) {
		return
	}
	var j *job
	switch o := l.nextClosed(); {
	case len(l.abandoned) > 0:
		j = &job{remove: &l.abandoned[0]}
	case o != nil:
		j = &job{object: o, runs: o.runs, finish: true}
	default:
		if o = l.largestOpen(); o == nil {
			return
		}
		j = &job{object: o, runs: o.runs, of: o.raw}
	}
	l.job = j
	l.jobs <- j
}

// nextClosed returns the object to be finished next: the one that has failed least. Objects with the same key are finished in the
// order of their records, so that one that is begun again after a crash has replaced what was there before the next is begun.
func (l *loop) nextClosed() (next *object) {
	seen := make(map[string]bool)
	for _, o := range l.closed {
		if !seen[o.key] && (next == nil || o.failures < next.failures) {
			next = o
		}
		seen[o.key] = true
	}
	return next
}

// largestOpen returns the open object of which most waits to be sent, if that is enough for a part with some certainty, and no
// object with that key is to be finished.
func (l *loop) largestOpen() (largest *object) {
	for _, o := range l.open {
		if largest == nil || o.unsent() > largest.unsent() {
			largest = o
		}
	}
	if largest == nil || l.ratio.of(largest.unsent()) < int64(l.o.limits.PartBytes)*5/4 {
		return nil
	}
	return largest
}

// endJob handles a job that has ended.
func (l *loop) endJob(j *job) {
	now := time.Now()
	l.job = nil
	l.account(j, now)
	if !j.stopped {
		l.judge(j, now)
	}
	if j.remove != nil {
		if j.reply.Verdict != sink.Again {
			l.notes.removed(j.remove)
			l.abandoned = l.abandoned[1:]
		}
		return
	}
	if j.size > 0 && j.raw > 0 {
		l.ratio.add(j.raw, j.size)
	}
	switch {
	case j.finished:
		l.endObject(j, now)
	case !j.moved && j.reply.Verdict == sink.Done:
		j.object.tried = j.of
	}
}

// endObject ends the records of a finished object. What is left of it becomes the next object with its key.
func (l *loop) endObject(j *job, now time.Time) {
	o := j.object
	first := o.first()
	last := l.lastOf(j)
	l.notes.finish(o.key, first, last.chunk.from.First+uint64(last.to-1), last.chunk.seq)
	before := len(o.runs)
	rest := o.cut(j.end, j.endRun)
	l.runs -= before
	if rest != nil {
		l.runs += len(rest.runs)
	}
	at := slices.Index(l.closed, o)
	switch {
	case rest == nil && at >= 0:
		l.closed = slices.Delete(l.closed, at, at+1)
	case rest == nil:
		delete(l.open, o.key)
	case at >= 0:
		l.closed[at] = rest
	default:
		rest.due = now.Add(l.ageOf(rest, now))
		l.open[o.key] = rest
	}
	for i, c := range j.counts {
		if j.givenUp {
			c.givenUp = c.dead
		}
		l.end(j.runs[i].chunk, c, now)
	}
	l.trimNotes()
	l.o.log.Debug().Str("object", j.name).Int64("bytes", j.size).Msg("an object is finished")
}

// lastOf returns the run with the object's last record, ending with it.
func (l *loop) lastOf(j *job) run {
	if j.endRun == 0 {
		return j.runs[j.end.run-1]
	}
	r := j.runs[j.end.run]
	r.to = j.end.record
	return r
}

// ageOf returns for how long an object stays open that begins with what is left of another one.
func (l *loop) ageOf(o *object, now time.Time) time.Duration {
	if l.o.limits.Slice > 0 || o.runs[0].chunk.from.Appended.IsZero() || l.hurried {
		return max(o.due.Sub(now), 0)
	}
	return max(o.runs[0].chunk.from.Appended.Add(l.o.limits.MaxAge).Sub(now), 0)
}

// end counts what became of records of a chunk, and commits it if all have ended.
func (l *loop) end(c *heldChunk, n counts, now time.Time) {
	o := l.o
	o.mu.Lock()
	c.left -= n.ended()
	if o.queue.Ended(c.from, n.ended()) {
		s := &o.stats
		s.Delivered += int64(n.delivered)
		s.Dead += int64(n.dead)
		s.GivenUp += int64(n.givenUp)
		s.Unreadable += int64(n.unreadable)
		if n.delivered > 0 {
			s.DeliveredAt, s.FailingSince = now, time.Time{}
			if queued := c.from.Appended; !queued.IsZero() {
				s.Delay.Add(now.Sub(queued), n.delivered)
			}
		}
	}
	if c.left == 0 {
		o.queue.Commit(c.from)
	}
	o.mu.Unlock()
	if c.left > 0 {
		return
	}
	l.heldBytes -= c.raw
	at, _ := slices.BinarySearchFunc(l.chunks, c.seq, func(c *heldChunk, seq uint64) int { return int(int64(c.seq - seq)) })
	l.chunks = slices.Delete(l.chunks, at, at+1)
}

// trimNotes forgets notes that no restart needs.
func (l *loop) trimNotes() {
	oldest, from := l.seq+1, record.ID{Queue: l.identity, Pos: l.scanned}
	if len(l.chunks) > 0 {
		c := l.chunks[0]
		oldest, from = c.seq, record.ID{Queue: c.from.Queue, Pos: c.from.First}
	}
	l.notes.trim(oldest, from, from.Queue == l.o.queue.Identity())
}

// account adds a job to the statistics.
func (l *loop) account(j *job, now time.Time) {
	o := l.o
	o.mu.Lock()
	defer o.mu.Unlock()
	s := &o.stats
	s.Requests++
	s.BytesSent += int64(j.bytes)
	s.Replies.Add(&j.reply)
	s.Duration.Add(j.took, 1)
	if j.moved {
		s.FailingSince = time.Time{}
	}
	err := j.reply.Err
	if err == nil || j.stopped {
		return
	}
	s.LastError, s.LastErrorAt = dead.Cut(err.Error(), maxLoggedReason), now
	if s.FailingSince.IsZero() {
		s.FailingSince = now
	}
	if j.reply.Verdict == sink.Again {
		s.Failed++
	}
}

// judge opens or closes the gate by the outcome of a job.
func (l *loop) judge(j *job, now time.Time) {
	r := &j.reply
	if r.Verdict != sink.Again {
		if j.object != nil {
			j.object.failures = 0
		}
		l.passed(now)
		return
	}
	if j.object != nil {
		j.object.failures++
	}
	if j.moved {
		l.gate.pass()
	}
	state := deliver.GateFailing
	switch r.Cause {
	case sink.Throttled:
		state = deliver.GateThrottled
	case sink.Unauthorised:
		state = deliver.GateUnauthorised
	}
	l.gate.fail(state, r.RetryAfter, now)
	l.o.report.Failed(r, l.gate.until.Sub(now))
}

func (l *loop) passed(now time.Time) {
	if n := l.gate.pass(); n > 0 {
		l.o.report.Passed()
		l.o.mu.Lock()
		l.o.stats.FailingSince = time.Time{}
		l.o.mu.Unlock()
	}
}
