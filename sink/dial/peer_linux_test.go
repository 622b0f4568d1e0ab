package dial

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/internal/freeport"
)

// peerOf makes a Peer of what listens at addr.
func peerOf(t *testing.T, addr net.Addr, change func(*PeerConfig)) *Peer {
	t.Helper()
	c := PeerConfig{Network: addr.Network(), Host: "127.0.0.1", Net: &NetOptions{Keepalive: true}, TLS: &TLSOptions{}, Dialect: config.FluentBit}
	switch a := addr.(type) {
	case *net.TCPAddr:
		c.Port = a.Port
	case *net.UDPAddr:
		c.Port = a.Port
	}
	if change != nil {
		change(&c)
	}
	p, err := NewPeer(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// accept runs serve for each connection, closes it, and passes on what serve returns.
func accept(t *testing.T, ln net.Listener, serve func(net.Conn) []byte) <-chan []byte {
	t.Helper()
	got := make(chan []byte, 100)
	done := make(chan struct{})
	t.Cleanup(func() { ln.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				b := serve(c)
				c.Close()
				got <- b
			}()
		}
	}()
	return got
}

func tcpListener(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func everything(c net.Conn) []byte {
	b, _ := io.ReadAll(c)
	return b
}

func TestAPeerGetsAllInOneConnection(t *testing.T) {
	ln := tcpListener(t)
	got := accept(t, ln, everything)
	p := peerOf(t, ln.Addr(), nil)
	big := bytes.Repeat([]byte("x"), 4<<20)
	for _, b := range [][]byte{[]byte("a"), big, []byte("z")} {
		if err := p.Send(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	p.Close()
	if b := <-got; len(b) != len(big)+2 || b[0] != 'a' || b[len(b)-1] != 'z' {
		t.Errorf("got %d bytes in one connection, want %d", len(b), len(big)+2)
	}
}

// TLS 1.3 sends tickets that nobody reads: they make a connection neither unusable, nor its end a reset.
func TestAPeerWithTLSGetsAllInOneConnection(t *testing.T) {
	cert := httptest.NewUnstartedServer(nil)
	cert.StartTLS()
	defer cert.Close()
	ln := tls.NewListener(tcpListener(t), &tls.Config{Certificates: cert.TLS.Certificates, ClientAuth: tls.RequestClientCert})
	got := accept(t, ln, func(c net.Conn) []byte {
		b := make([]byte, 1)
		_, _ = io.ReadFull(c, b)
		rest, err := io.ReadAll(c)
		if err != nil {
			return []byte(err.Error())
		}
		return append(b, rest...)
	})
	p := peerOf(t, ln.Addr(), func(c *PeerConfig) { c.Secure, c.TLS.InsecureMode, c.TLS.Verify = true, true, true })
	p.tls.ClientSessionCache = tls.NewLRUClientSessionCache(1) // without it and ClientAuth a server in Go sends no tickets, or earlier
	for _, s := range []string{"a", "b", "c"} {
		if err := p.Send(t.Context(), []byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	p.Close()
	if b := <-got; string(b) != "abc" {
		t.Errorf("got %q, want abc in one connection", b)
	}
}

func TestTheEndOfAConnectionDoesNotWaitAsLongAsAReadMay(t *testing.T) {
	ln := tcpListener(t)
	over, sent := make(chan struct{}), make(chan error, 1)
	defer close(over)
	accept(t, ln, func(net.Conn) []byte { <-over; return nil })
	p := peerOf(t, ln.Addr(), func(c *PeerConfig) { c.Net.Keepalive, c.Net.IOTimeout = false, time.Hour })
	go func() { sent <- p.Send(t.Context(), []byte("a")) }()
	select {
	case err := <-sent:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the connection has not ended after 10 s")
	}
}

func TestAConnectionThatThePeerClosedIsNotUsedAgain(t *testing.T) {
	ln := tcpListener(t)
	got := accept(t, ln, func(c net.Conn) []byte {
		b := make([]byte, 1)
		_, _ = io.ReadFull(c, b)
		return b // and closes
	})
	p := peerOf(t, ln.Addr(), nil)
	for _, want := range []string{"a", "b", "c"} {
		if err := p.Send(t.Context(), []byte(want)); err != nil {
			t.Fatal(err)
		}
		if b := <-got; string(b) != want {
			t.Errorf("got %q, want %q", b, want)
		}
	}
}

func TestWhatAPeerResetIsAnError(t *testing.T) {
	ln := tcpListener(t)
	accept(t, ln, func(c net.Conn) []byte {
		_, _ = io.ReadFull(c, make([]byte, 1))
		c.(*net.TCPConn).SetLinger(0) // a reset, as of a process that is killed with bytes unread
		return nil
	})
	p := peerOf(t, ln.Addr(), nil)
	if err := p.Send(t.Context(), bytes.Repeat([]byte("x"), 64<<20)); err == nil || !strings.Contains(err.Error(), "writing to 127.0.0.1:") {
		t.Errorf("got error %v, want one of writing", err)
	}
}

// A write of the smaller size succeeds: the bytes wait in this host's own buffer.
func TestAPeerThatReadsNothingIsLeftWhenTheContextEnds(t *testing.T) {
	for _, size := range []int{64 << 20, 256 << 10} {
		ln := tcpListener(t)
		if raw, err := ln.(*net.TCPListener).SyscallConn(); err == nil {
			raw.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) })
		}
		stop := make(chan struct{})
		accept(t, ln, func(net.Conn) []byte { <-stop; return nil })
		p := peerOf(t, ln.Addr(), nil)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := p.Send(ctx, bytes.Repeat([]byte("x"), size)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%d bytes: got error %v, want that the context has ended", size, err)
		}
		cancel()
		close(stop)
	}
}

func TestAnUnreachablePeerIsNamed(t *testing.T) {
	ln, err := freeport.Listener()
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr()
	ln.Close()
	if err := peerOf(t, addr, nil).Send(t.Context(), []byte("a")); err == nil || !strings.Contains(err.Error(), "connecting to "+addr.String()) {
		t.Errorf("got error %v, want one of connecting", err)
	}
}

func TestDatagramsArriveAndOnesThatNobodyTakesAreAnError(t *testing.T) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := peerOf(t, c.LocalAddr(), func(c *PeerConfig) { c.Net.SourceAddress = "127.0.0.1" })
	both := func(send func([]byte) error) error { return errors.Join(send([]byte("a")), send([]byte("b"))) }
	for range 2 {
		if err := p.Datagrams(t.Context(), both); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 10)
		for _, want := range []string{"a", "b"} {
			if n, _, err := c.ReadFrom(b); err != nil || string(b[:n]) != want {
				t.Errorf("got %q and error %v, want %q", b[:n], err, want)
			}
		}
	}
	c.Close()
	if err := p.Datagrams(t.Context(), both); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("nobody listens: got error %v, want %v", err, syscall.ECONNREFUSED)
	}
}
