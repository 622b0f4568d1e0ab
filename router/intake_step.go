package router

import (
	"fmt"
	"runtime/debug"
	"time"

	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/record"
)

// A call is one call of a Step's Apply or a Holder's Expire. Its memory is kept for the next call.
type call struct {
	i      *intake
	out    *enrich.Out
	rt     *route  // that leads to the Step; nil before events are routed, and in Expire
	holder *holder // the Step, where it is a Holder
	passed int     // events emitted so far that are not made of held ones

	origin  record.ID // of the event that the Step was called with; zero: it has none
	part    record.ID // the Origin of the event being emitted
	emitted int       // events emitted so far
}

// apply takes ev through a Step: that of rt, or the input's joiner, which comes before routing; then rt is nil.
func (i *intake) apply(step enrich.Step, h *holder, rt *route, ev *record.Event) {
	c := i.begin(h, rt)
	if ev.Origin != nil {
		c.origin = *ev.Origin
	}
	size := len(ev.Body) + len(ev.Tail)
	before := i.enterHolder(h)
	if h != nil {
		i.r.holding.Add(1) // first, so that the number is never too small
	}
	failed := c.apply(step, ev)
	held := c.out.TakeHeld()
	if failed {
		held = 0 // otherwise clients would wait forever for their acks
	}
	i.leaveHolder(h, held, before)
	switch {
	case h == nil:
	case held == 0:
		i.released++
	default:
		i.holding = i.holding || !h.ackHeld
		i.r.holding.Add(int64(held - 1))
		h.schedule()
	}
	t := tally{held: int64(held)}
	switch more := int64(c.passed + held - 1); {
	case failed:
		t.added, t.failed = int64(c.passed), 1
	case more > 0:
		t.added = more
	case more < 0: // it was filtered out, or rerouted
		t.filtered = 1
	}
	if rt != nil {
		i.filtered.pass(rt.stepCounts, size, &t)
	}
	switch {
	case t == (tally{}):
	case rt != nil:
		i.count(rt, t)
	case failed: // the joiner
		i.input.accounts.reject(1, filterFailed)
	}
	i.end(c)
	if failed {
		i.calls = i.calls[:i.depth] // the Out may be in any state: the next call makes a new one
	}
}

// apply calls the Step's Apply, and reports whether it panicked: that costs the event, not the connection, whose client would
// send the same event again.
func (c *call) apply(step enrich.Step, ev *record.Event) (failed bool) {
	defer c.i.contain(&failed, ev.Tag, c.i.reroutes)
	step.Apply(ev, c.out)
	return false
}

// expire calls the Holder's Expire. One that panics is called again after failedPause.
func (c *call) expire(now time.Time) (next time.Time, failed bool) {
	defer c.i.contain(&failed, "", c.i.reroutes)
	return c.holder.Expire(now, c.out), false
}

// failedPause is how long after a panic a Holder's Expire is called again.
const failedPause = time.Second

// contain recovers from a panic of a filter, a Step or a Holder while it handled an event with that tag. Callers defer it.
func (i *intake) contain(failed *bool, tag string, reroutes int) {
	if v := recover(); v != nil {
		*failed, i.reroutes = true, reroutes
		i.r.events.Error().Str("tag", tag).Str("panic", fmt.Sprint(v)).Bytes("stack", debug.Stack()).
			Msg("a filter of firelane panicked: its record is dropped; please report this bug")
	}
}

// filter applies the filters of rt. It reports whether ev goes on.
func (i *intake) filter(rt *route, ev *record.Event) bool {
	failed, size := false, len(ev.Body)+len(ev.Tail)
	t := tally{filtered: 1}
	i.filtered.enter(rt, size)
	n := i.applyAll(rt.filters, ev, &failed)
	if n == len(rt.filters) {
		return true
	}
	i.filtered.drop(n, size)
	if failed {
		t = tally{failed: 1}
	}
	i.count(rt, t)
	return false
}

// applyAll applies filters until one drops ev or panics, and returns how many have passed it on.
func (i *intake) applyAll(filters []enrich.Filter, ev *record.Event, failed *bool) (passed int) {
	defer i.contain(failed, ev.Tag, i.reroutes)
	for _, f := range filters {
		if !f.Apply(ev, i.work()) {
			break
		}
		passed++
	}
	return passed
}

// expire lets a Holder emit what is due at now.
func (i *intake) expire(h *holder, now time.Time) (next time.Time) {
	i.forgetOldRoutes()
	c := i.begin(h, nil)
	before := i.enterHolder(h)
	next, failed := c.expire(now)
	i.leaveHolder(h, 0, before)
	i.end(c)
	if failed {
		i.calls = i.calls[:i.depth]
		next = time.Now().Add(failedPause)
	}
	return next
}

func (i *intake) begin(h *holder, rt *route) *call {
	if i.depth == len(i.calls) {
		c := &call{i: i}
		c.out = enrich.NewOut(c.next, c.reroute)
		c.out.OnDivert(c.divert)
		i.calls = append(i.calls, c)
	}
	c := i.calls[i.depth]
	i.depth++
	c.holder, c.rt, c.passed = h, rt, 0
	c.origin, c.emitted = record.ID{}, 0
	c.out.Scratch, c.out.From, c.out.Lot = i.work(), i.from, i.lotNow(h)
	return c
}

func (i *intake) end(c *call) {
	i.depth--
	c.holder, c.rt = nil, nil
	c.out.Scratch, c.out.From = nil, nil // Flush returns the memory
}

// next takes on an event that the Step emits. of is how many held events it was made of.
func (c *call) next(ev *record.Event, of int) {
	i := c.i
	i.released += int64(of)
	if c.isRefused(of) {
		i.count(c.routeOf(ev, of), tally{refused: 1})
		return
	}
	c.identify(ev)
	was := c.note(of)
	i.releasing += c.releases(of)
	if c.holder != nil && c.holder.in != nil {
		i.dispatch(ev)
	} else {
		rt := c.routeOf(ev, of)
		if of == 0 {
			c.passed++
		}
		i.filtered.emit(rt.stepCounts)
		i.goOn(rt.after, ev)
	}
	i.others = was
	i.releasing -= c.releases(of)
	if i.full && i.depth == 1 && c.rt == nil { // Expire may emit much
		i.complete()
	}
}

// note notes whether the event that the Step emits, with of held ones in it, came by another Flush, and returns what was noted before.
func (c *call) note(of int) (was bool) {
	was = c.i.others
	c.i.others = was || of > 0 && !c.out.Own() && !c.i.background
	return was
}

// lotNow is the Lot of the event that h is called with.
func (i *intake) lotNow(h *holder) enrich.Lot {
	if h == nil || i.others || i.background {
		return 0
	}
	if i.lot == 0 {
		i.lot = enrich.Lot(i.r.lots.Add(1))
	}
	return i.lot
}

// identify gives an event that the Step emits its Origin. Several events of one get different ones, which are the same when that
// event is offered again. What a Holder emits has none: it may be made of other events the next time.
func (c *call) identify(ev *record.Event) {
	ev.Origin = nil
	if c.holder == nil && !c.origin.IsZero() {
		c.part = c.origin.Part(c.i.depth, c.emitted)
		ev.Origin = &c.part
	}
	c.emitted++
}

// routeOf returns the route that leads to the Step for ev, and counts the held events that ev was made of.
func (c *call) routeOf(ev *record.Event, of int) *route {
	rt := c.rt
	if rt == nil || rt.tag != ev.Tag {
		rt = c.i.r.heldRoute(c.holder, ev.Tag)
	}
	if of > 0 {
		c.i.count(rt, tally{merged: int64(of - 1), held: -int64(of)})
	}
	return rt
}

// reroute sends an event that the Step emits to the beginning of another tag's route.
func (c *call) reroute(ev *record.Event, tag string, of int) {
	i := c.i
	i.released += int64(of)
	c.identify(ev)
	rt := c.routeOf(ev, of)
	if c.isRefused(of) {
		i.count(rt, tally{refused: 1})
		return
	}
	if of > 0 {
		i.count(rt, tally{filtered: 1}) // apply does it for an event that was not held
	}
	if i.reroutes == maxReroutes {
		i.input.accounts.reject(1, reroutedTooOften)
		i.r.events.Warn().Str("tag", tag).Int("reroutes", maxReroutes).Msg("records are dropped: they were rerouted too often; the rules form a loop")
		return
	}
	was := c.note(of)
	i.releasing += c.releases(of)
	i.again(rt, rt.step, rt.again, tag, ev)
	i.releasing -= c.releases(of)
	i.others = was
}

// divert sends an event that the Step emits to the beginning of a tag's path from a label, unless the Step is in that label or
// there is none.
func (c *call) divert(ev *record.Event, label, tag string, of int) bool {
	i := c.i
	rt := c.routeOf(ev, 0)
	if rt.again == label || i.reroutes == maxReroutes || !i.r.plan.HasLabel(label) {
		return false
	}
	i.released += int64(of)
	if c.isRefused(of) {
		i.count(c.routeOf(ev, of), tally{refused: 1})
		return true
	}
	c.identify(ev)
	if of > 0 {
		i.count(rt, tally{merged: int64(of - 1), held: -int64(of), filtered: 1})
	}
	was := c.note(of)
	i.releasing += c.releases(of)
	i.again(rt, nil, label, tag, ev)
	i.releasing -= c.releases(of)
	i.others = was
	return true
}

// again sends an event that step emits on rt to the beginning of the path of a tag from a label.
func (i *intake) again(rt *route, step enrich.Step, label, tag string, ev *record.Event) {
	from := i.from
	i.from = step
	i.reroutes++
	to := i.routeTo(rt.in, label, tag)
	ev.Tag = to.tag
	i.enter(to, ev)
	i.reroutes--
	i.from = from
}

// count adds to the counts of all outputs that rt leads to.
func (i *intake) count(rt *route, t tally) {
	for _, o := range rt.reach {
		i.pending[o].tally.add(t)
	}
}
