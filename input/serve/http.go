package serve

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/budget"
	"github.com/firelane/firelane/input"
)

// HTTPConfig is how an input serves HTTP.
type HTTPConfig struct {
	TLS      *tls.Config   // nil: none
	MaxBody  int           // bytes of a body, after decompression; at most the constant MaxBody
	IdleTime time.Duration // how long a connection may have no request
	Protocol Protocol
}

// Protocol is what requests and answers mean. Its methods are called concurrently, for different exchanges.
type Protocol interface {
	// Begin may refuse a request before its body is read, or answer it, and reports whether it has answered.
	Begin(x *Exchange) (answered bool, r *Refusal)
	// Take converts x.Body to x.Events, in whichever form Add wants.
	Take(x *Exchange) *Refusal
	// Add passes x.Events to x.Recv: all events of the request. x.Body is gone.
	Add(x *Exchange)
	// Answer answers a request whose events are in the queues.
	Answer(x *Exchange)
	// Refuse answers a request that was refused. Headers such as Retry-After are set already.
	Refuse(x *Exchange, r *Refusal)
}

// A Refusal is why no event of a request was taken.
type Refusal struct {
	Status int
	Reason string // constant: what it is counted as; "" if it isn't the request's fault
	Text   string // one line for the client and the log
	retry  time.Duration
}

// An Exchange is a request and its answer. It is valid until the last method of Protocol for it returns.
type Exchange struct {
	Request *http.Request
	Writer  http.ResponseWriter
	Body    []byte         // after decompression
	Events  []byte         // first an empty buffer; what Take leaves here is reused for the next request
	Tag     []byte         // of the events; the protocol sets it
	Count   int            // of the events; Take sets it
	Extra   int            // bytes that Add adds to each of them; Take sets it
	Recv    input.Receiver // takes the events

	conn    *conn
	read    bool        // the body was read
	turn    *input.Turn // of a decompressor
	hurried atomic.Bool // others wait for memory that it has
}

// An HTTP is an HTTP server: an input.Input. Requests are answered after their events are in the queues.
type HTTP struct {
	log       zerolog.Logger
	ln        net.Listener
	cfg       HTTPConfig
	srv       http.Server
	flushTime time.Duration
	memory    *input.Memory
	share     *input.Share
	reads     atomic.Int64
	spare     sync.Pool // of *[]byte, for Exchange.Events
	gzip      sync.Pool // of *gzip.Reader
	zstd      sync.Pool // of *zstd.Decoder

	flushing context.Context // of every Flush: ends later than that of Run
	abandon  context.CancelFunc

	mu          sync.Mutex
	newReceiver func() input.Receiver
	receivers   []input.Receiver // that no exchange has
	conns       map[*conn]struct{}
	busy        int           // of these, connections that may have a request
	idle        chan struct{} // closed while busy is 0
	stopping    bool
	drainBy     time.Time      // when the last read ends, once stopping
	done        sync.WaitGroup // connections
}

// NewHTTP makes a server on ln, which it closes.
func NewHTTP(ln net.Listener, cfg HTTPConfig, env input.Env) *HTTP {
	cfg.MaxBody = min(cmp.Or(max(cfg.MaxBody, 0), MaxBody), MaxBody)
	s := &HTTP{
		log: env.Log, ln: ln, cfg: cfg, memory: env.Memory, flushTime: cmp.Or(env.FlushTime, flushTime),
		conns: make(map[*conn]struct{}), idle: make(chan struct{}),
	}
	if s.memory == nil {
		s.memory = input.NewMemory(budget.New(budget.Default))
	}
	s.share = s.memory.Share()
	close(s.idle)
	s.flushing, s.abandon = context.WithCancel(context.Background())
	only := new(http.Protocols)
	only.SetHTTP1(true)
	s.srv = http.Server{
		Handler: http.HandlerFunc(s.serve), MaxHeaderBytes: maxHeader, ReadHeaderTimeout: headerTime,
		IdleTimeout: min(cmp.Or(max(cfg.IdleTime, 0), maxIdleTime), maxIdleTime), Protocols: only,
		ConnState: s.setState, ConnContext: func(ctx context.Context, nc net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, unwrap(nc))
		},
		ErrorLog: log.New(failureLog{s.log}, "", 0),
	}
	return s
}

type connKey struct{}

// failureLog logs what net/http logs: handshakes of TLS that failed.
type failureLog struct{ log zerolog.Logger }

func (l failureLog) Write(b []byte) (int, error) {
	l.log.Warn().Str("error", strings.TrimPrefix(strings.TrimSpace(string(b)), "http: ")).Msg("a connection failed")
	return len(b), nil
}

// Addr is where the server listens.
func (s *HTTP) Addr() net.Addr { return s.ln.Addr() }

// Reads implements input.ReadCounter.
func (s *HTTP) Reads() int64 { return s.reads.Load() }

// Run implements input.Input.
func (s *HTTP) Run(ctx context.Context, receiver func() input.Receiver) error {
	s.mu.Lock()
	s.newReceiver = receiver
	s.mu.Unlock()
	stop := context.AfterFunc(ctx, s.stop)
	defer stop()
	var ln net.Listener = &listener{Listener: s.ln, s: s}
	if s.cfg.TLS != nil {
		ln = tls.NewListener(ln, s.cfg.TLS)
	}
	err := s.srv.Serve(ln)
	s.mu.Lock()
	if s.stopping {
		err = nil
	}
	s.mu.Unlock()
	s.stop()
	last, cancel := context.WithTimeout(s.flushing, drainTime+s.flushTime)
	defer cancel()
	_ = s.srv.Shutdown(last) // what has not ended is closed
	s.abandon()
	_ = s.srv.Close()
	s.done.Wait()
	if err != nil {
		return fmt.Errorf("accepting on %s: %w", s.Addr(), err)
	}
	return nil
}

// WaitIdle waits until no client is connected, apart from those between two requests.
func (s *HTTP) WaitIdle(ctx context.Context) error {
	s.mu.Lock()
	idle := s.idle
	s.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close implements input.Input.
func (s *HTTP) Close() error {
	s.abandon()
	s.stop()
	_ = s.srv.Close() // the listener is closed already
	return nil
}

// stop closes the listener and lets every read end soon.
func (s *HTTP) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return
	}
	s.stopping = true
	s.drainBy = time.Now().Add(drainTime)
	s.ln.Close()
	for c := range s.conns {
		if c.isBusy() {
			c.Conn.SetReadDeadline(s.drainBy)
		}
	}
}

// serve is the http.Handler.
func (s *HTTP) serve(w http.ResponseWriter, r *http.Request) {
	c, _ := r.Context().Value(connKey{}).(*conn)
	x := &Exchange{Request: r, Writer: w, conn: c}
	defer func() {
		if v := recover(); v != nil {
			s.log.Error().Str("peer", r.RemoteAddr).Str("panic", fmt.Sprint(v)).Bytes("stack", debug.Stack()).
				Msg("a fault in firelane itself: connection closed")
			panic(http.ErrAbortHandler)
		}
	}()
	_ = c.SetReadDeadline(time.Now().Add(stallTime)) // also for a body that nobody reads
	_ = c.SetWriteDeadline(time.Now().Add(answerTime))
	answered, refusal := s.cfg.Protocol.Begin(x)
	switch {
	case answered:
		return
	case refusal != nil:
		s.refuse(x, refusal)
		return
	}
	if err := s.exchange(x); err != nil {
		s.refuse(x, err)
		return
	}
	s.giveReceiver(x)
	_ = c.SetWriteDeadline(time.Now().Add(answerTime))
	s.cfg.Protocol.Answer(x)
}

// exchange reads a request, and queues its events.
func (s *HTTP) exchange(x *Exchange) error {
	x.Recv = s.takeReceiver()
	give, err := s.readBody(x)
	if err != nil {
		return err
	}
	defer give()
	x.read = true
	held := 0
	defer func() { s.memory.AddUnqueued(-held) }()
	hold := func(n int) error {
		s.memory.AddUnqueued(-held)
		if held = n; s.memory.TakeUnqueued(n) {
			return nil
		}
		held = 0
		return &Refusal{Status: http.StatusServiceUnavailable, Text: "too many events of other requests are not queued yet", retry: time.Second}
	}
	if err := hold(len(x.Body)); err != nil {
		return err
	}
	defer s.keepEvents(x)
	if events, ok := s.spare.Get().(*[]byte); ok {
		x.Events = (*events)[:0]
	}
	if r := s.cfg.Protocol.Take(x); r != nil {
		return r
	}
	x.Body = nil
	give()
	if x.Count > MaxEvents || x.Count*x.Extra > maxExtra {
		return &Refusal{Status: http.StatusRequestEntityTooLarge, Reason: "too many events", Text: fmt.Sprintf("the request has %d events; send fewer at a time", x.Count)}
	}
	if err := hold(len(x.Events) + x.Count*(x.Extra+eventCost)); err != nil {
		return err
	}
	s.cfg.Protocol.Add(x)
	s.keepEvents(x)
	return s.flush(x)
}

// keepEvents keeps the buffer of an exchange for another one.
func (s *HTTP) keepEvents(x *Exchange) {
	if b := x.Events; b != nil && cap(b) <= maxKept {
		s.spare.Put(&b)
	}
	x.Events = nil
}

// flush queues the events of an exchange.
func (s *HTTP) flush(x *Exchange) error {
	ctx, cancel := context.WithTimeout(s.flushing, fullTime)
	err := x.Recv.Flush(ctx)
	cancel()
	if errors.Is(err, input.ErrHeld) {
		err = s.awaitHeld(x)
	}
	if err == nil {
		return nil
	}
	recv := x.Recv
	x.Recv = nil // what it may still hold is not the next request's
	if d, ok := recv.(input.Discarder); ok && errors.Is(err, input.ErrHeld) {
		_ = d.Discard(s.flushing) // the answer is the same
	}
	return &Refusal{Status: http.StatusServiceUnavailable, Text: "the queue is full, or a filter holds events; send them again", retry: 5 * time.Second}
}

// awaitHeld flushes until no step holds events of the exchange any more.
func (s *HTTP) awaitHeld(x *Exchange) error {
	timeout := time.NewTimer(heldTime)
	defer timeout.Stop()
	retry := time.NewTicker(heldRetry)
	defer retry.Stop()
	for {
		select {
		case <-retry.C:
		case <-timeout.C:
			return input.ErrHeld
		case <-s.flushing.Done():
			return s.flushing.Err()
		}
		if err := x.Recv.Flush(s.flushing); !errors.Is(err, input.ErrHeld) {
			return err
		}
	}
}

// refuse counts, logs and answers what was refused.
func (s *HTTP) refuse(x *Exchange, err error) {
	var r *Refusal
	if !errors.As(err, &r) {
		r = refusalOf(x, err)
	}
	if r.Reason != "" {
		if x.Recv == nil {
			x.Recv = s.takeReceiver()
		}
		x.Recv.Reject(1, r.Reason)
	}
	s.log.Warn().Str("peer", x.Request.RemoteAddr).Str("reason", r.Reason).Int("status", r.Status).Msg("a request is refused: " + r.Text)
	s.giveReceiver(x)
	h := x.Writer.Header()
	if r.retry > 0 {
		h.Set("Retry-After", fmt.Sprint(int(r.retry.Seconds())))
	}
	if !x.read {
		h.Set("Connection", "close") // what is left of the body isn't wanted
	}
	_ = x.conn.SetWriteDeadline(time.Now().Add(answerTime))
	s.cfg.Protocol.Refuse(x, r)
}

func (r *Refusal) Error() string { return r.Text }

// refusalOf turns an error of reading a body into a Refusal.
func refusalOf(x *Exchange, err error) *Refusal {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return &Refusal{Status: http.StatusRequestEntityTooLarge, Reason: "body too large", Text: fmt.Sprintf("the body is larger than %d bytes", tooLarge.Limit)}
	case errors.Is(err, input.ErrNoMemory), x.hurried.Load():
		return &Refusal{Status: http.StatusServiceUnavailable, Reason: "no memory", Text: "other clients have all the memory that there is", retry: time.Second}
	case errors.Is(err, errBadBody):
		return &Refusal{Status: http.StatusBadRequest, Reason: "bad body", Text: err.Error()}
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return &Refusal{Status: http.StatusBadRequest, Reason: "cut short", Text: "the connection ended in the middle of a body"}
	}
	return &Refusal{Status: http.StatusRequestTimeout, Reason: "too slow", Text: "reading the body failed: " + err.Error()}
}

func (s *HTTP) takeReceiver() input.Receiver {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.receivers); n > 0 {
		r := s.receivers[n-1]
		s.receivers = s.receivers[:n-1]
		return r
	}
	return s.newReceiver()
}

func (s *HTTP) giveReceiver(x *Exchange) {
	if x.Recv == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.receivers = append(s.receivers, x.Recv)
	x.Recv = nil
}
