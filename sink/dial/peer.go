package dial

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
)

// MaxDatagram is the most bytes that a datagram of UDP holds over IPv4 (RFC 768 and 791).
const MaxDatagram = 65_507

const (
	// maxPeerIdle is how many idle connections to a Peer are kept.
	maxPeerIdle = 16
	// peerIdleTime is how long one is kept, unless net.keepalive_idle_timeout says otherwise.
	peerIdleTime = 30 * time.Second
	// peerTimeout is how long it may take to write a request, and until the peer's host has acknowledged it.
	peerTimeout = 60 * time.Second
	// maxAckPause is the longest pause between two looks at whether it has.
	maxAckPause = 5 * time.Millisecond
	// burst is after how many datagrams there is a pause of burstTime: a receiver has room for about 200 (Linux's
	// net.core.rmem_default), and those that find none are lost.
	burst     = 16
	burstTime = time.Millisecond
	// icmpTime is how long a request of datagrams waits for the answer that nobody listens.
	icmpTime = 2 * time.Millisecond
	// maxUnread is how much is read before a connection is closed, in bytes, and unreadTime for how long. Closing it with
	// unread bytes, such as TLS's tickets, would reset it, and the peer would lose what it has not read yet.
	maxUnread  = 64 << 10
	unreadTime = 10 * time.Millisecond
)

// A PeerConfig says how to reach a Peer.
type PeerConfig struct {
	Network string // tcp or udp
	Host    string
	Port    int
	Secure  bool // TLS, on tcp
	Net     *NetOptions
	TLS     *TLSOptions
	Dialect config.Dialect
	Log     zerolog.Logger
}

// A Peer is a server that is sent bytes or datagrams and doesn't answer. It is safe for concurrent use; each Send uses a
// connection of its own.
//
// Bytes count as delivered as soon as the TCP of the peer's host has acknowledged them, and the connection hasn't been reset:
// more than a write to a socket promises, but less than an answer, which these protocols don't have. A peer that dies before
// it has read them loses them.
type Peer struct {
	network, addr string
	dialer        *Dialer
	source        string
	tls           *tls.Config // nil: none
	keep          bool
	idleTime      time.Duration

	mu   sync.Mutex
	idle []*peerConn
	udp  *peerConn
}

// A peerConn is one connection.
type peerConn struct {
	net.Conn
	raw  net.Conn // without TLS
	used time.Time
}

// NewPeer makes a Peer, without connecting. It reads the certificates' files.
func NewPeer(c PeerConfig) (*Peer, error) {
	host := strings.Trim(strings.TrimSpace(c.Host), "[]")
	p := &Peer{
		network: c.Network, addr: net.JoinHostPort(host, strconv.Itoa(c.Port)), dialer: c.Net.Dialer(), source: c.Net.SourceAddress,
		keep: c.Net.Keepalive || c.Dialect == config.Fluentd, idleTime: peerIdleTime,
	}
	if c.Net.KeepaliveIdle > 0 {
		p.idleTime = c.Net.KeepaliveIdle
	}
	if c.Secure {
		conf, err := c.TLS.Config(c.Dialect, host, false, c.Log)
		if err != nil {
			return nil, fmt.Errorf("preparing TLS for %s: %w", host, err)
		}
		p.tls = conf
	}
	return p, nil
}

// CheckPeer reports a host or port that no Peer can have.
func CheckPeer(host string, port int) error {
	if host = strings.TrimSpace(host); host == "" || strings.ContainsAny(host, "/ ") {
		return &config.OptionError{Option: "host", Reason: fmt.Sprintf("%q is not a host; want the server's name or address", host)}
	}
	return CheckPort(port)
}

// CheckPort reports a port that no server can have.
func CheckPort(port int) error {
	if port < 1 || port > 65535 {
		return &config.OptionError{Option: "port", Reason: fmt.Sprintf("%d is not a port; want 1 to 65535", port), Instead: config.NotWritten}
	}
	return nil
}

// Addr is the peer's host and port.
func (p *Peer) Addr() string { return p.addr }

// Send writes b to a TCP connection, and returns when the peer's host has it. If a connection that was idle turns out to be
// broken, Send writes all of b again to a new one, once. After an error, the peer may have any part of b.
func (p *Peer) Send(ctx context.Context, b []byte) error {
	ctx, cancel := context.WithTimeoutCause(ctx, peerTimeout, errPeerTime)
	defer cancel()
	for {
		c, reused, err := p.take(ctx)
		if err != nil {
			return err
		}
		if err = c.send(ctx, b); err == nil {
			p.giveBack(c)
			return nil
		}
		c.Close()
		if !reused || ctx.Err() != nil {
			return fmt.Errorf("writing to %s: %w", p.addr, err)
		}
		p.closeIdle() // they are probably broken, too
	}
}

var errPeerTime = fmt.Errorf("the peer did not take it within %s", peerTimeout)

// take returns an idle connection, or a new one if there is none.
func (p *Peer) take(ctx context.Context) (c *peerConn, reused bool, err error) {
	for {
		p.mu.Lock()
		if len(p.idle) == 0 {
			p.mu.Unlock()
			c, err = p.open(ctx)
			return c, false, err
		}
		c = p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		p.mu.Unlock()
		if time.Since(c.used) < p.idleTime && tcpState(c.raw) == tcpOpen {
			return c, true, nil
		}
		End(c.Conn)
	}
}

// open connects, with TLS if that is configured.
func (p *Peer) open(ctx context.Context) (*peerConn, error) {
	conn, err := p.dialer.DialContext(ctx, p.network, p.addr)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", p.addr, err)
	}
	c := &peerConn{Conn: conn, raw: conn}
	if p.tls == nil {
		return c, nil
	}
	t := tls.Client(conn, p.tls)
	if err := t.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("TLS handshake with %s: %w", p.addr, err)
	}
	c.Conn = t
	return c, nil
}

// giveBack keeps a connection for the next Send, up to maxPeerIdle, or closes it.
func (p *Peer) giveBack(c *peerConn) {
	c.used = time.Now()
	if p.keep && tcpState(c.raw) == tcpOpen {
		p.mu.Lock()
		if len(p.idle) < maxPeerIdle {
			p.idle = append(p.idle, c)
			c = nil
		}
		p.mu.Unlock()
	}
	if c != nil {
		End(c.Conn)
	}
}

// send writes b and waits until the other host has acknowledged it.
func (c *peerConn) send(ctx context.Context, b []byte) error {
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := c.Write(b); err != nil {
		return plainCause(ctx, err)
	}
	for wait := 50 * time.Microsecond; ; wait = min(2*wait, maxAckPause) {
		switch tcpState(c.raw) {
		case tcpBroken:
			return errors.New("the connection was reset before the peer had read everything")
		case tcpOpen, tcpEnded:
			return nil
		}
		if pause(ctx, wait); ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// plainCause returns why ctx ended, if it did, instead of a deadline's error.
func plainCause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// End closes a connection that works, so that the peer can read all that it was sent. Its own limit of a read doesn't hold it up.
func End(c net.Conn) {
	raw := c
	t, secure := c.(*tls.Conn)
	if secure {
		raw = t.NetConn()
	}
	late := time.AfterFunc(unreadTime, func() { raw.Close() })
	defer late.Stop()
	c.SetDeadline(time.Time{}) // that of what was sent may be over
	if secure {
		t.CloseWrite() // if this fails, so does the read
	}
	_, _ = io.CopyN(io.Discard, c, maxUnread)
	c.Close()
}

// Datagrams calls each with a function that sends one datagram. An error means that nobody listens, or that there is no way to
// the peer: none of the datagrams should count as delivered. (That is all that UDP ever tells.)
func (p *Peer) Datagrams(ctx context.Context, each func(send func([]byte) error) error) error {
	c, err := p.socket(ctx)
	if err != nil {
		return err
	}
	sent := 0
	send := func(b []byte) error {
		if sent++; sent%burst == 0 {
			pause(ctx, burstTime)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		_, err := c.Write(b)
		return err
	}
	if err = each(send); err == nil {
		pause(ctx, icmpTime)
		err = socketError(c.raw)
	}
	if err != nil {
		p.closeIdle()
		return fmt.Errorf("sending to %s: %w", p.addr, err)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// socket returns the UDP socket, a new one if it is older than the idle time: the name may have another address now.
func (p *Peer) socket(ctx context.Context) (*peerConn, error) {
	p.mu.Lock()
	c := p.udp
	p.mu.Unlock()
	if c != nil && time.Since(c.used) < p.idleTime {
		return c, nil
	}
	d := net.Dialer{Timeout: p.dialer.net.Timeout, Resolver: p.dialer.net.Resolver}
	if ip := net.ParseIP(p.source); ip != nil {
		d.LocalAddr = &net.UDPAddr{IP: ip}
	}
	conn, err := d.DialContext(ctx, "udp"+strings.TrimPrefix(p.dialer.first, "tcp"), p.addr)
	if err != nil && p.dialer.first != "" {
		conn, err = d.DialContext(ctx, "udp", p.addr)
	}
	if err != nil {
		return nil, fmt.Errorf("looking up %s: %w", p.addr, err)
	}
	fresh := &peerConn{Conn: conn, raw: conn, used: time.Now()}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.udp != nil && p.udp != c { // another worker was faster
		conn.Close()
		return p.udp, nil
	}
	if c != nil {
		c.Close() // a worker that is using it gets an error, and sends its datagrams again
	}
	p.udp = fresh
	return fresh, nil
}

// closeIdle closes the idle connections, and the UDP socket.
func (p *Peer) closeIdle() {
	p.mu.Lock()
	idle, udp := p.idle, p.udp
	p.idle, p.udp = nil, nil
	p.mu.Unlock()
	for _, c := range idle {
		End(c.Conn)
	}
	if udp != nil {
		udp.Close()
	}
}

// Close closes the connections. It must not be called during a Send.
func (p *Peer) Close() { p.closeIdle() }

// The states of a connection to which everything has been written.
type connState uint8

const (
	tcpOpen    connState = iota // all is acknowledged
	tcpEnded                    // all is acknowledged, and the peer sends nothing more
	tcpSending                  // some isn't acknowledged yet
	tcpBroken                   // the connection was reset
)
