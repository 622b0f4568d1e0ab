package deliver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dead"
)

// asJSON is a destination whose items are JSON.
type asJSON struct {
	*strict
	lines [][]byte
	sizes []int // of requests
}

func (d *asJSON) Append(body []byte, r *sink.Record) ([]byte, error) {
	return append(record.AppendJSON(body, r.Body), '\n'), nil
}

func (d *asJSON) Send(_ context.Context, req *sink.Request) sink.Reply {
	d.sizes = append(d.sizes, req.Len())
	for i := range req.Len() {
		d.lines = append(d.lines, bytes.Clone(req.Item(i)))
	}
	return sink.Reply{Cause: sink.Answered}
}

func TestARecordThatIsTooLargeAsJSONIsNeverEncoded(t *testing.T) {
	d := &asJSON{strict: newStrict(nil)}
	dir := t.TempDir()
	file := dead.NewFile(dir, "test.0", 0, dead.NewLog(zerolog.Nop()), zerolog.Nop())
	r := newRig(t, d.strict, func(c *Config) { c.Destination, c.Dead, c.Limits.Workers = d, file, 1 })
	var batch record.Batch // as an earlier version has queued it
	add := func(text string) {
		batch.Add("app.web", record.Time{}, record.AppendStr(record.AppendStr(record.AppendMapHeader(nil, 1), "n"), text))
	}
	add("before")
	add(strings.Repeat("\x00", 4<<20))
	add("after")
	if err := r.queue.Append(t.Context(), batch.Bytes(), 3, nil); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r.start(t.Context())
	s := r.finish()
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 12<<20 {
		t.Errorf("got %d bytes allocated, want little more than the chunk of 4 MiB", n)
	}
	if s.Delivered != 2 || s.Dead != 1 || len(d.lines) != 2 || string(d.lines[1]) != `{"n":"after"}`+"\n" {
		t.Errorf("got %+v, and the items %.200q, want what is before and after the large record delivered", s, d.lines)
	}
	for e, err := range dead.Read(file.Path()) {
		if err != nil || e.Type != "too_large" || !strings.Contains(e.Reason, fmt.Sprint(record.MaxJSON)) || len(e.Packed) < 4<<20 {
			t.Errorf("got %s: %s and error %v, want the record and the limit", e.Type, e.Reason, err)
		}
	}
	if err := errors.Join(file.Close(), os.RemoveAll(dir)); err != nil {
		t.Error(err)
	}
}

func TestALargeRecordIsEncodedWithoutGrowing(t *testing.T) {
	d := &asJSON{strict: newStrict(nil)}
	r := newRig(t, d.strict, func(c *Config) { c.Destination, c.Limits.Workers = d, 1 })
	text := strings.Repeat("\x00", record.MaxJSON/6-1<<10)
	r.put("before", text, "after")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r.start(t.Context())
	s := r.finish()
	runtime.ReadMemStats(&after)
	// The chunk has a power of two, the clone of the item is the test's, and the others have a request of 1 MiB.
	if n := after.TotalAlloc - before.TotalAlloc; n > (2+9+8+2+1)<<20 {
		t.Errorf("got %d bytes allocated, want the chunk, and the item once", n)
	}
	if s.Delivered != 3 || fmt.Sprint(d.sizes) != "[1 1 1]" {
		t.Errorf("got %+v in requests of %v items, want 3 of one each", s, d.sizes)
	}
}

func TestAnItemThatOutgrowsAllBoundsGoesToTheDeadLetter(t *testing.T) {
	d := &asJSON{strict: newStrict(nil)}
	grows := &growing{d}
	r := newRig(t, d.strict, func(c *Config) { c.Destination = grows })
	r.put("before", "grow", "after")
	r.start(t.Context())
	if s := r.finish(); s.Delivered != 2 || s.Dead != 1 {
		t.Errorf("got %+v, want one dead letter", s)
	}
	if got := r.dead.dead[0].Reason; !strings.Contains(got, "takes at most") {
		t.Errorf("got the reason %q, want one with the limit", got)
	}
}

// growing is a destination that adds 10 MiB to some records.
type growing struct{ *asJSON }

func (g *growing) Append(body []byte, r *sink.Record) ([]byte, error) {
	if bytes.Contains(r.Body, []byte("grow")) {
		body = append(body, make([]byte, 10<<20)...)
	}
	return g.asJSON.Append(body, r)
}
