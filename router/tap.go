package router

import (
	"errors"
	"fmt"
	"math/rand/v2"
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

// A Viewer looks at records on their path. Of records that come too fast for its limits it gets an even sample; the others are only
// counted. It never holds up the records.
type Viewer struct {
	Stages []Stage
	// Records is how many records See gets in a second at most, over time. A burst of as many, or of burst/2, is complete.
	Records int
	// Filter selects the records that See gets; nil: all.
	Filter func(*record.Event) bool
	// See and Filter are called by the goroutine that handles the record: they must be quick, and must not wait. No two calls overlap.
	See func(*Shown)

	missed atomic.Int64

	mu              sync.Mutex
	ended           bool
	fault           error
	shown, examined sampler
	one             Shown
	event           record.Event
}

// Missed returns how many records have passed that were not examined, or that See should have got, for lack of time.
func (v *Viewer) Missed() int64 { return v.missed.Load() }

// Err returns why See isn't called any more: it, or Filter, has panicked.
func (v *Viewer) Err() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.fault
}

// leave unlocks v. A panic ends the viewer, not the connection whose record it was shown.
func (v *Viewer) leave() {
	if p := recover(); p != nil {
		v.ended, v.fault = true, fmt.Errorf("a viewer failed, which is a fault of firelane; please report it: %v", p)
	}
	v.mu.Unlock()
}

// Limits of viewers.
const (
	maxViewers = 16
	// maxExamined is how many records a viewer's filter examines in a second.
	maxExamined = 20_000
	// burst is how many records a viewer may get at once after a pause, whatever its rate.
	burst = 100
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
	defer v.leave()
	if v.ended {
		return
	}
	now := time.Now()
	n := v.choose(b.Records(), now)
	if n == 0 {
		return
	}
	v.one = Shown{Stage: StageOut, Part: output, Event: &v.event}
	reader := record.ReadBatch(b.Bytes())
	for ; n > 0 && reader.Next(&v.event); n-- {
		v.see(&v.one, now)
	}
	v.one, v.event = Shown{}, record.Event{} // what they alias is the batch's
}

// show shows a single record.
func (v *Viewer) show(one *Shown) {
	v.mu.Lock()
	defer v.leave()
	if now := time.Now(); !v.ended && v.choose(1, now) > 0 {
		v.see(one, now)
	}
}

// choose returns how many of n records are examined.
func (v *Viewer) choose(n int, now time.Time) (chosen int) {
	if v.Filter == nil {
		chosen = v.shown.choose(n, v.Records, now)
	} else {
		chosen = v.examined.choose(n, maxExamined, now)
	}
	v.missed.Add(int64(n - chosen))
	return chosen
}

func (v *Viewer) see(one *Shown, now time.Time) {
	if v.Filter != nil {
		if !v.Filter(one.Event) {
			return
		}
		if v.shown.choose(1, v.Records, now) == 0 {
			v.missed.Add(1)
			return
		}
	}
	v.See(one)
}

// A sampler chooses among records that pass, at a limited rate. It goes by how many have passed and not by the time, or else it would
// choose those that come after a pause: those of the same connection, as a rule.
type sampler struct {
	last    time.Time
	room    float64 // records that may be chosen now
	passing float64 // records that pass in a second, about
	skip    float64 // records that pass until the next one is chosen
}

// choose returns how many of the next n records to take.
func (s *sampler) choose(n, perSecond int, now time.Time) (chosen int) {
	elapsed := min(now.Sub(s.last).Seconds(), burst)
	s.last = now
	s.room = min(max(2*float64(perSecond), burst), s.room+elapsed*float64(perSecond))
	s.passing += float64(n) - s.passing*min(elapsed, 1)
	every := max(1, s.passing/max(s.room, 1))
	for ; s.skip < float64(n); s.skip += 1 + 2*(every-1)*rand.Float64() {
		chosen++
	}
	s.skip -= float64(n)
	chosen = min(chosen, n, int(s.room))
	s.room -= float64(chosen)
	return chosen
}
