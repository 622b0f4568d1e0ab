package serve

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/budget"
	"github.com/firelane/firelane/input"
)

// StreamConfig is how an input takes messages on connections.
type StreamConfig struct {
	TLS     *tls.Config // nil: none
	Framing Framing
	Limit   int // bytes of a message; at most MaxMessage
	// Delimiter is what ends a message where Framing is Lines; "": a newline or NUL.
	Delimiter string
	// Begin makes the function that takes a connection's messages. It adds or rejects each one.
	Begin func(nc net.Conn) Taker
}

// A Taker adds a message to recv, or rejects it. msg is valid during the call only.
type Taker func(recv input.Receiver, msg []byte)

// A Stream is a server of connections that only send: an input.Input without acks.
type Stream struct {
	log       zerolog.Logger
	ln        net.Listener
	cfg       StreamConfig
	flushTime time.Duration
	memory    *input.Memory
	share     *input.Share
	reads     atomic.Int64

	flushing context.Context // of every Flush: ends later than that of Run
	abandon  context.CancelFunc

	mu       sync.Mutex
	conns    map[*streamConn]struct{}
	idle     chan struct{} // closed while there is no connection
	stopping bool
	retired  bool
	stopped  chan struct{}  // closed once stopping
	drainBy  time.Time      // when the last read ends, once stopping
	done     sync.WaitGroup // connections
}

// NewStream makes a server on ln, which it closes.
func NewStream(ln net.Listener, cfg StreamConfig, env input.Env) *Stream {
	cfg.Limit = min(cmp.Or(max(cfg.Limit, 0), MaxMessage), MaxMessage)
	s := &Stream{
		log: env.Log, ln: ln, cfg: cfg, memory: env.Memory, flushTime: cmp.Or(env.FlushTime, flushTime),
		conns: make(map[*streamConn]struct{}), idle: make(chan struct{}), stopped: make(chan struct{}),
	}
	if s.memory == nil {
		s.memory = input.NewMemory(budget.New(budget.Default))
	}
	s.share = s.memory.Share()
	close(s.idle)
	s.flushing, s.abandon = context.WithCancel(context.Background())
	return s
}

// Addr is where the server listens.
func (s *Stream) Addr() net.Addr { return s.ln.Addr() }

// Reads implements input.ReadCounter.
func (s *Stream) Reads() int64 { return s.reads.Load() }

// Run implements input.Input.
func (s *Stream) Run(ctx context.Context, receiver func() input.Receiver) error {
	stop := context.AfterFunc(ctx, s.stop)
	defer stop()
	err := s.accept(receiver)
	s.awaitLast()
	s.stop()
	timer := time.AfterFunc(drainTime+s.flushTime, s.abandon)
	defer timer.Stop()
	s.done.Wait()
	s.abandon()
	return err
}

// WaitIdle waits until no client is connected.
func (s *Stream) WaitIdle(ctx context.Context) error {
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
func (s *Stream) Close() error {
	s.abandon()
	s.stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.nc.Close()
	}
	return nil
}

// stop closes the listener and lets every read end soon.
func (s *Stream) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return
	}
	s.stopping = true
	close(s.stopped)
	s.drainBy = time.Now().Add(drainTime)
	s.ln.Close() // removes a socket file, too
	for c := range s.conns {
		c.nc.SetReadDeadline(s.drainBy)
	}
}

func (s *Stream) accept(receiver func() input.Receiver) error {
	var pause time.Duration
	for {
		nc, err := s.ln.Accept()
		if err == nil {
			pause = 0
			s.open(nc, receiver)
			continue
		}
		s.mu.Lock()
		stopping := s.stopping || s.retired
		s.mu.Unlock()
		if stopping {
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("accepting on %s: %w", s.Addr(), err)
		}
		pause = waitAfter(err, pause, &s.log)
	}
}

// open begins to serve a connection, if there is room for it.
func (s *Stream) open(nc net.Conn, receiver func() input.Receiver) {
	c := &streamConn{s: s, nc: nc, rw: nc, cost: streamCost, newReceiver: receiver}
	if s.cfg.TLS != nil {
		c.cost += tlsCost
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	full := len(s.conns) >= maxStreams || !s.memory.AddConn()
	if !full && !s.memory.Take(c.cost) {
		s.memory.RemoveConn()
		full = true
	}
	switch {
	case full:
		nc.Close()
		s.log.Warn().Str("peer", nc.RemoteAddr().String()).Int("connections", len(s.conns)).Msg("too many connections are open: a new one was closed")
		return
	case s.stopping:
		nc.Close()
		s.memory.RemoveConn()
		s.memory.Release(c.cost)
		return
	}
	if len(s.conns) == 0 {
		s.idle = make(chan struct{})
	}
	s.conns[c] = struct{}{}
	s.done.Go(c.serve)
}

// A streamConn is one connection of a Stream.
type streamConn struct {
	s           *Stream
	nc, rw      net.Conn // the socket, and TLS on it
	cost        int      // bytes
	newReceiver func() input.Receiver
	recv        input.Receiver // nil before the first byte
	take        Taker
	frames      frames
	first       [firstBuffer]byte
	buf         []byte // first, or borrowed
	r, w        int    // buf[r:w] is unused
	begun       time.Time
	hurried     atomic.Bool
}

func (c *streamConn) serve() {
	defer c.close()
	defer func() {
		if v := recover(); v != nil {
			c.s.log.Error().Str("peer", c.peer()).Str("panic", fmt.Sprint(v)).Bytes("stack", debug.Stack()).
				Msg("a fault in firelane itself: connection closed")
		}
	}()
	if c.s.cfg.TLS != nil {
		t := tls.Server(c.nc, c.s.cfg.TLS)
		c.rw = t
		ctx, cancel := context.WithTimeout(c.s.flushing, headerTime)
		defer cancel()
		if err := t.HandshakeContext(ctx); err != nil {
			c.s.log.Warn().Str("peer", c.peer()).Err(err).Msg("the TLS handshake failed: connection closed")
			return
		}
	}
	c.take, c.buf = c.s.cfg.Begin(c.nc), c.first[:]
	c.frames = frames{framing: c.s.cfg.Framing, limit: c.s.cfg.Limit, ending: c.s.cfg.Delimiter}
	for {
		added, err := c.takeAll()
		if added {
			if ferr := c.recv.Flush(c.s.flushing); ferr != nil && !errors.Is(ferr, input.ErrHeld) {
				c.s.log.Warn().Str("peer", c.peer()).Msg("messages were not queued before the server stopped")
				return
			}
		}
		if err == nil {
			err = c.read()
		}
		if err != nil {
			c.end(err)
			return
		}
	}
}

func (c *streamConn) peer() string { return c.nc.RemoteAddr().String() }

// takeAll takes all messages that are complete.
func (c *streamConn) takeAll() (added bool, err error) {
	for {
		msg, n, err := c.frames.next(c.buf[c.r:c.w])
		c.r += n
		switch {
		case errors.Is(err, errTooLong):
			c.begun = time.Time{}
			c.recv.Reject(1, tooLong)
			c.s.log.Warn().Str("peer", c.peer()).Int("limit_bytes", c.frames.limit).Msg("a message is too long: skipped")
			continue
		case err != nil || n == 0:
			return added, err
		}
		c.begun = time.Time{}
		if len(msg) > 0 {
			c.take(c.recv, msg)
			added = true
		}
	}
}

// read reads more. The client may be silent between two messages, but not in the middle of one.
func (c *streamConn) read() error {
	if c.r > 0 {
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	}
	if c.w <= len(c.first)/2 && len(c.buf) > len(c.first) {
		copy(c.first[:], c.buf[:c.w])
		c.s.share.Return(c.buf)
		c.buf = c.first[:]
		c.hurried.Store(false) // others waited for that
	}
	if c.w == len(c.buf) {
		if err := c.grow(); err != nil {
			return err
		}
	}
	c.setDeadline()
	n, err := c.rw.Read(c.buf[c.w:])
	c.w += n
	if n == 0 {
		return err
	}
	c.s.reads.Add(1)
	if c.recv == nil {
		c.recv = c.newReceiver()
	}
	return nil
}

// grow doubles the buffer.
func (c *streamConn) grow() error {
	n := 2 * len(c.buf)
	if n <= cap(c.buf) { // it is a part of the large buffer
		c.buf = c.buf[:n]
		return nil
	}
	more, err := c.s.share.Borrow(n, c.hurry)
	if err != nil {
		return err
	}
	copy(more, c.buf)
	if len(c.buf) > len(c.first) {
		c.s.share.Return(c.buf)
	}
	c.buf = more
	return nil
}

func (c *streamConn) setDeadline() {
	var by time.Time
	if now := time.Now(); c.w > 0 {
		if c.begun.IsZero() {
			c.begun = now
		}
		by = now.Add(stallTime)
		if last := c.begun.Add(bodyTime); last.Before(by) {
			by = last
		}
	}
	if c.hurried.Load() {
		by = time.Now()
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.s.stopping {
		by = c.s.drainBy
	}
	c.nc.SetReadDeadline(by) // Read returns its error as well
}

// hurry ends the connection soon, because others wait for its memory.
func (c *streamConn) hurry() {
	c.hurried.Store(true)
	c.nc.SetReadDeadline(time.Now())
}

// end takes a last message that needs no end, and logs what is lost.
func (c *streamConn) end(err error) {
	rest := c.buf[c.r:c.w]
	reason := "cut short"
	switch {
	case errors.Is(err, input.ErrNoMemory), c.hurried.Load():
		reason = "no memory"
	case isTimeout(err):
		if reason = "stalled"; c.s.isStopping() {
			reason = "stopped"
		}
	case errors.Is(err, errFraming):
		reason = badFrame
	case len(rest) > 0 && c.frames.mayEnd():
		c.take(c.recv, rest)
		if ferr := c.recv.Flush(c.s.flushing); ferr == nil || errors.Is(ferr, input.ErrHeld) {
			return
		}
		reason = "stopped"
	}
	if len(rest) > 0 && c.recv != nil {
		c.recv.Reject(1, reason)
		c.s.log.Warn().Str("peer", c.peer()).Str("reason", reason).Err(err).Msg("the connection ended in the middle of a message, which is discarded")
	}
}

func (s *Stream) isStopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

func (c *streamConn) close() {
	c.rw.Close()
	c.nc.Close()
	if len(c.buf) > len(c.first) {
		c.s.share.Return(c.buf)
	}
	c.s.memory.Release(c.cost)
	c.s.memory.RemoveConn()
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	delete(c.s.conns, c)
	if len(c.s.conns) == 0 {
		close(c.s.idle)
	}
}
