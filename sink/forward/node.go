package forward

import (
	"context"
	"crypto/tls"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
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

// maxIdle is how many connections to one server are kept for the next request.
const maxIdle = sink.MaxWorkers

// A node is one server.
type node struct {
	network, addr string
	weight        int
	standby       bool
	login         *forward.Client // nil: no handshake
	tls           *tls.Config     // nil: none
	dialer        *dial.Dialer

	mu   sync.Mutex
	idle []*link
	down time.Time // it failed, and is left alone until then
}

// A link is one connection.
type link struct {
	net.Conn
	node   *node
	used   time.Time // when it was last given back
	reused bool
	keep   bool // the server wants it to be used again
}

func (o *Options) nodes(d config.Dialect, log zerolog.Logger) ([]*node, error) {
	dialer := o.Dialer()
	if d == config.FluentBit {
		n := &node{network: "tcp", addr: net.JoinHostPort(o.Host, strconv.Itoa(o.Port)), weight: 1, dialer: dialer}
		if o.UnixPath != "" {
			n.network, n.addr = "unix", o.UnixPath
		}
		if o.SharedKey != "" || o.EmptySharedKey {
			n.login = &forward.Client{Hostname: o.SelfHostname, SharedKey: string(o.SharedKey), Username: o.Username, Password: string(o.Password)}
			if o.EmptySharedKey {
				n.login.SharedKey = ""
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
			n.login = &forward.Client{Hostname: sec.SelfHostname, SharedKey: string(key), Username: s.Username, Password: string(s.Password), NotSelf: true}
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
		n.tls, err = o.Config(d, name, n.login != nil, log)
	}
	return err
}

// take gives a connection that is idle, or a new one.
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
		l.Close()
	}
}

// open connects, and does the handshakes of TLS and of the protocol.
func (n *node) open(ctx context.Context, s *settings) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, s.connect)
	defer cancel()
	conn, err := n.dialer.DialContext(ctx, n.network, n.addr)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", n.addr, err)
	}
	l := &link{Conn: conn, node: n, keep: true}
	if n.tls != nil {
		t := tls.Client(conn, n.tls)
		if err := t.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, fmt.Errorf("TLS handshake with %s: %w", n.addr, err)
		}
		l.Conn = t
	}
	if n.login == nil {
		return l, nil
	}
	stop := l.until(ctx, time.Now().Add(s.connect))
	defer stop()
	if l.keep, err = n.login.Handshake(l); err != nil {
		l.Close()
		return nil, fmt.Errorf("handshake with %s: %w", n.addr, err)
	}
	return l, nil
}

// giveBack keeps a connection that works, or closes it.
func (n *node) giveBack(l *link, s *settings, works bool) {
	if works && s.keep && l.keep {
		l.used = time.Now()
		n.mu.Lock()
		if len(n.idle) < maxIdle {
			n.idle = append(n.idle, l)
			l = nil
		}
		n.mu.Unlock()
	}
	if l != nil {
		l.Close()
	}
}

// fail leaves the server alone for a while, if there are others.
func (n *node) fail(wait time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = time.Now().Add(wait)
	for _, l := range n.idle {
		l.Close()
	}
	n.idle = nil
}

func (n *node) works() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = time.Time{}
}

func (n *node) isDown() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return time.Now().Before(n.down)
}

// order is the servers in the order in which to try them: those that work by chance and weight, then those on standby,
// then those that failed a moment ago.
func order(nodes []*node) []*node {
	type ranked struct {
		n     *node
		class int
		draw  float64
	}
	rs := make([]ranked, len(nodes))
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
		rs[i] = r
	}
	slices.SortStableFunc(rs, func(a, b ranked) int {
		switch {
		case a.class != b.class:
			return a.class - b.class
		case a.draw > b.draw:
			return -1
		}
		return 1
	})
	out := make([]*node, len(rs))
	for i, r := range rs {
		out[i] = r.n
	}
	return out
}

// until sets a limit to everything on the connection: a time, and ctx.
func (l *link) until(ctx context.Context, t time.Time) (stop func() bool) {
	l.SetDeadline(t) // an error comes from the next read or write as well
	return context.AfterFunc(ctx, func() { l.SetDeadline(time.Unix(1, 0)) })
}

// alive says whether the server has not hung up meanwhile: a write to a connection that it has closed would succeed,
// and what was written would be lost.
func (l *link) alive() bool {
	conn := l.Conn
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	sys, ok := conn.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := sys.SyscallConn()
	if err != nil {
		return false
	}
	alive := false
	err = raw.Control(func(fd uintptr) {
		_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		alive = err == syscall.EAGAIN // nothing to read: neither an end nor an answer that nobody waits for
	})
	return err == nil && alive
}
