package forward

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/budget"
	"github.com/firelane/firelane/forward/pace"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/serve"
)

// A Server takes connections on one socket and hands their events to receivers: an input.Input.
type Server struct {
	log       zerolog.Logger
	ln        net.Listener
	udp       net.PacketConn // of heartbeats; nil where there are none
	tls       *tls.Config    // nil: none
	flushTime time.Duration
	rules     rules
	auth      *auth             // nil: no handshake
	handle    func(*conn) error // reads messages until the connection ends
	salt      func() []byte     // random bytes

	memory *input.Memory
	share  *input.Share // of memory
	panics atomic.Int64
	reads  atomic.Int64

	flushing context.Context // of every Flush: ends later than that of Run
	abandon  context.CancelFunc

	mu       sync.Mutex
	conns    map[*conn]struct{}
	signing  []*conn       // those of conns that have not signed in yet, the oldest first
	idle     chan struct{} // closed while there is no connection
	stopping bool
	retired  bool
	stopped  chan struct{}  // closed once stopping
	drainBy  time.Time      // when the last read ends, once stopping
	done     sync.WaitGroup // connections and heartbeats
}

func newServer(ln net.Listener, cfg *tls.Config, env input.Env) *Server {
	s := &Server{
		log: env.Log, ln: pace.Listen(ln), tls: cfg, salt: salt, memory: env.Memory, flushTime: cmp.Or(env.FlushTime, flushTime),
		conns: make(map[*conn]struct{}), idle: make(chan struct{}), stopped: make(chan struct{}),
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
func (s *Server) Addr() net.Addr { return s.ln.Addr() }

// Connections is how many clients are connected.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Panics is how many connections were ended by a panic.
func (s *Server) Panics() int64 { return s.panics.Load() }

// Reads implements input.ReadCounter.
func (s *Server) Reads() int64 { return s.reads.Load() }

// WaitIdle waits until no client is connected, or ctx ends. More may still come.
func (s *Server) WaitIdle(ctx context.Context) error {
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

// Run takes connections until ctx ends or Close is called, each with a receiver of its own, which newReceiver makes at
// the connection's first byte. Then it takes no more, lets every connection finish what its client has already sent
// (drainTime for reading it, flushTime for queueing it) and returns when all are closed. The error is that of a socket
// that broke.
func (s *Server) Run(ctx context.Context, newReceiver func() input.Receiver) error {
	stop := context.AfterFunc(ctx, s.stop)
	defer stop()
	if s.udp != nil {
		s.done.Go(s.heartbeats)
	}
	err := s.accept(newReceiver)
	s.awaitLast()
	s.stop()
	timer := time.AfterFunc(s.flushTime, s.abandon)
	defer timer.Stop()
	s.done.Wait()
	s.abandon()
	return err
}

// Retire implements input.Retirer.
func (s *Server) Retire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retired = true
	s.ln.Close()
	if s.udp != nil {
		s.udp.Close()
	}
}

func (s *Server) isRetired() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.retired
}

// awaitLast waits until the last client of a server that is retired has hung up, or it stops.
func (s *Server) awaitLast() {
	s.mu.Lock()
	retired, idle := s.retired, s.idle
	s.mu.Unlock()
	if !retired {
		return
	}
	select {
	case <-idle:
	case <-s.stopped:
	}
}

// Close ends everything at once: no more connections, and those that are open are closed. It may be called at any
// time, also before Run or instead of it.
func (s *Server) Close() error {
	s.abandon()
	s.stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.nc.Close() // its own goroutine logs what was lost
	}
	return nil
}

// stop closes the listener and lets every read end soon.
func (s *Server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return
	}
	s.stopping = true
	close(s.stopped)
	s.drainBy = time.Now().Add(drainTime)
	s.ln.Close() // removes a socket file, too
	if s.udp != nil {
		s.udp.Close()
	}
	for c := range s.conns {
		c.nc.SetReadDeadline(s.drainBy)
	}
}

// draining is when reading ends, if the server is stopping.
func (s *Server) draining() (by time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.drainBy, s.stopping
}

func (s *Server) accept(newReceiver func() input.Receiver) error {
	var pause time.Duration
	for {
		nc, err := s.ln.Accept()
		if err == nil {
			pause = 0
			s.open(nc, newReceiver)
			continue
		}
		if _, stopping := s.draining(); stopping || s.isRetired() {
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("accepting on %s: %w", s.Addr(), err)
		}
		pause = min(max(2*pause, 5*time.Millisecond), time.Second) // such as no file descriptor left, which passes
		s.log.Warn().Err(err).Float64("retry_in_s", pause.Seconds()).Msg("a connection can't be accepted: trying again")
		time.Sleep(pause)
	}
}

// open begins to serve a connection, if there is room for it.
func (s *Server) open(nc net.Conn, newReceiver func() input.Receiver) {
	c := newConn(s, nc, newReceiver)
	s.mu.Lock()
	oldest := s.makeRoomToSignIn()
	full := len(s.conns) >= maxConns || !s.takeConn()
	if !full && !s.stopping {
		if s.signsIn() {
			s.signing = append(s.signing, c)
		}
		if len(s.conns) == 0 {
			s.idle = make(chan struct{})
		}
		s.conns[c] = struct{}{}
		s.done.Go(c.serve)
	} else {
		c.nc.Close()
		if !full {
			s.returnConn()
		}
	}
	open := len(s.conns)
	s.mu.Unlock()
	if full {
		s.log.Warn().Str("peer", c.peer).Int("connections", open).Msg("too many connections are open: a new one was closed")
	}
	if oldest != nil {
		s.log.Warn().Str("peer", oldest.peer).Msg("too many clients have not signed in yet: the one that has been connected longest was closed")
	}
}

// takeConn takes a connection's descriptor and, with TLS, its memory from what all inputs share, and reports whether there
// is enough.
func (s *Server) takeConn() bool {
	if !s.memory.AddConn() {
		return false
	}
	if s.tls != nil && !s.memory.Take(tlsCost) {
		s.memory.RemoveConn()
		return false
	}
	return true
}

// returnConn returns what takeConn took.
func (s *Server) returnConn() {
	s.memory.RemoveConn()
	if s.tls != nil {
		s.memory.Release(tlsCost)
	}
}

// signsIn reports whether clients must sign in (TLS, handshake) before their first message.
func (s *Server) signsIn() bool { return s.tls != nil || s.auth != nil }

// makeRoomToSignIn closes and returns the oldest connection that must sign in, if there are too many of them, so that a client
// which signs in at once always can. Its place is free at once, though its goroutine has not ended. s.mu is held.
func (s *Server) makeRoomToSignIn() (oldest *conn) {
	if n := len(s.signing); n == 0 || n < min(maxSigningIn, max(s.memory.MaxConns()/4, 1)) {
		return nil
	}
	oldest = s.signing[0]
	s.signing = slices.Delete(s.signing, 0, 1)
	oldest.nc.Close()
	s.remove(oldest)
	return oldest
}

// signedIn removes c from the connections that must sign in.
func (s *Server) signedIn(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.signing = slices.DeleteFunc(s.signing, func(o *conn) bool { return o == c })
}

// forget removes a connection that has ended.
func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.conns[c]; ok { // else makeRoomToSignIn has removed it
		s.signing = slices.DeleteFunc(s.signing, func(o *conn) bool { return o == c })
		s.remove(c)
	}
}

// remove gives up a connection's place. s.mu is held.
func (s *Server) remove(c *conn) {
	delete(s.conns, c)
	s.returnConn()
	if len(s.conns) == 0 {
		close(s.idle)
	}
}

// listenHeartbeat binds the datagram socket beside the listener. A server without it works as well: clients ask for
// this kind of heartbeat by an option of their own.
func (s *Server) listenHeartbeat(env input.Env) {
	var udp net.PacketConn
	a, err := netip.ParseAddrPort(s.Addr().String())
	if err == nil {
		udp, err = serve.ListenUDP(env, a.Addr().String(), int(a.Port()), 0)
	}
	if err != nil {
		s.log.Warn().Err(err).Msg("heartbeats by UDP are not answered")
		return
	}
	s.udp = udp
}

// heartbeats answers datagrams with a zero byte: at most heartbeatBudget within heartbeatTime. More wait in the socket, or
// the kernel drops them. Datagrams from the server's own port are not answered: they are its own answers or those of another
// server, and would be exchanged for ever.
func (s *Server) heartbeats() {
	buf := make([]byte, 128)
	own, _ := s.udp.LocalAddr().(*net.UDPAddr)
	budget, renewed := heartbeatBudget, time.Now()
	for {
		if budget == 0 {
			time.Sleep(time.Until(renewed.Add(heartbeatTime)))
			budget, renewed = heartbeatBudget, time.Now()
		}
		budget--
		_, from, err := s.udp.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if u, ok := from.(*net.UDPAddr); ok && own != nil && u.Port == own.Port {
			continue
		}
		if err == nil {
			_, err = s.udp.WriteTo([]byte{0}, from)
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			s.log.Warn().Err(err).Msg("a heartbeat by UDP can't be answered")
		}
	}
}
