package http

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/inputtest"
	"github.com/firelane/firelane/input/serve"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/parse"
	"github.com/firelane/firelane/record"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// poster is a client that posts events and counts the answers.
type poster struct {
	url   string
	done  sync.WaitGroup
	acked atomic.Int64
	stop  context.CancelFunc
	ctx   context.Context
}

func newPoster(url string) *poster {
	p := &poster{url: url}
	p.ctx, p.stop = context.WithCancel(context.Background())
	return p
}

func (p *poster) Send(t *testing.T, text string) {
	t.Helper()
	p.done.Go(func() {
		req, err := http.NewRequestWithContext(p.ctx, http.MethodPost, p.url, strings.NewReader(`{"log":"`+text+`"}`))
		if err != nil {
			t.Error(err)
			return
		}
		req.Header.Set("Content-Type", "application/json")
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
func (p *poster) Close()               { p.stop(); p.done.Wait() }

// A patient poster hangs up only when it is answered: closing it in the middle of a request would take the request back.
type patient struct{ *poster }

func (p patient) Close() {}

func TestPromises(t *testing.T) {
	for _, d := range []config.Dialect{config.FluentBit, config.Fluentd} {
		t.Run(d.String(), func(t *testing.T) {
			inputtest.Run(t, inputtest.Subject{Acks: true, Open: func(t *testing.T) (input.Input, inputtest.Source) {
				in, err := New(defaults(), d, input.Env{ID: "http.0"})
				if err != nil {
					t.Fatal(err)
				}
				p := newPoster("http://" + in.(*serve.HTTP).Addr().String() + "/app")
				t.Cleanup(p.Close)
				return in, patient{p}
			}})
		})
	}
}

func defaults() *Options {
	return &Options{Listen: "127.0.0.1", BufferMaxSize: 4 << 20, SuccessCode: 201, RemoteAddrKey: "REMOTE_ADDR"}
}

// A rig is an input that runs, and what it took.
type rig struct {
	url string
	log bytes.Buffer

	mu      sync.Mutex
	events  []string // "tag {json}", or "tag time {json}" where the time isn't that of arrival
	rejects []string
	fail    error // of Flush

	discarded int // receivers
}

type receiver struct {
	r       *rig
	pending []string
}

func (c *receiver) Add(tag []byte, at record.Time, body []byte) {
	if n, err := record.Check(body); err != nil || n != len(body) {
		c.pending = append(c.pending, fmt.Sprintf("a bad body: %v", err))
		return
	}
	text := string(tag) + " "
	if time.Since(time.Unix(int64(at.Sec), 0)) > time.Hour {
		text += fmt.Sprintf("%d.%09d ", at.Sec, at.Nsec)
	}
	c.pending = append(c.pending, text+string(record.AppendJSON(nil, body)))
}

func (c *receiver) Reject(n int, reason string) {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	c.r.rejects = append(c.r.rejects, fmt.Sprintf("%d %s", n, reason))
}

func (c *receiver) Flush(context.Context) error {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	if c.r.fail == nil {
		c.r.events = append(c.r.events, c.pending...)
	}
	c.pending = nil
	return c.r.fail
}

func (c *receiver) Discard(context.Context) error {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	c.r.discarded++
	return nil
}

// take returns what has come since the last take.
func (r *rig) take() (events, rejects []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	events, rejects, r.events, r.rejects = r.events, r.rejects, nil, nil
	return events, rejects
}

func start(t *testing.T, d config.Dialect, o *Options, env input.Env) *rig {
	t.Helper()
	r := new(rig)
	env.ID, env.Log = "http.0", zerolog.New(zerolog.SyncWriter(&r.log))
	in, err := New(o, d, env)
	if err != nil {
		t.Fatal(err)
	}
	r.url = "http://" + in.(*serve.HTTP).Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- in.Run(ctx, func() input.Receiver { return &receiver{r: r} }) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Error("Run:", err)
		}
	})
	return r
}

// A request of a test, and what it must come to.
type request struct {
	method, path, body string
	header             []string // names and values
	status             int
	events, rejects    []string
	answer             string // a part of the body; with a name and : a header
}

func (r *rig) do(t *testing.T, q request) {
	t.Helper()
	if q.method == "" {
		q.method = http.MethodPost
	}
	req, err := http.NewRequest(q.method, r.url+q.path, strings.NewReader(q.body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(q.header); i += 2 {
		req.Header.Set(q.header[i], q.header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body) // short
	answer := string(body)
	if name, value, ok := strings.Cut(q.answer, ": "); ok && name != "error" {
		answer, q.answer = resp.Header.Get(name), value
	}
	events, rejects := r.take()
	if resp.StatusCode != q.status || !slices.Equal(events, q.events) || !slices.Equal(rejects, q.rejects) || !strings.Contains(answer, q.answer) {
		t.Errorf("%s %s %.200s %q: got %d %q, events %.2000q and rejects %q, want %d %q, %.2000q and %q",
			q.method, q.path, q.body, q.header, resp.StatusCode, answer, events, rejects, q.status, q.answer, q.events, q.rejects)
	}
}

var (
	asJSON = []string{"Content-Type", "application/json"}
	asForm = []string{"Content-Type", "application/x-www-form-urlencoded"}
)

func TestFluentBitsRequests(t *testing.T) {
	o := defaults()
	o.TagKey, o.RemoteAddr, o.Health = "$kind", true, true
	o.SuccessHeader = []config.Pair{{Key: "X-Custom", Value: "a b"}}
	r := start(t, config.FluentBit, o, input.Env{})
	for _, q := range []request{
		{path: "/", body: `{"a":1}`, header: asJSON, status: 201, events: []string{`http.0 {"a":1}`}, answer: "X-Custom: a b"},
		{path: "/app.log", body: `[{"a":1},{"b":[2]}]`, header: asJSON, status: 201, events: []string{`app.log {"a":1}`, `app.log {"b":[2]}`}},
		{path: "/app/log-1%20x?q=1", body: "{\"a\":1}\n{\"b\":1}\r\n\n{\"c\":\n1}", header: []string{"Content-Type", "Application/JSON ; charset=utf-8"}, status: 201,
			events: []string{`app_log_1_x {"a":1}`, `app_log_1_x {"b":1}`, `app_log_1_x {"c":1}`}},
		{path: "/", body: "{\"a\":1}\n", header: []string{"Content-Type", "application/x-ndjson"}, status: 201, events: []string{`http.0 {"a":1}`}},
		{path: "/x", body: `{"kind":"my kind"}`, header: asJSON, status: 201, events: []string{`my_kind {"kind":"my kind"}`}},
		{path: "/x", body: `{"kind":1}`, header: asJSON, status: 201, events: []string{`x {"kind":1}`}},
		{path: "/", body: `{}`, header: append(asJSON, "X-Forwarded-For", " 1.2.3.4, 5.6.7.8"), status: 201, events: []string{`http.0 {"REMOTE_ADDR":"1.2.3.4"}`}},
		{path: "/", body: `{"REMOTE_ADDR":1}`, header: append(asJSON, "X-Forwarded-For", "1.2.3.4"), status: 201, events: []string{`http.0 {"REMOTE_ADDR":1}`}},
		{path: "/form", body: "a=1&b=x+y%21&c&=d&e=&f=%zz", header: asForm, status: 201, events: []string{`form {"a":"1","b":"x y!","e":"","f":"%zz"}`}},
		{path: "/", body: `[]`, header: asJSON, status: 201},
		{method: "GET", path: "/health", status: 200, answer: `"status":"ok"`},

		{path: "/", body: `{"a":1}` + "\nnot", header: asJSON, status: 400, rejects: []string{"1 record is not a map"}, answer: "error: a record is not a JSON object"},
		{path: "/", body: `[{"a":1},2]`, header: asJSON, status: 400, rejects: []string{"1 record is not a map"}},
		{path: "/", body: `[{"a":1} {}]`, header: asJSON, status: 400, rejects: []string{"1 bad JSON"}},
		{path: "/", body: `{"a":1`, header: asJSON, status: 400, rejects: []string{"1 bad JSON"}, answer: "error: the body is not JSON"},
		{path: "/", header: asJSON, status: 400, rejects: []string{"1 empty body"}},
		{path: "/", body: `{"a":1}`, status: 400, rejects: []string{"1 bad content type"}, answer: "Content-Type is missing"},
		{path: "/", body: `{"a":1}`, header: []string{"Content-Type", "text/plain"}, status: 400, rejects: []string{"1 bad content type"}},
		{path: "/", body: "abc", header: asForm, status: 400, rejects: []string{"1 bad form"}},
		{method: "PUT", path: "/", body: `{}`, header: asJSON, status: 400, rejects: []string{"1 bad request"}},
		{path: "/" + strings.Repeat("t", 256), body: `{}`, header: asJSON, status: 400, rejects: []string{"1 bad tag"}},
		{path: "/", body: strings.Repeat("[", 200), header: asJSON, status: 400, rejects: []string{"1 record is not a map"}},
		{path: "/", body: `{"a":1}`, header: append(asJSON, "Content-Encoding", "br"), status: 415, rejects: []string{"1 bad body"}},
		{path: "/", body: `{"a":1}`, header: append(asJSON, "Content-Encoding", "gzip"), status: 400, rejects: []string{"1 bad body"}, answer: "not what its Content-Encoding says"},
	} {
		r.do(t, q)
	}
}

func TestFluentdsRequests(t *testing.T) {
	r := start(t, config.Fluentd, defaults(), input.Env{})
	pack := string(record.AppendStr(record.AppendStr(record.AppendMapHeader(record.AppendArrayHeader(nil, 1), 1), "a"), "b"))
	for _, q := range []request{
		{path: "/app/log", body: `{"a":1}`, header: asJSON, status: 200, events: []string{`app.log {"a":1}`}},
		{path: "/app.log", body: `[{"a":1,"time":1.5},{"b":2}]`, header: asJSON, status: 200, events: []string{`app.log 1.500000000 {"a":1}`, `app.log {"b":2}`}},
		{path: "/app?time=1700000000.25", body: `{"a":1,"time":1}`, header: asJSON, status: 200, events: []string{`app 1700000000.250000000 {"a":1}`}},
		{path: "/app", body: "{\"a\":1}\n{\"b\":1}\n", header: []string{"Content-Type", "application/x-ndjson"}, status: 200, events: []string{`app {"a":1}`, `app {"b":1}`}},
		{path: "/app", body: `json={"a":"x%2By+z"}`, header: asForm, status: 200, events: []string{`app {"a":"x+y z"}`}},
		{path: "/app", body: "msgpack=%81%A1a%A1b", header: asForm, status: 200, events: []string{`app {"a":"b"}`}},
		{path: "/app", body: pack, header: []string{"Content-Type", "application/msgpack"}, status: 200, events: []string{`app {"a":"b"}`}},
		{method: "GET", path: `/app?json=%7B%22a%22:1%7D`, status: 200, events: []string{`app {"a":1}`}},

		{method: "GET", path: "/", status: 200},
		{method: "GET", path: "/health?x=1", status: 200},

		{path: "/", body: `{"a":1}`, header: asJSON, status: 400, rejects: []string{"1 bad tag"}},
		{path: "/app", body: `{"a":1}`, status: 400, rejects: []string{"1 bad form"}, answer: "400 Bad Request\nthe parameter json or msgpack is required"},
		{path: "/app?time=x", body: `{"a":1}`, header: asJSON, status: 400, rejects: []string{"1 bad time"}},
		{path: "/app", body: `{"time":"x"}`, header: asJSON, status: 200, events: []string{`app {"time":"x"}`}},
		{path: "/app", body: pack + "x", header: []string{"Content-Type", "application/msgpack"}, status: 400, rejects: []string{"1 not MessagePack"}},
		{path: "/app", body: "\x92\x80\x01", header: []string{"Content-Type", "application/msgpack"}, status: 400, rejects: []string{"1 record is not a map"}},
		{path: "/app", body: "\xdd\xff\xff\xff\xff", header: []string{"Content-Type", "application/msgpack"}, status: 400, rejects: []string{"1 not MessagePack"}},
		{method: "OPTIONS", path: "/app", header: []string{"Origin", "https://a.org", "Access-Control-Request-Method", "POST"}, status: 403, rejects: []string{"1 origin not allowed"}},
	} {
		r.do(t, q)
	}
}

func TestFluentdsOptions(t *testing.T) {
	o := defaults()
	o.TagPrefix, o.Headers, o.Query, o.RemoteAddr, o.NoContent = "http", true, true, true, true
	o.Origins, o.Credentials = []string{"https://*.example.com"}, true
	r := start(t, config.Fluentd, o, input.Env{})
	host := strings.TrimPrefix(r.url, "http://")
	r.do(t, request{path: "/app?a-b=c+d", body: `{"a":1}`, header: append(asJSON, "User-Agent", "x", "Accept-Encoding", "identity"), status: 204,
		events: []string{`http.app {"a":1,"HTTP_HOST":"` + host + `","HTTP_ACCEPT_ENCODING":"identity","HTTP_CONTENT_LENGTH":"7","HTTP_CONTENT_TYPE":"application/json","HTTP_USER_AGENT":"x","QUERY_A_B":"c d","REMOTE_ADDR":"127.0.0.1"}`}})
	page := append(asJSON, "Origin", "https://a.example.com")
	r.do(t, request{method: "OPTIONS", path: "/app", header: append(page, "Access-Control-Request-Method", "POST"), status: 200, answer: "Access-Control-Allow-Origin: https://a.example.com"})
	r.do(t, request{path: "/app", body: "[]", header: page, status: 204, answer: "Access-Control-Allow-Credentials: true"})
	r.do(t, request{path: "/app", body: "[]", header: append(asJSON, "Origin", "https://example.com.evil.org"), status: 403, rejects: []string{"1 origin not allowed"}})
	r.do(t, request{path: "/app", body: `{"a":"` + strings.Repeat("x", 100) + `"}`, header: append(asJSON, "X-Long", strings.Repeat("y", 14_000), "Origin", "https://b.org"), status: 403, rejects: []string{"1 origin not allowed"}})
	r.do(t, request{path: "/app", body: "[" + strings.Repeat("{},", 500) + "{}]", header: append(asJSON, "X-Long", strings.Repeat("y", 14_000)), status: 413, rejects: []string{"1 too many events"}})

	o = defaults()
	o.EmptyImage = true
	o.Parse = &parse.Spec{Type: "regexp", Expression: "^(?<level>\\w+) (?<text>.*)$"}
	r = start(t, config.Fluentd, o, input.Env{})
	r.do(t, request{path: "/app", body: "WARN disk full", status: 200, events: []string{`app {"level":"WARN","text":"disk full"}`}, answer: "GIF89a"})
	r.do(t, request{path: "/app", body: "?", status: 400, rejects: []string{"1 bad text"}})
}

func TestCompressedBodies(t *testing.T) {
	o := defaults()
	o.BufferMaxSize = 1 << 20
	r := start(t, config.FluentBit, o, input.Env{})
	large, bomb := `{"a":"`+strings.Repeat("x", 900_000)+`"}`, `{"a":"`+strings.Repeat("x", 1<<20)+`"}`
	z, _ := zstd.NewWriter(nil)
	for encoding, compress := range map[string]func(string) string{
		"gzip":    written(func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }),
		"deflate": written(func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }),
		"zstd":    func(s string) string { return string(z.EncodeAll([]byte(s), nil)) },
		"snappy":  written(func(w io.Writer) io.WriteCloser { return snappy.NewBufferedWriter(w) }),
		"Snappy":  func(s string) string { return string(snappy.Encode(nil, []byte(s))) }, // one block
	} {
		for range 2 { // a second time with the same decompressor
			header := append(asJSON, "Content-Encoding", encoding)
			r.do(t, request{path: "/", body: compress(`{"a":1}`), header: header, status: 201, events: []string{`http.0 {"a":1}`}})
			r.do(t, request{path: "/", body: compress(large), header: header, status: 201, events: []string{"http.0 " + large}})
			r.do(t, request{path: "/", body: compress(bomb), header: header, status: 413, rejects: []string{"1 body too large"}})
			r.do(t, request{path: "/", body: compress(large)[:20], header: header, status: 400, rejects: []string{"1 bad body"}})
		}
	}
	r.do(t, request{path: "/", body: bomb, header: asJSON, status: 413, rejects: []string{"1 body too large"}, answer: "error: the body is larger than 1048576 bytes"})
	r.do(t, request{path: "/", body: "[" + strings.Repeat("{},", serve.MaxEvents) + "{}]", header: asJSON, status: 413, rejects: []string{"1 too many events"}})
}

// TestLargeBodies are converted twice: all their events come once, in order, or none does.
func TestLargeBodies(t *testing.T) {
	var body, pack, form []byte
	var want, wantForm []string
	const n = 20_000
	pack = record.AppendArrayHeader(nil, n)
	for i := range n {
		rec := fmt.Sprintf(`{"n":%d,"text":"some text"}`, i)
		body = append(append(body, rec...), '\n')
		want = append(want, "app "+rec)
		pack = record.AppendStr(record.AppendStr(record.AppendInt(record.AppendStr(record.AppendMapHeader(pack, 2), "n"), int64(i)), "text"), "some text")
		form = fmt.Appendf(form, "k%d=a%%20b%%2520&", i)
		wantForm = append(wantForm, fmt.Sprintf(`"k%d":"a b%%20"`, i))
	}
	r := start(t, config.FluentBit, defaults(), input.Env{})
	r.do(t, request{path: "/app", body: string(body), header: asJSON, status: 201, events: want})
	r.do(t, request{path: "/app", body: "[" + strings.ReplaceAll(string(body[:len(body)-1]), "\n", ",") + "]", header: asJSON, status: 201, events: want})
	r.do(t, request{path: "/app", body: string(body) + "x", header: asJSON, status: 400, rejects: []string{"1 record is not a map"}})
	r.do(t, request{path: "/app", body: string(form), header: asForm, status: 201, events: []string{"app {" + strings.Join(wantForm, ",") + "}"}})
	r = start(t, config.Fluentd, defaults(), input.Env{})
	r.do(t, request{path: "/app", body: string(body), header: asJSON, status: 200, events: want})
	r.do(t, request{path: "/app", body: string(pack), header: []string{"Content-Type", "application/msgpack"}, status: 200, events: want})
	r.do(t, request{path: "/app", body: string(body) + "x", header: asJSON, status: 400, rejects: []string{"1 record is not a map"}})
}

func written(open func(io.Writer) io.WriteCloser) func(string) string {
	return func(s string) string {
		var b bytes.Buffer
		w := open(&b)
		_, _ = io.WriteString(w, s) // to memory
		_ = w.Close()
		return b.String()
	}
}

// TestFullQueueIs503: the client is told when to send the events again, and they are not counted as malformed. The receiver, which
// isn't used again, is discarded: otherwise the router would wait for what it has released, and acknowledge nothing any more.
func TestFullQueueIs503(t *testing.T) {
	r := start(t, config.FluentBit, defaults(), input.Env{})
	r.fail = context.DeadlineExceeded
	r.do(t, request{path: "/", body: `{"a":1}`, header: asJSON, status: 503, answer: "Retry-After: 5"})
	r.mu.Lock()
	if r.fail = nil; r.discarded != 1 {
		t.Errorf("got %d receivers discarded, want 1", r.discarded)
	}
	r.mu.Unlock()
	r.do(t, request{path: "/", body: `{"b":1}`, header: asJSON, status: 201, events: []string{`http.0 {"b":1}`}})
}

// TestBodyOfUnknownLength comes in pieces.
func TestBodyOfUnknownLength(t *testing.T) {
	r := start(t, config.FluentBit, defaults(), input.Env{})
	nc, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	io.WriteString(nc, "POST /a HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
	text := `{"a":"` + strings.Repeat("x", 100_000) + `"}`
	for i := 0; i < len(text); i += 7001 {
		piece := text[i:min(i+7001, len(text))]
		io.WriteString(nc, strconv.FormatInt(int64(len(piece)), 16)+"\r\n"+piece+"\r\n")
	}
	io.WriteString(nc, "0\r\n\r\n")
	answer := make([]byte, 12)
	if _, err := io.ReadFull(nc, answer); err != nil || string(answer) != "HTTP/1.1 201" {
		t.Errorf("got %q, %v, want 201", answer, err)
	}
	if events, _ := r.take(); len(events) != 1 || events[0] != "a "+text {
		t.Errorf("got %.50q, want the event", events)
	}
}

// TestLongestIdleGivesWay: a new client finds a place among those that only hold connections.
func TestLongestIdleGivesWay(t *testing.T) {
	r := start(t, config.FluentBit, defaults(), input.Env{})
	for range 300 {
		nc, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
	}
	r.do(t, request{path: "/", body: `{"a":1}`, header: asJSON, status: 201, events: []string{`http.0 {"a":1}`}})
}

func TestWrongOptions(t *testing.T) {
	for want, c := range map[string]struct {
		d config.Dialect
		o Options
	}{
		"oauth2.validate: is not supported; put a proxy that checks tokens before the input": {config.FluentBit, Options{OAuth2: true}},
		"success_header: must be a name and a value: X-Name value":                           {config.FluentBit, Options{SuccessHeader: []config.Pair{{Key: "a:", Value: "b"}}}},
		"cors_allow_credentials: needs cors_allow_origins":                                   {config.Fluentd, Options{Credentials: true}},
		"tls: needs tls.crt_file and tls.key_file":                                           {config.FluentBit, Options{TLS: serve.TLS{On: true}}},
	} {
		err := c.o.Check(c.d)
		var wrong *config.OptionError
		if !errors.As(err, &wrong) || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if w := (&Options{BufferMaxSize: 9 << 20, SuccessCode: 202}).Warnings(); len(w) != 2 {
		t.Errorf("got the warnings %q, want two", w)
	}
}
