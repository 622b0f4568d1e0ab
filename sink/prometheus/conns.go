package prometheus

import (
	"net"
	"sync"
)

// fewConns limits the number of open connections. It closes further ones as soon as it has accepted them.
type fewConns struct {
	net.Listener
	used chan struct{} // has a value for each open connection
}

// Accept implements net.Listener.
func (l *fewConns) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.used <- struct{}{}:
			if b, ok := c.(interface{ SetWriteBuffer(int) error }); ok {
				_ = b.SetWriteBuffer(sendBuffer) // fails for a connection that is closed already
			}
			return &oneOfFew{Conn: c, used: l.used}, nil
		default:
			_ = c.Close() // an error doesn't matter: no request was read
		}
	}
}

// oneOfFew is a connection of fewConns. Closing it makes room for another one.
type oneOfFew struct {
	net.Conn
	used   chan struct{}
	closed sync.Once
}

// Close implements net.Conn.
func (c *oneOfFew) Close() error {
	c.closed.Do(func() { <-c.used })
	return c.Conn.Close()
}
