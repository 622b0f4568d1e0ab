package sink

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/firelane/firelane/internal/race"
	"github.com/firelane/firelane/record"
)

// nosy is a destination whose items are a record's body and tail as JSON. It takes the tails that takes says.
type nosy struct {
	*strict
	takes func(tail string) bool
	asked []string
}

func (d *nosy) Append(body []byte, r *Record) ([]byte, error) {
	v, _ := record.Find(r.Body, "n")
	switch n := string(record.AppendText(nil, v)); {
	case strings.HasPrefix(n, "unencodable"):
		return body, fmt.Errorf("no such thing can be sent")
	case strings.HasPrefix(n, "panic"):
		panic(n)
	}
	body = append(record.AppendJSON(append(r.ID.Append(body), ' '), r.Body), '+')
	if len(r.Tail) > 0 {
		body = append(body, r.Written...)
	}
	return append(body, '\n'), nil
}

// tailer is a nosy destination that takes tails.
type tailer struct{ *nosy }

func (d tailer) AppendTail(dst, tail []byte) ([]byte, bool) {
	text := string(record.AppendJSON(nil, tail))
	d.asked = append(d.asked, text)
	return append(dst, text...), d.takes(text)
}

func tailOf(env string) []byte {
	return record.AppendStr(record.AppendStr(record.AppendMapHeader(nil, 1), "env"), env)
}

// putTailed appends a batch of records, each "n tail" or "n".
func (r *rig) putTailed(texts ...string) {
	r.Helper()
	var b record.Batch
	for _, text := range texts {
		n, env, tailed := strings.Cut(text, " ")
		ev := record.Event{Tag: "app", Body: record.AppendStr(record.AppendStr(record.AppendMapHeader(nil, 1), "n"), n)}
		if tailed {
			ev.Tail = tailOf(env)
		}
		b.AddEvent(&ev)
	}
	if err := r.queue.Append(r.Context(), b.Bytes(), len(texts), nil); err != nil {
		r.Fatal(err)
	}
}

func TestADestinationGetsWholeBodiesUnlessItTakesTheTail(t *testing.T) {
	texts := []string{"0 a", "1 a", "2", "3 b", "4 b", "5 a"}
	whole := []string{`{"n":"0","env":"a"}+`, `{"n":"1","env":"a"}+`, `{"n":"2"}+`, `{"n":"3","env":"b"}+`, `{"n":"4","env":"b"}+`, `{"n":"5","env":"a"}+`}
	onlyB := slices.Clone(whole)
	onlyB[3], onlyB[4] = `{"n":"3"}+{"env":"b"}`, `{"n":"4"}+{"env":"b"}`
	for name, c := range map[string]struct {
		dest  func(*nosy) Destination
		want  []string
		asked []string
	}{
		"takes no tails":    {func(n *nosy) Destination { return n }, whole, nil},
		"takes one of them": {func(n *nosy) Destination { return tailer{n} }, onlyB, []string{`{"env":"a"}`, `{"env":"b"}`, `{"env":"a"}`}},
	} {
		d := &nosy{strict: newStrict(nil), takes: func(tail string) bool { return tail == `{"env":"b"}` }}
		r := newRig(t, d.strict, func(o *OutputConfig) { o.Destination = c.dest(d) })
		r.putTailed(texts...)
		r.start(t.Context())
		r.finish()
		if got := slices.Concat(d.numbers()...); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
		if !slices.Equal(d.asked, c.asked) {
			t.Errorf("%s: asked about %q, want %q", name, d.asked, c.asked)
		}
	}
}

func TestWhatIsEncodedAfreshIsWhole(t *testing.T) {
	d := &nosy{strict: newStrict(func(_ context.Context, n int, items []string) Reply {
		return Reply{Reached: true, Verdict: map[bool]Verdict{true: Again}[n == 0], Reencode: n == 0, Err: fmt.Errorf("learnt")}
	}), takes: func(string) bool { return true }}
	r := newRig(t, d.strict, func(o *OutputConfig) { o.Destination = tailer{d} })
	r.putTailed("0 a", "1 a")
	r.start(t.Context())
	r.finish()
	want := [][]string{{`{"n":"0"}+{"env":"a"}`, `{"n":"1"}+{"env":"a"}`}, {`{"n":"0","env":"a"}+`, `{"n":"1","env":"a"}+`}}
	if got := d.numbers(); len(got) != 2 || !slices.Equal(got[0], want[0]) || !slices.Equal(got[1], want[1]) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// bodies is a dead letter that keeps the bodies.
type bodies struct{ all []string }

func (b *bodies) Put(d *DeadRecord) string {
	b.all = append(b.all, string(record.AppendJSON(nil, d.Record.Body)))
	return "here"
}

func (b *bodies) Close() error { return nil }

func TestADeadLetterHasTheWholeRecord(t *testing.T) {
	for _, takes := range []bool{true, false} {
		dead := &bodies{}
		d := &nosy{strict: newStrict(func(_ context.Context, _ int, items []string) Reply {
			return Reply{Reached: true, Items: []ItemReply{{Index: 1, Verdict: Never, Status: 400}}}
		}), takes: func(string) bool { return takes }}
		r := newRig(t, d.strict, func(o *OutputConfig) { o.Destination, o.Dead = tailer{d}, dead })
		r.putTailed("0 a", "unencodable a", "panic a", "1 b", "2 b")
		r.start(t.Context())
		r.finish()
		want := []string{`{"n":"unencodable","env":"a"}`, `{"n":"panic","env":"a"}`, `{"n":"1","env":"b"}`}
		if !slices.Equal(dead.all, want) {
			t.Errorf("tails taken: %t: got %q, want %q", takes, dead.all, want)
		}
	}
}

func TestMakingBodiesWholeCostsNoAllocationPerRecord(t *testing.T) {
	if race.Enabled {
		t.Skip("under the race detector a sync.Pool drops at random what is put into it")
	}
	const n = 1000
	var b record.Batch
	for range n {
		b.AddEvent(&record.Event{Tag: "app", Body: []byte("\x81\xa1n\x07"), Tail: tailOf("a")})
	}
	o, p := oneChunkOf(t, &cheap{}, b.Bytes(), n)
	attempt := func() {
		p.again()
		o.attempt(t.Context(), p, 8<<20)
		if p.out.delivered != n {
			t.Fatalf("%+v", p.out)
		}
	}
	attempt()
	if allocs := testing.AllocsPerRun(20, attempt); allocs > 0 {
		t.Errorf("%v allocations for %d records", allocs, n)
	}
}

func TestMemoryOfALargeBodyIsNotKept(t *testing.T) {
	var b record.Batch
	large := record.AppendStr([]byte("\x81\xa1n"), strings.Repeat("x", maxKeptBody))
	b.AddEvent(&record.Event{Tag: "app", Body: large, Tail: tailOf("a")})
	o, p := oneChunkOf(t, &cheap{}, b.Bytes(), 1)
	o.attempt(t.Context(), p, 8<<20)
	if p.out.delivered != 1 || cap(p.load.whole) > maxKeptBody {
		t.Errorf("%+v; %d bytes are kept", p.out, cap(p.load.whole))
	}
}
