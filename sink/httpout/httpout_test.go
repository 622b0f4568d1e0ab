package httpout

import (
	"encoding/json"
	"fmt"
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
	"github.com/firelane/firelane/sink/httpout/httpouttest"
	"github.com/firelane/firelane/sink/sinktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

var env = sink.Env{Hostname: "host-1", Log: zerolog.Nop()}

// serve starts a server and returns its host and port.
func serve(t testing.TB, h http.Handler) (host, port string) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Hostname(), u.Port()
}

// fluentBit makes a destination of lines of Fluent Bit, with the server of h.
func fluentBit(t testing.TB, h http.Handler, lines string) sink.Destination {
	t.Helper()
	host, port := serve(t, h)
	return made(t, config.FluentBit, "host "+host+"\nport "+port+"\n"+lines)
}

// fluentd makes a destination of lines of Fluentd, in which SERVER is the server of h.
func fluentd(t testing.TB, h http.Handler, lines string) sink.Destination {
	t.Helper()
	host, port := serve(t, h)
	return made(t, config.Fluentd, strings.ReplaceAll(lines, "SERVER", host+":"+port))
}

func made(t testing.TB, dialect config.Dialect, lines string) sink.Destination {
	t.Helper()
	d, err := New(sinktest.Bind[Options](t, dialect, lines), dialect, env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// send sends records, and returns the reply.
func send(t testing.TB, d sink.Destination, records ...*sink.Record) sink.Reply {
	t.Helper()
	req, err := sinktest.Encode(d, records...)
	if err != nil {
		t.Fatal(err)
	}
	return d.Send(t.Context(), req)
}

func two() []*sink.Record {
	return []*sink.Record{sinktest.Record("app.web", 1, "log", "one"), sinktest.Record("app.web", 2, "log", "two")}
}

func TestContract(t *testing.T) {
	for name, lines := range map[string]string{
		"one request":         "compress gzip",
		"a request for a tag": "header_tag X-Tag\nformat json_lines",
		"messages of GELF":    "format gelf\ngelf_short_message_key log",
		"MessagePack":         "format msgpack\ncompress zstd",
		"objects in a stream": "format json_stream\nhttp_method put\ncompress snappy",
	} {
		t.Run(name, func(t *testing.T) {
			sinktest.Run(t, sinktest.Case{
				New: func(t *testing.T) sink.Destination {
					return fluentBit(t, httpouttest.New(httpouttest.Options{}), lines)
				},
				Broken: func(t *testing.T) sink.Destination {
					return fluentBit(t, httpouttest.New(httpouttest.Options{Options: webtest.Options{
						Request: func(int, *http.Request) webtest.Fault { return webtest.Fault{Hang: true} },
					}}), lines)
				},
			})
		})
	}
	t.Run("Fluentd", func(t *testing.T) {
		sinktest.Run(t, sinktest.Case{New: func(t *testing.T) sink.Destination {
			return fluentd(t, httpouttest.New(httpouttest.Options{}), "endpoint http://SERVER/${tag}\njson_array true\nheaders_from_placeholders {\"x-tag\":\"${tag}\"}")
		}})
	})
}

func TestFormatsAreThoseOfFluentBit(t *testing.T) {
	for format, want := range map[string]string{
		"json":                             `{"date":1700000000.123456,"log":"one"}`,
		"json_lines":                       `{"date":1700000000.123456,"log":"one"}`,
		"json_stream":                      `{"date":1700000000.123456,"log":"one"}`,
		"msgpack":                          `{"log":"one"}`,
		"gelf\ngelf_short_message_key log": `{"version":"1.1","short_message":"one","host":"host-1","timestamp":1700000000.123}`,
		"json\njson_date_key false":        `{"log":"one"}`,
		"json\njson_date_key @timestamp\njson_date_format iso8601": `{"@timestamp":"2023-11-14T22:13:20.123456Z","log":"one"}`,
	} {
		s := httpouttest.New(httpouttest.Options{})
		if r := send(t, fluentBit(t, s, "format "+format), two()...); r.Err != nil {
			t.Errorf("%s: %v", format, r.Err)
		}
		if got := s.Records(); len(got) != 2 || got[0] != want {
			t.Errorf("%s:\ngot  %q\nwant %q first", format, got, want)
		}
	}
}

func TestRequestsHaveTheMethodURLAndHeadersOfTheOptions(t *testing.T) {
	s := httpouttest.New(httpouttest.Options{Authorization: "Basic dXNlcjpwdw=="})
	d := fluentBit(t, s, "uri in?token=a%20b\nhttp_method PUT\nhttp_user user\nhttp_passwd pw\nheader X-A one\nheader X-A two\nheader Host logs.example\nheader_tag X-Tag")
	if r := send(t, d, two()...); r.Err != nil {
		t.Fatal(r.Err)
	}
	r := s.Last()
	if r.Method != "PUT" || r.RequestURI != "/in?token=a%20b" || r.Host != "logs.example" || r.Header.Get("X-Tag") != "app.web" ||
		strings.Join(r.Header["X-A"], ",") != "one,two" || r.Header.Get("User-Agent") != "firelane" {
		t.Errorf("got %s %s of %s with %v", r.Method, r.RequestURI, r.Host, r.Header)
	}
	d = fluentBit(t, s, "header X-A one\nheader X-A two\nallow_duplicated_headers off\nheader Authorization Basic dXNlcjpwdw==")
	if r := send(t, d, two()...); r.Err != nil {
		t.Fatal(r.Err)
	}
	if got := s.Last().Header["X-A"]; strings.Join(got, ",") != "two" {
		t.Errorf("got %q without duplicates", got)
	}
}

func TestEachTagHasItsOwnRequestIfItIsAHeader(t *testing.T) {
	s := httpouttest.New(httpouttest.Options{})
	d := fluentBit(t, s, "header_tag X-Tag")
	if r := send(t, d, sinktest.Record("a", 1, "n", "1"), sinktest.Record("b", 2, "n", "2"), sinktest.Record("a", 3, "n", "3")); r.Err != nil {
		t.Fatal(r.Err)
	}
	if s.Requests() != 2 || s.Count() != 3 {
		t.Errorf("got %d records in %d requests, want 3 in 2", s.Count(), s.Requests())
	}
	if _, err := sinktest.Encode(d, sinktest.Record("a\nb", 1)); err == nil {
		t.Error("a tag that no header can carry: got no error")
	}
}

func TestARecordMayBringItsOwnBodyAndHeaders(t *testing.T) {
	s := httpouttest.New(httpouttest.Options{})
	d := fluentBit(t, s, "body_key $body\nheaders_key $meta['headers']")
	record := func(body, kind string) *sink.Record {
		r := sinktest.Record("app", 1)
		r.Body = record.AppendMapHeader(nil, 2)
		r.Body = record.AppendStr(record.AppendStr(r.Body, "body"), body)
		r.Body = record.AppendMapHeader(record.AppendStr(r.Body, "meta"), 1)
		r.Body = append(record.AppendStr(r.Body, "headers"), sinktest.Map("Content-Type", kind, "X-N", body)...)
		return r
	}
	r := send(t, d, record("{\"n\":1}", "application/json"), record("no", "application/json"), record("plain", "text/plain"))
	if r.Verdict != sink.Done || len(r.Items) != 1 || r.Items[0].Index != 1 || r.Items[0].Verdict != sink.Never || r.Items[0].Status != 400 {
		t.Errorf("got %+v", r)
	}
	if got := s.Records(); len(got) != 2 || got[0] != `{"n":1}` || got[1] != "plain" || s.Last().Header.Get("X-N") != "plain" {
		t.Errorf("got %q, the last with %v", got, s.Last().Header)
	}
	for _, wrong := range []*sink.Record{sinktest.Record("app", 1), sinktest.Record("app", 1, "body", "x"), record("x", "a\r\nb")} {
		if _, err := sinktest.Encode(d, wrong); err == nil {
			t.Errorf("%q: got no error", wrong.Body)
		}
	}
}

func TestARefusedRecordIsFoundAndTheOthersArrive(t *testing.T) {
	s := httpouttest.New(httpouttest.Options{Bad: func(record []byte) bool { return strings.Contains(string(record), "two") }})
	d := fluentBit(t, s, "")
	if r := send(t, d, two()...); r.Split != sink.ByItem || r.Verdict != sink.Again || r.Status != 400 {
		t.Errorf("both: got %+v", r)
	}
	if r := send(t, d, two()[1]); r.Verdict != sink.Never || r.Split != sink.No || !strings.Contains(r.Err.Error(), "a record is invalid") {
		t.Errorf("the bad one: got %+v", r)
	}
}

// "HTTP output" of the Fluent Bit Official Manual, and RFC 9110 for what each status says.
func TestStatusesAreSorted(t *testing.T) {
	var status atomic.Int64
	s := httpouttest.New(httpouttest.Options{Options: webtest.Options{Request: func(int, *http.Request) webtest.Fault {
		return webtest.Fault{Status: int(status.Load()), Header: http.Header{"Retry-After": {"7"}}, Body: "why"}
	}}})
	d := fluentBit(t, s, "")
	for _, c := range []struct {
		status  int
		verdict sink.Verdict
		cause   sink.Cause
		split   sink.Split
		wait    time.Duration
	}{
		{200, sink.Done, sink.Answered, sink.No, 7 * time.Second}, {202, sink.Done, sink.Answered, sink.No, 7 * time.Second},
		{204, sink.Done, sink.Answered, sink.No, 7 * time.Second}, {301, sink.Again, sink.Answered, sink.No, 0},
		{400, sink.Again, sink.Answered, sink.ByItem, 0}, {401, sink.Again, sink.Unauthorised, sink.No, 0},
		{403, sink.Again, sink.Unauthorised, sink.No, 0}, {404, sink.Again, sink.Answered, sink.No, 0},
		{408, sink.Again, sink.Throttled, sink.No, 7 * time.Second}, {413, sink.Again, sink.Answered, sink.BySize, 0},
		{422, sink.Again, sink.Answered, sink.ByItem, 0}, {429, sink.Again, sink.Throttled, sink.No, 7 * time.Second},
		{500, sink.Again, sink.Answered, sink.No, 0}, {503, sink.Again, sink.Throttled, sink.No, 7 * time.Second},
	} {
		status.Store(int64(c.status))
		r := send(t, d, two()...)
		if r.Verdict != c.verdict || r.Cause != c.cause || r.Split != c.split || r.RetryAfter != c.wait || r.Status != c.status {
			t.Errorf("%d: got %+v, want %+v", c.status, r, c)
		}
	}
	quiet := fluentBit(t, s, "log_response_payload off")
	status.Store(404)
	if r := send(t, quiet, two()...); strings.Contains(r.Err.Error(), "why") {
		t.Errorf("got %v, want no words of the server", r.Err)
	}
}

func TestFluentdSaysWhichStatusesAreSentAgain(t *testing.T) {
	s := httpouttest.New(httpouttest.Options{Options: webtest.Options{Request: func(int, *http.Request) webtest.Fault { return webtest.Fault{Status: 400} }}})
	for lines, want := range map[string]sink.Split{
		"": sink.ByItem, "error_response_as_unrecoverable true": sink.ByItem, "error_response_as_unrecoverable false": sink.No, "retryable_response_codes 400,503": sink.No,
	} {
		if r := send(t, fluentd(t, s, "endpoint http://SERVER/\n"+lines), two()...); r.Split != want || r.Verdict != sink.Again {
			t.Errorf("%q: got %+v, want split %d", lines, r, want)
		}
	}
}

func TestTheEndpointOfFluentdFollowsTheRecord(t *testing.T) {
	s := httpouttest.New(httpouttest.Options{})
	d := fluentd(t, s, "endpoint http://SERVER/${tag[0]}/${service}?day=%Y-%m-%d\nheaders {\"X-A\":\"1\"}\nheaders_from_placeholders {\"X-Service\":\"s-${service}\"}")
	records := []*sink.Record{
		sinktest.Record("app.web", 1, "service", "shop"), sinktest.Record("app.web", 2, "service", "a b/../?#%"), sinktest.Record("app.web", 3, "service", "shop"),
	}
	if r := send(t, d, records...); r.Err != nil {
		t.Fatal(r.Err)
	}
	if s.By("/app/shop?day=2023-11-14") != 2 || s.By("/app/a%20b/../%3F%23%25?day=2023-11-14") != 1 || s.Requests() != 2 {
		t.Errorf("got the wrong URLs, the last is %s", s.Last().RequestURI)
	}
	if h := s.Last().Header; h.Get("X-A") != "1" || h.Get("X-Service") != "s-a b/../?#%" || h.Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("got %v", h)
	}
}

func TestAHostOfARecordMustBeAllowed(t *testing.T) {
	s := httpouttest.New(httpouttest.Options{})
	d := fluentd(t, s, "endpoint http://${host}/\nallowed_hosts SERVER,127.0.0.1")
	if r := send(t, d, sinktest.Record("app", 1, "host", "evil.example")); r.Verdict != sink.Never || !strings.Contains(r.Err.Error(), "allowed_hosts") {
		t.Errorf("got %+v", r)
	}
	host, port := serve(t, s)
	if r := send(t, d, sinktest.Record("app", 1, "host", host+":"+port)); r.Err != nil || s.Count() != 1 {
		t.Errorf("got %+v", r)
	}
}

func TestFluentdsFormats(t *testing.T) {
	for lines, want := range map[string]string{
		"":                                   `{"log":"one"}`,
		"json_array true":                    `{"log":"one"}`,
		"compress gzip":                      `{"log":"one"}`,
		"<format>\n@type msgpack\n</format>": `{"log":"one"}`,
		"<format>\n@type single_value\nmessage_key log\n</format>":                       "one\ntwo\n",
		"content_type text/plain\n<auth>\nmethod basic\nusername u\npassword p\n</auth>": "{\"log\":\"one\"}\n{\"log\":\"two\"}\n",
	} {
		s := httpouttest.New(httpouttest.Options{})
		if r := send(t, fluentd(t, s, "endpoint http://SERVER/in\n"+lines), two()...); r.Err != nil {
			t.Errorf("%s: %v", lines, r.Err)
		}
		if got := s.Records(); len(got) == 0 || got[0] != want {
			t.Errorf("%s: got %q, want %q first", lines, got, want)
		}
	}
}

func TestRequestsByTLSAreTheSame(t *testing.T) {
	s := httpouttest.New(httpouttest.Options{})
	h := httptest.NewTLSServer(s)
	defer h.Close()
	u, err := url.Parse(h.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, compress := range []string{"off", "gzip", "zstd", "snappy"} {
		d := made(t, config.FluentBit, "host "+u.Hostname()+"\nport "+u.Port()+"\ntls on\ntls.verify off\ncompress "+compress)
		if r := send(t, d, two()...); r.Err != nil {
			t.Errorf("%s: %v", compress, r.Err)
		}
	}
	if s.Count() != 8 {
		t.Errorf("got %d records, want 8", s.Count())
	}
}

func TestARequestIsRepeatedOnceIfTheConnectionBreaks(t *testing.T) {
	s := httpouttest.New(httpouttest.Options{Options: webtest.Options{Request: func(n int, _ *http.Request) webtest.Fault { return webtest.Fault{Lose: n == 1} }}})
	if r := send(t, fluentBit(t, s, ""), two()...); r.Err != nil || s.Requests() != 2 || s.Count() != 4 {
		t.Errorf("got %+v after %d requests with %d records", r, s.Requests(), s.Count())
	}
}

func TestATokenOfOAuthIsSentAndReplacedIfItIsRefused(t *testing.T) {
	tokens := 0
	mux := http.NewServeMux()
	s := httpouttest.New(httpouttest.Options{Authorization: "Bearer t1"})
	mux.Handle("/", s)
	mux.HandleFunc("/token", func(w http.ResponseWriter, _ *http.Request) {
		tokens++
		fmt.Fprintf(w, `{"access_token":"t%d"}`, tokens)
	})
	host, port := serve(t, mux)
	d := made(t, config.FluentBit, fmt.Sprintf("host %s\nport %s\noauth2.enable on\noauth2.token_url http://%s:%s/token\noauth2.client_id id\noauth2.client_secret secret", host, port, host, port))
	for range 2 {
		if r := send(t, d, two()...); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	if tokens != 1 || s.Count() != 4 {
		t.Errorf("got %d records with %d tokens, want 4 with 1", s.Count(), tokens)
	}
}

func TestRequestsAreSignedForAWS(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "AKID")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	for dialect, lines := range map[config.Dialect]string{
		config.FluentBit: "aws_auth on\naws_service osis\naws_region eu-west-1",
		config.Fluentd:   "endpoint http://SERVER/\n<auth>\nmethod aws_sigv4\naws_service osis\naws_region eu-west-1\n</auth>",
	} {
		s := httpouttest.New(httpouttest.Options{})
		d := fluentBit
		if dialect == config.Fluentd {
			d = fluentd
		}
		if r := send(t, d(t, s, lines), two()...); r.Err != nil {
			t.Fatal(r.Err)
		}
		if a := s.Last().Header.Get("Authorization"); !strings.HasPrefix(a, "AWS4-HMAC-SHA256 Credential=AKID/") || !strings.Contains(a, "/eu-west-1/osis/aws4_request") {
			t.Errorf("%v: got %q", dialect, a)
		}
	}
}

func TestWrongOptionsAreReported(t *testing.T) {
	for lines, want := range map[string]string{
		"host http://x":              "host",
		"body_key a":                 "body_key",
		"header X Y\nheader A\x01 b": "header",
		"aws_auth on":                "aws_service",
		"proxy ftp://x":              "proxy",
		"compress brotli":            "compress",
		"oauth2.enable on":           "oauth2.token_url",
		"header_tag a b":             "header_tag",
		"aws_auth on\naws_service s\noauth2.enable on\noauth2.token_url http://x\noauth2.client_id i\noauth2.client_secret s": "oauth2.enable",
	} {
		if _, errs := sinktest.TryBind[Options](t, config.FluentBit, lines); len(errs) != 1 || !strings.Contains(errs[0].Text, want) {
			t.Errorf("%q: got %v, want one error about %s", lines, errs, want)
		}
	}
	for lines, want := range map[string]string{
		"":                              "endpoint",
		"endpoint x":                    "endpoint",
		"endpoint http://${tag}/":       "allowed_hosts",
		"endpoint http://x/${tag":       "endpoint",
		"endpoint http://x/\nheaders a": "headers",
		"endpoint http://x/\nretryable_response_codes a":                                "retryable_response_codes",
		"endpoint http://x/\njson_array true\n<format>\n@type csv\nfields a\n</format>": "json_array",
	} {
		if _, errs := sinktest.TryBind[Options](t, config.Fluentd, lines); len(errs) != 1 || !strings.Contains(errs[0].Text, want) {
			t.Errorf("%q: got %v, want one error about %s", lines, errs, want)
		}
	}
}

func TestSecretsAreInNoMessage(t *testing.T) {
	s := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, r.URL.Path+" needs other credentials", http.StatusUnauthorized)
	})
	d := fluentBit(t, s, "uri /t0ken\nheader X-Key k3y\nhttp_user u\nhttp_passwd pa55")
	r := send(t, d, two()...)
	if r.Cause != sink.Unauthorised || !strings.Contains(r.Err.Error(), "needs other credentials") {
		t.Fatalf("got %+v", r)
	}
	for _, secret := range []string{"t0ken", "k3y", "pa55"} {
		if strings.Contains(r.Err.Error(), secret) {
			t.Errorf("%v has %s", r.Err, secret)
		}
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	for _, lines := range []string{"format json", "format json_lines", "format msgpack", "format gelf\ngelf_short_message_key log", "header_tag x"} {
		d := fluentBit(t, http.NotFoundHandler(), lines)
		if n := allocations(d); n > 0 {
			t.Errorf("%s: got %v allocations a record", lines, n)
		}
	}
	d := fluentd(t, http.NotFoundHandler(), "endpoint http://SERVER/${tag[0]}/%Y\nheaders_from_placeholders {\"x\":\"a header that is long enough ${tag} ${tag}\"}")
	if n := allocations(d); n > 0 {
		t.Errorf("Fluentd: got %v allocations a record", n)
	}
}

func allocations(d sink.Destination) float64 {
	r := sinktest.Record("app.web", 1, "log", strings.Repeat("a line of a log ", 8), "level", "info")
	body, key := make([]byte, 0, 1<<12), make([]byte, 0, 1<<12)
	keyer, _ := d.(sink.Keyer)
	return testing.AllocsPerRun(100, func() {
		body, _ = d.Append(body[:0], r)
		if keyer != nil {
			key, _ = keyer.Key(key[:0], r)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	for _, lines := range []string{"format json", "format msgpack", "format gelf\ngelf_short_message_key log"} {
		d := fluentBit(b, http.NotFoundHandler(), lines)
		r := sinktest.Record("app.web", 1, "log", strings.Repeat("a line of a log ", 8), "level", "info")
		b.Run(strings.Fields(lines)[1], func(b *testing.B) {
			b.ReportAllocs()
			body := make([]byte, 0, 1<<12)
			for b.Loop() {
				body, _ = d.Append(body[:0], r)
			}
			b.SetBytes(int64(len(body)))
		})
	}
}

func FuzzRequestOfARecordIsReadAsWritten(f *testing.F) {
	f.Add([]byte("body"), "Content-Type", "text/plain")
	e := &encoding{}
	o := sinktest.Bind[Options](f, config.FluentBit, "body_key body\nheaders_key h")
	e, err := newEncoding(o, config.FluentBit, "")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte, name, value string) {
		m := record.AppendMapHeader(nil, 2)
		m = record.AppendBin(record.AppendStr(m, "body"), body)
		m = append(record.AppendStr(m, "h"), sinktest.Map(name, value)...)
		item, err := e.append(nil, &sink.Record{Event: record.Event{Body: m}})
		if err != nil {
			return
		}
		headers, got := readRequest(item)
		if string(got) != string(body) || name != "" && (len(headers) != 1 || headers[0] != config.Pair{Key: name, Value: value}) {
			t.Errorf("got %v and %q", headers, got)
		}
	})
}

func TestGELF(t *testing.T) {
	d := fluentBit(t, http.NotFoundHandler(), "format gelf\ngelf_short_message_key log\ngelf_level_key severity\ngelf_host_key where\ngelf_timestamp_key ts")
	body := record.AppendMapHeader(nil, 9)
	for _, kv := range [][]byte{
		sinktest.Map("log", "a \"line\""), sinktest.Map("severity", "ERR"), sinktest.Map("where", "h"), sinktest.Map("id", "7"), sinktest.Map("bad key!", "x"),
	} {
		body = append(body, kv[1:]...)
	}
	body = record.AppendFloat(record.AppendStr(body, "ts"), 1.5)
	body = record.AppendBool(record.AppendStr(body, "ok"), true)
	body = record.AppendMapHeader(record.AppendStr(body, "k8s"), 2)
	body = record.AppendStr(record.AppendStr(body, "pod"), "p")
	body = record.AppendNil(record.AppendStr(body, "none"))
	body = record.AppendArrayHeader(record.AppendStr(body, "list"), 2)
	body = record.AppendInt(record.AppendStr(body, "a"), 2)
	item, err := d.Append(nil, &sink.Record{Event: record.Event{Body: body}})
	want := `{"version":"1.1","short_message":"a \"line\"","level":3,"host":"h","__id":"7","_bad_key_":"x","timestamp":1.5,"_ok":"true","_k8s_pod":"p","_list":"a, 2"}` + "\n"
	if err != nil || string(item) != want || !json.Valid(item) {
		t.Errorf("got  %s, %v\nwant %s", item, err, want)
	}
	if _, err := d.Append(nil, sinktest.Record("t", 1, "message", "x")); err == nil {
		t.Error("a record without short_message: got no error")
	}
	long := strings.Repeat("n", 30_000)
	deep := record.AppendMapHeader(record.AppendStr(record.AppendStr(record.AppendStr(record.AppendMapHeader(nil, 2), "log"), "x"), long), 20_000)
	for range 20_000 {
		deep = record.AppendInt(record.AppendStr(deep, "a"), 1)
	}
	if _, err := d.Append(nil, &sink.Record{Event: record.Event{Body: deep}}); err == nil {
		t.Error("a message that grows beyond all bounds: got no error")
	}
}
