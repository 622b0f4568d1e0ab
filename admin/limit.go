package admin

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
)

// maxConns is the limit of open connections, which counts those from this machine apart from all others: others can't block
// the container's own health check.
const maxConns = 32

// A cappedListener closes, at once, connections beyond maxConns.
type cappedListener struct {
	net.Listener
	remote, local atomic.Int32
}

// Accept implements net.Listener.
func (l *cappedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		open := &l.remote
		if a, ok := c.RemoteAddr().(*net.TCPAddr); ok && a.IP.IsLoopback() {
			open = &l.local
		}
		if open.Add(1) <= maxConns {
			if b, ok := c.(interface{ SetWriteBuffer(int) error }); ok {
				_ = b.SetWriteBuffer(sendBuffer) // fails for a connection that is closed already
			}
			return &cappedConn{Conn: c, open: open}, nil
		}
		open.Add(-1)
		_ = c.Close()
	}
}

// A cappedConn is a connection that counts until it is closed.
type cappedConn struct {
	net.Conn
	open *atomic.Int32
	once sync.Once
}

// Close implements net.Conn.
func (c *cappedConn) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}

// A hostCheck refuses requests whose Host is not a name of this server. So a web page can't read the answers by giving its
// own name this server's address (DNS rebinding).
type hostCheck struct {
	pages   http.Handler
	listen  string // the host of the listening address
	anyAddr bool   // listen is every address of the machine
	any     bool   // every name is allowed
	names   map[string]bool
}

// newHostCheck wraps pages. addr is the listening address; hosts are additional names, separated by commas or blanks, or *
// for any.
func newHostCheck(addr, hosts string, pages http.Handler) *hostCheck {
	c := &hostCheck{pages: pages, names: map[string]bool{"localhost": true}}
	c.listen = hostOf(addr)
	ip, err := netip.ParseAddr(c.listen)
	c.anyAddr = c.listen == "" || err == nil && ip.IsUnspecified()
	for _, name := range strings.FieldsFunc(hosts, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
		c.any = c.any || name == "*"
		c.names[hostOf(name)] = true
	}
	return c
}

// ServeHTTP implements http.Handler.
func (c *hostCheck) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !c.allows(r.Host) {
		http.Error(w, "error: the Host header names another server; use an address, localhost, or a name of http_hosts", http.StatusForbidden)
		return
	}
	c.pages.ServeHTTP(w, r)
}

// allows reports whether host, with or without a port, is a name of this server. A request of HTTP/1.0 may have none;
// browsers don't send such requests.
func (c *hostCheck) allows(host string) bool {
	name := hostOf(host)
	if host == "" || c.any || name == c.listen || c.names[name] {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && (ip.IsLoopback() || c.anyAddr)
}

// hostOf returns the host of host:port or host, in lower case; an IPv6 address without brackets.
func hostOf(hostPort string) string {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		host = hostPort
	}
	return strings.ToLower(strings.Trim(strings.TrimSuffix(host, "."), "[]"))
}
