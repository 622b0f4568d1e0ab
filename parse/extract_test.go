package parse

import (
	"fmt"
	"strings"
	"testing"

	"github.com/firelane/firelane/record"
)

func TestExtractTakesTheTagAndTheTime(t *testing.T) {
	long := strings.Repeat("x", record.MaxTag+1)
	no := false
	for _, c := range []struct {
		opts      *ExtractOptions
		estimate  *bool
		text      string
		tag, body string
		sec       uint32
	}{
		{nil, &no, `{"tag":"a","t":5}`, "in", `{"tag":"a","t":5}`, 1},
		{&ExtractOptions{TagKey: "tag", TimeKey: "t"}, &no, `{"tag":"a","t":5}`, "a", `{}`, 5},
		{&ExtractOptions{TagKey: "tag", KeepTagKey: true, TimeKey: "t", KeepTimeKey: true}, &no, `{"tag":"a","t":5}`, "a", `{"tag":"a","t":5}`, 5},
		{&ExtractOptions{TimeKey: "t"}, &no, `{"time":7,"t":5}`, "in", `{"t":5}`, 7},
		{&ExtractOptions{TimeKey: "t"}, nil, `{"t":5}`, "in", `{"t":5}`, 1},
		{&ExtractOptions{TimeKey: "t"}, &no, `{"t":"no time"}`, "in", `{"t":"no time"}`, 1},
		{&ExtractOptions{TimeKey: "t", TimeType: "string", TimeFormat: "%Y", UTC: true}, &no, `{"t":"1970"}`, "in", `{}`, 0},
		{&ExtractOptions{TagKey: "tag"}, nil, `{"tag":{"a":[1]}}`, `{"a":[1]}`, `{}`, 1},
		{&ExtractOptions{TagKey: "tag"}, nil, `{"tag":""}`, "in", `{}`, 1},
		{&ExtractOptions{TagKey: "tag"}, nil, fmt.Sprintf(`{"tag":%q}`, long), "in", `{}`, 1},
		{&ExtractOptions{TagKey: "tag"}, nil, `{"a":1}`, "in", `{"a":1}`, 1},
	} {
		if c.opts != nil && c.opts.TimeType == "" {
			c.opts.TimeType = "float"
		}
		e, err := c.opts.Extractor(&Spec{Type: "json", EstimateTime: c.estimate})
		if err != nil {
			t.Fatal(err)
		}
		at := record.Time{Sec: 1}
		out, tag, ok := e.Parse(nil, []byte(c.text), []byte("in"), &at)
		if body := string(record.AppendJSON(nil, out)); !ok || string(tag) != c.tag || body != c.body || at.Sec != c.sec || at.Nsec != 0 {
			t.Errorf("%.60s: got %.40s %v %s, want %s %d %s", c.text, tag, at, body, c.tag, c.sec, c.body)
		}
	}
	if _, _, ok := mustExtract(t).Parse(nil, []byte("no JSON"), nil, &record.Time{}); ok {
		t.Error("got a record of what is no JSON")
	}
}

func mustExtract(t *testing.T) *Extractor {
	t.Helper()
	e, err := (&ExtractOptions{TagKey: "tag"}).Extractor(&Spec{Type: "json"})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestExtractAllocatesNothing(t *testing.T) {
	e, text, dst, at := mustExtract(t), []byte(`{"tag":"app","log":"x"}`), make([]byte, 0, 100), new(record.Time)
	if n := testing.AllocsPerRun(100, func() { e.Parse(dst, text, nil, at) }); n > 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

func TestAWrongFormatOfATimeToExtractIsRefused(t *testing.T) {
	for _, o := range []ExtractOptions{{TimeKey: "t", TimeType: "string", TimeFormat: "%Q"}, {TimeKey: "t", Timezone: "Nowhere"}} {
		if err := o.Check(0); err == nil {
			t.Errorf("%+v: got no error", o)
		}
	}
}
