package router

import (
	"time"

	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/record"
)

// watchedFilter shows what a Filter does. If the filter is off, every event passes.
type watchedFilter struct {
	t     *Trace
	index int
	enrich.Filter
	off bool
}

// Apply implements enrich.Filter.
func (f *watchedFilter) Apply(ev *record.Event, s *enrich.Scratch) bool {
	if f.off {
		return true
	}
	defer f.t.showPanic(f.index)
	before := *ev
	kept := f.Filter.Apply(ev, s)
	f.t.see(&Sight{What: Filtered, Filter: f.index, Event: &before, After: ev, Kept: kept})
	return kept
}

// Inside implements enrich.Wrapper.
func (f *watchedFilter) Inside() enrich.Stage { return f.Filter }

// showPanic shows a panic, which goes on. Callers defer it.
func (t *Trace) showPanic(filter int) {
	if v := recover(); v != nil {
		t.see(&Sight{What: Failed, Filter: filter})
		panic(v)
	}
}

// watchedStep shows what a Step does.
type watchedStep struct {
	t     *Trace
	index int
	enrich.Step
}

// Apply implements enrich.Step.
func (s *watchedStep) Apply(ev *record.Event, out *enrich.Out) {
	defer s.t.showPanic(s.index)
	s.t.see(&Sight{What: Entered, Filter: s.index, Event: ev})
	s.run(out, func(o *enrich.Out) { s.Step.Apply(ev, o) })
	s.t.see(&Sight{What: Left, Filter: s.index})
}

// Inside implements enrich.Wrapper.
func (s *watchedStep) Inside() enrich.Stage { return s.Step }

// run calls do, which calls the step, with an Out that shows what the step emits, and passes it on to out.
func (s *watchedStep) run(out *enrich.Out, do func(*enrich.Out)) {
	var o *enrich.Out
	pass := func(ev *record.Event, of int, tag, label string, send func() bool) bool {
		s.hold(o, out)
		s.t.see(&Sight{What: Emitted, Filter: s.index, After: ev, N: of, Tag: tag, Label: label})
		out.Release(of)
		sent := false
		s.t.watchLoss(func() { sent = send() })
		s.t.see(&Sight{What: Ended, Filter: s.index, Kept: sent})
		return sent
	}
	o = enrich.NewOut(func(ev *record.Event, of int) {
		pass(ev, of, "", "", func() bool { out.Next(ev); return true })
	}, func(ev *record.Event, tag string, of int) {
		pass(ev, of, tag, "", func() bool { out.Reroute(ev, tag); return true })
	})
	o.OnDivert(func(ev *record.Event, label, tag string, of int) bool {
		return pass(ev, of, tag, label, func() bool { return out.RerouteTo(ev, label, tag) })
	})
	o.Scratch, o.From = out.Scratch, inside(out.From)
	do(o)
	s.hold(o, out)
}

// hold shows what the step has held since the last call, and reports it to out.
func (s *watchedStep) hold(o, out *enrich.Out) {
	if n := o.TakeHeld(); n > 0 {
		out.Hold(n)
		s.t.see(&Sight{What: Held, Filter: s.index, N: n})
	}
}

// inside returns the step that a watched one was made of: a step compares itself with Out.From.
func inside(s enrich.Step) enrich.Step {
	switch w := s.(type) {
	case *watchedStep:
		return w.Step
	case *watchedHolder:
		return w.Step
	}
	return s
}

// watchedHolder shows what a Holder does.
type watchedHolder struct {
	watchedStep
	holder enrich.Holder
}

// Expire implements enrich.Holder.
func (h *watchedHolder) Expire(now time.Time, out *enrich.Out) (next time.Time) {
	h.run(out, func(o *enrich.Out) { next = h.holder.Expire(now, o) })
	return next
}

// Held implements enrich.Holder.
func (h *watchedHolder) Held() int { return h.holder.Held() }
