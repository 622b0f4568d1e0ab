package admin

import (
	"context"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// A failingListener fails once.
type failingListener struct {
	net.Listener
	failed bool
}

func (l *failingListener) Accept() (net.Conn, error) {
	if !l.failed {
		l.failed = true
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return l.Listener.Accept()
}

func TestARouterCanBeLookedIntoAfterItsDescriptorsWereUsedUp(t *testing.T) {
	ln, err := net.Listen("unix", t.TempDir()+"/sock")
	if err != nil {
		t.Fatal(err)
	}
	f := newFakeWatched()
	done := make(chan error, 1)
	go func() {
		done <- ServeLocal(&failingListener{Listener: ln}, Config{Source: f, Watched: f, Start: time.Now()})
	}()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", ln.Addr().String())
	}
	client := http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, Timeout: 30 * time.Second}
	resp, err := client.Get("http://localhost/api/firelane/status")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	ln.Close()
	if err := <-done; err == nil {
		t.Error("got no error, want that of the closed listener")
	}
}

// A process that has taken another one's name isn't asked: it could show what it wants.
func TestARouterIsTheProcessOfItsName(t *testing.T) {
	own, err := ListenLocal()
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	c, err := DialLocal(t.Context(), os.Getpid())
	if err != nil {
		t.Fatalf("got %v, want a connection to this process", err)
	}
	c.Close()
	const other = 1 // which is not this one
	taken, err := net.Listen("unix", localPrefix()+strconv.Itoa(other))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if c, err := DialLocal(t.Context(), other); err == nil {
		c.Close()
		t.Error("got a connection to a process that has another one's name, want an error")
	}
}
