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

// maxSend is how much one system call may send, in bytes: as much as a request of the delivery loop has. Copying it takes
// about 100 µs, during which no other goroutine runs on this core.
const maxSend = 1 << 20

// A directConn writes straight from the caller's memory, by raw system calls, of which the Go scheduler isn't informed.
// (In an ordinary system call that lasts as long as copying a few pages takes, the runtime's monitor hands the core to
// another thread, which costs more than the call.) This is safe because the call never blocks: if the socket's buffer is
// full, it returns, and Go's poller waits for room, within the connection's deadlines.
type directConn struct {
	net.Conn
	raw   syscall.RawConn
	limit time.Duration // of a wait for room; 0: none

	// writing is held during a send. The fields after it are the state of the send; they are here, and not on the stack,
	// so that a send allocates nothing: TLS makes one for each 16 KiB.
	writing sync.Mutex
	source  Lender
	most    int64 // bytes to send
	sent    int64
	fd      uintptr
	full    bool // the socket's buffer
	err     error
	push    func(uintptr) bool // sendMore
	take    func([]byte) int   // sendSome
	written lentBytes          // the bytes of a Write
}

// direct makes a directConn of nc, or returns nil if nc has no file descriptor.
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

// SyscallConn implements syscall.Conn. Callers use it to check whether the server has closed the connection.
func (c *directConn) SyscallConn() (syscall.RawConn, error) { return c.raw, nil }

func (c *directConn) Write(b []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.written = b
	n, err := c.send(&c.written, int64(len(b)))
	c.written = nil
	return int(n), err
}

// ReadFrom sends a Lender's bytes without copying them. net/http's transport calls it with a request's body, in a
// LimitedReader, after it has sent the headers.
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
		op.Op = "write" // the Op of net's errors
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

// sendMore sends until no bytes are left or the buffer is full. It returns false to be called again when there is room.
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

// sendSome sends as much of b as there is room for, and returns how much.
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

// trySend sends as much of b as there is room for, without waiting. b must not be empty.
func trySend(fd uintptr, b []byte) (int, unix.Errno) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// lentBytes is a Lender of the bytes of one Write.
type lentBytes []byte

func (l *lentBytes) Lend(most int, use func([]byte) int) error {
	b := *l
	*l = b[use(b[:min(len(b), most)]):]
	return nil
}
