package router

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/firelane/firelane/enrich"
)

// passing tells when what a Holder has released is in the queues.
type passing struct {
	begun atomic.Int64 // calls of Holders
	ended atomic.Int64 // of these, the ones after which all that they have released was queued

	// nested: an event that a Holder had released was held again, by the same one or another. It may be older than that one knows.
	nested atomic.Bool
}

// gave is what an intake knows of the events that it has given to Holders.
type gave struct {
	more      bool      // a Holder has got an event since the last Flush
	since     time.Time // all that Holders have got was added before
	releasing int       // calls of Holders that emit a held event just now

	unended      int64 // calls of Holders that have released something since the last Flush
	unendedNoted int64 // of these, the ones that input.unended has
}

// holderAge is what was last found out about the age of what a Holder holds.
type holderAge struct {
	mu     sync.Mutex
	at     time.Time
	oldest time.Time // zero: nothing was held
}

// lookAgain is how long the answer of Aged is used: a Holder may hold thousands of lines.
const lookAgain = 20 * time.Millisecond

// enterHolder is called before a call of a Holder, and returns what leaveHolder wants.
func (i *intake) enterHolder(h *holder) (released int64) {
	if h != nil {
		i.r.passing.begun.Add(1)
	}
	return i.released
}

// leaveHolder is called after a call of a Holder, which has held so many events.
func (i *intake) leaveHolder(h *holder, held int, released int64) {
	switch {
	case h == nil:
		return
	case i.released == released:
		i.r.passing.ended.Add(1)
	default:
		i.unended++
	}
	if held > 0 && !h.ackHeld {
		i.more = true
		if i.releasing > 0 {
			i.r.passing.nested.Store(true)
		}
	}
}

// releases is 1 if the event that the Step emits, of so many held ones, is one that acks wait for; otherwise 0.
func (c *call) releases(of int) int {
	if of > 0 && !c.holder.ackHeld {
		return 1
	}
	return 0
}

// noteGiven notes that all that Holders have got was added before now.
func (i *intake) noteGiven() {
	if i.more {
		i.more, i.since = false, time.Now()
	}
}

// isPast reports whether all that Holders got up to t is in the queues, although they hold what was added later. False: it isn't known.
func (r *Router) isPast(t time.Time) bool {
	if r.passing.nested.Load() {
		return false
	}
	for n := range r.stages {
		if h := r.stages[n].holder; h != nil && !h.isPast(t) {
			return false
		}
	}
	for _, in := range r.inputs {
		if in.holder != nil && !in.holder.isPast(t) {
			return false
		}
	}
	ended := r.passing.ended.Load()                                    // first: a call that begins meanwhile makes them differ
	return r.passing.begun.Load() == ended && !r.passing.nested.Load() // again: a call that has ended meanwhile may be the first such one
}

// isPast reports whether the Holder holds nothing that was added up to t.
func (h *holder) isPast(t time.Time) bool {
	if h.ackHeld {
		return true
	}
	aged, ok := enrich.Find[enrich.Aged](h.Holder)
	if !ok {
		return false
	}
	h.age.mu.Lock()
	defer h.age.mu.Unlock()
	if now := time.Now(); !h.age.isPast(t) && now.Sub(h.age.at) >= lookAgain {
		h.age.at, h.age.oldest = now, aged.Oldest()
	}
	return h.age.isPast(t)
}

func (a *holderAge) isPast(t time.Time) bool {
	return a.at.After(t) && (a.oldest.IsZero() || a.oldest.After(t))
}
