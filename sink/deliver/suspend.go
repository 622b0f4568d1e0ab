package deliver

import "time"

// Suspend has Run return as soon as no attempt is in progress: it begins none. The queue stays as it is, and the next Output
// delivers what is left of it: see Config.Before. If ctx of Run ends, attempts in progress are cut short. It returns true: they
// are worth waiting for, since what is sent again may be stored twice.
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
