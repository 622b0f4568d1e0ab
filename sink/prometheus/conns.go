package prometheus

import (
	"net"
	"sync"
)

// fewConns accepts a limited number of connections at once, and closes others at once.
type fewConns struct {
	net.Listener
	used chan struct{} // a value for each connection
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
			return &oneOfFew{Conn: c, used: l.used}, nil
		default:
			_ = c.Close() // nothing was promised to it
		}
	}
}

// oneOfFew makes room for another connection when it is closed.
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
