package forward

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/record"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// A sink is what all receivers of a test write to.
type sink struct {
	mu       sync.Mutex
	events   []string // "tag sec.nsec {json}", of Flush
	rejects  []string // "n reason"
	flushes  int
	discards int // with something in them
	opened   int
	flushErr error
	held     int           // so many Flushes return input.ErrHeld first, and keep the events
	entered  chan struct{} // gets a value at each Flush, if it isn't nil
	release  chan struct{} // Flush waits for a value, if it isn't nil
	panics   bool
}

func (s *sink) receiver() input.Receiver {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened++
	return &testReceiver{sink: s}
}

func (s *sink) got() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

func (s *sink) flushed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flushes
}

type testReceiver struct {
	sink    *sink
	pending []string
}

func (r *testReceiver) Add(tag []byte, t record.Time, body []byte) {
	if r.sink.panics {
		panic("a fault")
	}
	if n, err := record.Check(body); err != nil || n != len(body) {
		r.pending = append(r.pending, fmt.Sprintf("a bad body: %v", err))
		return
	}
	r.pending = append(r.pending, fmt.Sprintf("%s %d.%09d %s", tag, t.Sec, t.Nsec, record.AppendJSON(nil, body)))
}

func (r *testReceiver) Reject(n int, reason string) {
	r.sink.mu.Lock()
	defer r.sink.mu.Unlock()
	r.sink.rejects = append(r.sink.rejects, fmt.Sprintf("%d %s", n, reason))
}

func (r *testReceiver) Flush(ctx context.Context) error {
	if r.sink.entered != nil {
		r.sink.entered <- struct{}{}
	}
	if r.sink.release != nil {
		select {
		case <-r.sink.release:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	r.sink.mu.Lock()
	defer r.sink.mu.Unlock()
	if r.sink.flushErr != nil {
		return r.sink.flushErr
	}
	r.sink.flushes++
	if r.sink.held > 0 {
		r.sink.held--
		return input.ErrHeld
	}
	r.sink.events = append(r.sink.events, r.pending...)
	r.pending = nil
	return nil
}

func (r *testReceiver) Discard(context.Context) error {
	r.sink.mu.Lock()
	defer r.sink.mu.Unlock()
	if len(r.pending) > 0 {
		r.sink.discards++
	}
	return nil
}

// A rig is a server that runs.
type rig struct {
	*Server
	sink *sink
	log  *lines
	end  func() error // stops serving and waits
}

// lines is a log that may be read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// defaults are the options as binding them from an empty section gives them.
func defaults(d config.Dialect) *Options {
	o := &Options{Listen: "127.0.0.1", SkipInvalid: true}
	if d == config.FluentBit {
		o.BufferMaxSize, o.SelfHostname = 6144000, "localhost"
	} else {
		o.DecompressLimit = defaultInflated
	}
	return o
}

// start runs a server on any port of the loopback, or where o says.
func start(t *testing.T, d config.Dialect, o *Options) *rig {
	t.Helper()
	log := new(lines)
	s, err := listen(o, d, testEnv(log))
	if err != nil {
		t.Fatal(err)
	}
	return run(t, s, log, new(sink))
}

func run(t *testing.T, s *Server, log *lines, k *sink) *rig {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, k.receiver) }()
	r := &rig{Server: s, sink: k, log: log}
	r.end = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		if err := r.end(); err != nil {
			t.Error("Run:", err)
		}
	})
	return r
}

func (r *rig) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial(r.Addr().Network(), r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { c.Close() })
	return c
}

// send writes b, hangs up, and returns everything that the server answered before it hung up as well.
func (r *rig) send(t *testing.T, b []byte) []byte {
	t.Helper()
	c := r.dial(t)
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
	if h, ok := c.(interface{ CloseWrite() error }); ok {
		h.CloseWrite()
	}
	out, _ := io.ReadAll(c) // a reset is an end as well
	return out
}

// A fakeConn gives what was written to it in the pieces that it was given.
type fakeConn struct {
	pieces [][]byte
	out    bytes.Buffer
	reads  int
	writes int
	end    error
}

func (f *fakeConn) Read(p []byte) (int, error) {
	f.reads++
	if len(f.pieces) == 0 {
		if f.end != nil {
			return 0, f.end
		}
		return 0, io.EOF
	}
	n := copy(p, f.pieces[0])
	if f.pieces[0] = f.pieces[0][n:]; len(f.pieces[0]) == 0 {
		f.pieces = f.pieces[1:]
	}
	return n, nil
}

func (f *fakeConn) Write(p []byte) (int, error) {
	f.writes++
	return f.out.Write(p)
}

func (f *fakeConn) Close() error                     { return nil }
func (f *fakeConn) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
func (f *fakeConn) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2} }
func (f *fakeConn) SetDeadline(time.Time) error      { return nil }
func (f *fakeConn) SetReadDeadline(time.Time) error  { return nil }
func (f *fakeConn) SetWriteDeadline(time.Time) error { return nil }

// noListener is the listener of a server that only serves fake connections.
type noListener struct{ addr net.Addr }

func (n noListener) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (n noListener) Close() error              { return nil }
func (n noListener) Addr() net.Addr            { return n.addr }

// A fed is what a connection came to.
type fed struct {
	events  []string
	rejects []string
	answer  []byte
	log     string
	flushes int
	discard int
	conn    *fakeConn
}

// feed serves one connection that brings pieces, one a read, and ends.
func feed(d config.Dialect, o *Options, pieces ...[]byte) fed {
	log := new(lines)
	s := newServer(noListener{&net.TCPAddr{}}, nil, testEnv(log))
	s.rules, s.auth, s.handle = o.rules(d), o.auth(d), (*conn).forward
	k := new(sink)
	f := &fakeConn{pieces: slices.Clone(pieces)}
	serveOne(s, f, k)
	return fed{k.events, k.rejects, f.out.Bytes(), log.String(), k.flushes, k.discards, f}
}

func serveOne(s *Server, nc net.Conn, k *sink) {
	s.mu.Lock()
	c := newConn(s, nc, k.receiver)
	s.conns[c] = struct{}{}
	s.idle = make(chan struct{})
	s.mu.Unlock()
	c.serve()
}

// pack is the oracle's MessagePack.
func pack(v ...any) []byte {
	var b bytes.Buffer
	e := msgpack.NewEncoder(&b)
	e.UseCompactInts(true)
	e.SetSortMapKeys(true)
	for _, v := range v {
		if err := e.Encode(v); err != nil {
			panic(err)
		}
	}
	return b.Bytes()
}

type (
	arr = []any
	obj = map[string]any
	raw = msgpack.RawMessage
)

// at is an EventTime.
func at(sec, nsec uint32) raw { return record.AppendTime(nil, record.Time{Sec: sec, Nsec: nsec}) }

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func wantEvents(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got the events:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// patience is how long a test waits for something that must happen, on a busy machine.
const patience = time.Minute

// eventually waits for what another goroutine is about to bring about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) { // the server tells nobody
		if time.Now().After(deadline) {
			t.Fatalf("timed out after %v waiting for this: %s", patience, what)
		}
	}
}

func socketPath(t *testing.T) string { return filepath.Join(t.TempDir(), "f.sock") }

var errTest = errors.New("no room")

func testEnv(l *lines) input.Env { return input.Env{Log: zerolog.New(l), ID: "tcp.0"} }
