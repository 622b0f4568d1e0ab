package router

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/firelane/firelane/enrich"
)

// passing tells when what a Holder has released is in the queues. A call of a Holder ends when all that it has released was queued. Each
// begins in a phase, and the next phase begins once all calls of the one before this have ended. So those that go on without a pause keep
// nobody waiting: when two more phases have begun, all calls of this one have ended.
type passing struct {
	phase atomic.Uint64
	open  [2]atomic.Int64 // calls that have not ended, of even phases and of odd ones

	// nested: an event that a Holder had released was held again, by the same one or another. It may be older than that one knows.
	nested atomic.Bool
}

// unended is how many calls of even phases and of odd ones have released something that isn't queued.
type unended [2]int64

// gave is what an intake knows of the events that it has given to Holders.
type gave struct {
	more      bool      // a Holder has got an event since the last Flush
	since     time.Time // all that Holders have got was added before
	ends      uint64    // the phase in which all of it is queued; 0: some may be held
	releasing int       // calls of Holders that emit a held event just now

	unended      unended // since the last Flush
	unendedNoted unended // of these, the ones that input.unended has
}

// begin begins a call, and returns whether the phase is an odd one.
func (p *passing) begin() (odd int) {
	for {
		phase := p.phase.Load()
		odd = int(phase & 1)
		p.open[odd].Add(1)
		if p.phase.Load() == phase {
			return odd
		}
		p.open[odd].Add(-1) // it may be too late for this one
	}
}

// end ends calls.
func (p *passing) end(calls unended) {
	for odd, n := range calls {
		if n != 0 {
			p.open[odd].Add(-n)
		}
	}
}

// goOn begins the next phase, if all calls of the one before this have ended.
func (p *passing) goOn() {
	if phase := p.phase.Load(); p.open[(phase+1)&1].Load() == 0 {
		p.phase.CompareAndSwap(phase, phase+1)
	}
}

// holderAge is what was last found out about the age of what a Holder holds.
type holderAge struct {
	mu     sync.Mutex
	at     time.Time
	oldest time.Time // zero: nothing was held
}

// lookAgain is how long the answer of Aged is used: a Holder may hold thousands of lines.
const lookAgain = 20 * time.Millisecond

// An entry is what leaveHolder wants to know of the time before the call.
type entry struct {
	released int64
	odd      int
}

// enterHolder is called before a call of a Holder; nil: it is another Step.
func (i *intake) enterHolder(h *holder) (e entry) {
	if h != nil {
		e = entry{i.released, i.r.passing.begin()}
	}
	return e
}

// leaveHolder is called after a call of a Holder, which has held so many events.
func (i *intake) leaveHolder(h *holder, held int, e entry) {
	switch {
	case h == nil:
		return
	case i.released == e.released:
		i.r.passing.open[e.odd].Add(-1)
	default:
		i.unended[e.odd]++
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
		i.more, i.since, i.ends = false, time.Now(), 0
	}
}

// isPast reports whether all that Holders got by this intake is in the queues, although they hold what was added later. False: it isn't
// known.
func (i *intake) isPast() bool {
	p := &i.r.passing
	if p.nested.Load() {
		return false
	}
	if i.ends == 0 {
		if !i.r.holdsNoneUpTo(i.since) {
			return false
		}
		i.ends = p.phase.Load() + 2 // the calls that have released it began in this phase at the latest
	}
	p.goOn()
	p.goOn()
	return p.phase.Load() >= i.ends && !p.nested.Load() // again: a call that has ended meanwhile may be the first such one
}

// holdsNoneUpTo reports whether no Holder holds anything that was added up to t.
func (r *Router) holdsNoneUpTo(t time.Time) bool {
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
	return true
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
