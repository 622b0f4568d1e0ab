package serve

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// A listener accepts the connections that there is room for.
type listener struct {
	net.Listener
	s *HTTP
}

// A conn is a connection, which is charged to input.Memory until its Close.
type conn struct {
	net.Conn
	s      *HTTP
	close  sync.Once
	cost   int            // bytes
	state  http.ConnState // s.mu guards it
	since  time.Time      // of state
	forgot bool           // it isn't in s.conns any more
}

func (l *listener) Accept() (net.Conn, error) {
	var pause time.Duration
	for {
		nc, err := l.Listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil, err
		case err != nil:
			pause = waitAfter(err, pause, &l.s.log)
			continue
		}
		pause = 0
		if c := l.s.open(nc); c != nil {
			return c, nil
		}
	}
}

// waitAfter waits after a connection could not be accepted, so that the cause may pass: no file descriptor or memory is left, or the
// client's network has failed. It returns the pause, which is longer than the one before.
func waitAfter(err error, before time.Duration, log *zerolog.Logger) (pause time.Duration) {
	pause = min(max(2*before, 5*time.Millisecond), time.Second)
	log.Warn().Err(err).Float64("retry_in_s", pause.Seconds()).Msg("a connection can't be accepted: trying again")
	time.Sleep(pause)
	return pause
}

// open adds a connection, or closes it if there is no room for it.
func (s *HTTP) open(nc net.Conn) *conn {
	c := &conn{Conn: nc, s: s, cost: connCost, state: http.StateNew, since: time.Now()}
	if s.cfg.TLS != nil {
		c.cost += tlsCost
	}
	ok := s.charge(c)
	for !ok && s.closeLongestIdle() {
		ok = s.charge(c)
	}
	if !ok {
		nc.Close()
		s.log.Warn().Str("peer", nc.RemoteAddr().String()).Msg("too many connections are open: a new one was closed")
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = struct{}{}
	s.setBusy(1)
	s.done.Add(1)
	return c
}

// charge takes what a connection needs, if there is enough.
func (s *HTTP) charge(c *conn) bool {
	s.mu.Lock()
	full := len(s.conns) >= maxConns
	s.mu.Unlock()
	if full || !s.memory.AddConn() {
		return false
	}
	if !s.memory.Take(c.cost) {
		s.memory.RemoveConn()
		return false
	}
	return true
}

// closeLongestIdle closes the connection that has had no request for the longest time, and reports whether there is one.
func (s *HTTP) closeLongestIdle() bool {
	s.mu.Lock()
	var oldest *conn
	for c := range s.conns {
		if c.state != http.StateActive && (oldest == nil || c.since.Before(oldest.since)) {
			oldest = c
		}
	}
	if oldest != nil {
		s.forget(oldest)
	}
	s.mu.Unlock()
	if oldest == nil {
		return false
	}
	oldest.Close()
	return true
}

// forget removes a connection from the set. s.mu is held.
func (s *HTTP) forget(c *conn) {
	if c.forgot {
		return
	}
	if c.isBusy() {
		s.setBusy(-1)
	}
	c.forgot = true
	delete(s.conns, c)
}

// isBusy reports whether the client may have sent something. s.mu is held.
func (c *conn) isBusy() bool { return c.state != http.StateIdle }

// setBusy adds to the number of busy connections. s.mu is held.
func (s *HTTP) setBusy(n int) {
	if s.busy == 0 {
		s.idle = make(chan struct{})
	}
	if s.busy += n; s.busy == 0 {
		close(s.idle)
	}
}

// setState is called by net/http.
func (s *HTTP) setState(nc net.Conn, state http.ConnState) {
	c := unwrap(nc)
	s.mu.Lock()
	defer s.mu.Unlock()
	if state == http.StateClosed || state == http.StateHijacked {
		s.forget(c)
		s.done.Done()
		return
	}
	was := c.isBusy()
	c.state, c.since = state, time.Now()
	if is := c.isBusy(); !c.forgot && is != was {
		if is {
			s.setBusy(1)
		} else {
			s.setBusy(-1)
		}
	}
}

// unwrap returns the conn that net/http calls nc.
func unwrap(nc net.Conn) *conn {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	return nc.(*conn)
}

// Read counts what clients send.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.s.reads.Add(1)
	}
	return n, err
}

// SetReadDeadline sets it no later than at the end of a stop.
func (c *conn) SetReadDeadline(t time.Time) error { return c.Conn.SetReadDeadline(c.s.readBy(t)) }

// Close returns the connection's memory.
func (c *conn) Close() error {
	c.close.Do(func() {
		c.s.memory.Release(c.cost)
		c.s.memory.RemoveConn()
	})
	return c.Conn.Close()
}

// readBy is when a read ends: at t (never if that is zero), or sooner at a stop.
func (s *HTTP) readBy(t time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping && (t.IsZero() || s.drainBy.Before(t)) {
		return s.drainBy
	}
	return t
}
