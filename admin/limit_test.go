package admin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"
)

func TestOnlyNamesOfThisServerAreAnswered(t *testing.T) {
	for _, c := range []struct {
		addr, hosts, host string
		want              bool
	}{
		{"0.0.0.0:2020", "", "127.0.0.1:2020", true},
		{"0.0.0.0:2020", "", "localhost:2020", true},
		{"0.0.0.0:2020", "", "LOCALHOST", true},
		{"0.0.0.0:2020", "", "[::1]:2020", true},
		{"0.0.0.0:2020", "", "10.0.3.7:2020", true},
		{"[::]:2020", "", "[fd00::7]:2020", true},
		{"0.0.0.0:2020", "", "", true},
		{"0.0.0.0:2020", "", "evil.example:2020", false},
		{"0.0.0.0:2020", "", "127.0.0.1.evil.example", false},
		{"0.0.0.0:2020", "", "log-router:2020", false},
		{"0.0.0.0:2020", "log-router, router.local", "log-router:2020", true},
		{"0.0.0.0:2020", "log-router, router.local", "Router.Local", true},
		{"0.0.0.0:2020", "log-router", "evil.example", false},
		{"0.0.0.0:2020", "*", "evil.example", true},
		{"127.0.0.1:2020", "", "10.0.3.7:2020", false},
		{"10.0.3.7:2020", "", "10.0.3.7:2020", true},
		{"router.local:2020", "", "router.local:2020", true},
	} {
		handler := newHostCheck(c.addr, c.hosts, pages(fakeSource{}, "test", time.Now()))
		for _, path := range []string{"/", "/metrics", "/api/v1/health", "/api/v1/accounts", "/nowhere"} {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Host = c.host
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if answered := w.Code != http.StatusForbidden; answered != c.want {
				t.Errorf("listening on %s with %q, Host %q, GET %s: got %d", c.addr, c.hosts, c.host, path, w.Code)
			}
		}
	}
}

// patience is how long a test waits for something that must happen, on a busy machine.
const patience = time.Minute

func TestConnectionsBeyondTheLimitAreClosedAtOnce(t *testing.T) {
	// An address of the loopback network that no other process uses, and no port that a client may have just now.
	pid := os.Getpid()
	addr := fmt.Sprintf("127.%d.%d.%d:2020", 1+pid>>16&0x7f, pid>>8&0xff, pid&0xff)
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		ln, err := Listen(ctx, addr)
		if err == nil {
			err = Serve(ctx, ln, Config{Addr: addr, Source: fakeSource{}, Reloader: fakeReloader{}, Version: "test"})
		}
		served <- err
	}()
	dial := func() net.Conn {
		for {
			c, err := net.Dial("tcp", addr)
			if err == nil {
				return c
			}
			select {
			case err := <-served:
				t.Fatal(err)
			case <-time.After(time.Millisecond): // it doesn't listen yet
			}
		}
	}
	ask := func(c net.Conn) error {
		_ = c.SetDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(c, "GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			return err
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err == nil && resp.StatusCode != http.StatusOK {
			err = errors.New(resp.Status)
		}
		return err
	}
	var open []net.Conn
	for range maxConns {
		c := dial()
		defer c.Close()
		if err := ask(c); err != nil {
			t.Fatalf("connection %d of %d: %v", len(open)+1, maxConns, err)
		}
		open = append(open, c)
	}
	beyond := dial()
	defer beyond.Close()
	if err := ask(beyond); err == nil {
		t.Errorf("got an answer on connection %d, want it closed", maxConns+1)
	}
	_ = open[0].Close()
	for deadline := time.Now().Add(patience); ; {
		c := dial()
		err := ask(c)
		_ = c.Close()
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("no answer after a connection was closed: %v", err)
		}
	}
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
