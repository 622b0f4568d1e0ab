package router

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/input"
)

// Limits of events that were released and wait for room in a queue, while nothing else waits for them.
const (
	fullRetry  = time.Second // until the queue is tried again
	maxWaiting = batchSize   // bytes that wait, from which on the Holder isn't asked for more
)

// expiryPause is the least time between two calls of a Holder's Expire, so that events which are due shortly after one another
// are released together.
const expiryPause = 100 * time.Millisecond

// A holder is a Holder of the configuration, or the joiner of an input.
type holder struct {
	enrich.Holder
	in    *source         // whose events it gets before they are routed; nil where it is on routes
	wake  chan<- struct{} // wakes releaseHeld
	armed atomic.Bool     // releaseHeld has a timer for what is held now

	// ackHeld lets events be acknowledged while they are held. The joiner needs it: a client that sends the next part of a
	// line only after the ack of the last one, as Docker's driver with fluentd-request-ack does, would never send it.
	ackHeld bool
	age     holderAge
}

// schedule makes releaseHeld call Expire in time for what is held now.
func (h *holder) schedule() {
	if h.armed.Load() {
		return
	}
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// An expiry calls Expire of one Holder.
type expiry struct {
	*holder // nil: its configuration has gone, and only what waits is left
	i       *intake
	due     time.Time // of the next call; zero where nothing is held

	waits bool // for room in a queue
}

// releaseHeld makes Holders emit what is due, until end is closed, and then everything. Once stopping is closed everything is
// due soon, so that clients get their acks. While nothing is held it sleeps: an idle router uses no CPU.
func (r *Router) releaseHeld(stopping, end <-chan struct{}) {
	all := r.expiries()
	r.releaseUntil(&all, stopping, end, nil)
}

// releaseUntil is releaseHeld for some of the Holders, and for what is left of earlier configurations and of Flushes. When pause is
// closed it returns, and leaves what is held where it is.
func (r *Router) releaseUntil(all *[]expiry, stopping, end, pause <-chan struct{}) {
	var timer <-chan time.Time // nil while nothing is due
	stopped := false
	for {
		select {
		case <-end:
			r.releaseAll(*all)
			return
		case <-pause:
			return
		case <-stopping:
			stopping, stopped = nil, true
			timer = time.After(expiryPause)
		case <-r.wake:
			if !stopped {
				timer = r.expireNow(all, time.Now())
			} else if timer == nil {
				timer = time.After(expiryPause)
			}
		case now := <-timer:
			if stopped {
				now = enrich.Everything
			}
			timer = r.expireNow(all, now)
		}
	}
}

// expireNow is expire, also for what failed Flushes have left since; what is over is removed from the list.
func (r *Router) expireNow(all *[]expiry, now time.Time) <-chan time.Time {
	*all = r.withLeft(*all)
	timer := r.expire(*all, now)
	*all = r.withLeft(*all)
	return timer
}

// expiries returns those of all Holders, in the order in which events reach them.
func (r *Router) expiries() (all []expiry) {
	for _, in := range r.allInputs() {
		if in.holder != nil {
			all = append(all, expiry{holder: in.holder, i: r.newNoWaitIntake(in, r.outputs)})
		}
	}
	for n := range r.stages {
		if h := r.stages[n].holder; h != nil {
			all = append(all, expiry{holder: h, i: r.newNoWaitIntake(r.inputs[0], r.outputs)})
		}
	}
	return all
}

// newNoWaitIntake makes an intake whose Flush waits for no queue until allowWaiting.
func (r *Router) newNoWaitIntake(in *source, outputs []*output) *intake {
	i := r.newIntakeFor(in, outputs)
	i.background = true
	for o := range i.pending {
		i.pending[o].noWait = true
	}
	return i
}

func (i *intake) allowWaiting() {
	for o := range i.pending {
		i.pending[o].noWait = false
	}
}

// expire calls Expire of every Holder that may have something due at now, and returns when more will be due: nil for never.
func (r *Router) expire(all []expiry, now time.Time) <-chan time.Time {
	var next time.Time
	for n := range all {
		e := &all[n]
		if e.waits {
			r.flushReleased(e)
		}
		if e.holder != nil && !now.Before(e.due) && e.i.waitingBytes() < maxWaiting {
			e.armed.Store(false) // what is held from here on must wake releaseHeld again
			e.due = e.i.expire(e.holder, now)
			e.armed.Store(!e.due.IsZero())
			r.flushReleased(e)
		}
		if retry := time.Now().Add(fullRetry); e.waits && (next.IsZero() || retry.Before(next)) {
			next = retry
		}
		if !e.due.IsZero() && (next.IsZero() || e.due.Before(next)) {
			next = e.due
		}
	}
	if next.IsZero() {
		return nil
	}
	return time.After(max(time.Until(next), expiryPause))
}

// releaseAll makes Holders emit everything. Their events may reach another Holder, by a reroute even an earlier one.
func (r *Router) releaseAll(all []expiry) {
	all = r.withLeft(all)
	for n := range all {
		all[n].i.allowWaiting()
		all[n].waits = true // it may: expire tries to flush
	}
	for range maxReroutes + 1 {
		r.expire(all, enrich.Everything)
		if heldBy(all) == 0 {
			return
		}
	}
}

func heldBy(all []expiry) (n int) {
	for _, e := range all {
		if e.holder != nil {
			n += e.Held()
		}
	}
	return n
}

func (r *Router) flushReleased(e *expiry) {
	err := e.i.Flush(r.appending)
	e.waits = errors.Is(err, errFull)
	if err != nil && !e.waits && !errors.Is(err, input.ErrHeld) {
		r.log.Error().Err(err).Msg("records that a filter held can't be queued: they are dropped")
	}
}
