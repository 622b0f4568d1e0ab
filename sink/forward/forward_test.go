package forward

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/forward"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/sinktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// patience is how long a test waits for something that must happen, on a busy machine.
const patience = time.Minute

// A taker is a server's receivers: it keeps the events, in the order of their Flush.
type taker struct {
	flushed chan struct{} // has a value after a Flush

	mu     sync.Mutex
	events []string
	fail   error // what Flush returns
	conns  int
}

// refuse makes every Flush from now on fail.
func (k *taker) refuse(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fail = err
}

type takes struct {
	*taker
	pending []string
}

func (k *taker) receiver() input.Receiver {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.conns++
	return &takes{taker: k}
}

func (k *taker) got() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.events)
}

func (k *takes) Add(tag []byte, t record.Time, body []byte) {
	k.pending = append(k.pending, fmt.Sprintf("%s %d.%d %s", tag, t.Sec, t.Nsec, record.AppendJSON(nil, body)))
}
func (k *takes) Reject(int, string) {}
func (k *takes) Flush(context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fail != nil {
		return k.fail
	}
	k.events = append(k.events, k.pending...)
	k.pending = nil
	select {
	case k.flushed <- struct{}{}:
	default:
	}
	return nil
}

// serve runs a server and returns its port.
func serve(t *testing.T, o *forward.Options, d config.Dialect) (*forward.Server, *taker, int) {
	t.Helper()
	o.Listen, o.SkipInvalid = "127.0.0.1", true
	in, err := forward.New(o, d, input.Env{Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	s := in.(*forward.Server)
	k := &taker{flushed: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, k.receiver) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	port := 0
	if a, ok := s.Addr().(*net.TCPAddr); ok {
		port = a.Port
	}
	return s, k, port
}

func bit(port int) *Options {
	o := &Options{Host: "127.0.0.1", Port: port, SelfHostname: "localhost", Compress: "text"}
	o.Keepalive = true
	return o
}

func client(t *testing.T, o *Options, d config.Dialect) sink.Destination {
	t.Helper()
	if err := o.Check(d); err != nil {
		t.Fatal(err)
	}
	c, err := New(o, d, sink.Env{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// request is the items of events with these tags, numbered.
func request(t *testing.T, c sink.Destination, tags ...string) (req *sink.Request, want []string) {
	t.Helper()
	var records []*sink.Record
	for i, tag := range tags {
		body := record.AppendInt(record.AppendStr(record.AppendMapHeader(nil, 1), "n"), int64(i))
		records = append(records, &sink.Record{Event: record.Event{Tag: tag, Time: record.Time{Sec: 1700000000, Nsec: uint32(i)}, Body: body}})
		want = append(want, fmt.Sprintf(`%s 1700000000.%d {"n":%d}`, tag, i, i))
	}
	slices.Sort(want)
	req, err := sinktest.Encode(c, records...)
	if err != nil {
		t.Fatal(err)
	}
	return req, want
}

// arrives waits for the events, in any order.
func arrives(t *testing.T, k *taker, want []string) {
	t.Helper()
	for deadline := time.After(patience); ; {
		got := k.got()
		slices.Sort(got)
		if slices.Equal(got, want) {
			return
		}
		select {
		case <-k.flushed:
		case <-deadline:
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}

func TestEventsArrive(t *testing.T) {
	for name, set := range map[string]func(*Options, *forward.Options){
		"plain": func(*Options, *forward.Options) {},
		"options": func(o *Options, _ *forward.Options) {
			o.SendOptions = true
			o.AddOption = []config.Pair{{Key: "k", Value: "v"}}
		},
		"acks":       func(o *Options, _ *forward.Options) { o.RequireAck = true },
		"gzip":       func(o *Options, _ *forward.Options) { o.Compress = "gzip" },
		"gzip, acks": func(o *Options, _ *forward.Options) { o.Compress, o.RequireAck = "gzip", true },
		"no keep":    func(o *Options, _ *forward.Options) { o.Keepalive = false },
		"shared key": func(o *Options, s *forward.Options) { o.SharedKey, s.SharedKey = "secret", "secret" },
		"empty key":  func(o *Options, s *forward.Options) { o.EmptySharedKey, s.EmptySharedKey = true, true },
		"user": func(o *Options, s *forward.Options) {
			o.SharedKey, o.Username, o.Password, o.RequireAck = "secret", "ann", "pw", true
			s.SharedKey, s.Users = "secret", []config.Pair{{Key: "ann", Value: "pw"}}
		},
		"unix": func(o *Options, s *forward.Options) {
			s.UnixPath = t.TempDir() + "/f.sock"
			o.UnixPath = s.UnixPath
		},
	} {
		t.Run(name, func(t *testing.T) {
			o, so := bit(0), new(forward.Options)
			set(o, so)
			_, k, port := serve(t, so, config.FluentBit)
			o.Port = port
			c := client(t, o, config.FluentBit)
			req, want := request(t, c, "a", "a", "b", "a", "c", "b")
			for i := range 3 {
				if r := c.Send(t.Context(), req); r.Verdict != sink.Done || r.Err != nil || r.Cause != sink.Answered {
					t.Fatalf("request %d: got %+v, want done", i, r)
				}
			}
			three := slices.Repeat(want, 3)
			slices.Sort(three)
			arrives(t, k, three)
		})
	}
}

func TestTagAndTimeAsTheUserWantsThem(t *testing.T) {
	_, k, port := serve(t, new(forward.Options), config.FluentBit)
	o := bit(port)
	o.Tag, o.TimeAsInteger = "mine", true
	c := client(t, o, config.FluentBit)
	req, _ := request(t, c, "a", "b")
	c.Send(t.Context(), req)
	arrives(t, k, []string{`mine 1700000000.0 {"n":0}`, `mine 1700000000.0 {"n":1}`})
}

func fluentd(ports ...int) *Options {
	o := &Options{Compress: "text", RequireAck: true, AckTimeout: patience, KeepConnection: true}
	for _, p := range ports {
		o.Servers = append(o.Servers, Server{Host: "127.0.0.1", Port: p, Weight: 60})
	}
	return o
}

func TestFluentdsServerWithASharedKeyAndZstd(t *testing.T) {
	so := &forward.Options{Security: &forward.Security{SelfHostname: "server", SharedKey: "secret", AllowAnonymous: true}}
	_, k, port := serve(t, so, config.Fluentd)
	o := fluentd(port)
	o.Security, o.Compress = &Security{SelfHostname: "client", SharedKey: "secret"}, "zstd"
	c := client(t, o, config.Fluentd)
	req, want := request(t, c, "a", "b")
	if r := c.Send(t.Context(), req); r.Verdict != sink.Done {
		t.Fatalf("got %+v, want done", r)
	}
	arrives(t, k, want)
}

func TestAnotherServerTakesOver(t *testing.T) {
	_, k, port := serve(t, new(forward.Options), config.FluentBit)
	o := fluentd(1, port) // nobody listens on port 1
	o.Servers[0].Weight, o.Servers[1].Standby = 1000, true
	c := client(t, o, config.Fluentd)
	req, want := request(t, c, "a", "b", "c")
	if r := c.Send(t.Context(), req); r.Verdict != sink.Done {
		t.Fatalf("got %+v, want done", r)
	}
	arrives(t, k, want)
}

func TestStandbyIsLeftAloneWhileAnotherWorks(t *testing.T) {
	_, first, p1 := serve(t, new(forward.Options), config.FluentBit)
	_, second, p2 := serve(t, new(forward.Options), config.FluentBit)
	o := fluentd(p2, p1)
	o.Servers[0].Standby = true
	c := client(t, o, config.Fluentd)
	req, _ := request(t, c, "a")
	for range 20 {
		c.Send(t.Context(), req)
	}
	if len(first.got()) != 20 || len(second.got()) != 0 {
		t.Errorf("got %d and %d events, want 20 and none", len(first.got()), len(second.got()))
	}
}

func TestUnreachableServerIsAgain(t *testing.T) {
	c := client(t, bit(1), config.FluentBit)
	req, _ := request(t, c, "a")
	r := c.Send(t.Context(), req)
	if r.Verdict != sink.Again || r.Cause != sink.Unreached || r.Err == nil || !strings.Contains(r.Err.Error(), "connecting to 127.0.0.1:1: ") {
		t.Errorf("got %+v, want again, unreached and the address", r)
	}
}

func TestWrongKeyIsSaidAndTriedAgain(t *testing.T) {
	_, _, port := serve(t, &forward.Options{SharedKey: "right"}, config.FluentBit)
	o := bit(port)
	o.SharedKey = "wrong"
	c := client(t, o, config.FluentBit)
	req, _ := request(t, c, "a")
	r := c.Send(t.Context(), req)
	if r.Verdict != sink.Again || r.Cause != sink.Unauthorised || !strings.Contains(r.Err.Error(), "shared_key mismatch") {
		t.Errorf("got %+v, want again and unauthorised", r)
	}
}

func TestMissingAckIsAgain(t *testing.T) {
	s, k, port := serve(t, new(forward.Options), config.FluentBit)
	o := bit(port)
	o.RequireAck = true
	c := client(t, o, config.FluentBit)
	k.refuse(errors.New("no room"))
	req, _ := request(t, c, "a", "b")
	r := c.Send(t.Context(), req)
	if r.Verdict != sink.Again || len(r.Items) > 0 || !strings.Contains(r.Err.Error(), "waiting for the ack") {
		t.Errorf("got %+v, want again for the missing ack", r)
	}
	if err := s.WaitIdle(t.Context()); err != nil { // its connection is not used again
		t.Error(err)
	}
}

// secure listens with TLS, and makes options for it. A server in Go sends tickets after the handshake, as OpenSSL does, only if it has
// asked for a certificate.
func secure(t *testing.T) (net.Listener, *Options) {
	t.Helper()
	cert := httptest.NewUnstartedServer(nil)
	cert.StartTLS()
	t.Cleanup(cert.Close)
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: cert.TLS.Certificates, ClientAuth: tls.RequestClientCert})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	o := bit(ln.Addr().(*net.TCPAddr).Port)
	o.TLS, o.InsecureMode = true, true
	return ln, o
}

// ticketed is a client that keeps tickets of TLS 1.3: to others a server in Go sends none, unlike OpenSSL.
func ticketed(t *testing.T, o *Options) sink.Destination {
	t.Helper()
	c := client(t, o, config.FluentBit)
	c.(*destination).nodes[0].tls.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	return c
}

func TestAConnectionWithTLSIsReusedThoughNobodyReadsItsTickets(t *testing.T) {
	ln, o := secure(t)
	got := make(chan struct{})
	var conns atomic.Int32
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			conns.Add(1)
			go func() {
				defer nc.Close()
				for buf := make([]byte, 4096); ; got <- struct{}{} {
					if _, err := nc.Read(buf); err != nil {
						return
					}
				}
			}()
		}
	}()
	c := ticketed(t, o)
	req, _ := request(t, c, "a")
	for range 4 {
		if r := c.Send(t.Context(), req); r.Verdict != sink.Done {
			t.Fatalf("got %+v, want done", r)
		}
		<-got
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("got %d connections, want 1", n)
	}
}

func TestAConnectionWithTLSThatTheServerClosedIsNotUsedAgain(t *testing.T) {
	ln, o := secure(t)
	closed := make(chan int)
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			n, _ := nc.Read(make([]byte, 4096))
			nc.Close()
			closed <- n
		}
	}()
	c := ticketed(t, o)
	req, _ := request(t, c, "a")
	for range 3 {
		if r := c.Send(t.Context(), req); r.Verdict != sink.Done {
			t.Fatalf("got %+v, want done", r)
		}
		if n := <-closed; n == 0 {
			t.Fatal("the server got nothing")
		}
		for _, l := range c.(*destination).nodes[0].idle {
			l.SetDeadline(time.Unix(1, 0)) // as some time after a message
		}
	}
}

func TestAServerWithTLSGetsAllThatWasSentBeforeTheConnectionEnds(t *testing.T) {
	for name, keep := range map[string]bool{"kept": true, "not kept": false} {
		t.Run(name, func(t *testing.T) {
			ln, o := secure(t)
			o.Keepalive = keep
			ended, got := make(chan struct{}), make(chan int, 1)
			go func() {
				nc, err := ln.Accept()
				if err != nil {
					return
				}
				defer nc.Close()
				_ = nc.(*tls.Conn).Handshake()
				<-ended
				b, _ := io.ReadAll(nc)
				got <- len(b)
			}()
			c := ticketed(t, o)
			body := record.AppendStr(record.AppendStr(record.AppendMapHeader(nil, 1), "log"), strings.Repeat("x", 400<<10))
			req, err := sinktest.Encode(c, &sink.Record{Event: record.Event{Tag: "a", Body: body}})
			if err != nil {
				t.Fatal(err)
			}
			if r := c.Send(t.Context(), req); r.Verdict != sink.Done {
				t.Fatalf("got %+v, want done", r)
			}
			for _, l := range c.(*destination).nodes[0].idle {
				l.SetDeadline(time.Unix(1, 0)) // as some time after a message
			}
			c.Close()
			close(ended)
			if n := <-got; n < len(req.Body) {
				t.Errorf("the server got %d bytes of %d", n, len(req.Body))
			}
		})
	}
}

func TestOnlyWhatWasNotTakenIsSentAgain(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	served := make(chan struct{})
	go func() { // acknowledges one message and hangs up
		defer close(served)
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		buf := make([]byte, 4096)
		n, _ := nc.Read(buf)
		_, rest, _ := record.ArrayHeader(buf[:n])
		rest, _ = record.Skip(rest)
		rest, _ = record.Skip(rest)
		chunk, _ := record.Find(rest, "chunk")
		nc.Write(append(record.AppendStr([]byte{0x81}, "ack"), chunk...))
		nc.Read(buf)
	}()
	o := bit(ln.Addr().(*net.TCPAddr).Port)
	o.RequireAck = true
	c := client(t, o, config.FluentBit)
	req, _ := request(t, c, "a", "b", "a")
	r := c.Send(t.Context(), req)
	<-served
	want := []sink.ItemReply{{Index: 0, Verdict: sink.Done}, {Index: 2, Verdict: sink.Done}}
	if r.Verdict != sink.Again || !slices.Equal(r.Items, want) || r.Cause != sink.Answered {
		t.Errorf("got %+v, want again and the items %v", r, want)
	}
}

func TestIdleConnectionThatTheServerClosedIsReplaced(t *testing.T) {
	so := &forward.Options{DenyKeepalive: true}
	_, k, port := serve(t, so, config.Fluentd) // closes after each message
	o := bit(port)
	o.RequireAck = true // without acks nobody would notice
	c := client(t, o, config.FluentBit)
	req, want := request(t, c, "a")
	for range 3 {
		if r := c.Send(t.Context(), req); r.Verdict != sink.Done {
			t.Fatalf("got %+v, want done", r)
		}
	}
	arrives(t, k, slices.Repeat(want, 3))
}

func TestSendEndsWithItsContext(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0") // never answers
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	o := bit(ln.Addr().(*net.TCPAddr).Port)
	o.RequireAck = true
	c := client(t, o, config.FluentBit)
	req, _ := request(t, c, "a")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begun := time.Now() // the ack's own timeout is three minutes
	if r := c.Send(ctx, req); r.Verdict != sink.Again || r.Err == nil || time.Since(begun) > patience {
		t.Errorf("got %+v after %v, want again as soon as the context ends", r, time.Since(begun))
	}
}

func TestWrongOptionsAreFound(t *testing.T) {
	for name, c := range map[string]struct {
		o    *Options
		d    config.Dialect
		want string
	}{
		"no server":      {&Options{}, config.Fluentd, "<server>: is missing; want at least one"},
		"user, no key":   {&Options{Username: "ann"}, config.FluentBit, "username: needs shared_key, or empty_shared_key on"},
		"tag of fields":  {&Options{Tag: "$TAG"}, config.FluentBit, "tag: is made of the record's fields, which is not supported; use fixed text"},
		"upstream":       {&Options{Upstream: "u.conf"}, config.FluentBit, "upstream: is not supported; use host and port of one server"},
		"zstd":           {&Options{Compress: "zstd"}, config.FluentBit, "compress: zstd is not supported in this dialect; want gzip or text"},
		"key, no secure": {&Options{Servers: []Server{{Host: "a", SharedKey: "k"}}}, config.Fluentd, "<server>: has shared_key or username, which need a <security>"},
	} {
		if err := c.o.Check(c.d); err == nil || err.Error() != c.want {
			t.Errorf("%s: got error %v, want %s", name, err, c.want)
		}
	}
}

func TestContract(t *testing.T) {
	sinktest.Run(t, sinktest.Case{
		New: func(t *testing.T) sink.Destination {
			_, _, port := serve(t, new(forward.Options), config.FluentBit)
			return unclosed(t, bit(port))
		},
		Broken: func(t *testing.T) sink.Destination {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { ln.Close() })
			o := bit(ln.Addr().(*net.TCPAddr).Port)
			o.RequireAck = true // which nobody sends
			return unclosed(t, o)
		},
	})
}

// unclosed is a destination that the test closes itself.
func unclosed(t *testing.T, o *Options) sink.Destination {
	c, err := New(o, config.FluentBit, sink.Env{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
