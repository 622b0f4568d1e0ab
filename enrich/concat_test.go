package enrich

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
)

// A concatRun is a concat and what it has emitted: each event as its second and its record, after its label if it was diverted.
type concatRun struct {
	t     *testing.T
	stage Holder
	out   *Out
	sent  []string
	at    uint32
}

func runConcat(t *testing.T, o ConcatOptions, env Env) *concatRun {
	t.Helper()
	if o.Key == "" {
		o.Key = "log"
	}
	if o.Flush == 0 {
		o.Flush = time.Minute
	}
	h, err := NewConcat(&o, config.Fluentd, env)
	if err != nil {
		t.Fatal(err)
	}
	r := &concatRun{t: t, stage: h}
	r.out = NewOut(func(ev *record.Event, _ int) {
		r.sent = append(r.sent, fmt.Sprintf("%d %s", ev.Time.Sec, rawJSON(ev.Body)))
	}, nil)
	r.out.Scratch = new(Scratch)
	return r
}

// add sends records, a second apart.
func (r *concatRun) add(records ...string) *concatRun {
	for _, js := range records {
		r.at++
		r.out.Reset()
		r.stage.Apply(&record.Event{Tag: "app", Time: record.Time{Sec: r.at}, Body: body(r.t, js)}, r.out)
	}
	return r
}

func (r *concatRun) end() []string {
	r.stage.Expire(Everything, r.out)
	return r.sent
}

func TestConcatJoinsAsFluentdsPluginDoes(t *testing.T) {
	lines := func(texts ...string) (list []string) {
		for _, text := range texts {
			list = append(list, `{"log":"`+text+`"}`)
		}
		return list
	}
	for _, c := range []struct {
		name string
		o    ConcatOptions
		in   []string
		want []string
	}{
		{"n_lines", ConcatOptions{Lines: 2, Separator: "\n"}, lines("a", "b", "c"), []string{`2 {"log":"a\nb"}`, `3 {"log":"c"}`}},
		{"n_lines, first time", ConcatOptions{Lines: 2, Separator: "-", FirstTime: true}, lines("a", "b"), []string{`1 {"log":"a-b"}`}},
		{"start", ConcatOptions{Start: "/^S/", Separator: "|"}, lines("S1", "x", "y", "S2", "z"), []string{`4 {"log":"S1|x|y"}`, `5 {"log":"S2|z"}`}},
		{"before the first start", ConcatOptions{Start: "/^S/", Separator: "|"}, lines("x", "S1", "y"), []string{`1 {"log":"x"}`, `3 {"log":"S1|y"}`}},
		{"end", ConcatOptions{End: "/;$/", Separator: ""}, lines("a", "b;", "c"), []string{`2 {"log":"ab;"}`, `3 {"log":"c"}`}},
		{"start and end", ConcatOptions{Start: "/^S/", End: "/^E/", Separator: "|"}, lines("S", "x", "E", "y", "S", "SE", "E"),
			[]string{`3 {"log":"S|x|E"}`, `4 {"log":"y"}`, `6 {"log":"S"}`, `7 {"log":"SE|E"}`}},
		{"one text is both", ConcatOptions{Start: "/^S/", End: "/E$/", Separator: "|"}, lines("SE", "S", "SE"), []string{`1 {"log":"SE"}`, `3 {"log":"S"}`, `3 {"log":"SE"}`}},
		{"continuous", ConcatOptions{Start: "/^S/", Continuous: "/^ /", Separator: "|"}, lines("S", " x", "other", " y", "S"),
			[]string{`3 {"log":"S| x"}`, `3 {"log":"other"}`, `4 {"log":" y"}`, `5 {"log":"S"}`}},
		{"partial_key", ConcatOptions{PartialKey: "p", PartialValue: new("true"), Separator: ""},
			[]string{`{"log":"a","p":"true"}`, `{"log":"alone"}`, `{"log":"b","p":"true"}`, `{"log":"c","p":"false","z":1}`},
			[]string{`2 {"log":"alone"}`, `4 {"log":"abc","z":1}`}},
		{"keep_partial_key", ConcatOptions{PartialKey: "p", PartialValue: new("true"), KeepPartial: true},
			[]string{`{"log":"a","p":true}`, `{"log":"b","p":false}`}, []string{`2 {"log":"ab","p":false}`}},
		{"metadata", ConcatOptions{Metadata: true},
			[]string{
				`{"log":"a1","partial_message":"true","partial_id":"A","partial_ordinal":"1","partial_last":"false"}`,
				`{"log":"b1","partial_message":"true","partial_id":"B","partial_ordinal":"1","partial_last":"false"}`,
				`{"log":"whole"}`,
				`{"log":"a3","partial_message":"true","partial_id":"A","partial_ordinal":"3","partial_last":"false"}`,
				`{"log":"a2","partial_message":"true","partial_id":"A","partial_ordinal":"2","partial_last":"true"}`,
				`{"log":"b2","partial_message":"true","partial_id":"B","partial_ordinal":"2","partial_last":"true"}`,
			},
			[]string{`3 {"log":"whole"}`, `5 {"log":"a1a2a3"}`, `6 {"log":"b1b2"}`}},
		{"journald", ConcatOptions{Metadata: true, Format: "docker-journald-lowercase", KeepMetadata: true},
			[]string{`{"log":"a","container_partial_message":"true","container_partial_id":"A"}`, `{"log":"b","container_partial_id":"A","container_partial_last":"true"}`},
			[]string{`2 {"log":"ab","container_partial_message":"true","container_partial_id":"A","container_partial_last":"true"}`}},
		{"cri", ConcatOptions{CRI: true, CRITag: "logtag", CRIStream: "stream"},
			[]string{`{"log":"a","logtag":"P","stream":"stdout"}`, `{"log":"b","logtag":"F:x","stream":"stdout"}`, `{"log":"c","logtag":"F","stream":"stdout"}`},
			[]string{`2 {"log":"ab"}`, `3 {"log":"c"}`}},
		{"streams", ConcatOptions{Lines: 2, Separator: "", Identity: "id"},
			[]string{`{"log":"a","id":1}`, `{"log":"x","id":2}`, `{"log":"b","id":1}`, `{"log":"y","id":2}`},
			[]string{`3 {"log":"ab","id":1}`, `4 {"log":"xy","id":2}`}},
		{"no key", ConcatOptions{Lines: 2}, []string{`{"other":1}`, `{"log":5}`}, []string{`1 {"other":1}`, `2 {"log":5}`}},
		{"overflow", ConcatOptions{PartialKey: "p", PartialValue: new("1"), Overflow: "new", Limit: 3},
			[]string{`{"log":"aa","p":1}`, `{"log":"bb","p":1}`, `{"log":"cc","p":0}`}, []string{`2 {"log":"aa"}`, `3 {"log":"bb"}`, `3 {"log":"cc"}`}},
		{"fields of the first", ConcatOptions{Lines: 2, Separator: ""}, []string{`{"a":1,"log":"x"}`, `{"a":2,"log":"y","b":3}`}, []string{`2 {"a":1,"log":"xy","b":3}`}},
		{"a name twice", ConcatOptions{Lines: 2, Separator: ""}, []string{`{"log":"x"}`, `{"log":"y"}`}, []string{`2 {"log":"xy"}`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := runConcat(t, c.o, testEnv()).add(c.in...).end(); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestAnUnfinishedRecordGoesToItsLabelAfterTheInterval(t *testing.T) {
	for _, c := range []struct {
		label  string
		errors bool
		want   string
	}{{"@NORMAL", true, "@NORMAL"}, {"", true, "@ERROR"}, {"", false, "next"}} {
		env := testEnv()
		env.Errors = c.errors
		r := runConcat(t, ConcatOptions{Start: "/^S/", Flush: 5 * time.Second, Label: c.label, Separator: "|"}, env)
		got := "next"
		r.out.OnDivert(func(_ *record.Event, label, _ string, of int) bool {
			if got = label; of != 2 {
				t.Errorf("%d held events are in the diverted one, want 2", of)
			}
			return true
		})
		r.add(`{"log":"S"}`, `{"log":"x"}`)
		if next := r.stage.Expire(time.Now().Add(4*time.Second), r.out); next.IsZero() || r.stage.Held() != 2 {
			t.Error("nothing is held after 4 s, want the parts to wait 5 s")
		}
		if r.stage.Expire(time.Now().Add(6*time.Second), r.out); r.stage.Held() != 0 || got != c.want {
			t.Errorf("label %q, errors %v: went %s, want %s", c.label, c.errors, got, c.want)
		}
	}
}

func TestConcatHoldsABoundedAmount(t *testing.T) {
	r := runConcat(t, ConcatOptions{Start: "/^S/", Identity: "id"}, testEnv())
	c := r.stage.(*concat)
	line := strings.Repeat("x", 100_000)
	for i := range 300 {
		r.add(fmt.Sprintf(`{"id":%d,"log":"S%s"}`, i%100, line), fmt.Sprintf(`{"id":%d,"log":"%s"}`, i%100, line))
		if c.bytes > maxConcat {
			t.Fatalf("%d bytes are held, want at most %d", c.bytes, maxConcat)
		}
	}
	for range 100 {
		r.add(`{"id":1,"log":"` + line + `"}`)
	}
	for _, js := range r.end() {
		if len(js) > maxConcatText+1000 {
			t.Errorf("a record has %d bytes, want at most %d of text", len(js), maxConcatText)
		}
	}
	if c.bytes != 0 || c.held != 0 {
		t.Errorf("%d bytes and %d events are counted after everything was emitted", c.bytes, c.held)
	}
}

func TestAConcatThatCantWorkIsRefused(t *testing.T) {
	for want, o := range map[string]ConcatOptions{
		"key: says what is joined, but not how":      {},
		"multiline_start_regexp: excludes n_lines":   {Lines: 2, Start: "/a/"},
		"use_partial_metadata: excludes partial_key": {PartialKey: "p", PartialValue: new("1"), Metadata: true},
		"partial_key: needs partial_value":           {PartialKey: "p"},
		"use_partial_cri_logtag: needs partial_cri":  {CRI: true},
		"n_lines: is negative":                       {Lines: -1},
		"multiline_end_regexp: pattern":              {End: "/(/"},
	} {
		if err := o.Check(config.Fluentd); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
