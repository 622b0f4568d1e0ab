package bulk

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/internal/race"
	"github.com/firelane/firelane/sink"
)

// TestNestedCausesTakeBoundedMemory: an item's error has millions of causes of causes.
func TestNestedCausesTakeBoundedMemory(t *testing.T) {
	d := replyDestination(t)
	depth := 1 << 20
	if race.Enabled { // it makes reading a byte ten times dearer, and finds nothing in the next megabyte
		depth /= 10
	}
	in := `{"errors":true,"items":[{"create":{"status":400,"error":{"type":"x","reason":"bad"` +
		strings.Repeat(`,"caused_by":{"reason":"deep"`, depth) + strings.Repeat("}", depth) + `}}},{"create":{"status":201}}]}`
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r := d.readBulk(strings.NewReader(in), itemsOf(2))
	runtime.ReadMemStats(&after)
	// Stacks of goroutines that have ended may be freed meanwhile: the difference may be negative.
	if n := int64(after.TotalAlloc-before.TotalAlloc) + int64(after.StackSys) - int64(before.StackSys); n > 1<<20 {
		t.Errorf("reading %d bytes took %d of memory, want at most 1 MiB", len(in), n)
	}
	want := []sink.Verdict{sink.Never, sink.Done}
	if got := verdicts(&r, 2); fmt.Sprint(got) != fmt.Sprint(want) || r.Items[0].Reason != "bad: deep" {
		t.Errorf("verdicts %v, want %v; reply %+v", got, want, r)
	}
}

// endless is a reply's beginning, and then what follows for ever.
type endless struct {
	start io.Reader
	next  byte
	n     int64
}

func (e *endless) Read(b []byte) (int, error) {
	n, err := e.start.Read(b)
	if err != nil {
		n = copy(b, bytes.Repeat([]byte{e.next}, len(b)))
	}
	e.n += int64(n)
	return n, nil
}

// TestReplyWithoutEndIsReadInPart: whatever a reply without end begins with, reading stops.
func TestReplyWithoutEndIsReadInPart(t *testing.T) {
	if race.Enabled {
		t.Skip("one goroutine reads 128 MiB, which takes the race detector a minute and tells it nothing")
	}
	d := replyDestination(t)
	for start, want := range map[string]sink.Verdict{
		"": sink.Again, `{"a":"`: sink.Again, `{"errors":true,"items":[`: sink.Again,
		`{"errors":false,"items":[`: sink.Done, `{"errors":true,"items":[{"create":{"status":201}}]}`: sink.Done,
	} {
		body := &endless{start: strings.NewReader(start), next: ' '}
		r := d.readBulk(body, itemsOf(1))
		if got := verdicts(&r, 1)[0]; got != want || body.n > maxReply+replyBuffer {
			t.Errorf("%s: %v after %d bytes, want %v", start, got, body.n, want)
		}
		if want == sink.Again && (r.Err == nil || !strings.Contains(r.Err.Error(), "longer than 32 MiB")) {
			t.Errorf("%s: error %v, want one that says the length", start, r.Err)
		}
	}
}

// answering is a server that answers every request with a status, and a destination of it that logs to log.
func answering(t *testing.T, o *Options, log io.Writer, status int, server, body string) *Destination {
	t.Helper()
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if server != "" {
			w.Header().Set("Server", server)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(h.Close)
	pointTo(t, o, h.URL)
	d, err := newBulk(o, config.FluentBit, sink.Env{Log: zerolog.New(log)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// TestBareStatusIsDeliveredForDataPrepper and for OpenSearch Ingestion, which answer so; it is logged once.
func TestBareStatusIsDeliveredForDataPrepper(t *testing.T) {
	osis := func(o *Options) { o.AWSService = "OSIS" }
	for _, tt := range []struct {
		status       int
		server, body string
		set          func(*Options)
		want         sink.Verdict
	}{
		{200, "Armeria/1.29.0", "", nil, sink.Done},
		{200, "Armeria/1.29.0", "200 OK", nil, sink.Done},
		{204, "Armeria/1.29.0", "", nil, sink.Done},
		{200, "", "", osis, sink.Done},
		{200, "Armeria/1.29.0", "<html>", nil, sink.Again},
		{200, "", `{"took":1,"errors":true,"items":[]}`, osis, sink.Again},
		{200, "nginx", "", nil, sink.Again},
		{204, "", "", nil, sink.Again},
		{200, "", "200 OK", nil, sink.Again},
	} {
		var log bytes.Buffer
		d := answering(t, fluentBit(tt.set), &log, tt.status, tt.server, tt.body)
		for range 2 {
			r := send(t, d, request(t, d, 3))
			if r.Verdict != tt.want || (r.Err == nil) != (tt.want == sink.Done) || len(r.Items) > 0 {
				t.Errorf("%d %q from %q: %+v, want %v", tt.status, tt.body, tt.server, r, tt.want)
			}
		}
		if n := strings.Count(log.String(), "bare status"); (n == 1) != (tt.want == sink.Done) {
			t.Errorf("%d %q from %q: logged %d times: %s", tt.status, tt.body, tt.server, n, &log)
		}
	}
}

// TestStrangeReplyIsNotRepeatedSoonAndNamesServerAndBody: the same records would be sent for ever.
func TestStrangeReplyIsNotRepeatedSoonAndNamesServerAndBody(t *testing.T) {
	for body, want := range map[string]string{
		"": "the reply is empty", "<html>Please <b>log in</b></html>": `which begins "Please log in"`, `{"ok":true}`: `which begins "{\"ok\":true}"`,
	} {
		d := answering(t, fluentBit(nil), io.Discard, 200, "", body)
		r := send(t, d, request(t, d, 3))
		if r.Verdict != sink.Again || r.RetryAfter < strangeReplyWait {
			t.Errorf("%s: %+v, want again after a minute", body, r)
		}
		if msg := fmt.Sprint(r.Err); !strings.Contains(msg, want) || !strings.Contains(msg, d.servers.Clients[0].Name) {
			t.Errorf("%s: %s; want the server's name and %s", body, msg, want)
		}
	}
}

// raw is a server that calls handle with every connection, once it has read the headers of a request if read is set. The
// connections are closed at the end of the test.
func raw(t *testing.T, o *Options, read bool, handle func(net.Conn)) *Destination {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			context.AfterFunc(done, func() { _ = c.Close() })
			go func() {
				if read {
					_, _ = c.Read(make([]byte, 64<<10))
				}
				handle(c)
			}()
		}
	}()
	t.Cleanup(func() { stop(); _ = l.Close(); <-ended })
	pointTo(t, o, "http://"+l.Addr().String())
	return newDestination(t, o, config.FluentBit)
}

// TestNoServerHoldsAnAttemptBeyondItsLimit, whatever it answers or doesn't. An attempt is repeated once. The limit leaves a
// busy machine the time to read what was answered before it.
func TestNoServerHoldsAnAttemptBeyondItsLimit(t *testing.T) {
	t.Parallel()
	const limit = 2 * time.Second
	forever := func(start, next string) func(net.Conn) {
		return func(c net.Conn) {
			_, err := io.WriteString(c, start)
			for err == nil && next != "" {
				if _, err = io.WriteString(c, next); len(next) < 100 {
					time.Sleep(time.Millisecond) // it drips
				}
			}
		}
	}
	for name, tt := range map[string]struct {
		handle func(net.Conn)
		want   string
	}{
		"101":              {forever("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", ""), "101"},
		"101 and more":     {forever("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", "x"), "101"},
		"101 at once":      {forever("HTTP/1.1 101 Switching Protocols\r\n\r\n", ""), "101"},
		"102 for ever":     {forever("", "HTTP/1.1 102 Processing\r\n\r\n"), ""},
		"100 for ever":     {forever("", "HTTP/1.1 100 Continue\r\n\r\n"), ""},
		"header for ever":  {forever("HTTP/1.1 200 OK\r\n", "X-A: b\r\n"), ""},
		"drip":             {forever("HTTP/1.1 200 OK\r\n\r\n{", " "), `begins "{"`},
		"drip refusal":     {forever("HTTP/1.1 500 Oops\r\n\r\noh ", "x"), "500"},
		"body for ever":    {forever("HTTP/1.1 200 OK\r\n\r\nhello", strings.Repeat("x", 64<<10)), `begins "helloxx`},
		"refusal for ever": {forever("HTTP/1.1 500 Oops\r\n\r\noh", strings.Repeat("x", 64<<10)), "500"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := raw(t, fluentBit(func(o *Options) { o.RequestTimeout = ptr(limit) }), true, tt.handle)
			start := time.Now()
			r := send(t, d, request(t, d, 3))
			if took := time.Since(start); took > patience/2 {
				t.Errorf("took %v with a limit of %v", took, limit)
			}
			if r.Verdict != sink.Again || !strings.Contains(fmt.Sprint(r.Err), tt.want) || !strings.Contains(fmt.Sprint(r.Err), "127.0.0.1") {
				t.Errorf("%+v, want again, with an error that names the server and %s", r, tt.want)
			}
		})
	}
}

// TestServerThatNeverReadsHoldsNoAttempt: the request is larger than what the kernels keep between the two.
func TestServerThatNeverReadsHoldsNoAttempt(t *testing.T) {
	const limit = 300 * time.Millisecond
	h := httptest.NewUnstartedServer(nil)
	h.StartTLS() // for its certificate
	h.Close()
	for name, handle := range map[string]func(net.Conn){
		"plain": func(net.Conn) {}, "TLS": func(c net.Conn) { _ = tls.Server(c, h.TLS).Handshake() },
	} {
		t.Run(name, func(t *testing.T) {
			d := raw(t, fluentBit(func(o *Options) {
				o.RequestTimeout, o.TLS, o.Verify = ptr(limit), name == "TLS", false
			}), false, handle)
			req := request(t, d, 1)
			req.Body = append(req.Body, make([]byte, 64<<20)...)
			req.Ends[0] = len(req.Body)
			start := time.Now()
			r := send(t, d, req)
			if took := time.Since(start); r.Verdict != sink.Again || took > patience/2 || !strings.Contains(fmt.Sprint(r.Err), "no reply in time") {
				t.Errorf("%+v after %v with a limit of %v", r, took, limit)
			}
		})
	}
}

// TestServerThatResetsIsToldFromOneThatIsAway: the delivery loop makes smaller requests for the first.
func TestServerThatResetsIsToldFromOneThatIsAway(t *testing.T) {
	reset := func(c net.Conn) {
		_, _ = io.CopyN(io.Discard, c, 100<<10)
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	}
	large := func(d *Destination) *sink.Request {
		req := request(t, d, 1)
		req.Body = append(req.Body, make([]byte, 8<<20)...)
		req.Ends[0] = len(req.Body)
		return req
	}
	d := raw(t, fluentBit(nil), false, reset)
	if r := send(t, d, large(d)); r.Verdict != sink.Again || r.Cause != sink.Unreached || !r.CutOff {
		t.Errorf("reset while sending: %+v, want it cut off", r)
	}
	d = raw(t, fluentBit(nil), true, func(c net.Conn) { _ = c.Close() })
	if r := send(t, d, request(t, d, 1)); !r.CutOff {
		t.Errorf("closed without an answer: %+v, want it cut off", r)
	}
	d = raw(t, fluentBit(func(o *Options) { o.RequestTimeout = ptr(100 * time.Millisecond) }), true, func(net.Conn) {})
	if r := send(t, d, request(t, d, 1)); r.CutOff {
		t.Errorf("no answer in time: %+v, want it not cut off", r)
	}
	d = newDestination(t, fluentBit(func(o *Options) { o.Port = 1 }), config.FluentBit)
	if r := send(t, d, request(t, d, 1)); r.CutOff {
		t.Errorf("not reached: %+v, want it not cut off", r)
	}
}
