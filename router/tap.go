package router

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink/dead"
)

// A Stage is a place on a record's path at which viewers see it.
type Stage uint8

// The stages.
const (
	StageIn      Stage = iota // as an input added it, before split lines are joined and before all steps
	StageOut                  // as it was put into an output's queue
	StageRefused              // as it was put into an output's dead letter
	stages
)

func (s Stage) String() string { return [...]string{"in", "out", "refused"}[s] }

// Shown is a record that a Viewer sees. It is valid only during the call of See.
type Shown struct {
	Stage Stage
	Part  string // the ID of the input or output
	Event *record.Event
	Dead  *dead.Record // why it was refused; nil in the other stages
}

// A Viewer looks at records on their path. Records that come too fast for its limits are not shown to it, and only counted: it never
// holds up the records.
type Viewer struct {
	Stages []Stage
	// Records is how many records See takes in a second at most. After a pause twice as many are shown at once, so that a short
	// burst is complete.
	Records int
	// See reports whether it takes the record, which then counts against Records. It is called by the goroutine that handles the
	// record: it must be quick, and must not wait. No two calls overlap.
	See func(*Shown) bool

	missed atomic.Int64

	mu              sync.Mutex
	ended           bool
	taken, examined bucket
	event           record.Event
}

// Missed returns how many records have passed that See was not called for.
func (v *Viewer) Missed() int64 { return v.missed.Load() }

// Limits of viewers.
const (
	maxViewers = 16
	// maxExamined is how many records a viewer examines in a second, also those that it doesn't take.
	maxExamined = 20_000
)

// ErrViewers is the error of Tap when there are maxViewers.
var ErrViewers = errors.New("too many viewers look at this router; close one")

// Tap shows records to v from now on, also those of configurations that take over. After end, which may be called more than once,
// See is not called any more. Without a viewer a stage costs one atomic load a batch.
func (r *Router) Tap(v *Viewer) (end func(), err error) {
	if err := r.taps.change(v.Stages, func(all []*Viewer) []*Viewer { return append(all, v) }, 1); err != nil {
		return nil, err
	}
	return sync.OnceFunc(func() {
		_ = r.taps.change(v.Stages, func(all []*Viewer) []*Viewer {
			return slices.DeleteFunc(all, func(o *Viewer) bool { return o == v })
		}, -1)
		v.mu.Lock()
		v.ended = true
		v.mu.Unlock()
	}), nil
}

// taps are the viewers of a process.
type taps struct {
	mu sync.Mutex
	n  int
	of [stages]atomic.Pointer[[]*Viewer] // nil: none
}

// change changes who looks at stages. more is by how much the number of viewers changes.
func (t *taps) change(stages []Stage, how func([]*Viewer) []*Viewer, more int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n+more > maxViewers {
		return ErrViewers
	}
	t.n += more
	for _, s := range stages {
		var all []*Viewer
		if old := t.of[s].Load(); old != nil {
			all = slices.Clone(*old)
		}
		if all = how(all); len(all) == 0 {
			t.of[s].Store(nil)
		} else {
			t.of[s].Store(&all)
		}
	}
	return nil
}

// offer shows a batch that was put into the queue of an output.
func (t *taps) offer(output string, b *record.Batch) {
	all := t.of[StageOut].Load()
	if all == nil {
		return
	}
	for _, v := range *all {
		v.showBatch(output, b)
	}
}

// show shows the event that has come in.
func (i *intake) show() {
	if i.viewers == &i.unknown {
		if i.viewers = i.r.taps.of[StageIn].Load(); i.viewers == nil {
			return
		}
	}
	for _, v := range *i.viewers {
		v.show(&Shown{Stage: StageIn, Part: i.input.id, Event: &i.event})
	}
}

// offerRefused shows a record that was put into a dead letter.
func (t *taps) offerRefused(d *dead.Record) {
	all := t.of[StageRefused].Load()
	if all == nil {
		return
	}
	for _, v := range *all {
		v.show(&Shown{Stage: StageRefused, Part: d.Output, Event: &d.Record.Event, Dead: d})
	}
}

func (v *Viewer) showBatch(output string, b *record.Batch) {
	v.mu.Lock()
	defer v.mu.Unlock()
	left := b.Records()
	one := Shown{Stage: StageOut, Part: output, Event: &v.event}
	v.refill(time.Now())
	for reader := record.ReadBatch(b.Bytes()); v.hasRoom() && reader.Next(&v.event); left-- {
		v.see(&one)
	}
	v.missed.Add(int64(left))
	v.event = record.Event{} // what it aliases is the batch's
}

// show shows a single record.
func (v *Viewer) show(one *Shown) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.refill(time.Now()); v.hasRoom() {
		v.see(one)
	} else {
		v.missed.Add(1)
	}
}

func (v *Viewer) see(one *Shown) {
	v.examined.tokens--
	if v.See(one) {
		v.taken.tokens--
	}
}

func (v *Viewer) hasRoom() bool { return !v.ended && v.taken.tokens >= 1 && v.examined.tokens >= 1 }

func (v *Viewer) refill(now time.Time) {
	v.taken.refill(now, v.Records)
	v.examined.refill(now, maxExamined)
}

// A bucket limits a rate. The zero value is full.
type bucket struct {
	tokens float64
	last   time.Time
}

// refill adds what has come since the last call, at perSecond, up to twice that.
func (b *bucket) refill(now time.Time, perSecond int) {
	full := 2 * float64(perSecond)
	b.tokens = min(full, b.tokens+now.Sub(b.last).Seconds()*float64(perSecond))
	b.last = now
}
