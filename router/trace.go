package router

import (
	"errors"
	"fmt"
	"slices"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/deliver"
	"github.com/firelane/firelane/sink/gather"
)

// A Trace takes events through the steps of a plan, and shows what each step does. It binds no socket, opens no queue and sends
// nothing: the routes and the steps are those of a router, and an output only encodes. Fields that steps would share between
// records (see enrich.MergeConstants) are set one by one. It is for one goroutine.
type Trace struct {
	r   *Router
	i   *intake
	in  *source
	see func(*Sight)
	off map[int]string // by the filter's index

	loops int64 // events that were seen to be rerouted too often
}

// What a Sight is.
type What uint8

// The kinds of Sight. Between Emitted and Ended is what happens to the event that the step emits; between Entered and Left is all
// that a step does with one event.
const (
	Began    What = iota // an event begins a path: from the input, after a reroute, or one of several that branch off
	Filtered             // by a Filter, if Kept is false; otherwise it goes on as After
	Entered              // a Step
	Held                 // N events are held by the Step that was entered
	Emitted              // After by the Step: to what follows it or, with Tag or Label, to another path
	Ended                // what happens to that event; not Kept: it never left, and the Step emits it in another way
	Left                 // the Step
	Arrived              // at an Output
	Unrouted             // no output takes the tag
	Looped               // the event was rerouted too often, and is dropped
	Failed               // a filter's code panicked
)

// A Sight is one thing that happens to an event. All that it refers to is valid only during the call.
type Sight struct {
	What   What
	Filter int // the step's index in the plan's Filters
	Output int // index in the plan's Outputs
	// Depth is how many paths that branch off are around the one that Began, since it was Emitted or came from the input.
	Depth        int
	Event, After *record.Event
	Kept         bool
	N            int // how many held events are in After, if it was Emitted
	Tag, Label   string
	Item         Item
}

// An Item is what an output makes of an event.
type Item struct {
	Body  []byte   // as it would be sent
	Shown []byte   // as it would be stored, for people; nil: Body
	Where []string // pairs of a name and a value: "index", "web-2026.11.26"
	Err   error    // the reason why the dead letter gets the event instead
}

// sampleID is the id that an event of a Trace has in every output.
var sampleID = record.ID{Queue: [10]byte{0x9a, 0x5c, 0x33, 0x71, 0xe8, 0x0d, 0x46, 0xb2, 0x1f, 0xc7}, Pos: 0x5a3c7e19d2}

// SampleID returns the id that events of a Trace have in every output, as text.
func SampleID() string { return sampleID.String() }

// NewTrace makes the parts of a plan for events that come by one of its inputs. see is called for everything that happens.
func NewTrace(plan *config.Plan, env Env, input int, see func(*Sight)) (*Trace, []config.Diagnostic) {
	r, diags := New(plan, env)
	if len(diags) > 0 {
		return nil, diags
	}
	t := &Trace{r: r, in: r.inputs[input], see: see, off: make(map[int]string)}
	for n := range r.stages {
		t.watch(n, &r.stages[n])
	}
	r.onRoute = func(rt *route) { t.mark(rt, 0, true) }
	t.i = r.newIntake(t.in)
	return t, nil
}

// Off returns the steps that a trace leaves out, and why, by their indices in the plan's Filters.
func (t *Trace) Off() map[int]string { return t.off }

// watch puts a stage into one that shows what it does.
func (t *Trace) watch(n int, s *stage) {
	reason, part := "", s.part()
	if reason = enrich.LiveReason(part); reason == "" {
		if c, ok := enrich.Find[enrich.Closer](part); ok {
			c.Close() // before the first event: it asks nobody
			t.off[n] = "asks a service"
		}
	} else {
		t.off[n] = reason
	}
	switch {
	case s.filter != nil:
		s.filter = &watchedFilter{t, n, s.filter, reason != ""}
	case s.holder != nil:
		w := &watchedHolder{watchedStep{t, n, s.step}, s.holder.Holder}
		s.step, s.holder.Holder = w, w
	default:
		s.step = &watchedStep{t, n, s.step}
	}
}

// mark makes a route show where events begin and arrive. Nothing is queued at its end.
func (t *Trace) mark(rt *route, depth int, begins bool) {
	if rt.after != nil {
		t.mark(rt.after, 0, false)
	}
	for _, next := range rt.next {
		t.mark(next, depth+1, true)
	}
	rt.constants = nil // what is shown is a filter
	if begins {
		rt.filters = slices.Concat([]enrich.Filter{beginning{t, depth}}, rt.filters)
	}
	if len(rt.outputs) > 0 {
		rt.filters = append(slices.Clip(rt.filters), arrival{t, rt.outputs})
		rt.outputs = nil
	}
}

// Add takes an event from the input. body is a map that record.Check accepts.
func (t *Trace) Add(tag []byte, at record.Time, body []byte) {
	t.watchLoss(func() { t.i.Add(tag, at, body) })
	t.reset()
}

// Release makes Holders emit all that they hold.
func (t *Trace) Release() {
	for range maxReroutes + 1 {
		held := 0
		for _, e := range t.r.expiries() {
			t.watchLoss(func() { t.i.expire(e.holder, enrich.Everything) })
			held += e.Held()
			t.reset()
		}
		if held == 0 {
			return
		}
	}
}

// Close ends what the parts have begun.
func (t *Trace) Close() {
	t.r.closeStages()
	for _, o := range t.r.outputs {
		if o.dest != nil {
			_ = o.dest.Close()
		} else {
			_ = o.store.Close()
		}
	}
}

// reset forgets the counts and the memory of the last event.
func (t *Trace) reset() {
	for o := range t.i.pending {
		t.i.pending[o].counted = counted{}
	}
	t.i.full = false
	if t.i.scratch != nil {
		t.r.buffers.returnScratch(t.i.scratch)
		t.i.scratch = nil
	}
}

// watchLoss calls do, which takes an event to the beginning of a path, and shows whether it was lost there.
func (t *Trace) watchLoss(do func()) {
	unrouted := t.i.unrouted
	do()
	if t.i.unrouted > unrouted {
		t.i.unrouted = unrouted
		t.see(&Sight{What: Unrouted})
	}
	if n := t.in.accounts.snapshot("").Rejected[reroutedTooOften]; n > t.loops {
		t.loops = n
		t.see(&Sight{What: Looped})
	}
}

// beginning is a filter that shows that an event begins a path.
type beginning struct {
	t     *Trace
	depth int
}

// Apply implements enrich.Filter.
func (b beginning) Apply(ev *record.Event, _ *enrich.Scratch) bool {
	b.t.see(&Sight{What: Began, Event: ev, Depth: b.depth})
	return true
}

// arrival is a filter that encodes an event for outputs.
type arrival struct {
	t       *Trace
	outputs []int
}

// Apply implements enrich.Filter.
func (a arrival) Apply(ev *record.Event, _ *enrich.Scratch) bool {
	for _, o := range a.outputs {
		a.t.see(&Sight{What: Arrived, Output: o, Event: ev, Item: a.t.encode(a.t.r.outputs[o], *ev)})
	}
	return true
}

// errNoItem is the reason of an event that a store can't encode because its code panicked.
var errNoItem = errors.New("encoding: panic")

// encode makes the item of an output.
func (t *Trace) encode(o *output, ev record.Event) (item Item) {
	defer func() {
		if v := recover(); v != nil {
			item = Item{Err: fmt.Errorf("%w: %v", errNoItem, v)}
		}
	}()
	r := &sink.Record{Event: ev, ID: sampleID}
	var key []byte
	var part any = o.dest
	if o.store != nil {
		part = o.store
		if _, item.Err = deliver.Room(&ev); item.Err == nil {
			item.Body, item.Err = o.store.Append(nil, r)
		}
		if item.Err == nil {
			item.Where = []string{"object", o.store.Create(r, gather.Start{Note: func(string, string) error { return nil }}).Name()}
		}
	} else {
		item.Body, key, item.Err = deliver.Item(o.dest, o.options.Limits(o.dest.Limits()), r)
	}
	if item.Err != nil {
		item.Body = nil
		return item
	}
	switch s := part.(type) {
	case sink.Shower:
		shown, where := s.Show(item.Body, key)
		item.Shown, item.Where = shown, append(where, item.Where...)
	default:
		if len(key) > 0 {
			item.Where = append(item.Where, "key", string(key))
		}
	}
	return item
}
