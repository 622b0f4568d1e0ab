package router

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

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
	// Records is how many records See gets in a second at most, over time. After a pause it gets up to that many at once, and burst/2 in
	// any case, without a gap.
	Records int
	// Filter selects the records that See gets; nil: all.
	Filter Filter
	// See and Filter are called by the goroutine that handles the record: they must be quick, and must not wait. No two calls overlap.
	See func(*Shown)
	// Memory is how many bytes the viewer may keep. They are taken from the memory of buffers.
	Memory int

	mu              sync.Mutex
	ended           bool
	fault           error
	missed          Missed
	shown, examined sampler
	found           yield
	one             Shown
	event           record.Event
	reader          record.BatchReader
}

// A Filter selects records.
type Filter interface {
	// MayTake reports whether the filter may take the record whose fields are in the maps body and tail, or one of the records of a
	// batch, which is body then. It is called for all records: it should search for what these must have, and decode nothing.
	MayTake(body, tail []byte) bool
	// TakesTag reports whether it takes records with this tag.
	TakesTag(tag string) bool
	// Takes reports whether it takes a record. TakesTag and MayTake need not have been asked.
	Takes(*record.Event) bool
}

// Missed is how many records See didn't get, because they came too fast.
type Missed struct {
	Taken      int64 // by the filter, where there is one
	Unexamined int64 // they passed MayTake and were not decoded: nobody knows whether the filter would have taken them
}

// Missed returns how many records See didn't get so far.
func (v *Viewer) Missed() Missed {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.missed
}

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
	// maxExamined is how many records a viewer's filter examines in a second: decodes, after MayTake has searched their bytes, which
	// doesn't count.
	maxExamined = 20_000
	// examinedFor is how many records with what the filter takes are examined for each that is shown, where there are more of them.
	examinedFor = 2
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
	memory := r.memory.budget.Share(0)
	memory.Add(v.Memory) // not Take: when all is full is when people look
	return sync.OnceFunc(func() {
		_ = r.taps.change(v.Stages, func(all []*Viewer) []*Viewer {
			return slices.DeleteFunc(all, func(o *Viewer) bool { return o == v })
		}, -1)
		v.mu.Lock()
		v.ended = true
		v.mu.Unlock()
		memory.Close()
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
		if v.skips() {
			continue
		}
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

// showBatch shows a batch.
func (v *Viewer) showBatch(output string, b *record.Batch) {
	v.mu.Lock()
	defer v.leave()
	if v.ended || v.Filter != nil && !v.mayTake(b.Bytes()) {
		return
	}
	n := v.choose(b.Records())
	if n == 0 {
		return
	}
	v.one = Shown{Stage: StageOut, Part: output, Event: &v.event}
	v.reader.Reset(b.Bytes())
	for ; n > 0 && v.reader.Next(&v.event); n-- {
		v.see(&v.one)
	}
	v.reader.Reset(nil) // what it aliases is the batch's
	v.one, v.event = Shown{}, record.Event{}
}

// mayTake reports whether the filter may take a record of a batch.
func (v *Viewer) mayTake(batch []byte) bool {
	if !v.Filter.MayTake(batch, nil) {
		return false
	}
	defer v.reader.Reset(nil)
	for v.reader.Reset(batch); ; {
		tag, ok := v.reader.NextTag()
		if !ok || v.Filter.TakesTag(tag) {
			return ok
		}
	}
}

// show shows a single record.
func (v *Viewer) show(one *Shown) {
	v.mu.Lock()
	defer v.leave()
	switch f, ev := v.Filter, one.Event; {
	case v.ended:
	case f != nil && !(f.MayTake(ev.Body, ev.Tail) && f.TakesTag(ev.Tag)):
	case v.choose(1) > 0:
		v.see(one)
	}
}

// skips counts a record that v doesn't see because it isn't time for the next one, without a look at it.
func (v *Viewer) skips() bool {
	if v.Filter != nil {
		return false
	}
	v.mu.Lock()
	skips := v.shown.skips(1)
	if skips {
		v.missed.Taken++
	}
	v.mu.Unlock()
	return skips
}

// choose returns how many of n records are examined.
func (v *Viewer) choose(n int) (chosen int) {
	if v.Filter == nil {
		chosen = v.shown.choose(n, v.Records)
		v.missed.Taken += int64(n - chosen)
		return chosen
	}
	chosen = v.examined.choose(n, cmp.Or(v.found.rate, maxExamined))
	v.missed.Unexamined += int64(n - chosen)
	return chosen
}

func (v *Viewer) see(one *Shown) {
	if v.Filter != nil {
		taken := v.Filter.Takes(one.Event)
		v.found.count(taken, v.examined.last, v.Records)
		if !taken {
			return
		}
		if v.shown.choose(1, v.Records) == 0 {
			v.missed.Taken++
			return
		}
	}
	v.See(one)
}
