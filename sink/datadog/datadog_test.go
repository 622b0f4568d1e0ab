package datadog

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/internal/race"
	"github.com/firelane/firelane/internal/webtest"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/datadog/datadogtest"
	"github.com/firelane/firelane/sink/sinktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const key = "0123456789abcdef0123456789abcdef"

func made(t testing.TB, h http.Handler, d config.Dialect, lines string) sink.Destination {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	lines += "\nhost " + u.Hostname() + "\nport " + u.Port()
	if d == config.Fluentd {
		lines += "\nuse_ssl false"
	}
	if !strings.Contains(lines, "key ") || !strings.Contains(lines, "api") {
		lines += map[config.Dialect]string{config.FluentBit: "\napikey ", config.Fluentd: "\napi_key "}[d] + key
	}
	dest, err := New(sinktest.Bind[Options](t, d, lines), d, sink.Env{Hostname: "host-1", Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dest.Close() })
	return dest
}

func server(o datadogtest.Options) *datadogtest.Server {
	o.Key = key
	return datadogtest.New(o)
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
	for _, d := range []config.Dialect{config.FluentBit, config.Fluentd} {
		t.Run(d.String(), func(t *testing.T) {
			sinktest.Run(t, sinktest.Case{
				New: func(t *testing.T) sink.Destination { return made(t, server(datadogtest.Options{}), d, "") },
				Broken: func(t *testing.T) sink.Destination {
					return made(t, server(datadogtest.Options{Options: webtest.Options{
						Request: func(int, *http.Request) webtest.Fault { return webtest.Fault{Hang: true} },
					}}), d, "")
				},
			})
		})
	}
}

// entry is the JSON that a record becomes, with its members in order.
func entry(t *testing.T, d sink.Destination, r *sink.Record) string {
	t.Helper()
	item, err := d.Append(nil, r)
	if err != nil || item[len(item)-1] != ',' || !json.Valid(item[:len(item)-1]) {
		t.Fatalf("got %q, %v", item, err)
	}
	return string(item[:len(item)-1])
}

func TestARecordBecomesAnEntryAsInFluentBit(t *testing.T) {
	for name, c := range map[string]struct {
		lines   string
		members []string
		want    string
	}{
		"as it is": {"", []string{"log", "a"}, `{"timestamp":1700000000123,"message":"a"}`},
		"with the options": {
			"dd_source nginx\ndd_service shop\ndd_hostname h\ndd_tags env:prod\ninclude_tag_key on",
			[]string{"log", "a", "n", "1"},
			`{"timestamp":1700000000123,"tagkey":"app.web","ddsource":"nginx","service":"shop","hostname":"h","message":"a","n":"1","ddtags":"env:prod"}`,
		},
		"what the record says takes precedence": {
			"dd_source nginx\ndd_service shop\ndd_tags env:prod",
			[]string{"log", "a", "service", "own", "ddtags", "team:a", "timestamp", "then"},
			`{"ddsource":"nginx","message":"a","service":"own","timestamp":"then","ddtags":"env:prod,team:a"}`,
		},
		"another field is the message":         {"dd_message_key text\njson_date_key at", []string{"text", "a", "log", "b"}, `{"at":1700000000123,"message":"a","log":"b"}`},
		"both log and message are kept":        {"", []string{"log", "a", "message", "b"}, `{"timestamp":1700000000123,"log":"a","message":"b"}`},
		"the message's own name":               {"dd_message_key message", []string{"message", "b"}, `{"timestamp":1700000000123,"message":"b"}`},
		"an empty record":                      {"", nil, `{"timestamp":1700000000123}`},
		"the fields of ECS without a provider": {"", []string{"ecs_cluster", "demo"}, `{"timestamp":1700000000123,"ecs_cluster":"demo"}`},
		"the fields of ECS": {
			"provider ecs\ndd_tags env:prod",
			[]string{
				"log", "a", "container_id", "c1", "container_name", "/web", "ecs_cluster", "arn:aws:ecs:eu-west-1:1:cluster/demo",
				"ecs_task_arn", "arn:aws:ecs:eu-west-1:1:task/demo/42", "ecs_task_definition", "shop:7", "container_image", `a"b`,
			},
			`{"timestamp":1700000000123,"message":"a","ddtags":"container_id:c1,container_name:web,container_image:a\"b,cluster_name:demo,` +
				`task_family:shop,task_version:7,task_arn:arn:aws:ecs:eu-west-1:1:task/demo/42,region:eu-west-1,task_id:demo/42,env:prod"}`,
		},
		"fields of ECS in other forms": {
			"provider ecs",
			[]string{"ecs_cluster", "demo", "ecs_task_arn", "42", "ecs_task_definition", "shop", "container_id", ""},
			`{"timestamp":1700000000123,"container_id":"","ddtags":"cluster_name:demo,ecs_task_definition:shop,task_arn:42,task_id:42"}`,
		},
	} {
		d := made(t, http.NotFoundHandler(), config.FluentBit, c.lines)
		if got := entry(t, d, sinktest.Record("app.web", 1, c.members...)); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, c.want)
		}
	}
	odd := sinktest.Record("app.web", 1)
	odd.Body = record.AppendInt(record.AppendStr(record.AppendMapHeader(nil, 1), "container_id"), 7)
	if got := entry(t, made(t, http.NotFoundHandler(), config.FluentBit, "provider ecs"), odd); got != `{"timestamp":1700000000123,"container_id":7}` {
		t.Errorf("a container_id that is a number: got %s", got)
	}
	odd.Time.Nsec = 999_500_000
	if got := entry(t, made(t, http.NotFoundHandler(), config.FluentBit, ""), odd); !strings.HasPrefix(got, `{"timestamp":1700000001000,`) {
		t.Errorf("milliseconds are rounded: got %s", got)
	}
}

func TestARecordBecomesAnEntryAsInFluentd(t *testing.T) {
	kubernetes := sinktest.Record("app.web", 1)
	kubernetes.Body = record.AppendStr(record.AppendMapHeader(nil, 2), "kubernetes")
	kubernetes.Body = append(kubernetes.Body, sinktest.Map("pod_name", "p", "container_image", "i", "docker_id", "d")...)
	kubernetes.Body = append(record.AppendStr(kubernetes.Body, "docker"), sinktest.Map("container_id", "d")...)
	for name, c := range map[string]struct {
		lines string
		r     *sink.Record
		want  string
	}{
		"as it is": {"", sinktest.Record("app.web", 1, "log", "a"), `{"@timestamp":"2023-11-14T22:13:20.123Z","hostname":"host-1","log":"a"}`},
		"with the options": {
			"service shop\ndd_source nginx\ndd_tags env:prod\ndd_sourcecategory web\ndd_hostname h\ninclude_tag_key true\ntimestamp_key nil",
			sinktest.Record("app.web", 1, "message", "a"),
			`{"tag":"app.web","ddsource":"nginx","service":"shop","hostname":"h","ddsourcecategory":"web","message":"a","ddtags":"env:prod"}`,
		},
		"the record's ddtags take precedence": {
			"dd_tags env:prod", sinktest.Record("app.web", 1, "ddtags", "own:1", "@timestamp", "t"),
			`{"hostname":"host-1","@timestamp":"t","ddtags":"own:1"}`,
		},
		"containers": {
			"dd_tags env:prod\ndelete_extracted_tag_attributes true", kubernetes,
			`{"@timestamp":"2023-11-14T22:13:20.123Z","hostname":"host-1","ddtags":"env:prod,image_name:i,pod_name:p,container_id:d,container_id:d"}`,
		},
	} {
		if got := entry(t, made(t, http.NotFoundHandler(), config.Fluentd, c.lines), c.r); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, c.want)
		}
	}
}

func TestRecordsArrive(t *testing.T) {
	for d, lines := range map[config.Dialect][]string{
		config.FluentBit: {"", "compress gzip", "header X-A b"},
		config.Fluentd:   {"", "use_compression false", "force_v1_routes true\ncompression_level 9", "custom_headers {\"X-A\":\"b\"}"},
	} {
		for _, lines := range lines {
			s := server(datadogtest.Options{})
			r := send(t, made(t, s, d, lines), sinktest.Record("a", 1, "log", "one"), sinktest.Record("a", 2, "log", "two"))
			if r.Verdict != sink.Done || r.Err != nil || r.Status != 202 || len(s.Logs()) != 2 {
				t.Errorf("%v, %q: got %+v and %d entries", d, lines, r, len(s.Logs()))
			}
		}
	}
}

// "Send logs": at most 1,000 entries and 5 MB uncompressed in a request; an entry over 1 MB would be cut.
func TestLimitsKeepRequestsWithinDatadogs(t *testing.T) {
	s := server(datadogtest.Options{})
	l := made(t, s, config.FluentBit, "").Limits().WithDefaults()
	if l.MaxItems > datadogtest.MaxLogs || l.MaxItem > datadogtest.MaxLog || l.MaxBytes+l.MaxItem > datadogtest.MaxBody {
		t.Errorf("got %+v", l)
	}
}

// "Send logs": its status codes.
func TestStatusesAreSorted(t *testing.T) {
	var status atomic.Int64
	s := server(datadogtest.Options{Options: webtest.Options{Request: func(int, *http.Request) webtest.Fault {
		return webtest.Fault{Status: int(status.Load()), Header: http.Header{"Retry-After": {"3"}}}
	}}})
	d := made(t, s, config.FluentBit, "")
	for _, c := range []struct {
		status  int
		verdict sink.Verdict
		cause   sink.Cause
		split   sink.Split
		wait    time.Duration
	}{
		{202, sink.Done, sink.Answered, sink.No, 3 * time.Second}, {400, sink.Again, sink.Answered, sink.ByItem, 0},
		{401, sink.Again, sink.Unauthorised, sink.No, 0}, {403, sink.Again, sink.Unauthorised, sink.No, 0},
		{408, sink.Again, sink.Throttled, sink.No, 3 * time.Second}, {413, sink.Again, sink.Answered, sink.BySize, 0},
		{429, sink.Again, sink.Throttled, sink.No, 3 * time.Second}, {500, sink.Again, sink.Answered, sink.No, 0},
		{503, sink.Again, sink.Throttled, sink.No, 3 * time.Second},
	} {
		status.Store(int64(c.status))
		r := send(t, d, sinktest.Record("a", 1), sinktest.Record("a", 2))
		if r.Verdict != c.verdict || r.Cause != c.cause || r.Split != c.split || r.RetryAfter != c.wait {
			t.Errorf("%d: got %+v, want %+v", c.status, r, c)
		}
	}
}

func TestAWrongKeyIsSaidPlainly(t *testing.T) {
	d := made(t, server(datadogtest.Options{}), config.FluentBit, "apikey wr0ng")
	r := send(t, d, sinktest.Record("a", 1))
	if r.Cause != sink.Unauthorised || !strings.Contains(r.Err.Error(), "the API key is refused") || strings.Contains(r.Err.Error(), "wr0ng") {
		t.Errorf("got %+v", r)
	}
}

func TestABadEntryIsFoundByHalving(t *testing.T) {
	s := server(datadogtest.Options{Bad: func(b []byte) bool { return strings.Contains(string(b), "bad") }})
	d := made(t, s, config.FluentBit, "")
	bad := sinktest.Record("a", 1, "log", "bad")
	if r := send(t, d, bad, sinktest.Record("a", 2)); r.Split != sink.ByItem {
		t.Errorf("got %+v", r)
	}
	if r := send(t, d, bad); r.Verdict != sink.Never || r.Status != 400 {
		t.Errorf("alone: got %+v", r)
	}
}

func TestWrongOptionsAreReported(t *testing.T) {
	for lines, want := range map[string]string{"": "apikey", "apikey x\nhost http://y": "host", "apikey x\nheader a\x01 b": "header"} {
		if _, errs := sinktest.TryBind[Options](t, config.FluentBit, lines); len(errs) != 1 || !strings.Contains(errs[0].Text, want) {
			t.Errorf("%q: got %v, want one error about %s", lines, errs, want)
		}
	}
	for lines, want := range map[string]string{"": "api_key", "api_key x\nuse_http false": "use_http", "api_key x\ncustom_headers a": "custom_headers"} {
		if _, errs := sinktest.TryBind[Options](t, config.Fluentd, lines); len(errs) != 1 || !strings.Contains(errs[0].Text, want) {
			t.Errorf("%q: got %v, want one error about %s", lines, errs, want)
		}
	}
}

func TestTheURLIsThatOfTheSite(t *testing.T) {
	for _, c := range []struct {
		d           config.Dialect
		lines, want string
	}{
		{config.FluentBit, "apikey k\ntls on", "https://http-intake.logs.datadoghq.com/api/v2/logs"},
		{config.FluentBit, "apikey k\nhost http-intake.logs.datadoghq.eu", "http://http-intake.logs.datadoghq.eu/api/v2/logs"},
		{config.Fluentd, "api_key k\nsite us3.datadoghq.com", "https://http-intake.logs.us3.datadoghq.com/api/v2/logs"},
		{config.Fluentd, "api_key k\nhost h\nuse_ssl false\nforce_v1_routes true", "http://h/v1/input/k"},
	} {
		u, err := sinktest.Bind[Options](t, c.d, c.lines).url(c.d)
		if err != nil || u.String() != c.want {
			t.Errorf("%s: got %v, %v; want %s", c.lines, u, err, c.want)
		}
	}
}

func task() *sink.Record {
	return sinktest.Record("web-firelens-0123456789abcdef0123456789abcdef", 1, "log", strings.Repeat("a line of a log ", 8), "container_id", strings.Repeat("0", 64),
		"container_name", "/ecs-web-1-web", "source", "stdout", "ecs_cluster", "demo", "ecs_task_arn", "arn:aws:ecs:eu-west-1:123456789012:task/demo/0123456789",
		"ecs_task_definition", "shop:7")
}

func TestAppendAllocatesNothing(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	for _, d := range []config.Dialect{config.FluentBit, config.Fluentd} {
		lines := map[config.Dialect]string{config.FluentBit: "provider ecs\ndd_tags a:b\ninclude_tag_key on", config.Fluentd: "dd_tags a:b\ninclude_tag_key on"}[d]
		dest, r, body := made(t, http.NotFoundHandler(), d, lines), task(), make([]byte, 0, 1<<12)
		if n := testing.AllocsPerRun(100, func() { body, _ = dest.Append(body[:0], r) }); n > 0 {
			t.Errorf("%v: got %v allocations a record", d, n)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	d, r, body := made(b, http.NotFoundHandler(), config.FluentBit, "provider ecs\ndd_tags env:prod"), task(), make([]byte, 0, 1<<12)
	b.ReportAllocs()
	for b.Loop() {
		body, _ = d.Append(body[:0], r)
	}
	b.SetBytes(int64(len(body)))
}
