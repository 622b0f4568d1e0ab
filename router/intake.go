package router

import (
	"bytes"

	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/record"
)

// Limits of an intake.
const (
	// maxCachedTags is how many tags one connection's intake remembers the routes of. Docker sends one tag a
	// connection; an aggregator's client may send a few hundred.
	maxCachedTags = 1024
	// batchSize is the size in bytes at which a batch is complete and another one is begun: one large message doesn't
	// make a batch of any size.
	batchSize = 1 << 20
)

// An intake takes the events of one connection through their steps into the queues: the router's forward.Receiver.
// Everything in it belongs to that connection alone; what is shared it reaches through the router.
type intake struct {
	r       *Router
	input   *source
	routes  map[string]*route
	route   *route          // of the last event; connections rarely change their tag
	scratch *enrich.Scratch // nil between a Flush and the next Add: see buffers
	pending []pending       // one for each output
	emit    func(*record.Event, int)
	way     record.Event // the event that is on its way; here, so that it costs no allocation
	lifter  enrich.Lifter

	received, unrouted int64 // since the last Flush
}

// pending is what was added for one output since the last Flush.
type pending struct {
	batch    *record.Batch   // nil where there is nothing
	complete []*record.Batch // those before it
	filtered int64
}

func (r *Router) newIntake(in *source) *intake {
	i := &intake{r: r, input: in, routes: make(map[string]*route), pending: make([]pending, len(r.outputs))}
	i.emit = func(ev *record.Event, _ int) { i.dispatch(ev) }
	return i
}

// Add implements forward.Receiver.
func (i *intake) Add(tag []byte, t record.Time, body []byte) {
	if i.route == nil || string(tag) != i.route.tag {
		i.setRoute(tag)
	}
	ev := record.Event{Tag: i.route.tag, Time: t, Body: body}
	if i.input.joiner != nil && !i.input.joiner.Add(&ev, i.work(), i.emit) {
		i.input.hold()
		return
	}
	i.dispatch(&ev)
}

// work is the memory that steps work in, until the next Flush.
func (i *intake) work() *enrich.Scratch {
	if i.scratch == nil {
		i.scratch = i.r.buffers.scratch()
	}
	return i.scratch
}

// setRoute makes tag's route the current one.
func (i *intake) setRoute(tag []byte) {
	rt, ok := i.routes[string(tag)]
	if !ok {
		if len(i.routes) >= maxCachedTags {
			clear(i.routes)
		}
		rt = i.r.routeOf(i.input, string(tag))
		i.routes[rt.tag] = rt
	}
	i.route = rt
}

// dispatch sends one event, whole by now, on the way of its tag. The joiner may emit a line of another tag than the
// current one: one whose last part never came.
func (i *intake) dispatch(ev *record.Event) {
	i.received++
	if i.route == nil || ev.Tag != i.route.tag {
		i.setRoute([]byte(ev.Tag))
	}
	if len(i.route.reach) == 0 {
		i.unrouted++
		return
	}
	i.way = *ev
	i.walk(i.route, &i.way)
}

// walk takes ev through the steps of rt to its outputs, and on to the ways behind them.
func (i *intake) walk(rt *route, ev *record.Event) {
	for _, step := range rt.steps {
		if !step.Apply(ev, i.work()) {
			for _, o := range rt.reach {
				i.pending[o].filtered++
			}
			return
		}
	}
	if rt.takes != nil {
		i.lifter.Lift(ev, i.work(), rt.takes)
	}
	for _, o := range rt.outputs {
		p := &i.pending[o]
		if p.batch == nil {
			p.batch = i.r.buffers.batch()
		}
		p.batch.AddEvent(ev)
		if p.batch.Len() >= batchSize {
			p.complete = append(p.complete, p.batch)
			p.batch = nil
		}
	}
	if len(rt.next) == 0 {
		return
	}
	// Each way starts from the same event. Steps never change a body in place, but those of one way may overwrite the
	// scratch that this one is in.
	ev.Body = bytes.Clone(ev.Body)
	for _, next := range rt.next {
		way := *ev
		i.walk(next, &way)
	}
}
