package deliver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dead"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/record"
)

func TestMain(m *testing.M) {
	deliverUntilItDies() // only in the child
	leaktest.Main(m)
}

// strict is a destination that keeps every record by its id, and replies as its script says. An item is
// "id number\n".
type strict struct {
	// script says what becomes of attempt n (from 0) with these items. nil: all are taken. Workers call it: what it
	// shares with the test must be atomic.
	script func(ctx context.Context, n int, items []string) sink.Reply

	mu       sync.Mutex
	taken    map[string]int // by id: how often it was written; a second time is a 409
	requests []request
	inFlight int
	encoded  int
	closed   int
}

// A request is one that a strict destination got.
type request struct {
	at       time.Time
	items    []string
	inFlight int // requests in progress when it began, itself included
}

func newStrict(script func(ctx context.Context, n int, items []string) sink.Reply) *strict {
	return &strict{script: script, taken: map[string]int{}}
}

func (d *strict) Append(body []byte, r *sink.Record) ([]byte, error) {
	v, _ := record.Find(r.Body, "n")
	text := string(record.AppendText(nil, v))
	if strings.HasPrefix(text, "unencodable") {
		return body, errors.New("no such thing can be sent")
	}
	if strings.HasPrefix(text, "panic") {
		panic("encoder: " + text)
	}
	d.mu.Lock()
	d.encoded++
	d.mu.Unlock()
	return append(append(append(r.ID.Append(body), ' '), text...), '\n'), nil
}

func (d *strict) Target(item []byte) string { return "index-of-" + number(string(item)) }

func (d *strict) Send(ctx context.Context, req *sink.Request) sink.Reply {
	var items []string
	for i := range req.Len() {
		items = append(items, string(req.Item(i)))
	}
	if whole := strings.Join(items, ""); whole != string(req.Body) || strings.Count(whole, "\n") != len(items) {
		panic(fmt.Sprintf("a request that is not its items: %q", req.Body))
	}
	d.mu.Lock()
	n := len(d.requests)
	d.inFlight++
	d.requests = append(d.requests, request{time.Now(), items, d.inFlight})
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		d.inFlight--
		d.mu.Unlock()
	}()
	r := sink.Reply{Cause: sink.Answered}
	if d.script != nil {
		r = d.script(ctx, n, items)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	next := 0
	for i, it := range items {
		v := r.Verdict
		if next < len(r.Items) && r.Items[next].Index == i {
			v = r.Items[next].Verdict
			next++
		}
		if v == sink.Done && r.Split == sink.No {
			d.taken[id(it)]++
		}
	}
	return r
}

func (d *strict) Limits() sink.Limits { return sink.Limits{} }

func (d *strict) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed++
	return nil
}

// received is every request so far.
func (d *strict) received() []request {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.requests)
}

// maxInFlight is the most of these requests that were in progress at once.
func maxInFlight(requests []request) (n int) {
	for _, r := range requests {
		n = max(n, r.inFlight)
	}
	return n
}

func id(item string) string     { return item[:strings.IndexByte(item, ' ')] }
func number(item string) string { return strings.TrimSpace(item[strings.IndexByte(item, ' ')+1:]) }

// numbers is the items of every request so far.
func (d *strict) numbers() [][]string {
	var all [][]string
	for _, r := range d.received() {
		var ns []string
		for _, it := range r.items {
			ns = append(ns, number(it))
		}
		all = append(all, ns)
	}
	return all
}

// deadLetters keeps the dead letters that it is given.
type deadLetters struct {
	mu    sync.Mutex
	dead  []dead.Record
	texts []string
	ids   []string
}

func (g *deadLetters) Put(d *dead.Record) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	v, _ := record.Find(d.Record.Body, "n")
	g.dead = append(g.dead, *d)
	g.texts = append(g.texts, string(record.AppendText(nil, v)))
	g.ids = append(g.ids, d.Record.ID.String())
	return "here"
}

func (g *deadLetters) Close() error { return nil }

func (g *deadLetters) numbers() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.texts)
}

// rig is an output on a real queue in memory, with a strict destination.
type rig struct {
	*testing.T
	queue *buffer.Queue
	dest  *strict
	dead  *deadLetters
	out   *Output
	logs  *lockedBuffer
	done  chan struct{}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newRig(t *testing.T, d *strict, change func(*Config)) *rig {
	t.Helper()
	return newRigOn(t, d, buffer.Options{}, change)
}

// newRigOn is newRig with a queue that has these options.
func newRigOn(t *testing.T, d *strict, o buffer.Options, change func(*Config)) *rig {
	t.Helper()
	r := &rig{T: t, dest: d, dead: &deadLetters{}, logs: &lockedBuffer{}, done: make(chan struct{})}
	o.Name, o.Log = "test", zerolog.New(io.Discard)
	q, err := buffer.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	r.queue = q
	c := Config{Name: "test.0", Queue: q, Destination: d, Dead: r.dead, Retry: sink.Retry{Limit: sink.Unlimited},
		Limits: sink.Limits{Linger: sink.Immediately}, Log: zerolog.New(r.logs)}
	if change != nil {
		change(&c)
	}
	r.out = New(c)
	return r
}

// put appends one batch of records whose field n is each of these texts.
func (r *rig) put(texts ...string) {
	r.Helper()
	if err := r.queue.Append(r.Context(), batchOf(texts...), len(texts), nil); err != nil {
		r.Fatal(err)
	}
}

func batchOf(texts ...string) []byte {
	var b record.Batch
	for i, text := range texts {
		body := record.AppendMapHeader(nil, 1)
		body = record.AppendStr(record.AppendStr(body, "n"), text)
		b.Add("app.web", record.Time{Sec: 1_700_000_000, Nsec: uint32(i)}, body)
	}
	return b.Bytes()
}

// upTo is the texts from..to-1.
func upTo(from, to int) []string {
	var s []string
	for i := from; i < to; i++ {
		s = append(s, fmt.Sprint(i))
	}
	return s
}

func (r *rig) start(ctx context.Context) {
	go func() {
		defer close(r.done)
		r.out.Run(ctx)
	}()
}

// finish drains, and waits for the end.
func (r *rig) finish() Stats {
	r.Helper()
	r.out.Drain()
	return r.wait()
}

func (r *rig) wait() Stats {
	r.Helper()
	<-r.done
	s := r.out.Stats()
	r.check()
	if err := r.queue.Close(); err != nil {
		r.Fatal(err)
	}
	return s
}

// check holds the accounts to their promise.
func (r *rig) check() {
	r.Helper()
	// Records are appended by the goroutine that checks: nothing is added in between.
	q := r.queue.Stats()
	s := r.out.Stats()
	got := s.Delivered + s.Dead + s.Unreadable + q.DroppedRecords + s.DeferredQueue.DroppedRecords + s.Buffered
	if want := q.Appended + q.Recovered + s.DeferredQueue.Recovered + s.Again; got != want || s.Deferred > s.Buffered {
		r.Errorf("got %d records in the accounts %+v, want %d, as many as were appended", got, s, want)
	}
}

// wantOnce fails unless each record was written exactly once.
func (r *rig) wantOnce(n int) {
	r.Helper()
	r.dest.mu.Lock()
	defer r.dest.mu.Unlock()
	if len(r.dest.taken) != n {
		r.Errorf("got %d records delivered, want %d", len(r.dest.taken), n)
	}
	for id, k := range r.dest.taken {
		if k != 1 {
			r.Errorf("got record %s written %d times, want once", id, k)
		}
	}
}

// eventually waits by synctest's clock for cond.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for range 60_000 {
		if cond() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("timed out waiting for this: %s", what)
}

var errRefused = errors.New("posting to test: refused")
