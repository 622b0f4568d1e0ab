package sumologic

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/internal/race"
	"github.com/firelane/firelane/internal/webtest"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/sinktest"
	"github.com/firelane/firelane/sink/sumologic/sumologictest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func made(t testing.TB, h http.Handler, log zerolog.Logger, lines string) sink.Destination {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	if !strings.Contains(lines, "endpoint") {
		lines += "\nendpoint " + s.URL + sumologictest.Path
	}
	dest, err := New(sinktest.Bind[Options](t, config.Fluentd, strings.ReplaceAll(lines, "SERVER", s.URL)), config.Fluentd, sink.Env{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dest.Close() })
	return dest
}

func send(t testing.TB, d sink.Destination, records ...*sink.Record) sink.Reply {
	t.Helper()
	req, err := sinktest.Encode(d, records...)
	if err != nil {
		t.Fatal(err)
	}
	return d.Send(t.Context(), req)
}

func TestContract(t *testing.T) {
	sinktest.Run(t, sinktest.Case{
		New: func(t *testing.T) sink.Destination {
			return made(t, sumologictest.New(sumologictest.Options{}), zerolog.Nop(), "source_category ${tag}\nlog_key log")
		},
		Broken: func(t *testing.T) sink.Destination {
			return made(t, sumologictest.New(sumologictest.Options{Options: webtest.Options{
				Request: func(int, *http.Request) webtest.Fault { return webtest.Fault{Hang: true} },
			}}), zerolog.Nop(), "")
		},
	})
}

// from makes a record that says where it comes from.
func from(members []string, meta ...string) *sink.Record {
	r := sinktest.Record("app.web", 1, members...)
	n, rest, _ := record.MapHeader(r.Body)
	r.Body = append(record.AppendMapHeader(nil, n+1), rest...)
	r.Body = append(record.AppendStr(r.Body, metadata), sinktest.Map(meta...)...)
	return r
}

func TestFormats(t *testing.T) {
	for name, c := range map[string]struct {
		lines string
		r     *sink.Record
		want  string
	}{
		"json":              {"", sinktest.Record("t", 1, "message", "a\n", "n", "1"), `{"timestamp":1700000000123,"n":"1","message":"a"}`},
		"an own timestamp":  {"", sinktest.Record("t", 1, "timestamp", "1"), `{"timestamp":"1"}`},
		"without time":      {"add_timestamp false", sinktest.Record("t", 1, "n", "1"), `{"n":"1"}`},
		"empty":             {"add_timestamp false", sinktest.Record("t", 1), `{}`},
		"JSON in the log":   {"log_key log\ntimestamp_key at", sinktest.Record("t", 1, "log", ` {"a":[1]}`+"\n"), `{"at":1700000000123,"log":{"a":[1]}}`},
		"no JSON after all": {"log_key log\nadd_timestamp false", sinktest.Record("t", 1, "log", `{"a":`), `{"log":"{\"a\":"}`},
		"a number is text":  {"log_key log\nadd_timestamp false", sinktest.Record("t", 1, "log", `7`), `{"log":"7"}`},
		"json_merge": {
			"log_format json_merge\nlog_key log", sinktest.Record("t", 1, "n", "1", "log", `{"a":true,"n":2}`), `{"timestamp":1700000000123,"a":true,"n":2}`,
		},
		"json_merge without an object": {"log_format json_merge\nadd_timestamp false", sinktest.Record("t", 1, "message", `[1]`), `{"message":"[1]"}`},
		"text":                         {"log_format text\nlog_key log", sinktest.Record("t", 1, "log", "  a line \r\n", "n", "1"), "a line"},
		"metadata is not sent":         {"add_timestamp false", from([]string{"n", "1"}, "source", "s"), `{"n":"1"}`},
		"a format of the record":       {"", from([]string{"message", "m"}, "log_format", "text"), "m"},
	} {
		item, err := made(t, http.NotFoundHandler(), zerolog.Nop(), c.lines).Append(nil, c.r)
		if err != nil || string(item) != c.want+"\n" {
			t.Errorf("%s:\ngot  %s, %v\nwant %s", name, item, err, c.want)
		}
	}
	if _, err := made(t, http.NotFoundHandler(), zerolog.Nop(), "log_format text").Append(nil, sinktest.Record("t", 1)); err == nil {
		t.Error("text without log_key: got no error")
	}
}

func TestRecordsArriveWithTheirSource(t *testing.T) {
	s := sumologictest.New(sumologictest.Options{})
	d := made(t, s, zerolog.Nop(), "log_format text\nsource_category prod/${tag}\nsource_name none\nsource_host h\ncustom_fields a=1,b,c=d=e,f=2")
	r := send(t, d,
		sinktest.Record("web", 1, "message", "one"),
		sinktest.Record("api", 2, "message", "two", "source_name", "own"),
		from([]string{"message", "three"}, "source", "s", "category", "c", "host", "x", "fields", "team=a"),
		sinktest.Record("web", 4, "message", "four"))
	var want []sumologictest.Message
	for _, m := range [][6]string{
		{"one", "none", "prod/web", "h", "a=1,f=2", "fluentd-output"}, {"four", "none", "prod/web", "h", "a=1,f=2", "fluentd-output"},
		{"two", "own", "prod/api", "h", "a=1,f=2", "fluentd-output"}, {"three", "s", "c", "x", "team=a,a=1,f=2", "fluentd-output"},
	} {
		want = append(want, sumologictest.Message{Text: m[0], Name: m[1], Category: m[2], Host: m[3], Fields: m[4], Client: m[5]})
	}
	got := s.Messages()
	if r.Err != nil || len(got) != len(want) || s.Requests() != 3 {
		t.Fatalf("got %+v and %v in %d requests", r, got, s.Requests())
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %+v, want %+v", got[i], want[i])
		}
	}
	if _, err := sinktest.Encode(d, from(nil, "host", "a\nb")); err == nil {
		t.Error("a host that no header can carry: got no error")
	}
}

// "Troubleshooting HTTP Sources": HTTP status codes.
func TestStatusesAreSorted(t *testing.T) {
	var status atomic.Int64
	s := sumologictest.New(sumologictest.Options{Options: webtest.Options{Request: func(int, *http.Request) webtest.Fault { return webtest.Fault{Status: int(status.Load())} }}})
	d := made(t, s, zerolog.Nop(), "")
	for _, c := range []struct {
		status  int
		verdict sink.Verdict
		cause   sink.Cause
		split   sink.Split
	}{
		{200, sink.Done, sink.Answered, sink.No}, {400, sink.Again, sink.Answered, sink.ByItem}, {401, sink.Again, sink.Unauthorised, sink.No},
		{408, sink.Again, sink.Throttled, sink.No}, {413, sink.Again, sink.Answered, sink.BySize}, {429, sink.Again, sink.Throttled, sink.No},
		{503, sink.Again, sink.Throttled, sink.No}, {504, sink.Again, sink.Throttled, sink.No},
	} {
		status.Store(int64(c.status))
		r := send(t, d, sinktest.Record("a", 1), sinktest.Record("a", 2))
		if r.Verdict != c.verdict || r.Cause != c.cause || r.Split != c.split {
			t.Errorf("%d: got %+v, want %+v", c.status, r, c)
		}
	}
}

func TestAWrongURLIsSaidPlainlyAndStaysSecret(t *testing.T) {
	d := made(t, sumologictest.New(sumologictest.Options{}), zerolog.Nop(), "endpoint SERVER/receiver/v1/http/s3cr3t")
	r := send(t, d, sinktest.Record("a", 1))
	if r.Cause != sink.Unauthorised || !strings.Contains(r.Err.Error(), "check endpoint") || strings.Contains(r.Err.Error(), "s3cr3t") {
		t.Errorf("got %+v", r)
	}
}

func TestWhatTheSourceSaysOfAcceptedRecordsIsLogged(t *testing.T) {
	var log bytes.Buffer
	s := sumologictest.New(sumologictest.Options{Reply: `{"id":"X","code":"header.invalid","message":"bad field"}`})
	r := send(t, made(t, s, zerolog.New(&log), "compress false"), sinktest.Record("a", 1))
	if r.Err != nil || !strings.Contains(log.String(), "bad field") {
		t.Errorf("got %+v and %q", r, log.String())
	}
}

func TestRequestsAreCompressedAsConfigured(t *testing.T) {
	for lines, want := range map[string]string{"": "gzip", "compress_encoding deflate": "deflate", "compress false": ""} {
		var got atomic.Value
		s := sumologictest.New(sumologictest.Options{Options: webtest.Options{Request: func(_ int, r *http.Request) webtest.Fault {
			got.Store(r.Header.Get("Content-Encoding"))
			return webtest.Fault{}
		}}})
		if r := send(t, made(t, s, zerolog.Nop(), lines), sinktest.Record("a", 1)); r.Err != nil || got.Load() != want || len(s.Messages()) != 1 {
			t.Errorf("%q: got %+v with %q, want %q", lines, r, got.Load(), want)
		}
	}
}

func TestRequestsAreWithinTheSourcesLimit(t *testing.T) {
	for lines, want := range map[string]int{"": sumologictest.MaxBody, "max_request_size 64k": 64 << 10, "max_request_size 5m": sumologictest.MaxBody} {
		if l := made(t, http.NotFoundHandler(), zerolog.Nop(), lines).Limits(); l.MaxBytes != want {
			t.Errorf("%q: got %+v, want %d", lines, l, want)
		}
	}
}

func TestWrongOptionsAreReported(t *testing.T) {
	for lines, want := range map[string]string{
		"": "endpoint", "endpoint x": "endpoint", "endpoint http://x\ndata_type metrics": "data_type", "endpoint http://x\nlog_format xml": "log_format",
		"endpoint http://x\nsource_name ${tag": "source_name",
	} {
		if _, errs := sinktest.TryBind[Options](t, config.Fluentd, lines); len(errs) != 1 || !strings.Contains(errs[0].Text, want) {
			t.Errorf("%q: got %v, want one error about %s", lines, errs, want)
		}
	}
}

func TestAppendAndKeyAllocateNothing(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	for _, lines := range []string{"", "log_format text", "log_format json_merge"} {
		d := made(t, http.NotFoundHandler(), zerolog.Nop(), lines+"\nlog_key log\nsource_category prod/${tag}")
		body, key := make([]byte, 0, 1<<12), make([]byte, 0, 1<<12)
		r := sinktest.Record("web-firelens-0123456789abcdef0123456789abcdef", 1, "log", `{"level":"info","text":"`+strings.Repeat("a line of a log ", 8)+`"}`)
		if n := testing.AllocsPerRun(100, func() {
			body, _ = d.Append(body[:0], r)
			key, _ = d.(sink.Keyer).Key(key[:0], r)
		}); n > 0 {
			t.Errorf("%s: got %v allocations a record", lines, n)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	d, body := made(b, http.NotFoundHandler(), zerolog.Nop(), "log_key log"), make([]byte, 0, 1<<12)
	r := sinktest.Record("web", 1, "log", strings.Repeat("a line of a log ", 8), "ecs_cluster", "demo")
	b.ReportAllocs()
	for b.Loop() {
		body, _ = d.Append(body[:0], r)
	}
	b.SetBytes(int64(len(body)))
}
