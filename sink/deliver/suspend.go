package deliver

import (
	"slices"
	"time"
)

// Suspend makes Run return once no attempt is in progress and no chunk is partly done, because the records of such a chunk that are
// done would be sent again, and might be stored twice. No other chunk is started. The queue stays as it is, and the next Output
// delivers what is left in it: see Config.Before. If the ctx of Run ends, attempts in progress are canceled. It always returns true:
// the caller should wait for Run.
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

// suspend sets aside the chunks of which no record is done, and none is in a request in progress.
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

// hasBegun reports whether there are chunks of which some records are done.
func (l *loop) hasBegun() bool { return slices.ContainsFunc(l.unfinished(), (*inflightChunk).hasBegun) }

func (c *inflightChunk) hasBegun() bool { return c.left < c.from.Records }

// goOnAfter takes over the counts and the deferred queue of b, and makes the queues return the chunks again that b has released. The
// records in such chunks that were done count as buffered once more.
func (o *Output) goOnAfter(b *Output) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o.made, o.settled, o.stats = b.made, b.settled, b.stats
	s, d := &o.stats, &b.deferred
	s.Waiting, s.InFlight, s.Concurrency, s.Gate = 0, 0, 1, GateOpen
	s.LastError, s.LastErrorAt, s.LastErrorOfItems = "", time.Time{}, false
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
