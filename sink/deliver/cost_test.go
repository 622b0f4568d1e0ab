package deliver

import (
	"context"
	"io"
	"testing"

	"github.com/firelane/firelane/sink"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/internal/race"
	"github.com/firelane/firelane/record"
)

// cheap is a destination that costs nothing itself: what is measured is the loop.
type cheap struct{ reply sink.Reply }

func (c *cheap) Append(body []byte, r *sink.Record) ([]byte, error) {
	return append(append(r.ID.Append(body), r.Body...), '\n'), nil
}
func (c *cheap) Send(context.Context, *sink.Request) sink.Reply { return c.reply }
func (c *cheap) Limits() sink.Limits                            { return sink.Limits{} }
func (c *cheap) Close() error                                   { return nil }

// docker is a batch of n records as Docker's driver sends them.
func docker(n int) []byte {
	var b record.Batch
	for i := range n {
		body := record.AppendMapHeader(nil, 4)
		for _, kv := range [...][2]string{
			{"container_id", "5d1a2b3c4d5e6f708192a3b4c5d6e7f85d1a2b3c4d5e6f708192a3b4c5d6e7f8"},
			{"container_name", "/web"}, {"source", "stdout"},
			{"log", "10.0.0.1 - - [23/Nov/2026:10:00:00 +0000] GET /index.html HTTP/1.1 200 612"},
		} {
			body = record.AppendStr(record.AppendStr(body, kv[0]), kv[1])
		}
		b.Add("app-firelens-0123456789abcdef", record.Time{Sec: 1_700_000_000, Nsec: uint32(i)}, body)
	}
	return b.Bytes()
}

// oneChunk is oneChunkOf n records of Docker's.
func oneChunk(tb testing.TB, d sink.Destination, n int) (*Output, *part) {
	return oneChunkOf(tb, d, docker(n), n)
}

// oneChunkOf is an output, and a part on a chunk of n records that can be attempted over and over.
func oneChunkOf(tb testing.TB, d sink.Destination, batch []byte, n int) (*Output, *part) {
	q, err := buffer.Open(buffer.Options{Name: "t", Log: zerolog.Nop()})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = q.Close() })
	if err := q.Append(tb.Context(), batch, n, nil); err != nil {
		tb.Fatal(err)
	}
	c, err := q.Next(tb.Context(), 8<<20, sink.Immediately)
	if err != nil {
		tb.Fatal(err)
	}
	o := New(Config{Name: "t", Queue: q, Destination: d, Retry: sink.Retry{Limit: 1}, Log: zerolog.New(io.Discard)})
	inflight := &inflightChunk{}
	inflight.reset(c, 0)
	return o, &part{chunk: inflight, encoding: true}
}

// rewind makes the part ready to be attempted once more.
func (p *part) rewind() {
	c := p.chunk
	c.reset(c.from, 0)
	p.clear()
	p.chunk, p.encoding = c, true
}

func TestALoadCostsNoAllocationPerRecord(t *testing.T) {
	if race.Enabled {
		t.Skip("under the race detector a sync.Pool drops at random what is put into it")
	}
	const n = 1000
	some := &cheap{reply: sink.Reply{Cause: sink.Answered, Items: []sink.ItemReply{{Index: 3, Verdict: sink.Again, Status: 429}, {Index: 500, Verdict: sink.Again, Status: 500}}}}
	for name, d := range map[string]*cheap{"all done": {}, "two again": some} {
		o, p := oneChunk(t, d, n)
		ctx := t.Context()
		attempt := func() {
			p.rewind()
			o.attempt(ctx, p, 8<<20)
			if p.out.delivered != n-len(d.reply.Items) || p.req.Len() != len(d.reply.Items) {
				t.Fatalf("%s: got %+v, want %d delivered and the others left", name, p.out, n-len(d.reply.Items))
			}
		}
		attempt()
		if allocs := testing.AllocsPerRun(20, attempt); allocs > 0 {
			t.Errorf("%s: got %v allocations for %d records, want none", name, allocs, n)
		}
	}
}

func BenchmarkAttempt(b *testing.B) {
	const n = 5000
	o, p := oneChunk(b, &cheap{}, n)
	b.ReportAllocs()
	for b.Loop() {
		p.rewind()
		o.attempt(b.Context(), p, 8<<20)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/record")
}

// BenchmarkOutput is the way from the queue to a destination that costs nothing, with everything between.
func BenchmarkOutput(b *testing.B) {
	const n = 500
	batch := docker(n)
	q, err := buffer.Open(buffer.Options{Dir: b.TempDir(), Name: "t", Log: zerolog.Nop()})
	if err != nil {
		b.Fatal(err)
	}
	o := New(Config{Name: "t", Queue: q, Destination: &cheap{}, Log: zerolog.Nop()})
	done := make(chan struct{})
	go func() {
		defer close(done)
		o.Run(b.Context())
	}()
	b.ReportAllocs()
	for b.Loop() {
		if err := q.Append(b.Context(), batch, n, nil); err != nil {
			b.Fatal(err)
		}
	}
	o.Drain()
	<-done
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/record")
	b.ReportMetric(float64(o.Stats().BytesSent)/float64(o.Stats().Requests), "B/request")
	if err := q.Close(); err != nil {
		b.Fatal(err)
	}
}
