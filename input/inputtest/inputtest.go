// Package inputtest runs an input through the promises of input.Input and input.Receiver.
package inputtest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/record"
)

// timeout is how long a promise may take to be kept, on a busy machine.
const timeout = time.Minute

// A Source is the other side of an input: a client, or the file that it reads.
type Source interface {
	// Send offers one event whose record has the field log with this text.
	Send(t *testing.T, text string)
	// Acked is how many events have been acknowledged by now, in whichever way: acks received, the offset saved. It
	// doesn't wait for more. Its value means nothing where Subject.Acks is false.
	Acked(t *testing.T) int
	// Close hangs up.
	Close()
}

// A Subject is an input under test.
type Subject struct {
	Open func(t *testing.T) (input.Input, Source) // a new input, bound and not running, and a source that is not connected
	Acks bool                                     // it acknowledges events
}

// Run runs the promises.
func Run(t *testing.T, s Subject) {
	for name, promise := range map[string]func(*testing.T, Subject){
		"events are acknowledged after their flush":  afterFlush,
		"a failed flush is not acknowledged":         failedFlush,
		"held events are not acknowledged":           heldEvents,
		"a cancelled context ends Run":               cancelled,
		"Close ends Run":                             closed,
		"Close works before Run":                     closedBefore,
		"WaitIdle returns when the source is silent": waitIdle,
	} {
		t.Run(name, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			promise(t, s)
			if err := leaktest.Find(before); err != nil {
				t.Error(err)
			}
		})
	}
}

// A run is an input that runs.
type run struct {
	*Recorder
	in     input.Input
	source Source
	cancel context.CancelFunc
	ended  chan error
}

func start(t *testing.T, s Subject, flush func(context.Context) error) *run {
	t.Helper()
	in, source := s.Open(t)
	ctx, cancel := context.WithCancel(context.Background())
	r := &run{Recorder: &Recorder{flush: flush}, in: in, source: source, cancel: cancel, ended: make(chan error, 1)}
	go func() { r.ended <- in.Run(ctx, r.Receiver) }()
	return r
}

// end hangs up, ends the input and waits for it.
func (r *run) end(t *testing.T) {
	t.Helper()
	r.source.Close()
	r.cancel()
	r.wait(t)
	if err := r.in.Close(); err != nil {
		t.Error("Close after Run:", err)
	}
}

// wait waits for Run, which must not fail.
func (r *run) wait(t *testing.T) {
	t.Helper()
	select {
	case err := <-r.ended:
		if err != nil {
			t.Error("Run:", err)
		}
	case <-time.After(timeout):
		t.Fatal("Run does not end")
	}
}

// acked waits until n events are acknowledged.
func (r *run) acked(t *testing.T, n int) {
	t.Helper()
	for deadline := time.Now().Add(timeout); r.source.Acked(t) < n; time.Sleep(time.Millisecond) { // a Source can only be asked again
		if time.Now().After(deadline) {
			t.Fatalf("%d events are acknowledged, want %d", r.source.Acked(t), n)
		}
	}
}

// gate lets a test answer each Flush.
type gate struct {
	entered chan struct{}
	answers chan error
}

func newGate() *gate { return &gate{make(chan struct{}), make(chan error)} }

func (g *gate) flush(ctx context.Context) error {
	select {
	case g.entered <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-g.answers:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// await waits for a Flush to begin.
func (g *gate) await(t *testing.T) {
	t.Helper()
	select {
	case <-g.entered:
	case <-time.After(timeout):
		t.Fatal("Flush is not called")
	}
}

func afterFlush(t *testing.T, s Subject) {
	g := newGate()
	r := start(t, s, g.flush)
	var want []string
	for n, text := range []string{"one", "two", "three"} {
		want = append(want, text)
		r.source.Send(t, text)
		g.await(t)
		if got := r.source.Acked(t); s.Acks && got != n {
			t.Errorf("%d events are acknowledged before the flush of event %d", got, n+1)
		}
		g.answers <- nil
		if s.Acks {
			r.acked(t, n+1)
		}
	}
	r.end(t)
	if got := r.Flushed(); !slices.Equal(got, want) {
		t.Errorf("flushed %q, want %q", got, want)
	}
}

func failedFlush(t *testing.T, s Subject) {
	g := newGate()
	r := start(t, s, g.flush)
	r.source.Send(t, "lost")
	g.await(t)
	g.answers <- errors.New("the queue is closed")
	r.in.Close()
	<-r.ended // with whatever error
	if got := r.source.Acked(t); s.Acks && got != 0 {
		t.Errorf("%d events are acknowledged, none is queued", got)
	}
	r.release()
}

// release ends what is left after Run has ended.
func (r *run) release() {
	r.source.Close()
	r.cancel()
}

func heldEvents(t *testing.T, s Subject) {
	if !s.Acks { // it treats ErrHeld as nil: the events must not be refused
		r := start(t, s, func(context.Context) error { return input.ErrHeld })
		r.source.Send(t, "held")
		r.source.Close()
		r.idle(t)
		r.end(t)
		return
	}
	g := newGate()
	r := start(t, s, g.flush)
	r.source.Send(t, "held")
	for range 2 {
		g.await(t)
		g.answers <- input.ErrHeld
	}
	g.await(t)
	if got := r.source.Acked(t); got != 0 {
		t.Errorf("%d events are acknowledged, all are held", got)
	}
	g.answers <- nil
	r.acked(t, 1)
	r.end(t)
}

func cancelled(t *testing.T, s Subject) {
	r := start(t, s, nil)
	r.source.Send(t, "one")
	r.cancel()
	r.wait(t)
	if err := r.in.Close(); err != nil {
		t.Error("Close after Run:", err)
	}
	r.release()
}

func closed(t *testing.T, s Subject) {
	r := start(t, s, nil)
	r.source.Send(t, "one")
	if err := r.in.Close(); err != nil {
		t.Error(err)
	}
	r.wait(t)
	r.release()
}

func closedBefore(t *testing.T, s Subject) {
	in, source := s.Open(t)
	defer source.Close()
	for range 2 {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	_ = in.Run(ctx, new(Recorder).Receiver) // may fail, must end
	if ctx.Err() != nil {
		t.Error("Run after Close doesn't end")
	}
}

func waitIdle(t *testing.T, s Subject) {
	g := newGate()
	r := start(t, s, g.flush)
	r.source.Send(t, "one")
	r.source.Close()
	g.await(t)
	g.answers <- nil
	r.idle(t)
	r.end(t)
}

// idle waits until nothing more is about to come.
func (r *run) idle(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	if err := r.in.WaitIdle(ctx); err != nil {
		t.Error("WaitIdle:", err)
	}
}

// A Recorder keeps the events of the receivers that it makes.
type Recorder struct {
	flush func(context.Context) error // what Flush returns; nil: nil

	mu      sync.Mutex
	flushed []string
}

// Receiver makes a receiver.
func (r *Recorder) Receiver() input.Receiver { return &receiver{r: r} }

// Flushed is the field log of every event that a successful Flush has queued, in order.
func (r *Recorder) Flushed() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.flushed)
}

type receiver struct {
	r     *Recorder
	added []string
}

func (r *receiver) Add(_ []byte, _ record.Time, body []byte) {
	for f := record.FieldsOf(body); f.Next(); {
		if string(f.Key()) == "log" {
			text, _ := record.Text(f.Value())
			r.added = append(r.added, string(text))
		}
	}
}

func (r *receiver) Reject(int, string) {}

func (r *receiver) Flush(ctx context.Context) error {
	if r.r.flush != nil {
		if err := r.r.flush(ctx); err != nil {
			return err
		}
	}
	r.r.mu.Lock()
	defer r.r.mu.Unlock()
	r.r.flushed = append(r.r.flushed, r.added...)
	r.added = nil
	return nil
}
