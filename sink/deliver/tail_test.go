package deliver

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dead"

	"github.com/firelane/firelane/record"
)

// apart is a destination whose items are a record's body and tail, each as JSON. It reads tails if it says so.
type apart struct {
	*strict
	reads bool
}

func (d apart) ReadsTails() bool { return d.reads }

func (d apart) Append(body []byte, r *sink.Record) ([]byte, error) {
	v, _ := record.Find(r.Body, "n")
	switch n := string(record.AppendText(nil, v)); {
	case strings.HasPrefix(n, "unencodable"):
		return body, fmt.Errorf("no such thing can be sent")
	case strings.HasPrefix(n, "panic"):
		panic(n)
	}
	body = append(record.AppendJSON(append(r.ID.Append(body), ' '), r.Body), '+')
	if len(r.Tail) > 0 {
		if !slices.Equal(r.Tail, r.Shared.Tail) {
			r.Shared = sink.Shared{Tail: r.Tail, Encoded: record.AppendJSON([]byte("new "), r.Tail)}
		} else {
			r.Shared.Encoded = []byte(strings.TrimPrefix(string(r.Shared.Encoded), "new "))
		}
		body = append(body, r.Shared.Encoded...)
	}
	return append(body, '\n'), nil
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

func TestADestinationGetsWholeBodiesUnlessItReadsTails(t *testing.T) {
	texts := []string{"0 a", "1 a", "2", "3 b", "4 b", "5 a"}
	for reads, want := range map[bool][]string{
		false: {`{"n":"0","env":"a"}+`, `{"n":"1","env":"a"}+`, `{"n":"2"}+`, `{"n":"3","env":"b"}+`, `{"n":"4","env":"b"}+`, `{"n":"5","env":"a"}+`},
		true:  {`{"n":"0"}+new {"env":"a"}`, `{"n":"1"}+{"env":"a"}`, `{"n":"2"}+`, `{"n":"3"}+new {"env":"b"}`, `{"n":"4"}+{"env":"b"}`, `{"n":"5"}+new {"env":"a"}`},
	} {
		d := newStrict(nil)
		r := newRig(t, d, func(o *Config) { o.Destination = apart{d, reads} })
		r.putTailed(texts...)
		r.start(t.Context())
		r.finish()
		if got := slices.Concat(d.numbers()...); !slices.Equal(got, want) {
			t.Errorf("reads tails: %t: got %q, want %q", reads, got, want)
		}
	}
}

func TestReencodedRecordsAreWhole(t *testing.T) {
	d := newStrict(func(_ context.Context, n int, items []string) sink.Reply {
		return sink.Reply{Cause: sink.Answered, Verdict: map[bool]sink.Verdict{true: sink.Again}[n == 0], Reencode: n == 0, Err: fmt.Errorf("learned")}
	})
	r := newRig(t, d, func(o *Config) { o.Destination = apart{d, true} })
	r.putTailed("0 a", "1 a")
	r.start(t.Context())
	r.finish()
	want := [][]string{{`{"n":"0"}+new {"env":"a"}`, `{"n":"1"}+{"env":"a"}`}, {`{"n":"0","env":"a"}+`, `{"n":"1","env":"a"}+`}}
	if got := d.numbers(); len(got) != 2 || !slices.Equal(got[0], want[0]) || !slices.Equal(got[1], want[1]) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// bodies is a dead letter that keeps the bodies.
type bodies struct{ all []string }

func (b *bodies) Put(d *dead.Record) string {
	b.all = append(b.all, string(record.AppendJSON(nil, d.Record.Body)))
	return "here"
}

func (b *bodies) Close() error { return nil }

func TestADeadLetterHasTheWholeRecord(t *testing.T) {
	for _, reads := range []bool{true, false} {
		dead := &bodies{}
		d := newStrict(func(_ context.Context, _ int, items []string) sink.Reply {
			return sink.Reply{Cause: sink.Answered, Items: []sink.ItemReply{{Index: 1, Verdict: sink.Never, Status: 400}}}
		})
		r := newRig(t, d, func(o *Config) { o.Destination, o.Dead = apart{d, reads}, dead })
		r.putTailed("0 a", "unencodable a", "panic a", "1 b", "2 b")
		r.start(t.Context())
		r.finish()
		want := []string{`{"n":"unencodable","env":"a"}`, `{"n":"panic","env":"a"}`, `{"n":"1","env":"b"}`}
		if !slices.Equal(dead.all, want) {
			t.Errorf("reads tails: %t: got %q, want %q", reads, dead.all, want)
		}
	}
}

func TestMakingBodiesWholeCostsNoAllocationPerRecord(t *testing.T) {
	const n = 1000
	var b record.Batch
	for range n {
		b.AddEvent(&record.Event{Tag: "app", Body: []byte("\x81\xa1n\x07"), Tail: tailOf("a")})
	}
	o, p := oneChunkOf(t, &cheap{}, b.Bytes(), n)
	attempt := func() {
		p.rewind()
		o.attempt(t.Context(), p, 8<<20)
		if p.out.delivered != n {
			t.Fatalf("got %+v, want %d delivered", p.out, n)
		}
	}
	attempt()
	if allocs := testing.AllocsPerRun(20, attempt); allocs > 0 {
		t.Errorf("got %v allocations for %d records, want none", allocs, n)
	}
}
