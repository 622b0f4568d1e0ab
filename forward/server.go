package forward

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// A Server takes connections on one socket and hands their events to receivers.
type Server struct {
	log    zerolog.Logger
	quiet  *quiet
	ln     net.Listener
	udp    net.PacketConn // of heartbeats; nil where there are none
	tls    *tls.Config    // nil: none
	rules  rules
	auth   *auth // nil: no handshake
	handle func(*conn) error
	salt   func() []byte // random bytes

	memory *Memory
	zips   sync.Pool // of *unzipper
	panics atomic.Int64

	flushing context.Context // of every Flush: ends later than Serve's own
	abandon  context.CancelFunc

	mu       sync.Mutex
	conns    map[*conn]struct{}
	idle     chan struct{} // closed while there is no connection
	stopping bool
	drainBy  time.Time      // when the last read ends, once stopping
	done     sync.WaitGroup // connections and heartbeats
	pacer    *pacer         // nil: none
}

func newServer(ln net.Listener, cfg *tls.Config, log zerolog.Logger) *Server {
	s := &Server{
		log: log, quiet: newQuiet(log), ln: ln, tls: cfg, salt: salt, memory: NewMemory(),
		conns: make(map[*conn]struct{}), idle: make(chan struct{}),
	}
	close(s.idle)
	s.flushing, s.abandon = context.WithCancel(context.Background())
	return s
}

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.ln.Addr() }

// Share makes the server use m instead of a Memory of its own. It is called before Serve.
func (s *Server) Share(m *Memory) { s.memory = m }

// Connections is how many clients are connected.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Panics is how many connections were ended by a fault in the server itself.
func (s *Server) Panics() int64 { return s.panics.Load() }

// WaitIdle waits until no client is connected, or ctx ends. More may still come: it is how a stop finds the moment at
// which every client has hung up.
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

// Serve takes connections until ctx ends or Close is called, each with a receiver of its own, which newReceiver makes
// at the connection's first byte. Then it takes no more, lets every connection finish what its client has already sent
// (drainTime for reading it, flushTime for making it safe) and returns when all are closed. The error is that of a
// socket that broke.
func (s *Server) Serve(ctx context.Context, newReceiver func() Receiver) error {
	stop := context.AfterFunc(ctx, s.stop)
	defer stop()
	if s.udp != nil {
		s.done.Go(s.heartbeats)
	}
	s.pacer = newPacer()
	err := s.accept(newReceiver)
	s.stop()
	timer := time.AfterFunc(flushTime, s.abandon)
	defer timer.Stop()
	s.done.Wait()
	s.pacer.close()
	s.abandon()
	return err
}

// Close ends everything at once: no more connections, and those that are open are closed. It may be called at any
// time, also instead of Serve.
func (s *Server) Close() error {
	s.abandon()
	s.stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.nc.Close() // its own goroutine says what was wrong
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
	s.drainBy = time.Now().Add(drainTime)
	s.ln.Close() // removes a socket file, too
	if s.udp != nil {
		s.udp.Close()
	}
	for c := range s.conns {
		c.nc.SetReadDeadline(s.drainBy)
	}
}

// draining says when reading ends, if the server is stopping.
func (s *Server) draining() (by time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.drainBy, s.stopping
}

func (s *Server) accept(newReceiver func() Receiver) error {
	var pause time.Duration
	for {
		nc, err := s.ln.Accept()
		if err == nil {
			pause = 0
			s.open(nc, newReceiver)
			continue
		}
		if _, stopping := s.draining(); stopping {
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("%s: accepting on %s: %w", s.rules.name, s.Addr(), err)
		}
		pause = min(max(2*pause, 5*time.Millisecond), time.Second) // out of file descriptors: it passes
		s.quiet.warn("accept", s.rules.name, s.Addr().String(), "accepting a connection: "+err.Error())
		time.Sleep(pause)
	}
}

// open begins to serve a connection, if there is room for it.
func (s *Server) open(nc net.Conn, newReceiver func() Receiver) {
	c := newConn(s, s.pacer.wrap(nc), newReceiver)
	s.mu.Lock()
	full := len(s.conns) >= maxConns
	if !full && !s.stopping {
		if len(s.conns) == 0 {
			s.idle = make(chan struct{})
		}
		s.conns[c] = struct{}{}
		s.done.Go(c.serve)
	} else {
		c.nc.Close()
	}
	s.mu.Unlock()
	if full {
		s.quiet.warn("full", s.rules.name, c.peer,
			fmt.Sprintf("%d connections are open, which is the most that may be: closed", maxConns))
	}
}

// forget is what serve ends with.
func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if len(s.conns) == 0 {
		close(s.idle)
	}
}

// listenHeartbeat binds the datagram socket beside the listener. A server without it works as well: clients ask for
// this kind of heartbeat by an option of their own.
func (s *Server) listenHeartbeat(ctx context.Context) {
	var lc net.ListenConfig
	udp, err := lc.ListenPacket(ctx, "udp", s.Addr().String())
	if err != nil {
		s.log.Warn().Err(err).Msg(s.rules.name + ": no heartbeats by UDP")
		return
	}
	s.udp = udp
}

// heartbeats answers every datagram with a zero byte.
func (s *Server) heartbeats() {
	buf := make([]byte, 128)
	for {
		_, from, err := s.udp.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			_, err = s.udp.WriteTo([]byte{0}, from)
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			s.quiet.warn("heartbeat", s.rules.name, s.Addr().String(), "answering a heartbeat: "+err.Error())
		}
	}
}
