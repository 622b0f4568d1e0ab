package dial

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/nettest"
)

// accepted is a connection of a Dialer, and the server's end of it.
func accepted(t *testing.T, o *NetOptions) (*directConn, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := o.Dialer().DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	d, ok := c.(*directConn)
	if !ok {
		t.Fatalf("got a %T from the Dialer, want a direct connection", c)
	}
	return d, s.(*net.TCPConn)
}

// pattern is n bytes in which no two places look alike.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * i >> 7)
	}
	return b
}

// lent is a body, and how it was read.
type lent struct {
	data       []byte
	piece      int   // lent at once, 0 for all
	copied     int   // bytes that Read gave
	refuse     error // what Lend says when no more than refuseFrom are left
	refuseFrom int
}

func (l *lent) Read(b []byte) (int, error) {
	if len(l.data) == 0 {
		return 0, io.EOF
	}
	n := copy(b, l.data)
	l.data = l.data[n:]
	l.copied += n
	return n, nil
}

func (l *lent) Close() error { return nil }

func (l *lent) Lend(max int, use func([]byte) int) error {
	switch {
	case l.refuse != nil && len(l.data) <= l.refuseFrom:
		return l.refuse
	case len(l.data) == 0:
		return io.EOF
	}
	b := l.data[:min(len(l.data), max)]
	if l.piece > 0 {
		b = b[:min(len(b), l.piece)]
	}
	l.data = l.data[use(b):]
	return nil
}

func TestADirectConnectionIsAConnection(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		c, s := accepted(t, &NetOptions{})
		return c, s, func() { c.Close(); s.Close() }, nil
	})
}

func TestWhatIsLentArrivesAsItIs(t *testing.T) {
	for _, n := range []int64{0, 1, 3<<20 + 5} {
		c, s := accepted(t, &NetOptions{})
		data := pattern(int(n) + 10) // the LimitedReader ends before the body does
		sent := make(chan error, 1)
		go func() {
			defer c.Close()
			r := &io.LimitedReader{R: &lent{data: data}, N: n}
			m, err := c.ReadFrom(r)
			if err == nil && (m != n || r.N != 0) {
				err = errors.New("the count is wrong")
			}
			sent <- err
		}()
		got, err := io.ReadAll(s)
		if err := errors.Join(err, <-sent); err != nil || !bytes.Equal(got, data[:n]) {
			t.Errorf("got %d bytes and error %v, want all %d unchanged", len(got), err, n)
		}
	}
}

func TestAShorterBodyEndsAndOtherReadersAreCopied(t *testing.T) {
	c, s := accepted(t, &NetOptions{})
	for _, r := range []io.Reader{io.LimitReader(&lent{data: []byte("one ")}, 100), bytes.NewReader([]byte("two "))} {
		if n, err := c.ReadFrom(r); n != 4 || err != nil {
			t.Errorf("got %d bytes and error %v, want 4", n, err)
		}
	}
	c.Close()
	if got, err := io.ReadAll(s); string(got) != "one two " || err != nil {
		t.Errorf("got %q and error %v, want both parts", got, err)
	}
}

func TestABodyThatIsTakenBackEndsTheSending(t *testing.T) {
	c, s := accepted(t, &NetOptions{})
	taken := errors.New("taken back")
	go func() { _, _ = io.Copy(io.Discard, s) }()
	l := &lent{data: pattern(1 << 20), piece: 1000, refuse: taken, refuseFrom: 1 << 19}
	if n, err := c.ReadFrom(io.LimitReader(l, 1<<20)); err != taken || n != int64(1<<20-len(l.data)) || n < 1<<19 {
		t.Errorf("got %d bytes sent with %d left and error %v, want the reader's own error", n, len(l.data), err)
	}
}

// TestARequestsBodyIsNotCopied holds net/http to what ReadFrom relies on.
func TestARequestsBodyIsNotCopied(t *testing.T) {
	data := pattern(1 << 20)
	var got atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got.Store(bytes.Equal(b, data))
	}))
	defer s.Close()
	tr := &http.Transport{DialContext: new(NetOptions).Dialer().DialContext}
	defer tr.CloseIdleConnections()
	body := &lent{data: data}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, body)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = int64(len(data))
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if !got.Load() || body.copied > 8<<10 {
		t.Errorf("got the body unchanged: %v, and %d of %d bytes copied; want true and at most 8 KiB", got.Load(), body.copied, len(data))
	}
}

func TestASendAllocatesNothing(t *testing.T) {
	c, s := accepted(t, &NetOptions{})
	go func() { _, _ = io.Copy(io.Discard, s) }()
	b := make([]byte, 16<<10)
	if n := testing.AllocsPerRun(100, func() { _, _ = c.Write(b) }); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

// deadlines is a connection that tells which deadlines its writes get.
type deadlines struct {
	net.Conn
	set chan time.Time
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.set <- t
	return d.Conn.SetWriteDeadline(t)
}

// smallBuffers makes the kernel hold little of what c sends to s.
func smallBuffers(t *testing.T, c *directConn, s *net.TCPConn) {
	t.Helper()
	if err := errors.Join(c.Conn.(*timedConn).Conn.(*net.TCPConn).SetWriteBuffer(16<<10), s.SetReadBuffer(16<<10)); err != nil {
		t.Fatal(err)
	}
}

func TestEveryWaitForRoomHasADeadlineOfItsOwn(t *testing.T) {
	const limit = time.Hour
	c, s := accepted(t, &NetOptions{IOTimeout: limit})
	smallBuffers(t, c, s)
	d := &deadlines{c.Conn, make(chan time.Time, 10_000)}
	c.Conn = d
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = c.ReadFrom(io.LimitReader(&lent{data: make([]byte, 64<<20)}, 64<<20))
	}()
	var last time.Time
	buf := make([]byte, 64<<10)
	for waits := 0; waits < 5; { // it sends more after each, until there is no room again
		select {
		case by := <-d.set:
			waits++
			if !by.After(last) || time.Until(by) > limit {
				t.Errorf("got the deadline %v after %v, want a later one, within %v", by, last, limit)
			}
			last = by
		default:
			_ = s.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
			_, _ = s.Read(buf)
		}
	}
	c.Close()
	<-ended
}

func TestAWaitForRoomThatNeverComesTimesOut(t *testing.T) {
	c, s := accepted(t, &NetOptions{IOTimeout: 50 * time.Millisecond})
	smallBuffers(t, c, s)
	n, err := c.ReadFrom(io.LimitReader(&lent{data: make([]byte, 64<<20)}, 64<<20))
	var op *net.OpError
	if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &op) || op.Op != "write" || n == 0 {
		t.Fatalf("got %d bytes and error %v, want some, and a timeout of the write", n, err)
	}
}

func TestCloseEndsAWaitForRoom(t *testing.T) {
	c, s := accepted(t, &NetOptions{})
	sent := make(chan error, 1)
	go func() {
		_, err := c.ReadFrom(io.LimitReader(&lent{data: make([]byte, 64<<20)}, 64<<20))
		sent <- err
	}()
	if _, err := s.Read(make([]byte, 1)); err != nil { // it is under way
		t.Fatal(err)
	}
	c.Close()
	if err := <-sent; !errors.Is(err, net.ErrClosed) {
		t.Errorf("got error %v, want net.ErrClosed", err)
	}
	if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: got error %v, want net.ErrClosed", err)
	}
}

func TestABrokenConnectionIsAWriteError(t *testing.T) {
	c, s := accepted(t, &NetOptions{})
	if err := s.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	s.Close()
	var err error
	for err == nil {
		_, err = c.Write([]byte("x"))
	}
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "write" || !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("got error %v, want a reset of the write", err)
	}
}
