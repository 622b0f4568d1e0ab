package stream

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/format"
	"github.com/firelane/firelane/sink/sinktest"
)

var at = record.Time{Sec: 1_700_000_000, Nsec: 123_456_789}

// rec makes a record from JSON.
func rec(t testing.TB, tag, text string) *sink.Record {
	t.Helper()
	body, err := record.AppendFromJSON(nil, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &sink.Record{Event: record.Event{Tag: tag, Time: at, Body: body}}
}

// request encodes records as one request.
func request(t testing.TB, d sink.Destination, records ...*sink.Record) *sink.Request {
	t.Helper()
	req, err := sinktest.Encode(d, records...)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestStdoutWritesAsTheDialectsDo(t *testing.T) {
	utc := true
	for _, c := range []struct {
		name    string
		dialect config.Dialect
		opts    StdoutOptions
		want    string
	}{
		{"text", config.FluentBit, StdoutOptions{},
			"[0] app.web: [[1700000000.123456789, {}], {\"log\"=>\"a\\\", \"n\"=>[1, nil, 2.5]}]\n[1] app.web: [[1700000000.123456789, {}], {}]\n"},
		{"json", config.FluentBit, StdoutOptions{Format: "json"},
			`[{"date":1700000000.123456,"log":"a\\","n":[1,null,2.5]},{"date":1700000000.123456}]` + "\n"},
		{"json_lines", config.FluentBit, StdoutOptions{Format: "json_lines", JSONDateKey: "log", JSONDateFormat: "iso8601"},
			`{"log":"a\\","n":[1,null,2.5]}` + "\n" + `{"log":"2023-11-14T22:13:20.123456Z"}` + "\n"},
		{"no date", config.FluentBit, StdoutOptions{Format: "json_lines", JSONDateKey: "false"},
			`{"log":"a\\","n":[1,null,2.5]}` + "\n{}\n"},
		{"json_stream", config.FluentBit, StdoutOptions{Format: "json_stream", JSONDateFormat: "epoch_ms"},
			`{"date":1700000000123,"log":"a\\","n":[1,null,2.5]}{"date":1700000000123}` + "\n"},
		{"java", config.FluentBit, StdoutOptions{Format: "json_lines", JSONDateFormat: "java_sql_timestamp"},
			`{"date":"2023-11-14 22:13:20.123456","log":"a\\","n":[1,null,2.5]}` + "\n" + `{"date":"2023-11-14 22:13:20.123456"}` + "\n"},
		{"fluentd", config.Fluentd, StdoutOptions{FluentdFormat: &format.Options{UTC: &utc}},
			"2023-11-14 22:13:20.123456789 +0000 app.web: {\"log\":\"a\\\\\",\"n\":[1,null,2.5]}\n2023-11-14 22:13:20.123456789 +0000 app.web: {}\n"},
		{"fluentd in a zone", config.Fluentd, StdoutOptions{FluentdFormat: &format.Options{Timezone: "+09:00", TimeFormat: "%H:%M %z", OutputType: "hash"}},
			"07:13 +0900 app.web: {\"log\"=>\"a\\\\\", \"n\"=>[1, nil, 2.5]}\n07:13 +0900 app.web: {}\n"},
		{"fluentd json, injected", config.Fluentd, StdoutOptions{OldFormat: "json",
			Inject: &format.InjectOptions{TagKey: "tag", TimeKey: "log", TimeType: "unixtime_millis", HostnameKey: "host", Hostname: "h"}},
			`{"n":[1,null,2.5],"host":"h","tag":"app.web","log":1700000000123}` + "\n" + `{"host":"h","tag":"app.web","log":1700000000123}` + "\n"},
		{"ltsv", config.Fluentd, StdoutOptions{FluentdFormat: &format.Options{Type: "ltsv", LabelDelimiter: ":", Replacement: " "}},
			"log:a\\\tn:[1,null,2.5]\n\n"},
		{"csv", config.Fluentd, StdoutOptions{FluentdFormat: &format.Options{Type: "csv", Fields: []string{"n", "log"}, ForceQuotes: true}},
			"\"[1,null,2.5]\",\"a\\\"\n\"\",\"\"\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			d, err := newStdout(&c.opts, c.dialect, sink.Env{Hostname: "h"}, &out)
			if err != nil {
				t.Fatal(err)
			}
			req := request(t, d, rec(t, "app.web", `{"log":"a\\","n":[1,null,2.5]}`), rec(t, "app.web", `{}`))
			if r := d.Send(t.Context(), req); r.Verdict != sink.Done || r.Err != nil {
				t.Fatalf("got reply %+v, want done", r)
			}
			if out.String() != c.want {
				t.Errorf("got:\n%s\nwant:\n%s", &out, c.want)
			}
			if strings.HasPrefix(c.opts.Format, "json_l") {
				for line := range strings.Lines(out.String()) {
					if !json.Valid([]byte(line)) {
						t.Errorf("got %s, want JSON", line)
					}
				}
			}
		})
	}
}

// short is a writer that takes so many bytes.
type short struct{ n int }

func (s short) Write(p []byte) (int, error) { return min(s.n, len(p)), errors.New("no room") }

func TestWhatStdoutWroteBeforeAnErrorIsDone(t *testing.T) {
	d, err := newStdout(&StdoutOptions{Format: "json_lines", JSONDateKey: "off"}, config.FluentBit, sink.Env{}, short{10})
	if err != nil {
		t.Fatal(err)
	}
	r := d.Send(t.Context(), request(t, d, rec(t, "a", `{"n":1}`), rec(t, "a", `{"n":2}`)))
	if r.Verdict != sink.Again || r.Err == nil || len(r.Items) != 1 || r.Items[0].Index != 0 || r.Items[0].Verdict != sink.Done {
		t.Errorf("got reply %+v, want again with the first item done", r)
	}
}

func TestFileWritesAsTheDialectsDo(t *testing.T) {
	utc := true
	for _, c := range []struct {
		name    string
		dialect config.Dialect
		opts    FileOptions
		files   map[string]string
	}{
		{"by tag", config.FluentBit, FileOptions{}, map[string]string{
			"app.web": "app.web: [1700000000.123456789, {\"log\":\"one\"}]\napp.web: [1700000000.123456789, {\"log\":\"two\"}]\n",
			"_._etc":  "../etc: [1700000000.123456789, {\"log\":\"three\"}]\n"}},
		{"plain", config.FluentBit, FileOptions{File: "f", Format: "plain"}, map[string]string{
			"f": "{\"log\":\"one\"}\n{\"log\":\"three\"}\n{\"log\":\"two\"}\n"}},
		{"csv", config.FluentBit, FileOptions{File: "f", Format: "csv", Delimiter: "tab"}, map[string]string{
			"f": "1700000000.123456789\t\"one\"\n1700000000.123456789\t\"three\"\n1700000000.123456789\t\"two\"\n"}},
		{"ltsv", config.FluentBit, FileOptions{File: "f", Format: "ltsv"}, map[string]string{
			"f": "\"time\":1700000000.123456\t\"log\":\"one\"\n\"time\":1700000000.123456\t\"log\":\"three\"\n\"time\":1700000000.123456\t\"log\":\"two\"\n"}},
		{"template", config.FluentBit, FileOptions{File: "f", Format: "template", Template: "{time} {log}: {x} {{log"}, map[string]string{
			"f": "1700000000.123456 one: {x} {{log\n1700000000.123456 three: {x} {{log\n1700000000.123456 two: {x} {{log\n"}},
		{"fluentd", config.Fluentd, FileOptions{Path: "sub/${tag}/log", AddPathSuffix: true, FluentdFormat: &format.Options{OutputTag: true, OutputTime: true, UTC: &utc}},
			map[string]string{
				"sub/app.web/log.20231114.log": "2023-11-14T22:13:20+00:00\tapp.web\t{\"log\":\"one\"}\n2023-11-14T22:13:20+00:00\tapp.web\t{\"log\":\"two\"}\n",
				"sub/_._etc/log.20231114.log":  "2023-11-14T22:13:20+00:00\t../etc\t{\"log\":\"three\"}\n"}},
		{"fluentd by the hour", config.Fluentd, FileOptions{Path: "x-%H", FluentdFormat: &format.Options{Type: "single_value", MessageKey: "log"}},
			map[string]string{"x-22": "one\nthree\ntwo\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			c.opts.Path = filepath.Join(dir, c.opts.Path)
			d, err := NewFile(&c.opts, c.dialect, sink.Env{})
			if err != nil {
				t.Fatal(err)
			}
			req := request(t, d, rec(t, "app.web", `{"log":"one"}`), rec(t, "../etc", `{"log":"three"}`), rec(t, "app.web", `{"log":"two"}`))
			if r := d.Send(t.Context(), req); r.Verdict != sink.Done || r.Err != nil {
				t.Fatalf("got reply %+v, want done", r)
			}
			n := 0
			_ = filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
				if err == nil && !e.IsDir() {
					n++
					name, _ := filepath.Rel(dir, path)
					got, _ := os.ReadFile(path)
					if string(got) != c.files[name] {
						t.Errorf("%s:\n%s\nwant:\n%s", name, got, c.files[name])
					}
				}
				return nil
			})
			if n != len(c.files) {
				t.Errorf("got %d files, want %d", n, len(c.files))
			}
		})
	}
}

func TestAFileThatCantBeWrittenIsTriedAgainFromThere(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "b"), 0o755); err != nil { // a folder where a file should be
		t.Fatal(err)
	}
	d, err := NewFile(&FileOptions{Path: dir}, config.FluentBit, sink.Env{})
	if err != nil {
		t.Fatal(err)
	}
	r := d.Send(t.Context(), request(t, d, rec(t, "a", `{}`), rec(t, "a", `{}`), rec(t, "b", `{}`), rec(t, "a", `{}`)))
	if r.Verdict != sink.Again || r.Err == nil || len(r.Items) != 3 || r.Items[2] != (sink.ItemReply{Index: 3}) {
		t.Errorf("got reply %+v, want again with what was written done", r)
	}
}

func TestNullTakesEverything(t *testing.T) {
	d, err := NewNull(&NullOptions{}, config.FluentBit, sink.Env{})
	if err != nil {
		t.Fatal(err)
	}
	if r := d.Send(t.Context(), request(t, d, rec(t, "a", `{}`))); r.Verdict != sink.Done || len(r.Items) != 0 {
		t.Errorf("got reply %+v, want done", r)
	}
}

func TestUnknownFormatsAreNamed(t *testing.T) {
	_, err := NewStdout(&StdoutOptions{OldFormat: "yaml"}, config.Fluentd, sink.Env{})
	var bad *config.OptionError
	if !errors.As(err, &bad) || !strings.Contains(err.Error(), `"yaml"`) {
		t.Errorf("got error %v, want one that names the format", err)
	}
	_, err = NewStdout(&StdoutOptions{FluentdFormat: &format.Options{Type: "csv"}}, config.Fluentd, sink.Env{})
	if !errors.As(err, &bad) || bad.Option != "fields" {
		t.Errorf("got error %v, want one that names fields", err)
	}
}

func TestWritingStdoutAllocatesNothing(t *testing.T) {
	d, err := NewStdout(&StdoutOptions{Format: "json_lines"}, config.FluentBit, sink.Env{})
	if err != nil {
		t.Fatal(err)
	}
	r := rec(t, "app", `{"log":"a line","source":"stdout","n":17}`)
	body := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { _, _ = d.Append(body, r) }); n > 0 {
		t.Errorf("got %v allocations for a record, want none", n)
	}
}

func TestStopDoesNotWaitForAStdoutThatNobodyReads(t *testing.T) {
	r, w := io.Pipe()
	d, err := newStdout(&StdoutOptions{Format: "json_lines", JSONDateKey: "false"}, config.FluentBit, sink.Env{}, w)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	req := request(t, d, rec(t, "a", `{"n":1}`))
	replies := make(chan sink.Reply, 1)
	go func() { replies <- d.Send(ctx, req) }()
	one := make([]byte, 1)
	if _, err := r.Read(one); err != nil { // the write is under way
		t.Fatal(err)
	}
	cancel()
	if reply := <-replies; reply.Verdict != sink.Again || reply.Err == nil || reply.Cause != sink.Unreached {
		t.Errorf("got %+v, want again and unreached", reply)
	}
	clear(req.Body) // the loop may write to it now
	if reply := d.Send(ctx, req); reply.Verdict != sink.Again || reply.Err == nil {
		t.Errorf("after a write that hangs: got %+v, want again", reply)
	}
	rest, err := bufio.NewReader(r).ReadString('\n')
	if got := string(one) + rest; err != nil || got != "{\"n\":1}\n" {
		t.Errorf("got %q and error %v, want the line once", got, err)
	}
}

func TestContract(t *testing.T) {
	for name, make := range map[string]func(t *testing.T) (sink.Destination, error){
		"stdout": func(*testing.T) (sink.Destination, error) {
			return newStdout(&StdoutOptions{Format: "json_lines"}, config.FluentBit, sink.Env{}, io.Discard)
		},
		"file": func(t *testing.T) (sink.Destination, error) {
			return NewFile(&FileOptions{Path: t.TempDir()}, config.FluentBit, sink.Env{})
		},
		"null": func(*testing.T) (sink.Destination, error) {
			return NewNull(&NullOptions{}, config.FluentBit, sink.Env{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			sinktest.Run(t, sinktest.Case{New: func(t *testing.T) sink.Destination {
				d, err := make(t)
				if err != nil {
					t.Fatal(err)
				}
				return d
			}})
		})
	}
}

func TestDatesInAFilesNameAreInTheTimekeysZone(t *testing.T) {
	o := &FileOptions{Path: "/log/%Y%m%d-%H", OutputOptions: sink.OutputOptions{Buffer: &sink.BufferOptions{TimekeyZone: "+14:00"}}}
	path, err := fluentdPath(o)
	if err != nil {
		t.Fatal(err)
	}
	r := &sink.Record{Event: record.Event{Time: record.Time{Sec: 1795429375}}} // 2026-11-23T10:22:55Z
	if got := string(path(nil, r)); got != "/log/20261124-00" {
		t.Errorf("got %s, want /log/20261124-00", got)
	}
}

func TestATextThatRepeatsALongFieldIsBounded(t *testing.T) {
	d, err := NewFile(&FileOptions{Path: t.TempDir(), Format: "template", Template: strings.Repeat("{log}", 100)}, config.FluentBit, sink.Env{})
	if err != nil {
		t.Fatal(err)
	}
	r := rec(t, "app", `{"log":"`+strings.Repeat("x", 1<<20)+`"}`)
	body, err := d.Append([]byte("before"), r)
	if err == nil || string(body) != "before" || cap(body) > 2*record.MaxJSON {
		t.Errorf("got %d bytes in %d and error %v, want an error, and never more than twice the limit", len(body), cap(body), err)
	}
}

// TestMetricsAreLines, whatever the format; other items of the request keep what is written around them.
func TestMetricsAreLines(t *testing.T) {
	s := metric.Sample{Name: "g", Kind: metric.Gauge, Value: 1}
	m := &sink.Record{Event: record.Event{Tag: "m", Time: at, Body: s.Append(nil)}}
	const line = "2023-11-14T22:13:20.123456789Z g = 1\n"
	for format, logs := range map[string]string{
		"":            "[0] a: [[1700000000.123456789, {}], {\"x\"=>1}]\n",
		"json":        `[{"x":1}]` + "\n",
		"json_lines":  `{"x":1}` + "\n",
		"json_stream": `{"x":1}` + "\n",
	} {
		var out bytes.Buffer
		d, err := newStdout(&StdoutOptions{Format: format, JSONDateKey: "false"}, config.FluentBit, sink.Env{}, &out)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			records []*sink.Record
			want    string
		}{
			{[]*sink.Record{rec(t, "a", `{"x":1}`)}, logs}, {[]*sink.Record{m, m}, line + line}, {[]*sink.Record{m, rec(t, "a", `{"x":1}`), m}, line + line + logs},
		} {
			out.Reset()
			if r := d.Send(t.Context(), request(t, d, c.records...)); r.Err != nil || out.String() != c.want {
				t.Errorf("%s: got %q and %v, want %q", format, out.String(), r.Err, c.want)
			}
		}
	}
	dir := t.TempDir()
	d, err := NewFile(&FileOptions{Path: dir, File: "f", Format: "csv"}, config.FluentBit, sink.Env{})
	if err != nil {
		t.Fatal(err)
	}
	if r := d.Send(t.Context(), request(t, d, m)); r.Err != nil {
		t.Fatal(r.Err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "f")); err != nil || string(text) != line {
		t.Errorf("file: got %q and %v, want %q", text, err, line)
	}
}

func TestCounter(t *testing.T) {
	sinktest.Run(t, sinktest.Case{New: func(t *testing.T) sink.Destination {
		d, err := newCounter(&CounterOptions{}, config.FluentBit, sink.Env{}, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}})
	var out bytes.Buffer
	d, err := newCounter(&CounterOptions{}, config.FluentBit, sink.Env{}, &out)
	if err != nil {
		t.Fatal(err)
	}
	if r := d.Send(t.Context(), request(t, d, rec(t, "a", "{}"), rec(t, "b", "{}"))); r.Verdict != sink.Done || r.Err != nil {
		t.Errorf("got %+v, want done", r)
	}
	if !regexp.MustCompile(`^\{"ts":\d{10}\.\d{6},"serialized_events":2,"log_records":2,"total":2\}\n$`).Match(out.Bytes()) {
		t.Errorf("got %s, want the number of records", &out)
	}
}
