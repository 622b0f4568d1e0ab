package forward

import (
	"bytes"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/nettest"
	"golang.org/x/sys/unix"

	"github.com/firelane/firelane/config"
)

// pair is a client's connection and the server's, paced unless p is nil.
func pair(t *testing.T, p *pacer) (client, server net.Conn) {
	t.Helper()
	ln, err := net.Listen("unix", socketPath(t))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if client, err = net.Dial("unix", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	if p == nil {
		return client, server
	}
	server = p.wrap(server)
	if _, paced := server.(*pacedConn); !paced {
		t.Fatal("the connection is not paced")
	}
	return client, server
}

func TestPacedConnectionIsAConnection(t *testing.T) {
	p := newPacer()
	defer p.close()
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		client, server := pair(t, p)
		return client, server, func() { client.Close(); server.Close() }, nil
	})
}

// TestHangUpIsToldOnce: a connection whose client is gone before it is read must not keep the pacer busy.
func TestHangUpIsToldOnce(t *testing.T) {
	p := makePacer()
	defer p.close()
	client, server := pair(t, p)
	defer server.Close()
	client.Close()
	events := make([]unix.EpollEvent, 1)
	eventually(t, "the hang-up", func() bool { return p.look(events) == 1 })
	if n := p.look(events); n != 0 {
		t.Error("the hang-up is told again, although nobody has asked for it")
	}
}

// TestSlowSingleWritesAreReadTogether: a client that writes a record a millisecond does not cost a wake-up for each.
func TestSlowSingleWritesAreReadTogether(t *testing.T) {
	p := newPacer()
	defer p.close()
	client, server := pair(t, p)
	defer client.Close()
	defer server.Close()
	const writes = 400
	go func() {
		for range writes {
			client.Write([]byte("0123456789"))
			time.Sleep(time.Millisecond)
		}
		client.Close()
	}()
	reads, bytes := 0, 0
	buf := make([]byte, readSize)
	for {
		n, err := server.Read(buf)
		if err != nil {
			break
		}
		reads++
		bytes += n
	}
	if bytes != writes*10 || reads > writes/2 {
		t.Errorf("%d bytes came in %d reads, want %d in far fewer than %d", bytes, reads, writes*10, writes)
	}
}

// TestSteadyConnectionIsReadByTheClock: once its rate is known, a client that goes on costs no wake-up by its bytes.
func TestSteadyConnectionIsReadByTheClock(t *testing.T) {
	p := makePacer() // nobody asks its epoll
	defer p.close()
	client, server := pair(t, p)
	defer server.Close()
	c := server.(*pacedConn)
	text := bytes.Repeat([]byte("0123456789"), 50)
	var stop atomic.Bool
	var writer sync.WaitGroup
	writer.Go(func() {
		for !stop.Load() {
			client.Write(text)
			time.Sleep(time.Millisecond)
		}
		client.Close()
	})
	defer writer.Wait()
	defer stop.Store(true)
	c.events, c.windowBytes, c.window = 100, 100*len(text), time.Now().Add(-100*time.Millisecond)
	c.dry = true
	buf := make([]byte, readSize)
	for range 3 {
		n, err := server.Read(buf)
		if err != nil || n < 2*len(text) {
			t.Fatalf("read %d bytes, error %v, want more than one write's %d", n, err, len(text))
		}
		if !c.steady {
			t.Fatal("the connection is not looked at by the clock")
		}
	}
}

// TestConnectionIsLookedAtBeforeItsSocketIsFull: whatever the size of its events is.
func TestConnectionIsLookedAtBeforeItsSocketIsFull(t *testing.T) {
	for _, size := range []int{1, 60, 192, 193, 461, 1500, 16 << 10} {
		client, server := pair(t, nil)
		raw, err := client.(*net.UnixConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		full := 0
		raw.Write(func(fd uintptr) bool {
			for event := make([]byte, size); ; full += size {
				if _, err := unix.Write(int(fd), event); err != nil {
					return true
				}
			}
		})
		if want := paceBytes(size); want > full*3/4 && want > size {
			t.Errorf("events of %d bytes: %d bytes are waited for, the socket is full at %d", size, want, full)
		}
		client.Close()
		server.Close()
	}
}

// TestClientThatWaitsForAcksIsNeverPaced: it sends nothing while it waits, so that there is nothing to wait for.
func TestClientThatWaitsForAcksIsNeverPaced(t *testing.T) {
	r := start(t, config.FluentBit, &Options{UnixPath: socketPath(t)})
	c := r.dial(t)
	for n := range 3 {
		if _, err := c.Write(pack(arr{"app", arr{arr{n, obj{}}}, obj{"chunk": "x"}})); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 64)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * rateWindow) // as slow as would be paced
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		if pause := time.Duration(c.nc.(*pacedConn).pause.Load()); pause != 0 {
			t.Errorf("the connection is read %v after its first byte", pause)
		}
	}
}

func TestPacedReadAllocatesNothing(t *testing.T) {
	p := newPacer()
	defer p.close()
	client, server := pair(t, p)
	defer client.Close()
	defer server.Close()
	var stop atomic.Bool
	defer stop.Store(true)
	go func() {
		for text := []byte("0123456789"); !stop.Load(); time.Sleep(50 * time.Microsecond) { // so that reads run dry
			client.Write(text)
		}
	}()
	buf := make([]byte, 10)
	if n := testing.AllocsPerRun(300, func() { server.Read(buf) }); n != 0 {
		t.Errorf("%v allocations a read", n)
	}
}
