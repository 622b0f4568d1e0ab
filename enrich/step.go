// Package enrich has the steps between an input and the queues: they add and remove fields, filter events, parse text, and
// join lines that Docker split.
package enrich

import (
	"time"

	"github.com/firelane/firelane/record"
)

// A Stage is one step of the configuration: a Filter, a Step or a Holder. Each is shared by all connections and must be safe
// for concurrent use; memory for one event comes from the Scratch or the Out.
//
// No Stage changes an event's Body or Tail in place, since others may read the same memory; a new body is made with Take
// and Keep. A body is valid until the same connection's next event, so a Holder copies what it keeps.
type Stage any

// A Filter changes one event or drops it.
type Filter interface {
	// Apply reports whether ev goes on; false means that it was filtered out. It may set ev.Time, and replace ev.Body by
	// a slice that s owns. ev has no Tail; only the filters that DeferConstants returns set or accept one.
	Apply(ev *record.Event, s *Scratch) bool
}

// A Step makes any number of events from one: it passes them to out, in order. An event that it doesn't emit is filtered out.
// It may change *ev until Apply returns, except for ev.Tag. ev has no Tail.
type Step interface {
	Apply(ev *record.Event, out *Out)
}

// A Holder is a Step that holds events until others come, or until a time. It limits the bytes that it holds, and the time:
// an event is released within the holder's flush timeout after the last one that was joined to it. The Holder reports each
// event that it holds to out.Hold, before another call can release it; and to out.Release, before it emits an event, how
// many held events are in that one. So the event that completes a line of two held events is held, too, and then three are
// released. It notes the Lot of what it holds, and reports that to ReleaseOf instead of Release.
type Holder interface {
	Step
	// Expire emits the events that are due at now and returns when it must be called next, the zero time if nothing is
	// held. Events that are held later are due later. At Everything all are due. Calls of Expire don't overlap each other,
	// but may overlap Apply.
	Expire(now time.Time, out *Out) time.Time
	// Held is the number of events held.
	Held() int
}

// An Aged is a Holder that knows since when it holds events. Without it, acks wait until it holds nothing of anybody.
type Aged interface {
	// Oldest is when the first of the events was added that are held now, or earlier; the zero time if nothing is held.
	Oldest() time.Time
}

// older is the earlier of two times, where the zero time is none.
func older(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// A TagFilter is a Filter that does the same to most events of a tag. The router calls ForTag once for each tag, and its answer in
// place of the Filter, until the stage calls Env.Changed: then it asks again.
type TagFilter interface {
	Filter
	// ForTag returns the Filter for a tag's events. It must not call Env.Changed.
	ForTag(tag string) Filter
}

// A Starter is a stage that does something in the background before the first event. The router calls Start once its inputs run.
type Starter interface {
	Start()
}

// A Closer is a stage that has begun something, such as requests in the background: Close ends it and waits for its end. Nothing
// is begun before the first event. Events that come after Close pass.
type Closer interface {
	Close()
}

// A Wrapper is a stage around another one, such as one that has a condition.
type Wrapper interface {
	Inside() Stage
}

// Find finds the optional interface T, which isn't TagFilter, in a stage, or in the one inside it.
func Find[T any](s Stage) (found T, ok bool) {
	for s != nil {
		if found, ok = s.(T); ok {
			return found, true
		}
		w, wraps := s.(Wrapper)
		if !wraps {
			break
		}
		s = w.Inside()
	}
	return found, false
}

// Everything is the time at which all held events are due: it is passed to Expire at a stop.
var Everything = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// Out takes what a Step emits. It serves one call of Apply or Expire at a time.
type Out struct {
	*Scratch
	// From is the Step that rerouted the event to this path, nil if the event comes from an input. A Step that reroutes
	// every event must pass on those that it has rerouted itself.
	From Step
	// Lot is that of the event that Apply is called with.
	Lot Lot

	next     func(ev *record.Event, of int)
	reroute  func(ev *record.Event, tag string, of int)
	divert   func(ev *record.Event, label, tag string, of int) bool // nil: there are no labels
	ev       record.Event                                           // the event that is emitted; here, so that the Step's own costs no allocation
	held     int                                                    // since TakeHeld
	released int                                                    // since the last event was emitted
	own      bool                                                   // the released events are all of the Out's Lot
	lot      Lot                                                    // of the released events; 0: unknown, or more than one
}

// A Lot is what one connection adds before a Flush, which queues or refuses all of it. 0: unknown, or more than one.
type Lot uint64

// And returns the Lot of events of both.
func (l Lot) And(other Lot) Lot {
	if l != other {
		return 0
	}
	return l
}

// NewOut makes an Out. next and reroute get each event that is emitted, and of, the number of held events in it: 0 for an
// event of Apply, or a part of one. They may change the event until they return.
func NewOut(next func(ev *record.Event, of int), reroute func(ev *record.Event, tag string, of int)) *Out {
	return &Out{next: next, reroute: reroute}
}

// Next sends ev to what comes after the Step. A Holder may emit events of any tag, in any call; each continues on the path of
// its own tag. After Next has returned nothing reads the event.
func (o *Out) Next(ev *record.Event) {
	of, used := o.take(ev)
	o.next(&o.ev, of)
	o.drop(used)
}

// Reroute sends ev to the start of another tag's path; ev.Tag is still the old tag. The router drops and counts an event that
// is rerouted too often.
func (o *Out) Reroute(ev *record.Event, tag string) {
	of, used := o.take(ev)
	o.reroute(&o.ev, tag, of)
	o.drop(used)
}

// OnDivert sets what gets the events that Divert and RerouteTo emit, and reports whether it has taken them.
func (o *Out) OnDivert(divert func(ev *record.Event, label, tag string, of int) bool) {
	o.divert = divert
}

// Divert sends ev to the start of a label of Fluentd, with its own tag. It reports whether it was sent: not if there is no such
// label, or if the Step is in that label itself. Then what Release reported stays so for the next event.
func (o *Out) Divert(ev *record.Event, label string) bool { return o.RerouteTo(ev, label, ev.Tag) }

// RerouteTo is Divert with another tag; ev.Tag is still the old one.
func (o *Out) RerouteTo(ev *record.Event, label, tag string) bool {
	if o.divert == nil {
		return false
	}
	released := o.released
	of, used := o.take(ev)
	sent := o.divert(&o.ev, label, tag, of)
	o.drop(used)
	if !sent {
		o.released = released
	}
	return sent
}

func (o *Out) take(ev *record.Event) (of int, used Mark) {
	o.ev, of, o.released = *ev, o.released, 0
	return of, o.Mark()
}

// drop forgets the event, and the bodies that later steps made of it.
func (o *Out) drop(used Mark) {
	o.ev = record.Event{}
	o.Rewind(used)
}

// Hold reports that n events more are held.
func (o *Out) Hold(n int) { o.held += n }

// Release reports that n held events are in the event that is emitted next.
func (o *Out) Release(n int) { o.ReleaseOf(n, 0) }

// ReleaseOf is Release for held events of a Lot. If they are released during Apply of another Lot's event, and the Flush of that Lot
// fails, they must not be lost: they may have been acknowledged.
func (o *Out) ReleaseOf(n int, l Lot) {
	own := l != 0 && l == o.Lot
	o.own = own && (o.own || o.released == 0)
	if o.released > 0 {
		l = l.And(o.lot)
	}
	o.lot = l
	o.released += n
}

// Released returns the Lot of the held events that were released last.
func (o *Out) Released() Lot { return o.lot }

// Own reports whether the held events that were released last are of the same Lot as the event that Apply was called with.
func (o *Out) Own() bool { return o.own }

// TakeHeld returns how many events were held since the last call. It is for the owner of the Out.
func (o *Out) TakeHeld() int {
	n := o.held
	o.held = 0
	return n
}
