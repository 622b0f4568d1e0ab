package forward

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/forward"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dial"
)

// maxIdle is how many idle connections to one server are kept.
const maxIdle = sink.MaxWorkers

// A node is one server.
type node struct {
	network, addr string
	weight        int
	standby       bool
	handshake     *forward.Client // nil: none
	tls           *tls.Config     // nil: none
	dialer        *dial.Dialer

	mu        sync.Mutex
	idle      []*link
	downUntil time.Time // it failed, and is not used until then if there are others
}

// A link is one connection.
type link struct {
	net.Conn
	node   *node
	used   time.Time // when it became idle
	reused bool      // it was idle
	keep   bool      // the server allows reusing it
}

func (o *Options) nodes(d config.Dialect, log zerolog.Logger) ([]*node, error) {
	dialer := o.Dialer()
	if d == config.FluentBit {
		n := &node{network: "tcp", addr: net.JoinHostPort(o.Host, strconv.Itoa(o.Port)), weight: 1, dialer: dialer}
		if o.UnixPath != "" {
			n.network, n.addr = "unix", o.UnixPath
		}
		if o.SharedKey != "" || o.EmptySharedKey {
			n.handshake = &forward.Client{Hostname: o.SelfHostname, SharedKey: string(o.SharedKey), Username: o.Username, Password: string(o.Password)}
			if o.EmptySharedKey {
				n.handshake.SharedKey = ""
			}
		}
		return []*node{n}, o.secure(n, d, o.Host, o.TLS && o.UnixPath == "", log)
	}
	var nodes []*node
	for _, s := range o.Servers {
		n := &node{network: "tcp", addr: net.JoinHostPort(s.Host, strconv.Itoa(s.Port)), weight: s.Weight, standby: s.Standby, dialer: dialer}
		if sec := o.Security; sec != nil {
			key := sec.SharedKey
			if s.SharedKey != "" {
				key = s.SharedKey
			}
			n.handshake = &forward.Client{Hostname: sec.SelfHostname, SharedKey: string(key), Username: s.Username, Password: string(s.Password), NotSelf: true}
		}
		name := s.Host
		if net.ParseIP(s.Host) != nil && s.Name != "" {
			name = s.Name
		}
		if err := o.secure(n, d, name, o.Transport == "tls", log); err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

func (o *Options) secure(n *node, d config.Dialect, name string, on bool, log zerolog.Logger) (err error) {
	if on {
		n.tls, err = o.Config(d, name, n.handshake != nil, log)
	}
	return err
}

// take returns an idle connection, or a new one if there is none.
func (n *node) take(ctx context.Context, s *settings) (*link, error) {
	for {
		n.mu.Lock()
		if len(n.idle) == 0 {
			n.mu.Unlock()
			return n.open(ctx, s)
		}
		l := n.idle[len(n.idle)-1]
		n.idle = n.idle[:len(n.idle)-1]
		n.mu.Unlock()
		if time.Since(l.used) < s.idle && l.alive() {
			l.reused = true
			return l, nil
		}
		l.end()
	}
}

// open connects, and performs the handshakes of TLS and of the forward protocol.
func (n *node) open(ctx context.Context, s *settings) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, s.connect)
	defer cancel()
	conn, err := n.dialer.DialContext(ctx, n.network, n.addr)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", n.addr, err)
	}
	l := &link{Conn: conn, node: n, keep: true}
	if n.tls != nil {
		t := tls.Client(&patientConn{Conn: conn}, n.tls)
		if err := t.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, fmt.Errorf("TLS handshake with %s: %w", n.addr, err)
		}
		l.Conn = t
	}
	if n.handshake == nil {
		return l, nil
	}
	stop := l.until(ctx, time.Now().Add(s.connect))
	defer stop()
	if l.keep, err = n.handshake.Handshake(l); err != nil {
		l.Close()
		return nil, fmt.Errorf("handshake with %s: %w", n.addr, err)
	}
	return l, nil
}

// giveBack keeps a working connection for reuse, up to maxIdle, or closes it.
func (n *node) giveBack(l *link, s *settings, works bool) {
	if !works {
		l.Close()
		return
	}
	if s.keep && l.keep {
		l.used = time.Now()
		n.mu.Lock()
		if len(n.idle) < maxIdle {
			n.idle = append(n.idle, l)
			l = nil
		}
		n.mu.Unlock()
	}
	if l != nil {
		l.end()
	}
}

// fail marks the server as failed for wait, and closes its idle connections.
func (n *node) fail(wait time.Duration) {
	n.mu.Lock()
	idle := n.idle
	n.downUntil, n.idle = time.Now().Add(wait), nil
	n.mu.Unlock()
	for _, l := range idle {
		l.end()
	}
}

// works marks the server as not failed.
func (n *node) works() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.downUntil = time.Time{}
}

func (n *node) isDown() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return time.Now().Before(n.downUntil)
}

// order returns the servers in the order in which to try them: those that work, at random by weight; those with weight 0;
// those on standby; and those that failed recently.
func order(nodes []*node) []*node {
	type ranked struct {
		n     *node
		class int
		draw  float64 // random, by weight; the largest is first
	}
	ranking := make([]ranked, len(nodes))
	for i, n := range nodes {
		r := ranked{n: n, draw: math.Pow(rand.Float64(), 1/math.Max(float64(n.weight), 1e-3))}
		switch {
		case n.isDown():
			r.class = 3
		case n.standby:
			r.class = 2
		case n.weight <= 0:
			r.class = 1
		}
		ranking[i] = r
	}
	slices.SortStableFunc(ranking, func(a, b ranked) int {
		switch {
		case a.class != b.class:
			return a.class - b.class
		case a.draw > b.draw:
			return -1
		}
		return 1
	})
	out := make([]*node, len(ranking))
	for i, r := range ranking {
		out[i] = r.n
	}
	return out
}

// until makes reads and writes fail at t, and when ctx ends, until stop is called.
func (l *link) until(ctx context.Context, t time.Time) (stop func() bool) {
	l.SetDeadline(t) // if this fails, so will the next read or write
	return context.AfterFunc(ctx, func() { l.SetDeadline(time.Unix(1, 0)) })
}

// end closes a connection that works. With TLS there may be tickets that nobody has read: closing it would reset it, and the server
// would lose what it has not received yet.
func (l *link) end() {
	if _, ok := l.Conn.(*tls.Conn); ok {
		dial.End(l.Conn)
		return
	}
	l.Close()
}

// alive reports whether the server has kept the connection open. Without this check, a write to a connection that the
// server has closed would succeed, and its events would be lost.
func (l *link) alive() bool {
	t, ok := l.Conn.(*tls.Conn)
	if !ok {
		return silent(l.Conn)
	}
	p := t.NetConn().(*patientConn) // open made it
	if silent(p.Conn) {
		return true
	}
	l.SetReadDeadline(time.Time{}) // that of the last message may be over
	p.hasty = true
	_, err := t.Read(make([]byte, 1)) // without acks nothing else reads the tickets of TLS 1.3
	p.hasty = false
	return errors.Is(err, os.ErrDeadlineExceeded)
}

// A patientConn is a connection under TLS. While it is hasty, a read doesn't wait.
type patientConn struct {
	net.Conn
	hasty bool
}

func (p *patientConn) Read(b []byte) (int, error) {
	if p.hasty && silent(p.Conn) {
		return 0, os.ErrDeadlineExceeded
	}
	return p.Conn.Read(b)
}

// silent reports whether a connection has nothing to read: neither its end, nor an unexpected ack, nor tickets of TLS.
func silent(conn net.Conn) bool {
	sys, ok := conn.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := sys.SyscallConn()
	if err != nil {
		return false
	}
	nothing := false
	err = raw.Control(func(fd uintptr) {
		_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		nothing = err == syscall.EAGAIN
	})
	return err == nil && nothing
}
