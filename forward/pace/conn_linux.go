package pace

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A conn is a Conn that a poller wakes.
type conn struct {
	p             *poller
	local, remote net.Addr
	readable      chan struct{}
	rate          rate
	drained       bool      // the last read took all there was
	dry           bool      // the last Poll found nothing
	due           time.Time // when the clock wakes it; due and onClock are guarded by the clock's lock
	onClock       bool

	mu       sync.Mutex // for everything below, and around every system call on fd
	fd       int
	closed   bool
	readBy   time.Time
	writeBy  time.Time
	deadline *time.Timer
	event    unix.EpollEvent // what it was armed with last; here, so that it costs no allocation
}

// Count implements Conn.
func (c *conn) Count(events int) { c.rate.events += events }

// wake lets Read try again.
func (c *conn) wake() {
	select {
	case c.readable <- struct{}{}:
	default:
	}
}

// Read reads what has come. It waits where nothing has, and pauses first where the last read took everything and the client
// sends steadily.
func (c *conn) Read(b []byte) (int, error) {
	for {
		if err := c.Await(); err != nil {
			return 0, err
		}
		if n, err := c.Poll(b); n > 0 || err != nil {
			return n, err
		}
	}
}

// Poll implements Conn.
func (c *conn) Poll(b []byte) (int, error) {
	n, err := c.tryRead(b)
	if c.dry = errors.Is(err, unix.EAGAIN); c.dry {
		return 0, nil
	}
	c.rate.bytes += n
	c.drained = n < len(b)
	return n, err
}

// MayWait implements Conn.
func (c *conn) MayWait() bool { return c.dry || c.drained }

// Await implements Conn. It doesn't wait where the last read may have left something.
func (c *conn) Await() error {
	switch {
	case c.dry:
		c.dry = false
		c.rate.measure()
		if err := c.arm(); err != nil {
			return err
		}
		<-c.readable
	case c.drained:
		c.drained = false
		c.rate.measure()
		if c.rate.steady {
			c.p.clock.after(c, c.rate.pause())
			<-c.readable
		}
	}
	return nil
}

func (c *conn) tryRead(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if err := c.usable(c.readBy); err != nil {
			return 0, err
		}
		n, err := readNow(c.fd, b)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return 0, err
		case err != 0:
			return 0, os.NewSyscallError("read", err)
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

// readNow is read(2) of a non-blocking descriptor, without notifying Go's scheduler: reading a hundred records takes long
// enough for the runtime's monitor to hand the processor to another thread, which finds nothing to do. b isn't empty.
func readNow(fd int, b []byte) (int, syscall.Errno) {
	n, _, err := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), err
}

// usable returns an error where the connection is closed or the deadline by has passed. c.mu is held.
func (c *conn) usable(by time.Time) error {
	switch {
	case c.closed:
		return net.ErrClosed
	case !by.IsZero() && !time.Now().Before(by):
		return os.ErrDeadlineExceeded
	}
	return nil
}

// arm asks the poller for one wake-up.
func (c *conn) arm() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.event = unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT, Fd: int32(c.fd)}
	return unix.EpollCtl(c.p.fd, unix.EPOLL_CTL_MOD, c.fd, &c.event)
}

// writeRetry is how long Write waits before it tries again where the socket is full, and twice as long each time, up to
// maxWriteRetry. Answers are a few bytes, so that this is rare; waiting for EPOLLOUT too would cost every connection more state
// than it saves.
const (
	writeRetry    = time.Millisecond
	maxWriteRetry = 64 * time.Millisecond
)

// Write writes all of b, and ends pausing: the client waits for what is written.
func (c *conn) Write(b []byte) (int, error) {
	c.rate.stop()
	written := 0
	for pause := writeRetry; ; pause = min(2*pause, maxWriteRetry) {
		n, err := c.tryWrite(b[written:])
		written += n
		if err == nil && written == len(b) {
			return written, nil
		}
		if err != nil && !errors.Is(err, unix.EAGAIN) {
			return written, err
		}
		if n > 0 {
			pause = writeRetry
		}
		time.Sleep(pause)
	}
}

// Offer implements Conn.
func (c *conn) Offer(b []byte) (int, error) {
	c.rate.stop()
	n, err := c.tryWrite(b)
	if errors.Is(err, unix.EAGAIN) {
		return 0, nil
	}
	return n, err
}

func (c *conn) tryWrite(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if err := c.usable(c.writeBy); err != nil {
			return 0, err
		}
		n, err := unix.SendmsgN(c.fd, b, nil, nil, unix.MSG_NOSIGNAL)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return 0, err
		case err != nil:
			return 0, fmt.Errorf("write: %w", err)
		}
		return n, nil
	}
}

// Close wakes the reader and ends the connection.
func (c *conn) Close() error {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.closed = true
	if c.deadline != nil {
		c.deadline.Stop()
	}
	err := unix.Close(c.fd) // which takes it out of the epoll instance, too
	c.p.remove(c)
	c.wake()
	return err
}

// SetReadDeadline makes a Read fail at t.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.readBy = t
	switch {
	case t.IsZero():
		if c.deadline != nil {
			c.deadline.Stop()
		}
	case c.deadline == nil:
		c.deadline = time.AfterFunc(time.Until(t), c.wake)
	default:
		c.deadline.Reset(time.Until(t))
	}
	return nil
}

// SetWriteDeadline makes a Write fail at t.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writeBy = t
	return nil
}

// SetDeadline sets both.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// LocalAddr is the server's address.
func (c *conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr is the client's address.
func (c *conn) RemoteAddr() net.Addr { return c.remote }
