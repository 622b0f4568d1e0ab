package opentelemetry

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	logsservice "go.opentelemetry.io/proto/slim/otlp/collector/logs/v1"
	common "go.opentelemetry.io/proto/slim/otlp/common/v1"
	logs "go.opentelemetry.io/proto/slim/otlp/logs/v1"
	resource "go.opentelemetry.io/proto/slim/otlp/resource/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/inputtest"
	"github.com/firelane/firelane/input/serve"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/record"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func str(s string) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: s}}
}

func pair(key string, v *common.AnyValue) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: v}
}

func array(v ...*common.AnyValue) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: &common.ArrayValue{Values: v}}}
}

func kv(v ...*common.KeyValue) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_KvlistValue{KvlistValue: &common.KeyValueList{Values: v}}}
}

// example is a request with every field and every kind of value.
func example() *logsservice.ExportLogsServiceRequest {
	all := kv(pair("s", str("x")), pair("b", &common.AnyValue{Value: &common.AnyValue_BoolValue{BoolValue: true}}),
		pair("i", &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: -5}}), pair("d", &common.AnyValue{Value: &common.AnyValue_DoubleValue{DoubleValue: 1.5}}),
		pair("y", &common.AnyValue{Value: &common.AnyValue_BytesValue{BytesValue: []byte{1, 2, 255}}}), pair("a", array(str("z"), array(), kv())), pair("n", nil))
	return &logsservice.ExportLogsServiceRequest{ResourceLogs: []*logs.ResourceLogs{{
		Resource:  &resource.Resource{Attributes: []*common.KeyValue{pair("service.name", str("web"))}, DroppedAttributesCount: 2},
		SchemaUrl: "https://schema",
		ScopeLogs: []*logs.ScopeLogs{{
			Scope: &common.InstrumentationScope{Name: "lib", Version: "1", Attributes: []*common.KeyValue{pair("k", str("v"))}},
			LogRecords: []*logs.LogRecord{
				{TimeUnixNano: 1700000000_000000005, ObservedTimeUnixNano: 1700000001_000000000, SeverityNumber: 9, SeverityText: "INFO", Body: str("hello"),
					Attributes: []*common.KeyValue{pair("all", all)}, DroppedAttributesCount: 1, Flags: 0x101, TraceId: bytes.Repeat([]byte{0xab}, 16), SpanId: []byte("12345678"), EventName: "e"},
				{ObservedTimeUnixNano: 1700000001_000000000, Body: kv(pair("a", str("b")), pair("c", kv(pair("d", str("e")))))},
			},
		}, {LogRecords: []*logs.LogRecord{{Body: array(str("x"))}, {}}}},
	}}}
}

const (
	exampleAll      = `{"all":{"s":"x","b":true,"i":-5,"d":1.5,"y":"\u0001\u0002�","a":["z",[],{}],"n":null}}`
	exampleResource = `"resource":{"attributes":{"service.name":"web"},"dropped_attributes_count":2,"schema_url":"https://schema"}`
	exampleScope    = `"scope":{"name":"lib","version":"1","attributes":{"k":"v"}}`
)

var exampleEvents = []string{
	`v1_logs 1700000000.000000005 {"log":"hello","otlp":{"observed_timestamp":1700000001000000000,"timestamp":1700000000000000005,"severity_number":9,"severity_text":"INFO","attributes":` + exampleAll +
		`,"dropped_attributes_count":1,"trace_id":"abababababababababababababababab","span_id":"3132333435363738","trace_flags":1,"event_name":"e",` + exampleResource + `,` + exampleScope + `}}`,
	`v1_logs 1700000001.000000000 {"a":"b","c":{"d":"e"},"otlp":{"observed_timestamp":1700000001000000000,` + exampleResource + `,` + exampleScope + `}}`,
	`v1_logs {"log":["x"],"otlp":{` + exampleResource + `}}`,
	`v1_logs {"log":null,"otlp":{` + exampleResource + `}}`,
}

// asHex writes the ids of a request in JSON as OTLP has them: protojson writes base64.
func asHex(t *testing.T, m proto.Message) string {
	t.Helper()
	b, err := protojson.MarshalOptions{UseEnumNumbers: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, id := range [][]byte{bytes.Repeat([]byte{0xab}, 16), []byte("12345678")} {
		text = strings.ReplaceAll(text, base64.StdEncoding.EncodeToString(id), fmt.Sprintf("%x", id))
	}
	return text
}

func marshal(t testing.TB, m proto.Message) string {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A collector takes the events of a request.
type collector struct {
	mu      sync.Mutex
	events  []string
	rejects []string
}

func (c *collector) Add(tag []byte, at record.Time, body []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n, err := record.Check(body); err != nil || n != len(body) {
		c.events = append(c.events, fmt.Sprintf("a bad body: %v", err))
		return
	}
	text := string(tag) + " "
	if time.Since(time.Unix(int64(at.Sec), 0)) > time.Hour {
		text += fmt.Sprintf("%d.%09d ", at.Sec, at.Nsec)
	}
	c.events = append(c.events, text+string(record.AppendJSON(nil, body)))
}

func (c *collector) Reject(n int, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rejects = append(c.rejects, fmt.Sprintf("%d %s", n, reason))
}
func (c *collector) Flush(context.Context) error { return nil }

func defaults() *Options {
	return &Options{Listen: "127.0.0.1", TagFromURI: true, MetadataKey: "otlp", Metadata: true, BufferMaxSize: 4 << 20, SuccessCode: 201}
}

func start(t *testing.T, o *Options) (url string, c *collector) {
	t.Helper()
	in, err := New(o, config.FluentBit, input.Env{ID: "opentelemetry.0", Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	c = new(collector)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- in.Run(ctx, func() input.Receiver { return c }) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Error("Run:", err)
		}
	})
	return "http://" + in.(*serve.HTTP).Addr().String(), c
}

func post(t *testing.T, url, kind, body string) (status int, answer string) {
	t.Helper()
	resp, err := http.Post(url, kind, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body) // short
	return resp.StatusCode, string(b)
}

func TestLogsBecomeEvents(t *testing.T) {
	url, c := start(t, defaults())
	for kind, body := range map[string]string{asProtobuf: marshal(t, example()), asJSON: asHex(t, example())} {
		c.events = nil
		status, answer := post(t, url+"/v1/logs", kind, body)
		if !slices.Equal(c.events, exampleEvents) || status != 201 || answer != map[string]string{asJSON: "{}"}[kind] {
			t.Errorf("%s: got %d %q and\n%s\nwant\n%s", kind, status, answer, strings.Join(c.events, "\n"), strings.Join(exampleEvents, "\n"))
		}
	}
}

// TestLargeRequests are converted twice: all their events come once, in order.
func TestLargeRequests(t *testing.T) {
	var records []*logs.LogRecord
	var want []string
	for i := range 20_000 {
		text := fmt.Sprintf("record %d, with some text", i)
		records = append(records, &logs.LogRecord{Body: str(text)})
		want = append(want, `v1_logs {"log":"`+text+`"}`)
	}
	m := &logsservice.ExportLogsServiceRequest{ResourceLogs: []*logs.ResourceLogs{{ScopeLogs: []*logs.ScopeLogs{{LogRecords: records}}}}}
	o := defaults()
	o.Metadata = false
	url, c := start(t, o)
	for kind, body := range map[string]string{asProtobuf: marshal(t, m), asJSON: asHex(t, m)} {
		c.events = nil
		if status, answer := post(t, url+"/v1/logs", kind, body); status != 201 || !slices.Equal(c.events, want) {
			t.Errorf("%s: got %d %q and %d events, want 201 and %d", kind, status, answer, len(c.events), len(want))
		}
		c.events = nil
		if post(t, url+"/v1/logs", kind, body[:len(body)-1]); len(c.events) > 0 {
			t.Errorf("%s: got %d events of a request that is cut short, want none", kind, len(c.events))
		}
	}
}

func TestOptions(t *testing.T) {
	one := func(body *common.AnyValue) string {
		return marshal(t, &logsservice.ExportLogsServiceRequest{ResourceLogs: []*logs.ResourceLogs{{ScopeLogs: []*logs.ScopeLogs{{LogRecords: []*logs.LogRecord{{Body: body, SeverityNumber: 9}}}}}}})
	}
	for name, c := range map[string]struct {
		set  func(*Options)
		body string
		want string
	}{
		"no metadata":    {func(o *Options) { o.Metadata = false }, one(str("x")), `v1_logs {"log":"x"}`},
		"another key":    {func(o *Options) { o.MetadataKey = "meta" }, one(str("x")), `v1_logs {"log":"x","meta":{"severity_number":9}}`},
		"a body key":     {func(o *Options) { o.BodyKey, o.Metadata = "body", false }, one(kv(pair("a", str("b")))), `v1_logs {"body":{"a":"b"}}`},
		"the input":      {func(o *Options) { o.TagFromURI, o.Metadata = false, false }, one(str("x")), `opentelemetry.0 {"log":"x"}`},
		"tag":            {func(o *Options) { o.TagFromURI, o.Tag, o.Metadata = false, "t", false }, one(str("x")), `t {"log":"x"}`},
		"tag of a field": {func(o *Options) { o.TagKey, o.Metadata = "$kind", false }, one(kv(pair("kind", str("a b")))), `a_b {"kind":"a b"}`},
	} {
		o := defaults()
		c.set(o)
		url, got := start(t, o)
		if post(t, url+"/v1/logs", asProtobuf, c.body); !slices.Equal(got.events, []string{c.want}) {
			t.Errorf("%s: got %q, want %s", name, got.events, c.want)
		}
	}
}

func TestMalformedRequests(t *testing.T) {
	deep := str("x")
	for range 70 {
		deep = array(deep)
	}
	nested := marshal(t, &logsservice.ExportLogsServiceRequest{ResourceLogs: []*logs.ResourceLogs{{ScopeLogs: []*logs.ScopeLogs{{LogRecords: []*logs.LogRecord{{Body: deep}}}}}}})
	amplified := &logsservice.ExportLogsServiceRequest{ResourceLogs: []*logs.ResourceLogs{{
		Resource:  &resource.Resource{Attributes: []*common.KeyValue{pair("k", str(strings.Repeat("x", 100_000)))}},
		ScopeLogs: []*logs.ScopeLogs{{LogRecords: slices.Repeat([]*logs.LogRecord{{}}, 1000)}},
	}}}
	url, c := start(t, defaults())
	for name, q := range map[string]struct {
		path, kind, body string
		status           int
		answer, reject   string
	}{
		"not JSON":            {"/v1/logs", asJSON, "{", 400, `{"code":3,"message":"the body is not JSON`, "bad OTLP"},
		"an array":            {"/v1/logs", asJSON, "[]", 400, "not an ExportLogsServiceRequest in JSON", "bad OTLP"},
		"no array":            {"/v1/logs", asJSON, `{"resourceLogs":{}}`, 400, "resourceLogs is not an array", "bad OTLP"},
		"no objects":          {"/v1/logs", asJSON, `{"resourceLogs":[1]}`, 400, "an element of resourceLogs is not an object", "bad OTLP"},
		"a wrong value":       {"/v1/logs", asJSON, `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"intValue":"x"}}]}]}]}`, 400, "not what its name intValue says", "bad OTLP"},
		"not protobuf":        {"/v1/logs", asProtobuf, "\x0a\x05x", 400, "\x08\x03\x12\x2bthe body is not an ExportLogsServiceRequest", "bad OTLP"},
		"too deep":            {"/v1/logs", asProtobuf, nested, 400, "nested too deep", "bad OTLP"},
		"amplified resources": {"/v1/logs", asProtobuf, marshal(t, amplified), 413, "send fewer at a time", "too many events"},
		"traces":              {"/v1/traces", asProtobuf, "", 404, "logs alone are taken", "not logs"},
		"another path":        {"/", asProtobuf, "", 404, "want /v1/logs", "bad request"},
		"another type":        {"/v1/logs", "text/plain", "x", 415, "want application/x-protobuf", "bad content type"},
	} {
		c.rejects = nil
		status, answer := post(t, url+q.path, q.kind, q.body)
		if status != q.status || !strings.Contains(answer, q.answer) || !slices.Equal(c.rejects, []string{"1 " + q.reject}) {
			t.Errorf("%s: got %d %q and the rejects %q, want %d %q and %s", name, status, answer, c.rejects, q.status, q.answer, q.reject)
		}
	}
	if len(c.events) > 0 {
		t.Errorf("got the events %.200q, want none", c.events)
	}
	if status, _ := post(t, url+"/v1/logs", asProtobuf, ""); status != 201 {
		t.Errorf("got %d for a request without logs, want 201", status)
	}
}

// FuzzRequests feeds any bytes: nothing panics, every event is valid, and what the generated code refuses is refused.
func FuzzRequests(f *testing.F) {
	f.Add([]byte(marshal(f, example())), false)
	if b, err := protojson.Marshal(example()); err == nil {
		f.Add(b, true)
	}
	f.Add([]byte("\x0a\x02\x12\x00\x0b"), false)
	f.Fuzz(func(t *testing.T, b []byte, asJSON bool) {
		c := &converter{shape: shape{metadataKey: "otlp"}, x: new(serve.Exchange)}
		var err error
		if asJSON {
			err = c.json(b)
		} else {
			err = c.protobuf(b)
		}
		if err != nil {
			return
		}
		n := 0
		serve.Each(c.out, func(_ record.Time, rec []byte) {
			if n++; record.KindOf(rec[0]) != record.KindMap {
				t.Errorf("got %x, want a map", rec)
			}
		})
		if n != c.count {
			t.Errorf("got %d events, want %d", n, c.count)
		}
	})
}

// poster is a client that posts events and counts the answers.
type poster struct {
	url   string
	done  sync.WaitGroup
	acked atomic.Int64
	ctx   context.Context
}

func (p *poster) Send(t *testing.T, text string) {
	t.Helper()
	body := marshal(t, &logsservice.ExportLogsServiceRequest{ResourceLogs: []*logs.ResourceLogs{{ScopeLogs: []*logs.ScopeLogs{{LogRecords: []*logs.LogRecord{{Body: str(text)}}}}}}})
	p.done.Go(func() {
		req, err := http.NewRequestWithContext(p.ctx, http.MethodPost, p.url, strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		req.Header.Set("Content-Type", asProtobuf)
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := client.Do(req)
		if err != nil {
			return // the input has been closed
		}
		defer resp.Body.Close()
		if resp.StatusCode < 300 {
			p.acked.Add(1)
		}
	})
}

func (p *poster) Acked(*testing.T) int { return int(p.acked.Load()) }
func (p *poster) Close()               {} // in the middle of a request it would take that back

func TestPromises(t *testing.T) {
	inputtest.Run(t, inputtest.Subject{Acks: true, Open: func(t *testing.T) (input.Input, inputtest.Source) {
		in, err := New(defaults(), config.FluentBit, input.Env{ID: "opentelemetry.0"})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		p := &poster{url: "http://" + in.(*serve.HTTP).Addr().String() + "/v1/logs", ctx: ctx}
		t.Cleanup(func() { cancel(); p.done.Wait() })
		return in, p
	}})
}

func TestWrongOptions(t *testing.T) {
	err := (&Options{OAuth2: true}).Check(config.FluentBit)
	var wrong *config.OptionError
	if !errors.As(err, &wrong) || wrong.Option != "oauth2.validate" {
		t.Errorf("got %v, want that it is not supported", err)
	}
	if w := (&Options{BufferMaxSize: 9 << 20, SuccessCode: 202, RawTraces: true}).Warnings(); len(w) != 3 {
		t.Errorf("got the warnings %q, want three", w)
	}
}
