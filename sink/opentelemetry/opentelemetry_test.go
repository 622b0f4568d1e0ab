package opentelemetry

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/slim/otlp/collector/logs/v1"
	"google.golang.org/protobuf/proto"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/opentelemetry/opentelemetrytest"
	"github.com/firelane/firelane/sink/sinktest"
	"github.com/firelane/firelane/sink/wire"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// serve runs a server, and returns it and what a section says to reach it.
func serve(t *testing.T, o opentelemetrytest.Options) (*opentelemetrytest.Server, string) {
	t.Helper()
	s := opentelemetrytest.New(o)
	return s, listen(t, s)
}

func listen(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	host, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	return fmt.Sprintf("host %s\nport %s\n", host, port)
}

func destination(t testing.TB, text string) *Destination {
	t.Helper()
	d := open(t, text)
	t.Cleanup(func() { d.Close() })
	return d.(*Destination)
}

// open makes a destination that the caller closes.
func open(t testing.TB, text string) sink.Destination {
	t.Helper()
	d, err := New(sinktest.Options[Options](t, config.FluentBit, text), config.FluentBit, sink.Env{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// event is a record of JSON, at a number of seconds after sinktest's.
func event(t testing.TB, second int, js string) *sink.Record {
	t.Helper()
	body, err := record.AppendFromJSON(nil, []byte(js))
	if err != nil {
		t.Fatalf("%s: %v", js, err)
	}
	return &sink.Record{Event: record.Event{Tag: "app", Time: record.Time{Sec: 1_700_000_000 + uint32(second), Nsec: 5}, Body: body}}
}

func encode(t testing.TB, d sink.Destination, records ...*sink.Record) *sink.Request {
	t.Helper()
	req, err := sinktest.Encode(d, records...)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestARecordWithATailIsEncodedLikeTheWholeRecord(t *testing.T) {
	d := open(t, "logs_uri /v1/logs")
	if !d.(sink.TailReader).ReadsTails() {
		t.Error("it reads no tails")
	}
	sinktest.Tails(t, d)
}

func TestContract(t *testing.T) {
	sinktest.Run(t, sinktest.Case{
		New: func(t *testing.T) sink.Destination {
			_, where := serve(t, opentelemetrytest.Options{})
			return open(t, where+"logs_body_key_attributes on\ncompress gzip")
		},
		Broken: func(t *testing.T) sink.Destination {
			stop := make(chan struct{})
			where := listen(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				select {
				case <-stop:
				case <-r.Context().Done():
				}
			}))
			t.Cleanup(func() { close(stop) })
			return open(t, where)
		},
	})
}

func TestRecordsBecomeLogRecords(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 60) + "1" + strings.Repeat("}", 60)
	for _, tt := range []struct {
		options, record string
		want            opentelemetrytest.Record // Time isn't compared
	}{
		{"", `{"log":"a","n":1}`, opentelemetrytest.Record{Body: `"a"`, Severity: "0"}},
		{"", `{"message":"m","n":1}`, opentelemetrytest.Record{Body: `"m"`, Severity: "0"}},
		{"", `{"message":"m","log":{"a":[1,-2,1.5,true,null,"x"]}}`, opentelemetrytest.Record{Body: `{a=[1 -2 1.5f true nil "x"]}`, Severity: "0"}},
		{"", `{"n":1,"s":"x"}`, opentelemetrytest.Record{Body: `{n=1 s="x"}`, Severity: "0"}},
		{"", `{}`, opentelemetrytest.Record{Body: `{}`, Severity: "0"}},
		{"", `{"n":18446744073709551615}`, opentelemetrytest.Record{Body: `{n="18446744073709551615"}`, Severity: "0"}},
		{"logs_body_key_attributes on", `{"log":"a","n":1,"m":{"x":[]}}`, opentelemetrytest.Record{Body: `"a"`, Attributes: `n=1 m={x=[]}`, Severity: "0"}},
		{"logs_body_key_attributes on", `{"n":1}`, opentelemetrytest.Record{Body: `{n=1}`, Severity: "0"}},
		{"logs_body_key $x['y']\nlogs_body_key_attributes on", `{"x":{"y":"b","z":2},"log":"a"}`, opentelemetrytest.Record{Body: `"b"`, Attributes: `x={z=2} log="a"`, Severity: "0"}},
		{"logs_body_key $x\nlogs_body_key $y", `{"y":"b"}`, opentelemetrytest.Record{Body: `"b"`, Severity: "0"}},
		{"logs_severity_text_message_key level\nlogs_severity_number_message_key $n", `{"log":"a","level":"WARN","n":13}`, opentelemetrytest.Record{Body: `"a"`, Severity: "13 WARN"}},
		{"logs_severity_number_message_key $n", `{"log":"a","n":25}`, opentelemetrytest.Record{Body: `"a"`, Severity: "0"}},
		{"", `{"log":"a","SeverityText":"INFO","SeverityNumber":9,"TraceId":"63560bd4d8de74fae7d1e4160f2ee099","SpanId":"251484295A9df731"}`,
			opentelemetrytest.Record{Body: `"a"`, Severity: "9 INFO", TraceID: "63560bd4d8de74fae7d1e4160f2ee099", SpanID: "251484295a9df731"}},
		{"", `{"log":"a","TraceId":"63560bd4","SpanId":"zz1484295a9df731"}`, opentelemetrytest.Record{Body: `"a"`, Severity: "0"}},
		{"logs_body_key $none", `{"ecs_cluster":"demo","ecs_task_arn":"arn:aws:ecs:eu-west-1:123456789012:task/demo/abc","ecs_task_definition":"web:7","container_id":"c1","container_name":"/ecs-web-7-web-ab"}`, opentelemetrytest.Record{
			Resource: `cloud.provider="aws" cloud.platform="aws_ecs" aws.ecs.cluster.arn="arn:aws:ecs:eu-west-1:123456789012:cluster/demo" aws.ecs.task.arn="arn:aws:ecs:eu-west-1:123456789012:task/demo/abc" cloud.region="eu-west-1" cloud.account.id="123456789012" aws.ecs.task.id="abc" aws.ecs.task.family="web" aws.ecs.task.revision="7" container.id="c1" container.name="ecs-web-7-web-ab"`,
			Body:     `{ecs_cluster="demo" ecs_task_arn="arn:aws:ecs:eu-west-1:123456789012:task/demo/abc" ecs_task_definition="web:7" container_id="c1" container_name="/ecs-web-7-web-ab"}`, Severity: "0"}},
		{"", `{"log":"a","ecs_cluster":"arn:aws:ecs:x:1:cluster/c","ecs_task_arn":"arn:aws"}`, opentelemetrytest.Record{Body: `"a"`, Severity: "0",
			Resource: `cloud.provider="aws" cloud.platform="aws_ecs" aws.ecs.cluster.arn="arn:aws:ecs:x:1:cluster/c" aws.ecs.task.arn="arn:aws"`}},
		{"", `{"log":` + deep + `}`, opentelemetrytest.Record{Severity: "0", Body: strings.Repeat("{a=", maxNested) + fmt.Sprintf("%q", strings.Repeat(`{"a":`, 60-maxNested)+"1"+strings.Repeat("}", 60-maxNested)) + strings.Repeat("}", maxNested)}},
	} {
		s, where := serve(t, opentelemetrytest.Options{})
		d := destination(t, where+tt.options)
		if r := d.Send(t.Context(), encode(t, d, event(t, 0, tt.record))); r.Verdict != sink.Done || len(r.Items) > 0 {
			t.Errorf("%s %s: got %+v, want done", tt.options, tt.record, r)
			continue
		}
		got := s.Records()[0]
		if got.Time != 1_700_000_000_000_000_005 {
			t.Errorf("%s: got time %d", tt.record, got.Time)
		}
		got.Time = 0
		if got != tt.want {
			t.Errorf("%s %s: got\n%+v, want\n%+v", tt.options, tt.record, got, tt.want)
		}
	}
}

func TestTextThatIsNotUTF8IsRepaired(t *testing.T) {
	s, where := serve(t, opentelemetrytest.Options{})
	d := destination(t, where+"logs_body_key_attributes on")
	r := sinktest.Record("app", 1, "log", "a\xffb", "k\xfe", "v\xfd", "container_id", "\xfc")
	r.Body = append(r.Body, record.AppendBin(record.AppendStr(nil, "bin"), []byte{0xff})...)
	r.Body[0]++ // one member more
	if reply := d.Send(t.Context(), encode(t, d, r)); reply.Verdict != sink.Done {
		t.Fatalf("got %+v, want done", reply)
	}
	want := opentelemetrytest.Record{Body: `"a�b"`, Attributes: `k�="v�" container_id="�" bin=0xff`, Resource: `container.id="�"`, Severity: "0", Time: s.Records()[0].Time}
	if got := s.Records()[0]; got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// The request is the one that OpenTelemetry's own types encode to, whatever the records.
func FuzzRequestsAreThoseOfTheSchema(f *testing.F) {
	f.Add([]byte("\x82\xa3log\xa1a\xa1n\x01"))
	f.Add(sinktest.Map("ecs_task_arn", "arn:aws:ecs:a:b:task/c/d", "TraceId", "63560bd4d8de74fae7d1e4160f2ee099"))
	d := destination(f, "logs_body_key_attributes on")
	f.Fuzz(func(t *testing.T, body []byte) {
		if n, err := record.Check(body); err != nil || n != len(body) || record.KindOf(body[0]) != record.KindMap {
			t.Skip()
		}
		req, err := sinktest.Encode(d, &sink.Record{Event: record.Event{Tag: "t", Time: record.Time{Sec: 1}, Body: body}})
		if err != nil {
			t.Fatal(err)
		}
		got := encodeRequest(nil, req)
		var parsed collector.ExportLogsServiceRequest
		if err := proto.Unmarshal(got, &parsed); err != nil {
			t.Fatalf("%x: %v", body, err)
		}
		want, err := proto.MarshalOptions{Deterministic: true}.Marshal(&parsed)
		if err != nil || len(want) != len(got) { // fields of one message may be in another order
			t.Errorf("%x: got %x, want %x (%v)", body, got, want, err)
		}
	})
}

func TestRequestsAreCompressedAndAuthorised(t *testing.T) {
	for _, options := range []string{"", "compress gzip", "compress zstd", "compress none"} {
		var got http.Header
		s, where := serve(t, opentelemetrytest.Options{User: "u", Pass: "p", Fault: func(_ int, r *http.Request) (int, http.Header) { got = r.Header; return 0, nil }})
		d := destination(t, where+"http_user u\nhttp_passwd p\nheader x-aws-log-group g\n"+options)
		r := d.Send(t.Context(), encode(t, d, event(t, 0, `{"log":"1"}`), event(t, 1, `{"log":"2","container_id":"c"}`), event(t, 2, `{"log":"3"}`)))
		if r.Verdict != sink.Done || len(s.Records()) != 3 || got.Get("X-Aws-Log-Group") != "g" {
			t.Errorf("%s: got %+v, %d records and headers %v; want done, 3 and the header", options, r, len(s.Records()), got)
		}
	}
	d := destination(t, "bearer_token abc")
	if got := d.servers.Clients[0].Header.Get("Authorization"); got != "Bearer abc" {
		t.Errorf("got Authorization %q, want Bearer abc", got)
	}
}

func TestAWSRequestsAreSigned(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	var got http.Header
	_, where := serve(t, opentelemetrytest.Options{Fault: func(_ int, r *http.Request) (int, http.Header) { got = r.Header; return 0, nil }})
	d := destination(t, where+"aws_auth on\naws_region eu-west-1\nheader x-aws-log-group g")
	if r := d.Send(t.Context(), encode(t, d, event(t, 0, `{"log":"1"}`))); r.Verdict != sink.Done {
		t.Fatalf("got %+v, want done", r)
	}
	if auth := got.Get("Authorization"); !strings.Contains(auth, "/eu-west-1/logs/aws4_request") || !strings.Contains(auth, "x-aws-log-group") {
		t.Errorf("got Authorization %q, want a signature for logs in eu-west-1, with the log group", auth)
	}
	if s := sinktest.Options[Options](t, config.FluentBit, "host logs.us-west-2.amazonaws.com\naws_auth on").source(); s.Region != "us-west-2" {
		t.Errorf("got region %q, want the one in the host's name", s.Region)
	}
}

func TestStatusesAreJudgedAsOTLPSays(t *testing.T) {
	for status, want := range map[int]sink.Reply{
		429: {Cause: sink.Throttled, RetryAfter: 3 * time.Second},
		502: {Cause: sink.Throttled, RetryAfter: 3 * time.Second},
		503: {Cause: sink.Throttled, RetryAfter: 3 * time.Second},
		504: {Cause: sink.Throttled, RetryAfter: 3 * time.Second},
		408: {Cause: sink.Throttled, RetryAfter: 3 * time.Second},
		400: {Cause: sink.Answered, Split: sink.ByItem},
		422: {Cause: sink.Answered, Split: sink.ByItem},
		413: {Cause: sink.Answered, Split: sink.BySize},
		401: {Cause: sink.Unauthorised},
		403: {Cause: sink.Unauthorised},
		404: {Cause: sink.Answered},
		405: {Cause: sink.Answered},
		415: {Cause: sink.Answered},
		500: {Cause: sink.Answered},
		301: {Cause: sink.Answered},
	} {
		_, where := serve(t, opentelemetrytest.Options{Fault: func(int, *http.Request) (int, http.Header) { return status, http.Header{"Retry-After": {"3"}} }})
		d := destination(t, where)
		r := d.Send(t.Context(), encode(t, d, event(t, 0, `{"log":"1"}`), event(t, 0, `{"log":"2"}`)))
		if r.Verdict != sink.Again || r.Cause != want.Cause || r.Split != want.Split || r.RetryAfter != want.RetryAfter || len(r.Items) > 0 ||
			r.Err == nil || !strings.Contains(r.Err.Error(), "told to fail") && status != 301 {
			t.Errorf("%d: got %+v, want again and %+v", status, r, want)
		}
	}
}

func TestABadRecordIsFoundByHalving(t *testing.T) {
	s, where := serve(t, opentelemetrytest.Options{Bad: func(r opentelemetrytest.Record) bool { return r.Body == `"bad"` }})
	d := destination(t, where)
	one := encode(t, d, event(t, 0, `{"log":"bad"}`))
	r := d.Send(t.Context(), one)
	if r.Split != sink.No || len(r.Items) != 1 || r.Items[0].Verdict != sink.Never || !strings.Contains(r.Items[0].Reason, `bad record: "bad"`) {
		t.Errorf("got %+v, want the record given up with the server's reason", r)
	}
	if r := d.Send(t.Context(), encode(t, d, event(t, 0, `{"log":"bad"}`), event(t, 0, `{"log":"good"}`))); r.Split != sink.ByItem {
		t.Errorf("got %+v, want halving", r)
	}
	if len(s.Records()) != 0 {
		t.Errorf("got %v stored, want none", s.Records())
	}
}

// A wrong port or a proxy must not send every record to the dead letter.
func TestABadRequestThatIsNotAboutTheRecordsIsTriedAgain(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"a page": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusBadRequest)
		},
		"a port with TLS": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "Client sent an HTTP request to an HTTPS server.", http.StatusBadRequest)
		},
	} {
		d := destination(t, listen(t, answer))
		if r := d.Send(t.Context(), encode(t, d, event(t, 0, `{"log":"1"}`))); r.Verdict != sink.Again || r.Split != sink.No || len(r.Items) > 0 {
			t.Errorf("%s: got %+v, want again", name, r)
		}
	}
}

func TestRecordsWaitForALogGroupThatIsNotMadeYet(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"in JSON": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			http.Error(w, `{"__type":"com.amazonaws.logs#ResourceNotFoundException","message":"The specified log group does not exist."}`, http.StatusBadRequest)
		},
		"in a header": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Amzn-ErrorType", "ResourceNotFoundException:http://internal.amazon.com/")
			http.Error(w, `{"message":"The specified log group does not exist."}`, http.StatusBadRequest)
		},
		"in Protocol Buffers": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-protobuf")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write(wire.AppendString(nil, statusMessage, "ResourceNotFoundException: The specified log group does not exist."))
		},
	} {
		d := destination(t, listen(t, answer))
		for _, n := range []int{1, 2} {
			r := d.Send(t.Context(), encode(t, d, []*sink.Record{event(t, 0, `{"log":"1"}`), event(t, 0, `{"log":"2"}`)}[:n]...))
			if r.Split != sink.No || r.Cause != sink.Answered || len(r.Items) != n || r.Trouble == nil || r.Trouble.Kind != sink.Missing {
				t.Fatalf("%s, %d records: got %+v, want the records to wait", name, n, r)
			}
			for i, item := range r.Items {
				if item.Index != i || item.Verdict != sink.Again || !item.Busy || item.Type != codeMissing {
					t.Errorf("%s, %d records: got %+v, want it sent again, and no refusal of the record", name, n, item)
				}
			}
		}
	}
}

func TestPartialSuccessGivesUpWhatMayBeRejected(t *testing.T) {
	times := func(r opentelemetrytest.Record) int { return int(r.Time/1e9) - 1_700_000_000 }
	for name, tt := range map[string]struct {
		reject func(opentelemetrytest.Record) string
		never  []int // of the records at seconds 5, 0, 9, 3
		says   string
	}{
		"none": {func(opentelemetrytest.Record) string { return "" }, nil, ""},
		"all":  {func(opentelemetrytest.Record) string { return "no" }, []int{0, 1, 2, 3}, "the server rejected the record: no"},
		"one":  {func(r opentelemetrytest.Record) string { return map[int]string{3: "too odd"}[times(r)] }, []int{0, 1, 2, 3}, "rejected 1 of the 4 records of this request, and doesn't say which; the others are stored: too odd"},
		"AWS's": {func(r opentelemetrytest.Record) string {
			return map[int]string{0: awsCounts, 3: awsCounts, 9: awsCounts}[times(r)]
		}, []int{1, 2, 3}, "tooOldLogEventCount"},
		"numbers that overflow": {func(r opentelemetrytest.Record) string {
			return map[int]string{0: overflow, 3: overflow}[times(r)]
		}, []int{0, 1, 2, 3}, "doesn't say which"},
	} {
		for _, asJSON := range []bool{false, true} {
			s, where := serve(t, opentelemetrytest.Options{Reject: tt.reject, JSON: asJSON})
			d := destination(t, where)
			r := d.Send(t.Context(), encode(t, d, event(t, 5, `{"log":"a"}`), event(t, 0, `{"log":"b"}`), event(t, 9, `{"log":"c"}`), event(t, 3, `{"log":"d"}`)))
			var never []int
			for _, item := range r.Items {
				if item.Verdict != sink.Never || !strings.Contains(item.Reason, tt.says) {
					t.Errorf("%s: got %+v, want it given up because %s", name, item, tt.says)
				}
				never = append(never, item.Index)
			}
			if r.Verdict != sink.Done || !slices.Equal(never, tt.never) || s.Requests() != 1 {
				t.Errorf("%s: got %+v in %d requests, want %v given up in 1", name, r, s.Requests(), tt.never)
			}
		}
	}
}

// overflow are numbers whose sum is 2.
const overflow = `{"tooOldLogEventCount": 9223372036854775807, "tooNewLogEventCount": 4, "expiredLogEventCount": 9223372036854775807}`

const awsCounts = `{"tooOldLogEventCount": 1, "tooNewLogEventCount": 1, "expiredLogEventCount": 1}`

func TestMistakesNameTheirOption(t *testing.T) {
	for options, says := range map[string]string{
		"grpc on":                 "grpc: is not supported",
		"oauth2.enable on":        "oauth2.enable: is not supported",
		"compress lz4":            `compress: "lz4" is not a compression`,
		"host a/b":                `host: "a/b" is not a host`,
		"logs_body_key $":         "logs_body_key: ",
		"header X:A b":            "header: no request can carry the header",
		"logs_uri /a%zz":          "logs_uri: ",
		"tls on\ntls.crt_file /x": "tls.crt_file: ",
	} {
		if _, err := sinktest.TryOptions[Options](t, config.FluentBit, options); !strings.Contains(err, says) {
			t.Errorf("%s: got %q, want %q", options, err, says)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	for name, options := range map[string]string{"body": "", "attributes": "logs_body_key_attributes on", "whole": "logs_body_key $none"} {
		b.Run(name, func(b *testing.B) {
			d := destination(b, options)
			r := sinktest.Record("app", 1, "log", strings.Repeat("a line of a log ", 12), "source", "stdout", "container_name", "/ecs-web-1-web-abc", "container_id", "0123456789abcdef0123456789abcdef",
				"ecs_cluster", "demo", "ecs_task_arn", "arn:aws:ecs:eu-west-1:123456789012:task/demo/0123456789abcdef", "ecs_task_definition", "web:7")
			var body, key []byte
			b.ReportAllocs()
			for b.Loop() {
				key, _ = d.Key(key[:0], r)
				body, _ = d.Append(body[:0], r)
			}
			if n := testing.AllocsPerRun(100, func() {
				key, _ = d.Key(key[:0], r)
				body, _ = d.Append(body[:0], r)
			}); n != 0 || bytes.Equal(key, body) {
				b.Errorf("got %v allocations a record, want none", n)
			}
		})
	}
}
