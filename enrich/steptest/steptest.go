// Package steptest holds Filters, Steps and Holders to what package enrich promises of them. Their own tests hold them to
// what they are for.
package steptest

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/record"
)

// maxHeldFor is how long a Holder may hold an event after the last one that was added to it.
const maxHeldFor = time.Minute

// Run runs a stage, which make makes anew for each test, through all promises: with events of its own, which it should do
// something with, and with others.
func Run(t *testing.T, make func() enrich.Stage, events ...record.Event) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, enrich.Stage, []record.Event){
		"input is left alone":          inputIsLeftAlone,
		"bodies last until the Reset":  bodiesLast,
		"connections may share it":     mayBeShared,
		"every event is accounted for": everyEventIsAccountedFor,
		"nothing is held for long":     nothingIsHeldForLong,
		"it knows whose events it has": itKnowsWhoseEventsItHas,
	} {
		t.Run(name, func(t *testing.T) {
			// No goroutine may outlive the test: synctest waits for all.
			synctest.Test(t, func(t *testing.T) {
				stage := make()
				test(t, stage, append(events, others()...))
				if c, ok := enrich.Find[enrich.Closer](stage); ok {
					c.Close()
				}
			})
		})
	}
}

// others are maps that any stage has to survive.
func others() (events []record.Event) {
	bodies := [][]byte{
		{0x80},
		[]byte("\x82\xc0\xc0\xc4\x03log\x90"), // nil and a bin as keys
		[]byte("\xdf\x00\x00\x00\x01\xdb\x00\x00\x00\x03log\x07"), // headers longer than they need be
		[]byte("\x82\xa3log\xa1a\xa3log\xa1b"),                    // a name twice
		[]byte("\x81\x81\x01\x02\x93\x01\x02\x03"),                // a map as a key
	}
	for _, js := range []string{
		`{"log":""}`, `{"log":"text"}`, `{"log":{"log":["a",{"b":null}]}}`, `{"log":17.5,"time":"2026-11-23T10:40:41Z"}`,
		`{"log":"{\"a\":1,\"time\":1795430441}"}`, `{"log":"{ no JSON"}`, `{"log":"one\ntwo\n\nthree"}`,
		nested(record.MaxDepth), `{"log":` + strconv.Quote(nested(record.MaxDepth)) + `}`,
		`{"log":` + strconv.Quote(`{"log":`+strconv.Quote(nested(record.MaxDepth))+`}`) + `}`,
		`{"container_id":"c","container_name":"/c","source":"stdout","log":"x","partial_message":"true"}`,
		`{"container_id":"c","source":"stderr","log":"y","partial_message":"true","partial_id":"7","partial_ordinal":"2","partial_last":"true"}`,
	} {
		b, err := record.AppendFromJSON(nil, []byte(js))
		if err != nil {
			panic(err)
		}
		bodies = append(bodies, b)
	}
	for _, size := range []int{100, 20_000, 600_000} {
		b := record.AppendStr(record.AppendMapHeader(nil, 1), "log")
		bodies = append(bodies, record.AppendStrBytes(b, bytes.Repeat([]byte{'x'}, size)))
	}
	for n, b := range bodies {
		events = append(events, record.Event{Tag: fmt.Sprintf("app.%d", n%3), Time: record.Time{Sec: 7, Nsec: 8}, Body: b})
	}
	return events
}

// nested is an object that is nested depth levels deep.
func nested(depth int) string {
	return strings.Repeat(`{"log":`, depth) + "1" + strings.Repeat("}", depth)
}

// A harness is what a connection is to a stage.
type harness struct {
	t       *testing.T
	stage   enrich.Stage
	out     *enrich.Out
	emitted []record.Event // in memory of their own
	bodies  [][]byte       // the same, as they were emitted
	nested  bool           // stages that come after make bodies too

	in, sent, merged, heldNow int // events

	own, others int // events that were held, and are released as being of the current Lot, and of others
	mixed       int // the largest number of those that were released together as being of the current Lot
}

func newHarness(t *testing.T, s enrich.Stage) *harness {
	h := &harness{t: t, stage: s}
	h.out = enrich.NewOut(h.next, func(ev *record.Event, _ string, of int) { h.next(ev, of) })
	h.out.Scratch = new(enrich.Scratch)
	return h
}

func (h *harness) next(ev *record.Event, of int) {
	h.sent++
	h.heldNow -= of
	h.merged += max(of-1, 0)
	if h.out.Own() && of > 0 {
		h.own += of
		h.mixed = max(h.mixed, of)
	} else {
		h.others += of
	}
	h.take(ev)
	if h.nested {
		h.out.Keep(append(h.out.Take(), bytes.Repeat([]byte{0xc1}, len(ev.Body))...))
		if !bytes.Equal(ev.Body, h.emitted[len(h.emitted)-1].Body) {
			h.t.Errorf("the body of an event was overwritten by one that was made after it")
		}
	}
}

func (h *harness) take(ev *record.Event) {
	if n, err := record.Check(ev.Body); err != nil || n != len(ev.Body) || record.KindOf(ev.Body[0]) != record.KindMap {
		h.t.Errorf("%.100x is not one map: %v", ev.Body, err)
	}
	if len(ev.Tail) > 0 {
		h.t.Errorf("the event has a Tail")
	}
	kept := *ev
	kept.Body = bytes.Clone(ev.Body)
	h.emitted, h.bodies = append(h.emitted, kept), append(h.bodies, ev.Body)
}

// apply sends an event through the stage.
func (h *harness) apply(ev record.Event) {
	h.in++
	switch s := h.stage.(type) {
	case enrich.Filter:
		if s.Apply(&ev, h.out.Scratch) {
			h.next(&ev, 0)
		}
	case enrich.Step:
		s.Apply(&ev, h.out)
		h.heldNow += h.out.TakeHeld()
	default:
		h.t.Fatalf("%T is no Filter, Step or Holder", s)
	}
}

// expire calls Expire, where the stage is a Holder.
func (h *harness) expire(now time.Time) (next time.Time) {
	if s, ok := h.stage.(enrich.Holder); ok {
		next = s.Expire(now, h.out)
	}
	return next
}

func held(s enrich.Stage) int {
	if s, ok := s.(enrich.Holder); ok {
		return s.Held()
	}
	return 0
}

func inputIsLeftAlone(t *testing.T, s enrich.Stage, events []record.Event) {
	var emitted [2][]record.Event
	for reused := range emitted {
		h := newHarness(t, s)
		for _, ev := range events {
			h.out.Reset()
			memory := append(bytes.Clone(ev.Body), "what comes after the body"...)
			before := bytes.Clone(memory)
			ev.Body = memory[:len(ev.Body)] // with room to write to
			h.apply(ev)
			if !bytes.Equal(memory, before) {
				t.Errorf("the input's bytes were written to: %.100x became %.100x", before, memory)
			}
			if reused == 1 { // as a connection's buffer is
				clear(memory)
			}
		}
		h.expire(enrich.Everything)
		slices.SortFunc(h.emitted, func(a, b record.Event) int { // Expire may have any order
			return cmp.Or(cmp.Compare(a.Tag, b.Tag), bytes.Compare(a.Body, b.Body))
		})
		emitted[reused] = h.emitted
	}
	if _, ok := s.(enrich.Holder); ok && !slices.EqualFunc(emitted[0], emitted[1], equal) {
		t.Error("events that were held changed with the memory that they came in")
	}
}

func equal(a, b record.Event) bool {
	return a.Tag == b.Tag && a.Time == b.Time && bytes.Equal(a.Body, b.Body)
}

func bodiesLast(t *testing.T, s enrich.Stage, events []record.Event) {
	h := newHarness(t, s)
	for range 3 { // the third time in memory that has its size
		h.out.Reset()
		h.emitted, h.bodies = nil, nil
		if _, ok := s.(enrich.Filter); !ok {
			h.nested = true // what a Step emits is over when Next returns
		}
		for _, ev := range events {
			h.apply(ev)
		}
		h.expire(enrich.Everything)
		for n, ev := range h.emitted {
			if !h.nested && !bytes.Equal(h.bodies[n], ev.Body) {
				t.Errorf("event %d was overwritten by one that was made after it", n)
			}
		}
	}
}

func mayBeShared(t *testing.T, s enrich.Stage, events []record.Event) {
	const connections, rounds = 4, 5
	var wg sync.WaitGroup
	all := make([]*harness, connections)
	for n := range all {
		h := newHarness(t, s)
		all[n] = h
		wg.Go(func() {
			for range rounds {
				for _, ev := range events {
					h.out.Reset()
					h.emitted, h.bodies = nil, nil
					h.apply(ev)
				}
			}
		})
	}
	wg.Wait()
	all[0].expire(enrich.Everything)
	heldNow := 0
	for _, h := range all {
		heldNow += h.heldNow
	}
	if heldNow != 0 || held(s) != 0 {
		t.Errorf("%d events were held and not released; the stage says %d", heldNow, held(s))
	}
}

func everyEventIsAccountedFor(t *testing.T, s enrich.Stage, events []record.Event) {
	h := newHarness(t, s)
	for n, ev := range events {
		h.out.Reset()
		sent, merged, was := h.sent, h.merged, h.heldNow
		h.apply(ev)
		if h.heldNow != held(s) {
			t.Errorf("event %d: %d are held by what was reported, but the stage says %d", n, h.heldNow, held(s))
		}
		if more := h.sent - sent + h.merged - merged + h.heldNow - was - 1; more < -1 {
			t.Errorf("event %d: %d more than it are gone", n, -more-1)
		}
	}
	was := h.heldNow
	sent, merged := h.sent, h.merged
	next := h.expire(enrich.Everything)
	if held(s) != 0 || h.heldNow != 0 || !next.IsZero() {
		t.Errorf("after Everything: %d are held by what was reported, the stage says %d, and wants to be called at %v", h.heldNow, held(s), next)
	}
	if h.sent-sent+h.merged-merged != was {
		t.Errorf("of %d that were held %d were emitted and %d merged", was, h.sent-sent, h.merged-merged)
	}
}

func itKnowsWhoseEventsItHas(t *testing.T, s enrich.Stage, events []record.Event) {
	h := newHarness(t, s)
	h.out.Lot = 1
	for _, ev := range events {
		h.apply(ev)
	}
	if h.others > 0 {
		t.Errorf("%d events that came in one Lot were released as those of others", h.others)
	}
	h.out.Lot, h.own = 0, 0
	if h.expire(enrich.Everything); h.own > 0 {
		t.Errorf("Expire released %d events as those of a Lot", h.own)
	}
	h = newHarness(t, s)
	for _, ev := range events {
		h.out.Lot++
		h.apply(ev)
	}
	if h.mixed > 1 {
		t.Errorf("%d events of different Lots were released as those of one", h.mixed)
	}
}

func nothingIsHeldForLong(t *testing.T, s enrich.Stage, events []record.Event) {
	h := newHarness(t, s)
	for _, ev := range events {
		h.apply(ev)
	}
	begin := time.Now()
	for next := h.expire(time.Now()); !next.IsZero(); next = h.expire(time.Now()) {
		if !next.After(time.Now()) {
			t.Fatalf("it wants to be called at %v, which is not after now", next)
		}
		if next.Sub(begin) > maxHeldFor {
			t.Fatalf("something is held for %v", next.Sub(begin))
		}
		time.Sleep(time.Until(next))
	}
	if n := held(s); n != 0 {
		t.Errorf("%d events are held, and it doesn't want to be called again", n)
	}
}
