package dial

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

// listen is a server that accepts and says nothing.
func listen(t *testing.T, network, addr string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Skip(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var conns []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				break
			}
			conns = append(conns, c)
		}
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l
}

func TestEveryReadHasTheTimeout(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0")
	o := NetOptions{IOTimeout: 20 * time.Millisecond}
	c, err := o.Dialer().DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 2 {
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got error %v, want a timeout", err)
		}
	}
}

func TestTheSourceAddressIsUsed(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0")
	o := NetOptions{SourceAddress: "127.0.0.9", PreferIPv4: true}
	c, err := o.Dialer().DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if host, _, _ := net.SplitHostPort(c.LocalAddr().String()); host != "127.0.0.9" {
		t.Errorf("got a connection from %s, want one from 127.0.0.9", c.LocalAddr())
	}
}

func TestThePreferredFamilyIsTriedFirstAndTheOtherAfterIt(t *testing.T) {
	l := listen(t, "tcp4", "127.0.0.1:0")
	o := NetOptions{PreferIPv6: true}
	c, err := o.Dialer().DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}

func TestAConnectEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := new(NetOptions).Dialer().DialContext(ctx, "tcp", "127.0.0.1:9"); err == nil {
		t.Error("got a connection, want the context's error")
	}
	if d := new(NetOptions).Connect(); d != defaultConnectTimeout {
		t.Errorf("got %v as the limit of a connect, want %v", d, defaultConnectTimeout)
	}
}
