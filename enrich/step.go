// Package enrich is what happens to an event between the input and the queue: fields are added and removed, events are
// filtered, text is parsed, lines that Docker split are joined.
package enrich

import (
	"time"

	"github.com/firelane/firelane/record"
)

// A Stage is one step of the configuration: a Filter, a Step or a Holder. All of them are shared by all connections and
// must be safe for concurrent use; what they need for one event they take from the Scratch or the Out.
//
// What holds for all: an event's Body and Tail are never changed in place, since others may read the same memory; a new
// body is made in memory of Take and Keep. A body is valid until the next event comes in by the same connection: what a
// Holder keeps it copies.
type Stage any

// A Filter changes one event or drops it.
type Filter interface {
	// Apply reports whether ev goes on; false means that it was filtered out. It may set ev.Time, and replace ev.Body by
	// a slice that s owns. ev comes without a Tail; only DeferConstants makes filters that set one, or accept one.
	Apply(ev *record.Event, s *Scratch) bool
}

// A Step makes any number of events of one: it emits them by out, in the order in which they go on. An event that it doesn't
// emit is filtered out. It may change *ev, which is its own until Apply returns, but for ev.Tag. ev has no Tail.
type Step interface {
	Apply(ev *record.Event, out *Out)
}

// A Holder is a Step that keeps events back until others come, or until a time. It limits both the bytes that it holds and
// the time: an event is released within the holder's flush timeout after the last one that was added to it. What it holds
// it reports to out.Hold, before another call can release it. Whatever it releases it emits, and reports to out.Release how
// many held events are in what it emits next. So an event that completes a line of two held ones is itself held, and then
// three are released.
type Holder interface {
	Step
	// Expire emits what is due at now and returns when it wants to be called next, the zero time where nothing is held.
	// What is held later is due later. At Everything all is due. Calls don't overlap each other, but may overlap Apply.
	Expire(now time.Time, out *Out) time.Time
	// Held is the number of events held.
	Held() int
}

// Everything is the time at which all that a Holder has is due: it is passed to Expire at a stop.
var Everything = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// Out takes what a Step emits. It serves one call of Apply or Expire at a time.
type Out struct {
	*Scratch
	// From is the Step that rerouted the event to this way, nil where an input brought it. A Step that reroutes everything
	// it gets must pass its own events on.
	From Step

	next     func(ev *record.Event, of int)
	reroute  func(ev *record.Event, tag string, of int)
	ev       record.Event // the event that is emitted; here, so that the Step's own costs no allocation
	held     int          // since TakeHeld
	released int          // since the last event was emitted
}

// NewOut makes an Out. next and reroute take what is emitted, and of how many held events it was made: 0 where it is one
// that came in by Apply, or a part of it. The event is theirs until they return.
func NewOut(next func(ev *record.Event, of int), reroute func(ev *record.Event, tag string, of int)) *Out {
	return &Out{next: next, reroute: reroute}
}

// Next sends ev to what comes after the Step. A Holder emits events of any tag that it has met; each goes on by the way of
// its own tag. When Next has returned nothing reads the event any more.
func (o *Out) Next(ev *record.Event) {
	of, used := o.take(ev)
	o.next(&o.ev, of)
	o.drop(used)
}

// Reroute sends ev to the beginning of the way of another tag; ev.Tag is still the one that it has here. An event that is
// rerouted too often is dropped and counted by the router.
func (o *Out) Reroute(ev *record.Event, tag string) {
	of, used := o.take(ev)
	o.reroute(&o.ev, tag, of)
	o.drop(used)
}

func (o *Out) take(ev *record.Event) (of int, used Mark) {
	o.ev, of, o.released = *ev, o.released, 0
	return of, o.Mark()
}

// drop forgets the event, and what was made of it on its way.
func (o *Out) drop(used Mark) {
	o.ev = record.Event{}
	o.Rewind(used)
}

// Hold reports that n events more are held.
func (o *Out) Hold(n int) { o.held += n }

// Release reports that n held events are in the event that is emitted next.
func (o *Out) Release(n int) { o.released += n }

// TakeHeld returns how many events were held since the last call. It is for the owner of the Out.
func (o *Out) TakeHeld() int {
	n := o.held
	o.held = 0
	return n
}
