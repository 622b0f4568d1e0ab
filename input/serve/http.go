package serve

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
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
	// Take converts x.Body to x.Events, in whichever form Add wants, and calls x.Drain after each event. For a large body it
	// is called a second time, and must leave x.Body as it is.
	Take(x *Exchange) *Refusal
	// Add passes x.Events to x.Recv. It may be called several times, each time with other events.
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
	spare     sync.Pool     // of *[]byte, for Exchange.Events
	large     chan struct{} // has a value while a large request is converted and queued
	gzip      sync.Pool     // of *gzip.Reader
	zstd      sync.Pool     // of *zstd.Decoder

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
		conns: make(map[*conn]struct{}), idle: make(chan struct{}), large: make(chan struct{}, 1),
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
