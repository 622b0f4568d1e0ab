package router

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/enrich/steptest/splitter"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink/deliver"
)

// placeholder is a filter section whose stage a test replaces by its own.
const placeholder = "[FILTER]\n    Name grep\n    Match *\n    Regex log .\n"

// opened is a router whose queues are open, and that doesn't deliver. stages replace those of the first filter sections.
func opened(t *testing.T, conf string, stages ...enrich.Stage) *Router {
	t.Helper()
	r := unstarted(t, forwardInput+conf)
	for n, s := range stages {
		if s == nil {
			continue
		}
		var err error
		if r.stages[n], err = newStage(s, r.wake); err != nil {
			t.Fatal(err)
		}
	}
	r.inputs[0].holder.ackHeld = false // so that the joiner is a Holder like others
	for _, o := range r.outputs {
		if err := r.openIn(o, buffer.Options{Name: o.id, Log: zerolog.Nop()}, ""); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { r.closeQueues(r.outputs) })
	return r
}

// nullOutputs are outputs, each for one tag pattern.
func nullOutputs(matches ...string) (conf string) {
	for _, m := range matches {
		conf += "[OUTPUT]\n    Name null\n    Match " + m + "\n"
	}
	return conf
}

func newSplitter(t *testing.T) enrich.Holder {
	t.Helper()
	s, err := splitter.New(&splitter.Options{Key: "log", FlushAfter: 5 * time.Second}, config.FluentBit, enrich.Env{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func logBody(text string) []byte {
	return record.AppendStr(record.AppendStr(record.AppendMapHeader(nil, 1), "log"), text)
}

func (i *intake) addLogs(tag string, logs ...string) {
	for _, text := range logs {
		i.Add([]byte(tag), record.Time{Sec: 1}, logBody(text))
	}
}

// queued takes what an output's queue holds out of it: each record as its tag, a colon and its members' values.
func queued(t *testing.T, o *output) (all []string) {
	t.Helper()
	for o.queue.Stats().Records > 0 {
		chunk, err := o.queue.Next(t.Context(), 1<<20, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range chunk.Batches {
			var ev record.Event
			for r := record.ReadBatch(b); r.Next(&ev); {
				ev.Fold(nil)
				text := ev.Tag + ":"
				for f := record.FieldsOf(ev.Body); f.Next(); {
					value, _ := record.Text(f.Value())
					text += " " + string(value)
				}
				all = append(all, text)
			}
		}
		o.queue.Commit(chunk)
	}
	return all
}

func wantQueued(t *testing.T, o *output, want ...string) {
	t.Helper()
	if got := queued(t, o); !slices.Equal(got, want) {
		t.Errorf("%s: got %q queued, want %q", o.id, got, want)
	}
}

// wantTally checks what was counted on the way to an output, and that it is complete.
func wantTally(t *testing.T, o *output, want tally) {
	t.Helper()
	var got tally
	o.inspect(func(t tally, _ deliver.Stats) { got = t })
	if got != want {
		t.Errorf("%s: got %+v, want %+v", o.id, got, want)
	}
	if s := o.queue.Stats(); got.received+got.added != s.Appended+got.filtered+got.merged+got.held {
		t.Errorf("%s: got %+v, want it balanced with %d appended", o.id, got, s.Appended)
	}
}

func flush(t *testing.T, i *intake) {
	t.Helper()
	if err := i.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestWhatAStepEmitsGoesOnAfterIt(t *testing.T) {
	before, after := "[FILTER]\n    Name record_modifier\n    Match *\n    Record before b\n", "[FILTER]\n    Name grep\n    Match *\n    Exclude log two\n"+
		"[FILTER]\n    Name record_modifier\n    Match *\n    Record after a\n"
	r := opened(t, before+placeholder+after+nullOutputs("*", "*"), nil, newSplitter(t))
	i := r.newIntake(r.inputs[0])
	i.addLogs("app", "one\ntwo\nthree\n", "four\n", "\n")
	flush(t, i)
	for _, o := range r.outputs {
		wantQueued(t, o, "app: one b a", "app: three b a", "app: four b a", "app:  b a")
		wantTally(t, o, tally{received: 3, added: 2, filtered: 1})
	}
}

func TestWhatAHolderReleasesGoesOnAfterItByTheWayOfItsTag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		marks := func(tag string) string {
			return "[FILTER]\n    Name record_modifier\n    Match " + tag + "\n    Record mark " + tag + "\n"
		}
		h := &expireCounter{Holder: newSplitter(t)}
		r := opened(t, placeholder+marks("a")+marks("b")+nullOutputs("a", "b"), h)
		end := make(chan struct{})
		go r.releaseHeld(nil, end)
		i := r.newIntake(r.inputs[0])
		i.addLogs("a", "one\ntw", "o", "\nthree")
		i.addLogs("b", "four")
		if err := i.Flush(t.Context()); !errors.Is(err, input.ErrHeld) {
			t.Errorf("flush: got %v, want %v", err, input.ErrHeld)
		}
		wantTally(t, r.outputs[0], tally{received: 3, added: 2, merged: 2, held: 1})
		wantTally(t, r.outputs[1], tally{received: 1, held: 1})
		wantQueued(t, r.outputs[0], "a: one a", "a: two a")
		r.routesMu.Lock()
		clear(r.routes) // as too many tags do
		clear(r.held)
		r.routesMu.Unlock()
		time.Sleep(5*time.Second + expiryPause)
		synctest.Wait()
		flush(t, i)
		wantQueued(t, r.outputs[0], "a: three a")
		wantQueued(t, r.outputs[1], "b: four b")
		wantTally(t, r.outputs[0], tally{received: 3, added: 2, merged: 2})
		wantTally(t, r.outputs[1], tally{received: 1})
		synctest.Wait()
		calls := h.calls
		time.Sleep(time.Hour)
		if h.calls != calls {
			t.Errorf("got %d calls of Expire while nothing was held, want none", h.calls-calls)
		}
		i.addLogs("b", "five")
		time.Sleep(5*time.Second + expiryPause)
		synctest.Wait()
		flush(t, i)
		wantQueued(t, r.outputs[1], "b: five b")
		close(end)
	})
}

// An expireCounter counts calls of Expire.
type expireCounter struct {
	enrich.Holder
	calls int
}

func (h *expireCounter) Expire(now time.Time, out *enrich.Out) time.Time {
	h.calls++
	return h.Holder.Expire(now, out)
}

func TestWhatIsHeldIsQueuedAtAStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := opened(t, placeholder+placeholder+nullOutputs("*"), newSplitter(t), newSplitter(t))
		stopping, end, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			r.releaseHeld(stopping, end)
		}()
		i := r.newIntake(r.inputs[0])
		i.Add([]byte("app"), record.Time{}, dockerPartBody("1", "joined "))
		close(stopping)
		time.Sleep(2 * expiryPause) // clients that wait for acks aren't kept until the timeout
		synctest.Wait()
		flush(t, i)
		if n := r.outputs[0].queue.Stats().Records; n != 1 {
			t.Errorf("got %d records queued, want 1", n)
		}
		i.Add([]byte("app"), record.Time{}, dockerPartBody("2", "last"))
		if err := i.Flush(t.Context()); !errors.Is(err, input.ErrHeld) {
			t.Errorf("flush: got %v, want %v", err, input.ErrHeld)
		}
		close(end)
		<-ended
		flush(t, i)
		if got := queued(t, r.outputs[0]); len(got) != 2 || r.holding.Load() != 0 {
			t.Errorf("got %q queued and %d held, want 2 and none", got, r.holding.Load())
		}
	})
}

func TestLineWhoseLastPartNeverComesIsQueuedAfterTheFlushTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := opened(t, nullOutputs("*"))
		end := make(chan struct{})
		go r.releaseHeld(nil, end)
		i := r.newIntake(r.inputs[0])
		i.Add([]byte("app"), record.Time{}, dockerPartBody("1", "the end")) // as Docker sends output without a newline
		time.Sleep(enrich.DefaultFlushAfter - time.Millisecond)
		synctest.Wait()
		if err := i.Flush(t.Context()); !errors.Is(err, input.ErrHeld) {
			t.Errorf("flush: got %v, want %v", err, input.ErrHeld)
		}
		time.Sleep(expiryPause)
		synctest.Wait()
		flush(t, i)
		wantQueued(t, r.outputs[0], "app: c stdout the end")
		close(end)
	})
}

// dockerPartBody is the first part of a line that Docker split.
func dockerPartBody(id, text string) []byte {
	b := record.AppendMapHeader(nil, 7)
	for _, kv := range [][2]string{
		{"container_id", "c"}, {"source", "stdout"}, {"log", text}, {"partial_message", "true"}, {"partial_id", id},
		{"partial_ordinal", "1"}, {"partial_last", "false"},
	} {
		b = record.AppendStr(record.AppendStr(b, kv[0]), kv[1])
	}
	return b
}

// lastPartBody is the second and last part of that line.
func lastPartBody(id, text string) []byte {
	b := bytes.Replace(dockerPartBody(id, text), []byte("\xa11\xacpartial_last\xa5false"), []byte("\xa12\xacpartial_last\xa4true"), 1)
	return b
}

func TestAPartIsAcknowledgedWhenItsLineIsQueued(t *testing.T) {
	r := opened(t, nullOutputs("*"))
	one, two, other := r.newIntake(r.inputs[0]), r.newIntake(r.inputs[0]), r.newIntake(r.inputs[0])
	one.Add([]byte("app"), record.Time{}, dockerPartBody("1", "x"))
	for range 2 {
		if err := one.Flush(t.Context()); !errors.Is(err, input.ErrHeld) {
			t.Fatalf("flush: got %v, want %v", err, input.ErrHeld)
		}
	}
	other.addLogs("app", "whole")
	flush(t, other) // what others hold is no reason to wait
	two.Add([]byte("app"), record.Time{}, lastPartBody("1", "y"))
	if err := one.Flush(t.Context()); !errors.Is(err, input.ErrHeld) {
		t.Errorf("flush while the line is complete and not queued: got %v, want %v", err, input.ErrHeld)
	}
	flush(t, two)
	flush(t, one)
	wantQueued(t, r.outputs[0], "app: whole", "app: c stdout xy")
	one.Add([]byte("app"), record.Time{}, dockerPartBody("2", "x"))
	one.Add([]byte("app"), record.Time{}, lastPartBody("2", "y"))
	flush(t, one)
}

func TestWhatCouldNotBeQueuedIsNotAcknowledged(t *testing.T) {
	r := opened(t, nullOutputs("*"))
	one, two := r.newIntake(r.inputs[0]), r.newIntake(r.inputs[0])
	one.Add([]byte("app"), record.Time{}, dockerPartBody("1", "x"))
	two.Add([]byte("app"), record.Time{}, lastPartBody("1", "y"))
	r.closeQueues(r.outputs)
	ended, end := context.WithCancel(t.Context())
	end()
	if err := two.Flush(ended); err == nil || errors.Is(err, input.ErrHeld) {
		t.Errorf("flush: got %v, want the queue's error", err)
	}
	if err := one.Flush(t.Context()); !errors.Is(err, input.ErrHeld) {
		t.Errorf("flush: got %v, want %v", err, input.ErrHeld)
	}
}

// An input that gives up what couldn't be queued in time, as one of HTTP does, discards the receiver: from then on nobody's acks
// wait for that.
func TestADiscardedReceiverHoldsBackNoAcks(t *testing.T) {
	r := opened(t, nullOutputs("*"))
	late := r.newIntake(r.inputs[0])
	late.Add([]byte("app"), record.Time{}, dockerPartBody("1", "x"))
	late.Add([]byte("app"), record.Time{}, lastPartBody("1", "y"))
	ended, end := context.WithCancel(t.Context())
	end()
	for _, size := range []int{1 << 20, 1 << 10, 1} {
		for r.outputs[0].queue.Append(ended, make([]byte, size), 1, nil) == nil {
		}
	}
	if err := late.Flush(ended); err == nil || errors.Is(err, input.ErrHeld) || r.holding.Load() == 0 {
		t.Errorf("flush: got %v, want that the queue is full", err)
	}
	if err := late.Discard(t.Context()); err != nil || r.holding.Load() != 0 {
		t.Errorf("got %v and %d events that hold back acks, want none", err, r.holding.Load())
	}
}

// A retagger reroutes events whose log has a tag and a colon before the rest to that tag, once more with each colon.
type retagger struct {
	keep bool // the event also goes on here
	own  bool // its own events pass
}

func (s *retagger) Apply(ev *record.Event, out *enrich.Out) {
	value, _ := record.Find(ev.Body, "log")
	text, _ := record.Text(value)
	tag, rest, ok := strings.Cut(string(text), ":")
	if s.own && out.From == enrich.Step(s) || !ok {
		out.Next(ev)
		return
	}
	if s.keep {
		out.Next(ev)
	}
	one := *ev
	one.Body = out.Keep(append(out.Take(), logBody(rest)...))
	out.Reroute(&one, tag)
}

func TestAReroutedEventBeginsTheWayOfItsNewTag(t *testing.T) {
	mark := "[FILTER]\n    Name record_modifier\n    Match b*\n    Record mark m\n"
	for name, c := range map[string]struct {
		step retagger
		a, b []string
		want [2]tally
	}{
		"moved":  {retagger{}, []string{"a: x"}, []string{"b: y m"}, [2]tally{{received: 2, filtered: 1}, {received: 1}}},
		"copied": {retagger{keep: true}, []string{"a: b:y", "a: x"}, []string{"b: y m"}, [2]tally{{received: 2}, {received: 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := opened(t, mark+placeholder+nullOutputs("a", "b"), nil, &c.step)
			i := r.newIntake(r.inputs[0])
			i.addLogs("a", "b:y", "x")
			flush(t, i)
			wantQueued(t, r.outputs[0], c.a...)
			wantQueued(t, r.outputs[1], c.b...)
			wantTally(t, r.outputs[0], c.want[0])
			wantTally(t, r.outputs[1], c.want[1])
			if ins, _ := r.Accounts(); ins[0].Received != 2 || ins[0].Unrouted != 0 {
				t.Errorf("got %+v, want 2 received and none unrouted", ins[0])
			}
		})
	}
}

func TestATagWithoutAnOutputMayBeRerouted(t *testing.T) {
	r := opened(t, placeholder+nullOutputs("b"), &retagger{})
	i := r.newIntake(r.inputs[0])
	i.addLogs("a", "b:x", "y", "c:z")
	flush(t, i)
	wantQueued(t, r.outputs[0], "b: x")
	wantTally(t, r.outputs[0], tally{received: 1})
	if ins, _ := r.Accounts(); ins[0].Received != 3 || ins[0].Unrouted != 2 {
		t.Errorf("got %+v, want 3 received and 2 unrouted", ins[0])
	}
}

func TestAStepCanTellItsOwnEvents(t *testing.T) {
	r := opened(t, placeholder+nullOutputs("b"), &retagger{own: true})
	i := r.newIntake(r.inputs[0])
	i.addLogs("a", "b:c:x")
	i.addLogs("a", "b:y")
	flush(t, i)
	wantQueued(t, r.outputs[0], "b: c:x", "b: y")
}

func TestReroutesAreBounded(t *testing.T) {
	r := opened(t, placeholder+nullOutputs("*"), &retagger{})
	i := r.newIntake(r.inputs[0])
	i.addLogs("a", strings.Repeat("b:", maxReroutes)+"arrives", strings.Repeat("b:", maxReroutes+1)+"is dropped", "x")
	flush(t, i)
	wantQueued(t, r.outputs[0], "b: arrives", "a: x")
	const ways = 2*(maxReroutes+1) + 1
	wantTally(t, r.outputs[0], tally{received: ways, filtered: ways - 2})
	if ins, _ := r.Accounts(); ins[0].Rejected[reroutedTooOften] != 1 {
		t.Errorf("got %+v, want 1 rejected", ins[0])
	}
}

func TestHolderMayRerouteWhatItReleases(t *testing.T) {
	r := opened(t, placeholder+placeholder+nullOutputs("a", "b"), &reholder{newSplitter(t)})
	i := r.newIntake(r.inputs[0])
	i.addLogs("a", "one", "two")
	if err := i.Flush(t.Context()); !errors.Is(err, input.ErrHeld) {
		t.Errorf("flush: got %v, want %v", err, input.ErrHeld)
	}
	r.releaseAll(r.expiries())
	flush(t, i)
	wantQueued(t, r.outputs[1], "b: onetwo")
	wantTally(t, r.outputs[0], tally{received: 2, merged: 1, filtered: 1})
	wantTally(t, r.outputs[1], tally{received: 1})
}

// A reholder is a Holder that reroutes what it has held to tag b, and passes what has that tag.
type reholder struct{ enrich.Holder }

func (s *reholder) Apply(ev *record.Event, out *enrich.Out) {
	if ev.Tag == "b" {
		out.Next(ev)
		return
	}
	s.Holder.Apply(ev, out)
}

func (s *reholder) Expire(now time.Time, out *enrich.Out) time.Time {
	to := enrich.NewOut(func(ev *record.Event, of int) {
		out.Release(of)
		out.Reroute(ev, "b")
	}, nil)
	to.Scratch = out.Scratch
	return s.Holder.Expire(now, to)
}

func TestLargeBatchesAreCutBetweenEvents(t *testing.T) {
	r := opened(t, placeholder+nullOutputs("*"), newSplitter(t))
	i := r.newIntake(r.inputs[0])
	line := strings.Repeat("x", 1_000) + "\n"
	for range 4 {
		i.addLogs("app", strings.Repeat(line, 50))
	}
	p := &i.pending[0]
	if len(p.complete) != 1 || p.complete[0].batch.Records() != 150 || p.complete[0].tally != (tally{received: 3, added: 147}) {
		t.Errorf("got %d complete batches %+v, want one of the first three events", len(p.complete), p.complete)
	}
	flush(t, i)
	wantTally(t, r.outputs[0], tally{received: 4, added: 196})
}

func TestStepsCostNoAllocation(t *testing.T) {
	for name, step := range map[string]enrich.Stage{"splits": newSplitter(t), "reroutes": enrich.Stage(&pingPong{})} {
		r := opened(t, placeholder+ecsMetadata+nullOutputs("*"), step)
		i, tag, body := r.newIntake(r.inputs[0]), []byte("app"), logBody("one line\nanother line\na third one\n")
		add := func() {
			for range 100 {
				i.Add(tag, record.Time{Sec: 1}, body)
			}
		}
		add()
		if n := testing.AllocsPerRun(100, func() {
			i.pending[0].batch.Reset()
			add()
		}); n != 0 {
			t.Errorf("%s: got %v allocations for 100 records, want none", name, n)
		}
	}
}

// A pingPong reroutes each event once.
type pingPong struct{ _ byte }

func (s *pingPong) Apply(ev *record.Event, out *enrich.Out) {
	if out.From == enrich.Step(s) {
		out.Next(ev)
		return
	}
	out.Reroute(ev, "pong")
}

func TestEveryPartOfAPlanIsAFilterAStepOrAHolder(t *testing.T) {
	if _, err := newStage(fmt.Sprint, nil); err == nil || !strings.Contains(err.Error(), "is no Filter, Step or Holder") {
		t.Errorf("got error %v, want one that names what it must be", err)
	}
}

// Clients that make up tags have routes forgotten at any moment, also while a Holder releases what it holds.
func TestARouteOfHeldEventsIsFoundWhileClientsMakeUpTags(t *testing.T) {
	r := opened(t, placeholder+nullOutputs("*"), newSplitter(t))
	end := make(chan struct{})
	var clients, begun sync.WaitGroup
	for range 4 {
		begun.Add(1)
		clients.Go(func() {
			for begin := begun.Done; ; begin = func() {} {
				begin()
				select {
				case <-end:
					return
				default:
				}
				r.routesMu.Lock() // as routeOf does at maxTags
				clear(r.routes)
				clear(r.held)
				time.Sleep(2 * time.Millisecond) // so that who waits for the lock gets it in turn
				r.routesMu.Unlock()
			}
		})
	}
	begun.Wait()
	for range 20 {
		if r.heldRoute(r.stages[0].holder, "app") == nil {
			t.Error("got no route, want the Holder's")
			break
		}
	}
	close(end)
	clients.Wait()
}

// The line that a lost connection completed is another's, too, and what it began is held.
func TestAConnectionThatIsLostInTheMiddleOfAMessageLosesNoOthersHeldEvents(t *testing.T) {
	r := opened(t, placeholder+nullOutputs("*"), newSplitter(t))
	all := r.expiries()
	first, lost, third := r.newIntake(r.inputs[0]), r.newIntake(r.inputs[0]), r.newIntake(r.inputs[0])
	first.addLogs("app", "tw")
	if err := first.Flush(t.Context()); !errors.Is(err, input.ErrHeld) {
		t.Errorf("flush: got %v, want %v", err, input.ErrHeld)
	}
	lost.addLogs("app", "o\nthr")
	if err := lost.Discard(t.Context()); err != nil {
		t.Error(err)
	}
	third.addLogs("app", "ee\n")
	flush(t, third)
	r.releaseAll(all)
	flush(t, first)
	if a := r.Status().Outputs[0].Account; a.Held != 0 || a.Unaccounted != 0 || r.holding.Load() != 0 {
		t.Errorf("got %+v and %d events that hold back acks, want none held", a, r.holding.Load())
	}
	wantQueued(t, r.outputs[0], "app: two", "app: three")
}

func TestWhatALostConnectionHasNotFinishedIsNotQueued(t *testing.T) {
	r := opened(t, nullOutputs("*"))
	i := r.newIntake(r.inputs[0])
	i.addLogs("app", "the beginning of a message")
	if err := i.Discard(t.Context()); err != nil {
		t.Error(err)
	}
	wantQueued(t, r.outputs[0])
	wantTally(t, r.outputs[0], tally{})
}
