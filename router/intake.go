package router

import (
	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/record"
)

// Limits of an intake.
const (
	// recentTags is how many routes one connection's intake remembers. Docker sends one tag a connection; an aggregator's client
	// may send a few hundred, whose routes are found among those of all connections.
	recentTags = 4
	// batchSize is the size in bytes at which a batch is complete and another one is begun. A queue returns whole batches: an
	// output that has little memory can take no less. batchesPerQueue is how many a queue that drops its oldest has room for at
	// least: with a small one batches are smaller.
	batchSize       = 128 << 10
	batchesPerQueue = 4
	// maxReroutes is how often one event may be rerouted. Configurations that reroute on purpose do it once or twice; more
	// is a loop.
	maxReroutes = 8
)

// ofWays is the depth at which an event has parts for those of its ways that lead to the same output: deeper than any step.
const ofWays = 1 << 30

// reroutedTooOften is the reason of an event that was dropped at maxReroutes.
const reroutedTooOften = "rerouted too often"

// An intake takes the events of one connection through their filters and steps into the queues: the router's
// input.Receiver. Everything in it belongs to that connection alone; what is shared it reaches through the router.
// Its methods work inside the gate: while they do, no other configuration takes over.
type intake struct {
	r       *Router // which moves on with the next call when another configuration has taken over
	input   *source
	shard   int  // of the gate
	inBurst bool // inside the gate until End
	recent  [recentTags]*route
	oldest  int             // index in recent of what is replaced next
	route   *route          // of the last event; connections rarely change their tag
	age     uint64          // the router's routesAge when recent and route were empty
	scratch *enrich.Scratch // nil between a Flush and the next Add: see buffers
	pending []pending       // one for each output, and for those of earlier configurations that have something left
	event   record.Event    // the event being handled; here, so that it costs no allocation
	origin  record.ID       // of that event, if it has one
	most    int             // bytes at which a batch is complete: batchSize or less
	full    bool            // a batch has reached that
	open    *batch          // the batch that all outputs of openFor share
	openFor *route          // nil: none
	lifter  enrich.Lifter

	bytes    int64 // of received
	filtered filterCounts

	calls    []*call     // of Steps; those before depth are running, each within the one before
	depth    int         // calls that are running
	from     enrich.Step // the Step that rerouted the event being handled
	reroutes int         // of that event

	received, unrouted int64      // since the last Flush
	viewers            *[]*Viewer // of StageIn, as of the first event since the last Flush; nil: none; &unknown: not looked up
	unknown            []*Viewer

	released int64 // events that Holders got and that are no longer held, since the last Flush
	unqueued int64 // of these, the ones that input.unqueued has
	holding  bool  // a Holder got events since a Flush last returned nil
	gave           // what it has given to Holders

	// These are called with a queue's lock held: accept says that it has taken its output's batch, keepsUp reports whether it may get one.
	accept  func(*buffer.Queue)
	keepsUp func(*buffer.Queue) bool

	lot        enrich.Lot // of what was added since the last Flush; 0: no Holder has been called
	failedLot  enrich.Lot // of what was added before the last Flush, if that has failed
	others     bool       // the event being handled came by another Flush
	background bool       // of releaseHeld: nobody offers its events again
	leftBytes  int        // of left.bytes, those of this intake
}

// pending is what was added for one output since the last Flush.
type pending struct {
	out      *output
	counted              // its batch is nil where there is nothing
	complete []counted   // the batches before it
	left     []counted   // batches for leave
	publish  func()      // adds tally to the output's; its queue calls it, with its lock held
	yield    func() bool // whether other outputs would wait for this one's queue; nil if the output doesn't yield
	fed      bool        // something was added
	noWait   bool        // what a full queue doesn't take stays in complete, for a later Flush
	gone     bool        // the configuration no longer has the output
	accepted bool        // by the queue, of a fan
	behind   bool        // the queue, of a fan, must get an earlier batch first
}

// counted is a batch, and what happened to the records on the path to it.
type counted struct {
	batch *batch
	tally tally
}

func (r *Router) newIntake(in *source) *intake { return r.newIntakeFor(in, r.outputs) }

func (r *Router) newIntakeFor(in *source, outputs []*output) *intake {
	i := &intake{r: r, input: in, shard: r.gate.shard()}
	i.viewers = &i.unknown
	i.makePending(outputs)
	return i
}

// makePending makes what is pending for outputs: nothing.
func (i *intake) makePending(outputs []*output) {
	i.pending, i.most = make([]pending, len(outputs)), batchSize
	for o, out := range outputs {
		if out.queue != nil { // it is open in every router that runs
			i.most = min(i.most, out.queue.MaxBatch()/batchesPerQueue)
		}
		p := &i.pending[o]
		p.out = out
		p.publish = func() { out.tally.add(p.tally) }
		if out.yields {
			p.yield = func() bool { return i.othersGoOn(o) }
		}
	}
	i.accept = func(q *buffer.Queue) {
		for o := range i.pending {
			if p := &i.pending[o]; p.out.queue == q {
				p.out.tally.add(p.next().tally)
				p.accepted = true
			}
		}
	}
	i.keepsUp = func(q *buffer.Queue) bool {
		for o := range i.pending {
			if p := &i.pending[o]; p.out.queue == q && p.behind {
				return false
			}
		}
		return true
	}
}

// othersGoOn reports whether the connection also feeds an output whose queue takes records, which would wait for o.
func (i *intake) othersGoOn(o int) bool {
	for n := range i.pending {
		if n != o && i.pending[n].fed && !i.pending[n].out.queue.Stalled() {
			return true
		}
	}
	return false
}

// Add implements input.Receiver.
func (i *intake) Add(tag []byte, t record.Time, body []byte) {
	i.enterAndTake(tag, t, body, nil)
}

// AddIdentified implements input.Identifier.
func (i *intake) AddIdentified(tag []byte, t record.Time, body []byte, origin record.ID) {
	i.origin = origin
	i.enterAndTake(tag, t, body, &i.origin)
}

// Begin implements input.Burster.
func (i *intake) Begin() {
	i.enterGate()
	i.forgetOldRoutes()
	i.inBurst = true
}

// End implements input.Burster.
func (i *intake) End() {
	i.inBurst = false
	i.leaveGate()
}

func (i *intake) enterAndTake(tag []byte, t record.Time, body []byte, origin *record.ID) {
	if !i.inBurst {
		i.enterGate()
		defer i.leaveGate()
		if i.received == 0 { // a new batch
			i.forgetOldRoutes()
		}
	} else if i.r.gate.shut.Load() != nil { // a reload waits for one event, not for the burst
		i.leaveGate()
		i.enterGate()
		i.forgetOldRoutes()
	}
	i.take(tag, t, body, origin)
}

func (i *intake) take(tag []byte, t record.Time, body []byte, origin *record.ID) {
	if i.route == nil || string(tag) != i.route.tag {
		i.route = i.routeOf(tag)
	}
	if i.scratch != nil {
		i.scratch.Reset()
	}
	i.event, i.others = record.Event{Tag: i.route.tag, Time: t, Body: body, Origin: origin}, false
	if i.viewers != nil {
		i.show()
	}
	if j := i.input.joiner; j != nil && j.Wants(&i.event) {
		i.apply(j, i.input.holder, nil, &i.event)
	} else {
		i.dispatch(&i.event)
	}
	if i.full {
		i.complete()
	}
}

// work is the memory that steps work in, until the next Flush.
func (i *intake) work() *enrich.Scratch {
	if i.scratch == nil {
		i.scratch = i.r.buffers.scratch()
	}
	return i.scratch
}

// routeOf returns the route of a tag that came in by the intake's input.
func (i *intake) routeOf(tag []byte) *route {
	for _, rt := range i.recent {
		if rt != nil && rt.kind == ofInput && rt.tag == string(tag) && rt.label == i.input.label {
			return rt
		}
	}
	rt := i.r.knownRoute(i.input, tag)
	if rt == nil {
		rt = i.r.routeOf(i.input, i.input.label, string(tag), ofInput)
	}
	i.remember(rt)
	return rt
}

// forgetOldRoutes forgets what is remembered of routes, if they must be compiled again. It is called at the beginning of a batch.
func (i *intake) forgetOldRoutes() {
	if age := i.r.routesAge.Load(); age != i.age {
		i.age, i.recent, i.route = age, [recentTags]*route{}, nil
	}
}

func (i *intake) remember(rt *route) {
	i.recent[i.oldest] = rt
	i.oldest = (i.oldest + 1) % recentTags
}

// routeTo is routeOf for an event that a step sent to a label, or gave another tag. in is the input that the event came by, or
// any input if a Holder's Expire emitted it.
func (i *intake) routeTo(in *source, label, tag string) *route {
	kind := ofInput
	if i.r.plan.HasWays(in.index) {
		kind = rerouted
	}
	for _, rt := range i.recent {
		if rt != nil && rt.in == in && rt.kind == kind && rt.tag == tag && rt.label == label {
			return rt
		}
	}
	rt := i.r.routeOf(in, label, tag, kind)
	if in == i.input {
		i.remember(rt)
	}
	return rt
}

// dispatch sends one event, whose parts have been joined, along the route of its tag. When the joiner makes room it emits lines
// of other tags than the current event's.
func (i *intake) dispatch(ev *record.Event) {
	i.received++
	i.bytes += int64(len(ev.Body) + len(ev.Tail))
	if i.route == nil || ev.Tag != i.route.tag {
		i.route = i.routeOf([]byte(ev.Tag))
	}
	i.enter(i.route, ev)
}

// enter sends ev to the beginning of rt.
func (i *intake) enter(rt *route, ev *record.Event) {
	for _, o := range rt.reach {
		i.pending[o].tally.received++
	}
	i.goOn(rt, ev)
}

// goOn takes ev on by rt, if it leads anywhere: to an output, or to a step, which may reroute it.
func (i *intake) goOn(rt *route, ev *record.Event) {
	if len(rt.reach) == 0 && rt.step == nil {
		i.unrouted++
		if rt.counts {
			i.filter(rt, ev)
		}
		return
	}
	i.walk(rt, ev)
}

// walk takes ev through the filters of rt to its step or its outputs, and on to the paths after them.
func (i *intake) walk(rt *route, ev *record.Event) {
	if rt.constants != nil {
		i.filtered.enter(rt, len(ev.Body)+len(ev.Tail))
		i.lifter.LiftAfter(rt.constants, ev, i.work())
	} else if len(rt.filters) > 0 && !i.filter(rt, ev) {
		return
	}
	if rt.step != nil {
		i.apply(rt.step, rt.holder, rt, ev)
		return
	}
	if rt.lift && rt.constants == nil {
		i.lifter.Lift(ev, i.work())
	}
	if len(ev.Body)+len(ev.Tail) > record.AlwaysFits && len(rt.outputs) > 0 && i.tooLarge(rt, ev) {
		i.goOnWays(rt, ev)
		return
	}
	if rt == i.openFor {
		i.open.put(ev, i.others)
		i.full = i.full || i.open.Len() >= i.most
	} else if len(rt.outputs) > 0 {
		i.add(rt, ev)
	}
	i.goOnWays(rt, ev)
}

// goOnWays takes ev on by the paths after rt. For the outputs of a roundrobin whose turn it isn't, it is filtered out.
func (i *intake) goOnWays(rt *route, ev *record.Event) {
	if rt.turns != nil {
		taken := rt.turns.take()
		for n, next := range rt.next {
			if n != taken {
				i.count(next, tally{filtered: 1})
			}
		}
		i.walk(rt.next[taken], ev)
		return
	}
	for n, next := range rt.next { // each begins with the same event
		same := *ev
		ev.Tag = next.tag
		if next.repeats && ev.Origin != nil {
			origin := ev.Origin.Part(ofWays, n+1)
			ev.Origin = &origin
		}
		i.walk(next, ev)
		*ev = same
	}
}

// complete begins new batches where one is large enough. It is called between two events, so that the counts with a
// batch are those of its records.
func (i *intake) complete() {
	i.full, i.openFor = false, nil
	for o := range i.pending {
		if p := &i.pending[o]; p.batch != nil && p.batch.Len() >= i.most {
			p.complete = append(p.complete, p.counted)
			p.counted = counted{}
		}
	}
}
