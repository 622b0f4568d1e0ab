package deliver

import (
	"slices"
	"time"
)

// Suspend has Run return as soon as no attempt is in progress, and no chunk is left of which some records have ended: these would be
// sent again, and may be stored twice. Nothing else begins. The queue stays as it is, and the next Output delivers what is left of
// it: see Config.Before. If ctx of Run ends, attempts in progress are cut short. It returns true: Run is worth waiting for.
func (o *Output) Suspend() bool {
	o.suspendOnce.Do(func() { close(o.suspended) })
	return true
}

func (o *Output) isSuspended() bool {
	select {
	case <-o.suspended:
		return true
	default:
		return false
	}
}

// suspend sets aside the chunks of which nothing has ended, and nothing is in progress.
func (l *loop) suspend() {
	l.suspended = true
	if l.fetching {
		l.cancelFetch()
	}
	park := func(c *inflightChunk) bool {
		if c.hasBegun() || slices.ContainsFunc(l.inflight, func(p *part) bool { return p.chunk == c }) {
			return false
		}
		if !slices.Contains(l.parked, c) {
			l.parked = append(l.parked, c)
		}
		return true
	}
	l.ready = slices.DeleteFunc(l.ready, park)
	l.waiting = slices.DeleteFunc(l.waiting, func(p *part) bool { return park(p.chunk) })
}

// hasBegun reports whether there are chunks of which some records have ended.
func (l *loop) hasBegun() bool { return slices.ContainsFunc(l.unfinished(), (*inflightChunk).hasBegun) }

func (c *inflightChunk) hasBegun() bool { return c.left < c.from.Records }

// goOnAfter takes over the counts and the deferred queue of b, and has the queues return again what b has released. What has ended
// in such chunks is buffered again.
func (o *Output) goOnAfter(b *Output) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o.made, o.settled, o.stats = b.made, b.settled, b.stats
	s, d := &o.stats, &b.deferred
	s.Waiting, s.InFlight, s.Concurrency, s.Gate, s.LastError = 0, 0, 1, GateOpen, ""
	s.Again += o.queue.Stats().Ended + b.ended + s.Lost
	s.Lost = 0
	o.queue.Rewind()
	o.queue.SetDown(time.Time{})
	if d.queue == nil {
		return
	}
	before := d.queue.Stats()
	s.Again -= before.Records - before.Ended - before.Recovered - d.ended - d.returned - d.added
	if d.kept {
		d.queue.Rewind()
		o.deferred.queue, o.deferred.limit = d.queue, d.limit
	} else if o.queue.HasSub(deferredName) {
		o.openDeferred()
	}
	if q := o.deferred.queue; q != nil {
		now := q.Stats()
		s.Again += now.Records - now.Recovered
	}
}
