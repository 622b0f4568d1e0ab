package dial

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// maxGathered is how much of a body is encrypted before it is sent, in bytes. TLS splits a body into its own records of 16 KiB, and
	// a system call for each of them would cost more than all else that TLS does.
	maxGathered = 64 << 10
	// gatheredRoom is the size of that when it is encrypted: each of TLS's records adds some bytes, and a connection begins with short
	// ones, so there are more of them.
	gatheredRoom = maxGathered + 2<<10
)

// gathered are buffers for encrypted bytes, which a request has only while it sends.
var gathered = sync.Pool{New: func() any {
	b := make([]byte, 0, gatheredRoom)
	return &b
}}

// Secure returns a function that connects as DialContext does, and then makes a handshake of TLS, which may take as long as limit.
func (d *Dialer) Secure(conf *tls.Config, limit time.Duration) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		raw, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		own := conf.Clone()
		if host, _, err := net.SplitHostPort(addr); err == nil && own.ServerName == "" {
			own.ServerName = host
		}
		out := &gatherer{Conn: raw}
		c := &secureConn{Conn: tls.Client(out, own), out: out}
		ctx, cancel := context.WithTimeoutCause(ctx, limit, handshakeTimeout{})
		defer cancel()
		if err := c.HandshakeContext(ctx); err != nil {
			raw.Close()
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			return nil, err
		}
		return c, nil
	}
}

// handshakeTimeout means that a handshake took too long.
type handshakeTimeout struct{}

func (handshakeTimeout) Error() string   { return "the TLS handshake took too long" }
func (handshakeTimeout) Timeout() bool   { return true }
func (handshakeTimeout) Temporary() bool { return true }

// A secureConn is a connection with TLS. It encrypts a Lender's bytes without copying them first, and sends several of TLS's
// records at once.
type secureConn struct {
	*tls.Conn
	out *gatherer
}

// ReadFrom sends a Lender's bytes. net/http's transport calls it with a request's body, in a LimitedReader, after it has sent
// the headers.
func (c *secureConn) ReadFrom(r io.Reader) (sent int64, err error) {
	l, ok := r.(*io.LimitedReader)
	if !ok {
		return io.Copy(struct{ io.Writer }{c}, r)
	}
	s, ok := l.R.(Lender)
	if !ok {
		return io.Copy(struct{ io.Writer }{c}, r)
	}
	buf := gathered.Get().(*[]byte)
	defer gathered.Put(buf)
	write := func(b []byte) (n int) {
		n, err = c.Write(b) // doesn't block: the gatherer keeps it
		sent += int64(n)
		return n
	}
	for start := sent; l.N > 0 && err == nil; start = sent {
		c.out.hold(*buf)
		lent := s.Lend(int(min(l.N, maxGathered)), write)
		*buf, err = c.out.flush(err)
		if l.N -= sent - start; lent == io.EOF {
			break
		} else if err == nil {
			err = lent
		}
	}
	return sent, err
}

// Close closes the connection; if it is blocked in a flush, without sending close_notify, which would wait for it.
func (c *secureConn) Close() error {
	if !c.out.mu.TryLock() {
		return c.out.Conn.Close()
	}
	c.out.mu.Unlock()
	return c.Conn.Close()
}

// A gatherer is what a secureConn writes to. While it holds, what is written stays in memory.
type gatherer struct {
	net.Conn
	mu      sync.Mutex // TLS may answer a message of the server while a body is sent
	holding bool
	held    []byte
}

func (g *gatherer) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.holding {
		g.held = append(g.held, b...)
		return len(b), nil
	}
	return g.Conn.Write(b)
}

// hold begins to hold, in the memory of buf.
func (g *gatherer) hold(buf []byte) {
	g.mu.Lock()
	g.holding, g.held = true, buf[:0]
	g.mu.Unlock()
}

// flush ends holding and sends what was held, unless there was an error before, which it returns. It gives back the memory.
func (g *gatherer) flush(before error) (buf []byte, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	buf, g.holding, g.held = g.held, false, nil
	if err = before; err == nil && len(buf) > 0 {
		_, err = g.Conn.Write(buf)
	}
	return buf, err
}
