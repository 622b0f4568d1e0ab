package pace

import (
	"bytes"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/nettest"
	"golang.org/x/sys/unix"

	"github.com/firelane/firelane/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// listen is a paced listener of a unix socket.
func listen(t *testing.T) *listener {
	t.Helper()
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "p.sock"))
	if err != nil {
		t.Fatal(err)
	}
	l := Listen(ln).(*listener)
	t.Cleanup(func() { l.Close() })
	return l
}

// pair is a client's connection and the server's.
func pair(t *testing.T, l net.Listener) (client, server net.Conn) {
	t.Helper()
	client, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return client, server
}

// pacedPair is a pair whose server's side is paced; without run its poller wakes nobody.
func pacedPair(t *testing.T, run bool) (client net.Conn, server *conn) {
	t.Helper()
	l := listen(t)
	if !run {
		l.start.Do(func() { l.p = newPoller() })
	}
	client, nc := pair(t, l)
	server, paced := nc.(*conn)
	if !paced {
		t.Fatal("got a connection that is not paced, want it paced")
	}
	t.Cleanup(func() {
		client.Close()
		server.Close()
	})
	return client, server
}

func TestPacedConnectionIsAConnection(t *testing.T) {
	l := listen(t)
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		client, server := pair(t, l)
		return client, server, func() { client.Close(); server.Close() }, nil
	})
}

// What the kernel holds for a client counts as the container's memory.
func TestTheKernelHoldsLittleForAClientThatNeverReads(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []net.Listener{listen(t), Listen(tcp)} {
		client, err := net.Dial(l.Addr().Network(), l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		defer l.Close()
		n, err := unix.GetsockoptInt(server.(*conn).fd, unix.SOL_SOCKET, unix.SO_SNDBUF)
		if err != nil || n > 4*sendBuffer {
			t.Errorf("%s: the send buffer has %d bytes (%v), want at most %d", l.Addr().Network(), n, err, 4*sendBuffer)
		}
	}
}

// TestConnectionOutlivesItsListener: closing the listener ends accepting only.
func TestConnectionOutlivesItsListener(t *testing.T) {
	l := listen(t)
	client, server := pair(t, l)
	defer client.Close()
	l.Close()
	go client.Write([]byte("x"))
	server.SetReadDeadline(time.Now().Add(time.Minute))
	if n, err := server.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("got %d bytes and error %v, want 1", n, err)
	}
	if server.Close() != nil || server.Close() == nil { // and goleak sees that the poller has ended
		t.Error("want the second Close to fail, and the first not")
	}
}

// TestHangUpIsReportedOnce: a connection whose client is gone before it is read must not keep the poller busy.
func TestHangUpIsReportedOnce(t *testing.T) {
	client, server := pacedPair(t, false)
	client.Close()
	events := make([]unix.EpollEvent, 1)
	if n, err := unix.EpollWait(server.p.fd, events, 10_000); n != 1 {
		t.Fatalf("got %d events and error %v, want the hang-up", n, err)
	}
	if n := server.p.ready(events); n != 0 {
		t.Error("got the hang-up reported again, want it once")
	}
}

// TestSlowSingleWritesAreReadTogether: a client that writes a record a millisecond, or as often as a busy machine lets it,
// does not cost a wake-up for each. Reads are bounded by the time they are spread over, which no busy machine shortens.
func TestSlowSingleWritesAreReadTogether(t *testing.T) {
	client, server := pacedPair(t, true)
	const writes = 400
	go func() {
		for range writes {
			client.Write([]byte("0123456789"))
			time.Sleep(time.Millisecond) // the rate is what is tested
		}
		client.Close()
	}()
	reads, bytes := 0, 0
	buf := make([]byte, ReadSize)
	begun := time.Now()
	for {
		n, err := server.Read(buf)
		if err != nil {
			break
		}
		reads++
		bytes += n
	}
	const measuring = 2 * int(rateTime/time.Millisecond) // reads before the rate is known
	if most := measuring + int(time.Since(begun)/(maxPause/2)); bytes != writes*10 || reads > most {
		t.Errorf("got %d bytes in %d reads within %v, want %d in at most %d", bytes, reads, time.Since(begun), writes*10, most)
	}
}

// TestSteadyConnectionIsReadByTheClock: once its rate is known, a client that goes on costs no wake-up by its bytes.
func TestSteadyConnectionIsReadByTheClock(t *testing.T) {
	client, c := pacedPair(t, false) // nobody polls: where the clock doesn't wake the reader, the deadline does
	c.SetReadDeadline(time.Now().Add(time.Minute))
	text := bytes.Repeat([]byte("0123456789"), 50)
	buf := make([]byte, ReadSize)
	for range 3 {
		for range 2 {
			if _, err := client.Write(text); err != nil {
				t.Fatal(err)
			}
		}
		c.drained = true
		c.rate.events, c.rate.bytes, c.rate.begun = 100, 100*len(text), time.Now().Add(-100*time.Millisecond)
		begun := time.Now()
		n, err := c.Read(buf)
		if err != nil || n != 2*len(text) || time.Since(begun) < minPause {
			t.Fatalf("got %d bytes and error %v after %v, want %d after a pause", n, err, time.Since(begun), 2*len(text))
		}
		if !c.rate.steady {
			t.Fatal("got a connection that is not read by the clock, want it steady")
		}
	}
}

// TestConnectionIsReadBeforeItsSocketIsFull: whatever the size of its events is.
func TestConnectionIsReadBeforeItsSocketIsFull(t *testing.T) {
	for _, size := range []int{1, 60, 192, 193, 461, 1500, 16 << 10} {
		client, server := pair(t, listen(t).Listener)
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
		if want := pauseBytes(size); want > full*3/4 && want > size {
			t.Errorf("events of %d bytes: %d bytes are waited for, the socket is full at %d", size, want, full)
		}
		client.Close()
		server.Close()
	}
}

// TestClientThatWaitsForAnswersIsNeverPaced: it sends nothing while it waits, so that there is nothing to wait for.
func TestClientThatWaitsForAnswersIsNeverPaced(t *testing.T) {
	client, c := pacedPair(t, true)
	buf := make([]byte, 64)
	for range 3 {
		client.Write([]byte("request"))
		if _, err := c.Read(buf); err != nil {
			t.Fatal(err)
		}
		c.Count(1)
		c.Write([]byte("answer"))
		c.rate.begun = time.Now().Add(-2 * rateTime) // as slow as would be paced
		c.rate.measure()
		if c.rate.steady || c.rate.pause() != 0 {
			t.Errorf("got a connection that is left alone for %v, want it read at once", c.rate.pause())
		}
	}
}

func TestPacedReadAllocatesNothing(t *testing.T) {
	client, server := pacedPair(t, true)
	var stop atomic.Bool
	var writer sync.WaitGroup
	writer.Go(func() {
		for text := []byte("0123456789"); !stop.Load(); time.Sleep(50 * time.Microsecond) { // so that reads run dry
			client.Write(text)
		}
	})
	defer writer.Wait()
	defer client.Close()
	defer stop.Store(true)
	buf := make([]byte, 10)
	if n := testing.AllocsPerRun(300, func() { server.Read(buf) }); n != 0 {
		t.Errorf("got %v allocations a read, want none", n)
	}
}

// cpuTime is what this process has used of cores.
func cpuTime(t *testing.T) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestClientsThatNeverReadAnswersCostLittle: each write to such a client is tried again until its deadline.
func TestClientsThatNeverReadAnswersCostLittle(t *testing.T) {
	l := listen(t)
	const clients, wait = 500, time.Second
	var writers sync.WaitGroup
	for range clients {
		client, server := pair(t, l)
		t.Cleanup(func() {
			client.Close()
			server.Close()
		})
		server.SetWriteDeadline(time.Now().Add(2 * wait))
		writers.Go(func() { server.Write(make([]byte, 256<<10)) })
	}
	time.Sleep(wait / 2) // until the writers wait
	begin := cpuTime(t)
	time.Sleep(wait)
	if used := cpuTime(t) - begin; used > wait/10 {
		t.Errorf("got %v of CPU time in %v for %d clients that read nothing, want at most %v", used, wait, clients, wait/10)
	}
	writers.Wait()
}
