package router

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/internal/race"
	"github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/gather"
	"github.com/firelane/firelane/sink/sinktest"
)

// A liar is a server that answers each request, or each connection, with an attack.
type liar struct {
	net.Listener
	answer answer
	ends   context.Context
}

// An answer is what a server writes to a connection on which a request has come.
type answer func(ctx context.Context, c net.Conn)

// text is an answer that ends, after which the connection does.
func text(s string) answer {
	b := []byte(s)
	return func(_ context.Context, c net.Conn) { _, _ = c.Write(b) }
}

// endless is an answer that never ends.
func endless(start, more string) answer {
	first, then := []byte(start), bytes.Repeat([]byte(more), 64<<10/len(more)+1)
	return func(ctx context.Context, c net.Conn) {
		_, err := c.Write(first)
		for err == nil && ctx.Err() == nil {
			_, err = c.Write(then)
		}
	}
}

// reply is an answer of HTTP with a body.
func reply(status, kind, body string) answer {
	return text(fmt.Sprintf("HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", status, kind, len(body), body))
}

const (
	asJSON = "application/json"
	page   = "<html><body><form action=/login>Please sign in</form></body></html>"
	chunks = "Transfer-Encoding: chunked\r\n\r\n"
)

// A chunk of spaces, or of zeros, in HTTP's chunked coding.
var (
	blank = fmt.Sprintf("1000\r\n%s\r\n", strings.Repeat(" ", 0x1000))
	zeros = fmt.Sprintf("1000\r\n%s\r\n", strings.Repeat("\x00", 0x1000))
)

// bomb is 64 MiB of zeros, compressed.
var bomb = func() string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	zero := make([]byte, 1<<20)
	for range 64 {
		_, _ = z.Write(zero) // never fails
	}
	_ = z.Close()
	return b.String()
}()

// attacks are answers that accept nothing, whatever the service is.
var attacks = map[string]answer{
	"the connection is closed":       text(""),
	"another protocol":               text("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"),
	"bytes":                          text(strings.Repeat("\x00\xff\x7f\x80", 1000)),
	"bytes without end":              endless("", "\xff\x00\x7f\x93"),
	"lines without end":              endless("", "x\n"),
	"headers without end":            endless("HTTP/1.1 200 OK\r\n", "X-A: b\r\n"),
	"one header without end":         endless("HTTP/1.1 200 OK\r\nX-A: ", "b"),
	"100 without end":                endless("", "HTTP/1.1 100 Continue\r\n\r\n"),
	"101":                            text("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"),
	"a status that isn't one":        text("HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"),
	"a negative length":              text("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
	"two lengths":                    text("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
	"300":                            reply("300 Multiple Choices", asJSON, "{}"),
	"304":                            text("HTTP/1.1 304 Not Modified\r\n\r\n"),
	"400 without end":                endless("HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n"+chunks, blank),
	"400 that is a proxy's page":     reply("400 Bad Request", "text/html", page),
	"403 without end":                endless("HTTP/1.1 403 Forbidden\r\n"+chunks, zeros),
	"413 without end":                endless("HTTP/1.1 413 Payload Too Large\r\n"+chunks, blank),
	"500 without end":                endless("HTTP/1.1 500 Internal Server Error\r\n"+chunks, blank),
	"503, for a million years":       text("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 31556952000000\r\nContent-Length: 0\r\n\r\n"),
	"503, since long ago":            text("HTTP/1.1 503 Service Unavailable\r\nRetry-After: -5\r\nContent-Length: 0\r\n\r\n"),
	"999":                            reply("999 Whatever", asJSON, "{}"),
	"a login page":                   reply("200 OK", "text/html; charset=utf-8", page),
	"a login page without end":       endless("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"+chunks+fmt.Sprintf("%x\r\n%s\r\n", len(page), page), blank),
	"nested JSON":                    reply("500 Internal Server Error", asJSON, strings.Repeat(`{"message":`, 1<<16)),
	"a refusal of 8 MiB in one text": reply("500 Internal Server Error", asJSON, `{"message":"`+strings.Repeat("x", 8<<20)+`"}`),
}

// acceptances are answers with a status that accepts, and a body that doesn't: services that say in the body what they have stored
// must not take them for that.
var acceptances = map[string]answer{
	"200, empty":              reply("200 OK", asJSON, ""),
	"204":                     text("HTTP/1.1 204 No Content\r\n\r\n"),
	"200, null":               reply("200 OK", asJSON, "null"),
	"200, a list":             reply("200 OK", asJSON, "[]"),
	"200, an object":          reply("200 OK", asJSON, "{}"),
	"200, a number":           reply("200 OK", asJSON, "1e999"),
	"200, text":               reply("200 OK", "text/plain", "OK"),
	"200, bytes":              reply("200 OK", "application/x-protobuf", "\xff\xfe\x0a\xff\xff\xff\xff\x0f"),
	"200, nested":             reply("200 OK", asJSON, strings.Repeat(`[`, 1<<20)),
	"200, nested objects":     reply("200 OK", asJSON, strings.Repeat(`{"errors":`, 1<<17)),
	"200, cut off":            text("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"),
	"200, a broken chunk":     text("HTTP/1.1 200 OK\r\n" + chunks + "zz\r\n{}\r\n"),
	"200, a chunk of 2^63":    text("HTTP/1.1 200 OK\r\n" + chunks + "7fffffffffffffff\r\n{}\r\n"),
	"200, blanks without end": endless("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"+chunks, blank),
	"200, zeros without end":  endless("HTTP/1.1 200 OK\r\n"+chunks, zeros),
	"200, a text without end": endless("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"+chunks+"2\r\n{\"\r\n", blank),
	"200, a bomb":             text(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(bomb), bomb)),
}

// A target is an output that answers are tried on.
type target struct {
	lines string // of its section, with PORT
	// bare means that a status 2xx is all that the service says: what the body has is no refusal.
	bare bool
	// empty means that the service may have nothing to say of what it has stored.
	empty bool
	// pages means that a web page is accepted, too: it is up to the user what the server is.
	pages bool
	// raw means that the service doesn't speak HTTP.
	raw bool
	// metric means that records are metrics.
	metric bool
	own    []ownAnswer
}

// An ownAnswer is one of the service's own answers that contradicts itself, with the items that may be taken as stored, and those that
// may be given up.
type ownAnswer struct {
	name string
	answer
	done, never []int
}

const (
	sentItems   = 3
	tryTime     = time.Second
	lateTime    = 10 * time.Second // after which a Send has not ended soon, on a busy machine
	maxAnswered = 24 << 20         // bytes of memory that a Send takes in all, its compressors included
)

// all are the items that were sent.
var all = []int{0, 1, 2}

// bulkReply is a reply to a bulk request.
func bulkReply(errors bool, items ...string) answer {
	return reply("200 OK", asJSON, fmt.Sprintf(`{"took":1,"errors":%v,"items":[%s]}`, errors, strings.Join(items, ",")))
}

// item is an entry of one.
func item(status string) string { return `{"create":{"_index":"i","_id":"x","status":` + status + `}}` }

var bulkAnswers = []ownAnswer{
	{"fewer entries than items", bulkReply(true, item("201")), []int{0}, nil},
	{"more entries than items", bulkReply(true, item("201"), item("201"), item("201"), item("400")), all, nil},
	{"no entries", bulkReply(true), nil, nil},
	{"statuses that are none", bulkReply(true, item(`"201"`), item("-201"), item("201e300")), nil, nil},
	{"entries that are no objects", bulkReply(true, "1", "null", "[]"), nil, nil},
	{"errors, and all is stored", bulkReply(true, item("201"), item("201"), item("200")), all, nil},
	{"two statuses", bulkReply(true, `{"create":{"status":201,"status":429}}`, item("201"), item("201")), []int{1, 2}, nil},
	{"cut off within the entries", reply("200 OK", asJSON, `{"errors":true,"items":[`+item("201")+","), []int{0}, nil},
}

// putReply is an answer of Kinesis or Firehose.
func putReply(count, failed, list, entries string) answer {
	return reply("200 OK", "application/x-amz-json-1.1", fmt.Sprintf(`{%q:%s,%q:[%s]}`, count, failed, list, entries))
}

// putAnswers are answers of Kinesis or Firehose, whose entries have an id.
func putAnswers(count, list, id string) []ownAnswer {
	stored, failed := fmt.Sprintf(`{%q:"1"}`, id), `{"ErrorCode":"InternalFailure","ErrorMessage":"no"}`
	return []ownAnswer{
		{"failures, and no entries", putReply(count, "1", list, ""), nil, nil},
		{"fewer entries than records", putReply(count, "1", list, stored+","+stored), nil, nil},
		{"more entries than records", putReply(count, "1", list, strings.Repeat(stored+",", 9)+stored), nil, nil},
		{"entries without ids", putReply(count, "1", list, "{},{},{}"), nil, nil},
		{"a message without a code", putReply(count, "1", list, stored+`,{"ErrorMessage":"no"},`+stored), []int{0, 2}, nil},
		{"a count below zero", putReply(count, "-1", list, failed+","+failed+","+failed), nil, nil},
		{"a count that is text", putReply(count, `"0"`, list, stored+","+stored+","+stored), nil, nil},
		{"a count too high", putReply(count, "3", list, stored+","+failed+","+stored), []int{0, 2}, nil},
		{"no count", reply("200 OK", asJSON, fmt.Sprintf(`{%q:[%s,%s,%s]}`, list, failed, stored, stored)), []int{1, 2}, nil},
	}
}

// targets are the outputs that send somewhere, by the first name that each has.
func targets() map[string]target {
	const aws = "\nregion eu-west-1\nendpoint http://127.0.0.1:PORT"
	const here = "\nhost 127.0.0.1\nport PORT"
	return map[string]target{
		"es":         {lines: "name es\nsuppress_type_name on" + here, own: bulkAnswers},
		"opensearch": {lines: "name opensearch\nsuppress_type_name on" + here, own: bulkAnswers},
		"cloudwatch_logs": {lines: "name cloudwatch_logs\nlog_group_name g\nlog_stream_name s" + aws, empty: true, own: []ownAnswer{
			{"rejected events that nobody sent", reply("200 OK", asJSON, `{"rejectedLogEventsInfo":{"tooOldLogEventEndIndex":-5,"tooNewLogEventStartIndex":900,"expiredLogEventEndIndex":-1}}`), all, nil},
			{"all events rejected twice", reply("200 OK", asJSON, `{"rejectedLogEventsInfo":{"tooOldLogEventEndIndex":900,"tooNewLogEventStartIndex":-1}}`), nil, all},
			{"rejected events as text", reply("200 OK", asJSON, `{"rejectedLogEventsInfo":{"tooOldLogEventEndIndex":"3"}}`), nil, nil},
		}},
		"kinesis_firehose": {lines: "name kinesis_firehose\ndelivery_stream s" + aws, own: putAnswers("FailedPutCount", "RequestResponses", "RecordId")},
		"firehose":         {lines: "name firehose\ndelivery_stream s" + aws, own: putAnswers("FailedPutCount", "RequestResponses", "RecordId")},
		"kinesis_streams":  {lines: "name kinesis_streams\nstream s" + aws, own: putAnswers("FailedRecordCount", "Records", "SequenceNumber")},
		"kinesis":          {lines: "name kinesis\nstream s\npartition_key log" + aws, own: putAnswers("FailedRecordCount", "Records", "SequenceNumber")},
		"kinesis_streams_aggregated": {lines: "@type kinesis_streams_aggregated\nstream_name s" + aws,
			own: []ownAnswer{{"more entries than records", putReply("FailedRecordCount", "1", "Records", `{"SequenceNumber":"1"},{"SequenceNumber":"1"}`), nil, nil}}},
		"s3":        {lines: "name s3\nbucket b\nuse_put_object on" + aws},
		"http":      {lines: "name http\nuri /\nformat json" + here, bare: true, pages: true},
		"datadog":   {lines: "name datadog\ntls off\napikey k" + here, bare: true},
		"nrlogs":    {lines: "name nrlogs\nlicense_key k\nbase_uri http://127.0.0.1:PORT/log/v1", bare: true},
		"sumologic": {lines: "@type sumologic\nendpoint http://127.0.0.1:PORT/receiver/v1/http/TOKEN", bare: true},
		"splunk": {lines: "name splunk\nsplunk_token t" + here, bare: true, own: []ownAnswer{
			{"200, server busy", reply("200 OK", asJSON, `{"text":"Server is busy","code":9}`), nil, nil},
			{"an invalid event that nobody sent", reply("400 Bad Request", asJSON, `{"text":"Invalid data format","code":6,"invalid-event-number":900}`), nil, nil},
			{"an invalid event below zero", reply("400 Bad Request", asJSON, `{"text":"Invalid data format","code":6,"invalid-event-number":-1}`), nil, nil},
		}},
		"loki": {lines: "name loki" + here, bare: true, own: []ownAnswer{
			{"260, ingestion is blocked", reply("260 Blocked", "text/plain", "blocked"), nil, nil},
			{"entries that nobody sent", reply("400 Bad Request", "text/plain", `entry for stream '{a="b"}' has timestamp too old: 2001-01-01T00:00:00Z, oldest acceptable timestamp is: 2001-01-02T00:00:00Z`), nil, nil},
		}},
		"opentelemetry": {lines: "name opentelemetry" + here, bare: true, own: []ownAnswer{
			{"more rejected than sent", reply("200 OK", asJSON, `{"partialSuccess":{"rejectedLogRecords":"900","errorMessage":"no"}}`), nil, all},
			{"fewer than none rejected", reply("200 OK", asJSON, `{"partialSuccess":{"rejectedLogRecords":-9,"errorMessage":"no"}}`), all, nil},
		}},
		"prometheus_remote_write": {lines: "name prometheus_remote_write" + here, bare: true, metric: true},
		"kafka": {lines: "name kafka\ntopics t\nbrokers 127.0.0.1:PORT", raw: true, own: []ownAnswer{
			{"a response of 16 MiB", endless("\x00\xff\xff\xff", "\x00"), nil, nil},
			{"a response of 2 GiB", endless("\x7f\xff\xff\xff", "\x00"), nil, nil},
			{"a response below zero", endless("\xff\xff\xff\xff", "\xff"), nil, nil},
			{"the versions of 2 billion requests", endless("\x00\x00\x00\x14\x00\x00\x00\x00\x00\x00\x7f\xff\xff\xff", "\x7f\xff"), nil, nil},
		}},
		"forward": {lines: "name forward\nrequire_ack_response on" + here, raw: true, own: []ownAnswer{
			{"the ack of another chunk", text("\x81\xa3ack\xa1x"), nil, nil},
			{"an ack that is nil", text("\x81\xa3ack\xc0"), nil, nil},
			{"an ack that is no map", text("\x01"), nil, nil},
			{"an ack without end", endless("\xdf\xff\xff\xff\xff", "\xa1x\xa1y"), nil, nil},
			{"an ack of 4 GiB", endless("\x81\xa3ack\xdb\xff\xff\xff\xff", "x"), nil, nil},
			{"a nested ack", endless("", "\x91"), nil, nil},
		}},
		"syslog": {lines: "name syslog\nmode tls\nsyslog_message_key log" + here, raw: true, own: []ownAnswer{
			{"a record of TLS that is too long", endless("\x16\x03\x01\xff\xff", "\x02"), nil, nil},
			{"a certificate without end", endless("\x16\x03\x03\x40\x00\x0b\xff\xff\xff", "\x00"), nil, nil},
			{"alerts without end", endless("", "\x15\x03\x03\x00\x02\x01\x5a"), nil, nil},
		}},
		"remote_syslog": {lines: "@type remote_syslog\nprotocol tcp\ntls true" + here, raw: true},
	}
}

// noAnswers are the outputs to which nobody answers: there is no connection, or the service has nothing to say (without TLS, which syslog
// stands for, tcp and gelf count what the service's host has acknowledged; docs/delivery.md).
var noAnswers = []string{"gelf", "tcp", "udp", "prometheus_exporter", "stdout", "counter", "flowcounter", "file", "null", "rewrite_tag_filter"}

// Whatever a service answers, an output ends its attempt soon, takes little memory, and doesn't take for stored what isn't.
func TestAnswersOfNoService(t *testing.T) {
	if testing.Short() || race.Enabled {
		t.Skip("the memory that is counted is not only the output's")
	}
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"} {
		t.Setenv(name, value)
	}
	var asked atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("ETag", `"1"`)
		_, _ = io.WriteString(w, `{"errors":false,"items":[],"FailedPutCount":0,"FailedRecordCount":0,"text":"Success","code":0}`)
	}))
	defer other.Close()
	for name, tt := range targets() {
		t.Run(name, func(t *testing.T) {
			list := answersFor(tt)
			for _, status := range []string{"301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"} {
				if !tt.raw {
					list = append(list, ownAnswer{name: status, answer: text("HTTP/1.1 " + status + "\r\nLocation: " + other.URL + "/\r\nContent-Length: 0\r\n\r\n")})
				}
			}
			for _, a := range list {
				out := try(t, tt, a.answer)
				switch {
				case asked.Swap(0) > 0:
					t.Errorf("%s: the request, with its credentials, went to the server that the answer names: %+v", a.name, out.reply)
				case out.took > lateTime:
					t.Errorf("%s: Send took %v", a.name, out.took)
				case out.allocated > maxAnswered:
					t.Errorf("%s: Send took %d KiB of memory", a.name, out.allocated>>10)
				case !slices.Equal(out.done, a.done) || !slices.Equal(out.never, a.never):
					t.Errorf("%s: the items %v count as stored and %v as refused for good, want %v and %v: %+v", a.name, out.done, out.never, a.done, a.never, out.reply)
				case out.reply.Verdict != sink.Done && out.reply.Err == nil, out.reply.RetryAfter < 0 || out.reply.RetryAfter > time.Hour:
					t.Errorf("%s: got %+v", a.name, out.reply)
				}
			}
		})
	}
}

// answersFor are the answers that are tried on a target.
func answersFor(tt target) (list []ownAnswer) {
	add := func(of map[string]answer, done func(name string) bool) {
		for _, name := range slices.Sorted(maps.Keys(of)) {
			if tt.raw && !slices.Contains(anyProtocol, name) {
				continue
			}
			a := ownAnswer{name: name, answer: of[name]}
			if done(name) {
				a.done = all
			}
			if tt.metric && name == "400 without end" { // "Prometheus Remote-Write": what 400 refuses must not be sent again
				a.never = all
			}
			list = append(list, a)
		}
	}
	add(attacks, func(name string) bool { return tt.pages && strings.HasPrefix(name, "a login page") })
	add(acceptances, func(name string) bool {
		return tt.bare || tt.empty && (name == "200, an object" || name == "200, null")
	})
	return append(list, tt.own...)
}

// anyProtocol are the attacks that are also made on services that don't speak HTTP.
var anyProtocol = []string{"the connection is closed", "another protocol", "bytes", "bytes without end", "lines without end", "a login page"}

// Every output of the catalogue is attacked, or has nobody who could answer.
func TestNoOutputIsLeftOut(t *testing.T) {
	known := targets()
	for _, p := range outputs() {
		name := append(slices.Clone(p.FluentBit), p.Fluentd...)[0]
		if _, ok := known[name]; !ok && !slices.Contains(noAnswers, name) {
			twin := slices.ContainsFunc(outputs(), func(q config.Plugin) bool { return len(q.FluentBit) > 0 && slices.Contains(p.Fluentd, q.FluentBit[0]) })
			if !twin { // s3 and gelf have a constructor for each dialect
				t.Errorf("the output %s is not among those that are attacked", name)
			}
		}
	}
}

// serve answers until the test ends.
func (l *liar) serve(raw bool) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			defer context.AfterFunc(l.ends, func() { c.Close() })()
			in := bufio.NewReader(c)
			if raw {
				_, _ = in.Peek(1) // the answer comes after the question
				go func() { _, _ = io.Copy(io.Discard, in) }()
			} else {
				req, err := http.ReadRequest(in)
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, req.Body)
			}
			l.answer(l.ends, c)
		}()
	}
}

// An attempt is what became of a request.
type attempt struct {
	reply       sink.Reply
	done, never []int
	took        time.Duration
	allocated   uint64
}

func try(t *testing.T, tt target, a answer) (out attempt) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ends, end := context.WithCancel(t.Context())
	defer end()
	defer ln.Close()
	l := &liar{ln, a, ends}
	go l.serve(tt.raw)
	port := fmt.Sprint(ln.Addr().(*net.TCPAddr).Port)
	plan := compiled(t, strings.ReplaceAll(tt.lines, "PORT", port))
	made, err := construct[any](plan.Outputs[0].Instance, plan.Dialect, sink.Env{Log: zerolog.Nop(), Hostname: "host-1"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), tryTime)
	defer cancel()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begin := time.Now()
	switch d := made.(type) {
	case sink.Destination:
		defer d.Close()
		var records []*sink.Record
		for i := range sentItems {
			r := sinktest.Record("app.web", uint64(i+1), "log", fmt.Sprint("line ", i))
			if tt.metric {
				s := metric.Sample{Name: "m", Kind: metric.Gauge, Value: float64(i)}
				r.Body = s.Append(nil)
			}
			records = append(records, r)
		}
		req, err := sinktest.Encode(d, records...)
		if err != nil {
			t.Fatal(err)
		}
		out.reply = d.Send(ctx, req)
	case gather.Store:
		defer d.Close()
		first := sinktest.Record("app.web", 1, "log", "line")
		o := d.Create(first, gather.Start{})
		body, err := d.Append(nil, first)
		if err != nil {
			t.Fatal(err)
		}
		if out.reply = o.Write(ctx, body); out.reply.Verdict == sink.Done {
			out.reply = o.Finish(ctx)
		}
	}
	out.took = time.Since(begin)
	runtime.ReadMemStats(&after)
	out.allocated = after.TotalAlloc - before.TotalAlloc
	verdicts := slices.Repeat([]sink.Verdict{out.reply.Verdict}, sentItems)
	for n, it := range out.reply.Items {
		if it.Index < 0 || it.Index >= sentItems || n > 0 && it.Index <= out.reply.Items[n-1].Index {
			t.Errorf("the reply has items that don't ascend, or that nobody sent: %+v", out.reply.Items)
			continue
		}
		verdicts[it.Index] = it.Verdict
	}
	for i, v := range verdicts {
		switch v {
		case sink.Done:
			out.done = append(out.done, i)
		case sink.Never:
			out.never = append(out.never, i)
		}
	}
	return out
}
