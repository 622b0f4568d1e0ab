package lua_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/enrich/lua"
	"github.com/firelane/firelane/record"
)

// filter runs a script over events of JSON and returns what it emits, as tag, time and JSON.
type filter struct {
	t    testing.TB
	step enrich.Step
	log  bytes.Buffer
	out  *enrich.Out
	got  []record.Event
}

func newFilter(t testing.TB, o lua.Options) *filter {
	t.Helper()
	f := &filter{t: t}
	var err error
	f.step, err = lua.New(&o, config.FluentBit, enrich.Env{Hostname: "host", Log: zerolog.New(&f.log), Variables: map[string]string{"STAGE": "prod"}})
	if err != nil {
		t.Fatal(err)
	}
	f.out = enrich.NewOut(func(ev *record.Event, _ int) {
		e := *ev
		e.Body = bytes.Clone(ev.Body)
		f.got = append(f.got, e)
	}, nil)
	f.out.Scratch = new(enrich.Scratch)
	return f
}

var noon = record.Time{Sec: 1795430441, Nsec: 123456789}

// apply sends a body through the filter.
func (f *filter) apply(body []byte) []record.Event {
	f.got = nil
	f.out.Reset()
	f.step.Apply(&record.Event{Tag: "app.web", Time: noon, Body: body}, f.out)
	return f.got
}

// json sends an event of JSON and returns those that are emitted, as JSON.
func (f *filter) json(js string) string {
	f.t.Helper()
	var out []string
	for _, ev := range f.apply(pack(f.t, js)) {
		out = append(out, string(record.AppendJSON(nil, ev.Body)))
	}
	return strings.Join(out, " ")
}

func pack(t testing.TB, js string) []byte {
	t.Helper()
	b, err := record.AppendFromJSON(nil, []byte(js))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
