package admin

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"golang.org/x/sys/unix"
)

// The kernel's memory for a connection is the container's.
func TestTheKernelHoldsLittleForAClientThatDoesNotRead(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c, err := (&cappedListener{Listener: ln}).Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	raw, err := c.(*cappedConn).Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	if err := raw.Control(func(fd uintptr) { size, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF) }); err != nil {
		t.Fatal(err)
	}
	if size > 2*sendBuffer {
		t.Errorf("got %d bytes, want at most %d", size, 2*sendBuffer)
	}
}

// A stuckWriter is a client that reads nothing until it is told to.
type stuckWriter struct {
	*httptest.ResponseRecorder
	read chan struct{}
}

func (w *stuckWriter) Write(p []byte) (int, error) {
	<-w.read
	return len(p), nil
}

func TestPagesThatNobodyReadsTakeLittleMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, made, ended := newUnread(), atomic.Int32{}, atomic.Int32{}
		const size = maxUnread / 2
		page := func() []byte {
			made.Add(1)
			return make([]byte, size)
		}
		read := make(chan struct{})
		ask := func(ctx context.Context) {
			r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/metrics", nil)
			go func() {
				u.serve(&stuckWriter{httptest.NewRecorder(), read}, r, page)
				ended.Add(1)
			}()
		}
		gone, leave := context.WithCancel(t.Context())
		ask(t.Context())
		ask(t.Context())
		synctest.Wait()
		ask(gone)
		synctest.Wait()
		for range 20 {
			ask(t.Context())
		}
		synctest.Wait()
		if n := made.Load(); n != maxUnread/size+1 || ended.Load() != 0 {
			t.Errorf("got %d pages, and %d answers, want %d that fit and one that waits for room", n, ended.Load(), maxUnread/size)
		}
		leave()
		synctest.Wait()
		if n := made.Load(); n != maxUnread/size+2 || ended.Load() != 1 {
			t.Errorf("got %d pages, and %d answers, want the next one's after a client has left", n, ended.Load())
		}
		close(read)
		synctest.Wait()
		if n := ended.Load(); n != 23 || u.held != 0 || len(u.turn) != 0 {
			t.Errorf("got %d answers, and %d bytes held, want all 23, and none", n, u.held)
		}
	})
}
