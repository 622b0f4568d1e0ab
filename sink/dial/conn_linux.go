package dial

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxSend is how much one system call sends at most, in bytes: a request as the delivery loop makes them. While it is
// copied, some 100 µs, no other goroutine runs on this core.
const maxSend = 1 << 20

// A directConn writes straight from the caller's memory, by system calls that the Go scheduler isn't told of: for one that
// it is told of, and that takes as long as copying a few pages, the runtime's monitor hands the core to another thread.
// This is safe because the socket never blocks: where it is full the call ends, and Go's poller waits for room, within
// the connection's deadlines.
type directConn struct {
	net.Conn
	raw   syscall.RawConn
	limit time.Duration // of a wait for room, 0 for none

	// writing is held by the one send in progress, whose state follows. The state is here so that a send allocates
	// nothing: TLS makes one for each 16 KiB.
	writing sync.Mutex
	source  Lender
	most    int64 // bytes to send
	sent    int64
	fd      uintptr
	full    bool
	err     error
	push    func(uintptr) bool
	take    func([]byte) int
	written lentBytes
}

// direct makes a directConn of nc, or returns nil where that is impossible.
func direct(nc net.Conn, limit time.Duration) net.Conn {
	s, ok := nc.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return nil
	}
	c := &directConn{Conn: timed(nc, limit), raw: raw, limit: limit}
	c.push, c.take = c.sendMore, c.sendSome
	return c
}

// SyscallConn lets a caller find out whether the server has hung up.
func (c *directConn) SyscallConn() (syscall.RawConn, error) { return c.raw, nil }

func (c *directConn) Write(b []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.written = b
	n, err := c.send(&c.written, int64(len(b)))
	c.written = nil
	return int(n), err
}

// ReadFrom sends a Lender's bytes without a copy of them. The transport of net/http hands over a request's body, once
// its headers are on their way, as a LimitedReader around the body.
func (c *directConn) ReadFrom(r io.Reader) (int64, error) {
	if l, ok := r.(*io.LimitedReader); ok {
		if s, ok := l.R.(Lender); ok {
			c.writing.Lock()
			defer c.writing.Unlock()
			n, err := c.send(s, l.N)
			l.N -= n
			return n, err
		}
	}
	return io.Copy(struct{ io.Writer }{c}, r)
}

// send sends what s lends, at most most bytes of it.
func (c *directConn) send(s Lender, most int64) (int64, error) {
	c.source, c.most, c.sent = s, most, 0
	if c.err = c.extend(); c.err == nil {
		if err := c.raw.Write(c.push); err != nil {
			c.err = err
		}
	}
	c.source = nil
	if op, ok := c.err.(*net.OpError); ok {
		op.Op = "write" // as net says of a Write
	}
	if c.err == io.EOF {
		return c.sent, nil
	}
	return c.sent, c.err
}

// extend sets the limit of the next wait for room.
func (c *directConn) extend() error {
	if c.limit <= 0 {
		return nil
	}
	return c.SetWriteDeadline(time.Now().Add(c.limit))
}

// sendMore sends until nothing is left or there is no room; true means that waiting is over.
func (c *directConn) sendMore(fd uintptr) bool {
	before := c.sent
	c.fd, c.full = fd, false
	for c.sent < c.most && !c.full && c.err == nil {
		if err := c.source.Lend(int(min(c.most-c.sent, maxSend)), c.take); err != nil {
			c.err = err
		}
	}
	if c.full && c.sent > before {
		c.err = c.extend()
	}
	return !c.full || c.err != nil
}

// sendSome sends as much of b as there is room for.
func (c *directConn) sendSome(b []byte) int {
	n, errno := trySend(c.fd, b)
	switch errno {
	case 0:
		c.sent += int64(n)
	case unix.EINTR:
	case unix.EAGAIN:
		c.full = true
	default:
		c.err = &net.OpError{Op: "write", Net: c.RemoteAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(),
			Err: os.NewSyscallError("sendto", errno)}
	}
	return n
}

// trySend sends as much of b as there is room for, without waiting. It mustn't be empty.
func trySend(fd uintptr, b []byte) (int, unix.Errno) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// lentBytes are the bytes of one Write.
type lentBytes []byte

func (l *lentBytes) Lend(most int, use func([]byte) int) error {
	b := *l
	*l = b[use(b[:min(len(b), most)]):]
	return nil
}
