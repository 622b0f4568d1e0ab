package doctor

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/firelane/firelane/sink/httpsend"
	"github.com/firelane/firelane/sink/probe"
)

// reach finds out whether the server can be reached: name, connection, proxy, TLS. It reports whether it can.
func (e *exam) reach(ctx context.Context) bool {
	if e.Network == "unix" {
		return e.reachSocket(ctx)
	}
	proxy, ok := e.proxy()
	if !ok {
		return false
	}
	host, port := e.Host, e.Port
	if proxy != nil {
		host, port = proxy.Hostname(), portOf(proxy)
		e.ok("proxy", "requests go through the proxy %s", joinPort(host, port))
	}
	addresses, ok := e.resolve(ctx, host, proxy == nil)
	if !ok {
		return false
	}
	if e.Network == "udp" {
		e.note("connect", "UDP has no answers: not known whether anything listens at %s", joinPort(host, port))
		return true
	}
	conn, ok := e.connect(ctx, addresses, port)
	if !ok {
		return false
	}
	defer func() { conn.Close() }()
	if proxy != nil {
		if conn, ok = e.tunnel(ctx, conn, proxy); !ok {
			return false
		}
	}
	return e.TLS == nil || e.secure(ctx, conn)
}

func (e *exam) reachSocket(ctx context.Context) bool {
	ctx, cancel := limited(ctx, e.step)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", e.Host)
	if err != nil {
		e.fail("connect", "start the server, or correct the path; both containers need the volume that has the socket", "nothing listens at %s: %v", e.Host, plain(ctx, err))
		return false
	}
	conn.Close()
	e.ok("connect", "a server listens at %s", e.Host)
	return true
}

// proxy is the proxy that requests go through, nil for none.
func (e *exam) proxy() (*url.URL, bool) {
	if e.HTTP == nil || e.HTTP.ProxyOf() == nil {
		return nil, true
	}
	u, err := e.HTTP.ProxyOf()(&http.Request{URL: e.HTTP.URL})
	if err != nil {
		e.fail("proxy", "correct HTTP_PROXY, HTTPS_PROXY or the option proxy; want http://host:port", "the proxy's URL can't be read")
		return nil, false
	}
	if u != nil && u.Scheme != "http" && u.Scheme != "https" {
		e.note("proxy", "requests go through a proxy of the kind %s, which is not checked by itself", u.Scheme)
		return nil, true
	}
	return u, true
}

func portOf(u *url.URL) int {
	if p, err := strconv.Atoi(u.Port()); err == nil {
		return p
	}
	if u.Scheme == "https" {
		return 443
	}
	return 80
}

func joinPort(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

// resolve looks a name up. direct: it is the server's own name, not the proxy's.
func (e *exam) resolve(ctx context.Context, host string, direct bool) ([]netip.Addr, bool) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, true
	}
	ctx, cancel := limited(ctx, e.step)
	defer cancel()
	r := e.Net.Resolver()
	if r == nil {
		r = &net.Resolver{PreferGo: true} // which names the server that it asked
	}
	start := time.Now()
	found, err := r.LookupNetIP(ctx, "ip", host)
	took := since(start)
	if err != nil {
		e.unresolved(host, err, took)
		return nil, false
	}
	var list []string
	private := 0
	for i, a := range found {
		found[i] = a.Unmap()
		if found[i].IsPrivate() || found[i].IsLoopback() || shared.Contains(found[i]) {
			private++
		}
		if i < maxAddresses {
			list = append(list, found[i].String())
		}
	}
	text := fmt.Sprintf("%s is %s (%s)", host, strings.Join(list, ", "), took)
	if more := len(found) - len(list); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	if direct && isAWS(host) {
		switch private {
		case len(found):
			text += "; private addresses: a VPC endpoint, or a domain inside the VPC"
		case 0:
			text += "; public addresses: a task without a public address needs a NAT gateway or a VPC endpoint"
		}
	}
	e.say(probe.Fact{Step: "dns", Text: text})
	return found[:min(len(found), maxAddresses)], true
}

// shared is the address space of carrier-grade NAT, which EKS uses for pods (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")

// isAWS reports whether a name is one of AWS's.
func isAWS(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	for _, end := range []string{".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".on.aws"} {
		if strings.HasSuffix(host, end) {
			return true
		}
	}
	return false
}

func (e *exam) unresolved(host string, err error, took string) {
	var dns *net.DNSError
	errors.As(err, &dns)
	server := "the name server"
	if dns != nil && dns.Server != "" {
		server = "the name server " + dns.Server
	}
	switch {
	case dns != nil && dns.IsNotFound:
		fix := "correct the host's name"
		if isAWS(host) {
			fix += ", and the region in it; a domain or endpoint that was deleted has no name any more"
		} else if !strings.Contains(host, ".") {
			fix += "; a short name is found only where the network's search domain or service discovery has it: try the full name"
		}
		e.fail("dns", fix, "%s doesn't exist: %s said so (%s)", host, server, took)
	case dns != nil && dns.IsTimeout || errors.Is(err, context.DeadlineExceeded):
		e.fail("dns", "let the task reach its name server on port 53; in a VPC, enableDnsSupport must be on", "%s: %s did not answer (%s)", host, server, took)
	default:
		e.fail("dns", "find out why the name server refuses; in a VPC, enableDnsSupport must be on", "%s: %s failed (%s): %v", host, server, took, err)
	}
}

// connect connects to all addresses at once. It returns the connection to the first that accepts one.
func (e *exam) connect(ctx context.Context, addresses []netip.Addr, port int) (net.Conn, bool) {
	ctx, cancel := limited(ctx, min(e.step, e.Net.Connect()))
	defer cancel()
	type result struct {
		conn net.Conn
		err  error
		took string
	}
	results := make([]result, len(addresses))
	var running sync.WaitGroup
	dialer := e.Net.Dialer()
	for i, a := range addresses {
		running.Go(func() {
			start := time.Now()
			conn, err := dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(a, uint16(port)).String())
			results[i] = result{conn, err, since(start)}
		})
	}
	running.Wait()
	var conn net.Conn
	var bad []string
	for i, r := range results {
		at := joinPort(addresses[i].String(), port)
		switch {
		case r.err != nil && !noRoute(addresses[i], r.err):
			bad = append(bad, at)
		case r.err == nil && conn == nil:
			conn = r.conn
			e.ok("connect", "connected to %s (%s)", at, r.took)
		case r.err == nil:
			r.conn.Close()
		}
	}
	if conn == nil {
		at := joinPort(addresses[0].String(), port)
		fix := connectFix(results[0].err, port)
		e.fail("connect", fix, "%s can't be reached: %v (%s)", at, plain(ctx, results[0].err), results[0].took)
		return nil, false
	}
	if len(bad) > 0 {
		e.warn("connect", "the router tries another address, but loses time: find out what is wrong with it", "no connection to %s, another address of the same name", strings.Join(bad, ", "))
	}
	return conn, true
}

// noRoute reports whether an address can't be reached because this host has no IPv6, which is no fault of the server.
func noRoute(a netip.Addr, err error) bool {
	return a.Is6() && (errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT))
}

func connectFix(err error, port int) string {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("nothing listens on port %d there: correct the port, or start the server", port)
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "there is no route: check the task's subnet and its route table"
	}
	return fmt.Sprintf("something drops the packets: the server's security group must let port %d in from the task, the task's must let it out, and the subnet needs a route there (NAT gateway or VPC endpoint)", port)
}

// tunnel opens a tunnel through a proxy, where the connection is to have TLS.
func (e *exam) tunnel(ctx context.Context, conn net.Conn, proxy *url.URL) (net.Conn, bool) {
	ctx, cancel := limited(ctx, e.step)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if proxy.Scheme == "https" {
		t := tls.Client(conn, &tls.Config{ServerName: proxy.Hostname(), MinVersion: tls.VersionTLS12})
		if err := t.HandshakeContext(ctx); err != nil {
			e.fail("proxy", "", "TLS handshake with the proxy: %v", plain(ctx, err))
			return conn, false
		}
		conn = t
	}
	if e.TLS == nil {
		return conn, true
	}
	target := joinPort(e.Host, e.Port)
	req := "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n"
	if u := proxy.User; u != nil {
		password, _ := u.Password()
		req += "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+password)) + "\r\n"
	}
	_, err := io.WriteString(conn, req+"\r\n")
	var resp *http.Response
	if err == nil {
		// One byte at a time: what follows the answer belongs to the handshake.
		resp, err = http.ReadResponse(bufio.NewReaderSize(&oneByte{conn, maxProxyAnswer}, 16), &http.Request{Method: http.MethodConnect})
	}
	switch {
	case err != nil:
		e.fail("proxy", "check that this is an HTTP proxy", "the proxy doesn't answer CONNECT: %v", plain(ctx, err))
		return conn, false
	case resp.StatusCode == http.StatusProxyAuthRequired:
		e.fail("proxy", "write the proxy's user and password into its URL", "the proxy refuses the sign-in (%d)", resp.StatusCode)
		return conn, false
	case resp.StatusCode != http.StatusOK:
		e.fail("proxy", "let the proxy pass connections to "+target+", or name the host in NO_PROXY", "the proxy refuses a connection to %s (%d)", target, resp.StatusCode)
		return conn, false
	}
	e.ok("proxy", "the proxy connects to %s", target)
	return conn, true
}

// maxProxyAnswer is how many bytes of a proxy's answer to CONNECT are read.
const maxProxyAnswer = 16 << 10

// oneByte reads a byte at a time, and at most left.
type oneByte struct {
	io.Reader
	left int
}

func (r *oneByte) Read(b []byte) (int, error) {
	if r.left == 0 || len(b) == 0 {
		return 0, errors.New("the answer is too long")
	}
	r.left--
	return r.Reader.Read(b[:1])
}

var errCut = errors.New("the server closes the connection")

// since is how long something took, for people.
func since(start time.Time) string {
	d := time.Since(start)
	if d < 10*time.Millisecond {
		return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 1, 64) + " ms"
	}
	return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
}

// plain returns an error without the parts that callers say themselves, and the cause where the time was over.
func plain(ctx context.Context, err error) error {
	var timeout net.Error
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.As(err, &timeout) && timeout.Timeout() {
		return errSlow
	}
	if httpsend.IsCutOff(err) {
		return errCut
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	var sys syscall.Errno
	if errors.As(err, &sys) {
		return sys
	}
	return err
}
