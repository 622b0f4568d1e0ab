package forward

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Docker's driver makes one write of every record. Being woken for each costs ten times what the record does, so a
// connection that has run dry isn't looked at again until a few milliseconds after its next byte: by then more has
// come, which one read takes. Go's own poller can't be used for that: it is edge-triggered, and wakes a thread at every
// write whether anybody waits for it or not. Hence an epoll of our own, where a connection is armed for one event only.
const (
	// paceBytes is what a connection is to bring between two looks at it, and maxPace the longest time between a first
	// byte and the look; a wait below minPace is not worth its own wake-up. A unix socket holds 40 to 100 KB of single
	// records: a client that fills it, and waits, brings more than paceBytes, and its pauses become shorter until there
	// are none.
	paceBytes = 24 << 10
	maxPace   = 20 * time.Millisecond
	minPace   = time.Millisecond
	// rateWindow is the time over which a connection's rate is taken, at least.
	rateWindow = 20 * time.Millisecond
	// paceEvents is how many connections one look at the poller finds at most.
	paceEvents = 256
)

// A pacer wakes the connections of one server.
type pacer struct {
	file  *os.File // the epoll, itself known to Go's poller
	raw   syscall.RawConn
	fd    int
	mu    sync.Mutex
	conns map[int32]*pacedConn // by file descriptor
	done  sync.WaitGroup
}

// newPacer starts a pacer; nil where that can't be done: connections are then read as Go does.
func newPacer() *pacer {
	p := makePacer()
	if p != nil {
		p.done.Go(p.run)
	}
	return p
}

func makePacer() *pacer {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil
	}
	p := &pacer{file: os.NewFile(uintptr(fd), "epoll"), fd: fd, conns: make(map[int32]*pacedConn)}
	if p.raw, err = p.file.SyscallConn(); err != nil {
		p.file.Close()
		return nil
	}
	return p
}

// close ends the pacer. All of its connections must be closed.
func (p *pacer) close() {
	if p == nil {
		return
	}
	p.file.Close()
	p.done.Wait()
}

// run wakes connections until close.
func (p *pacer) run() {
	events := make([]unix.EpollEvent, paceEvents)
	n := 0
	look := func(uintptr) bool {
		n = p.look(events)
		return n > 0
	}
	again := func(uintptr) { n = p.look(events) }
	for {
		if err := p.raw.Read(look); err != nil {
			return
		}
		if d := p.pause(events[:n]); d > 0 {
			time.Sleep(d)
		}
		p.wake(events[:n])
		if err := p.raw.Control(again); err != nil {
			return // closed meanwhile: the number may be another file's by now
		}
		p.wake(events[:n])
	}
}

// look fills events with what is ready now.
func (p *pacer) look(events []unix.EpollEvent) int {
	n, err := unix.EpollWait(p.fd, events, 0)
	if err != nil {
		return 0
	}
	return n
}

// pause is how long all of the connections may wait.
func (p *pacer) pause(events []unix.EpollEvent) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := maxPace
	for i := range events {
		switch c := p.conns[events[i].Fd]; {
		case c == nil:
		case events[i].Events&(unix.EPOLLHUP|unix.EPOLLRDHUP|unix.EPOLLERR) != 0:
			return 0
		default:
			d = min(d, time.Duration(c.pause.Load()))
		}
	}
	return d
}

func (p *pacer) wake(events []unix.EpollEvent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range events {
		if c := p.conns[events[i].Fd]; c != nil {
			c.poke()
		}
	}
}

// wrap takes nc out of Go's poller and into this one. Where that can't be done nc is returned as it is.
func (p *pacer) wrap(nc net.Conn) net.Conn {
	sc, ok := nc.(syscall.Conn)
	if p == nil || !ok {
		return nc
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nc
	}
	fd := -1
	if err := raw.Control(func(own uintptr) { fd, err = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0) }); err != nil || fd < 0 {
		return nc
	}
	c := &pacedConn{p: p, fd: fd, local: nc.LocalAddr(), remote: nc.RemoteAddr(), readable: make(chan struct{}, 1)}
	p.mu.Lock()
	// Hang-ups are told whether they are asked for or not: ONESHOT sees to it that this one, too, is told once.
	err = unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLONESHOT, Fd: int32(fd)})
	if err == nil {
		p.conns[int32(fd)] = c
	}
	p.mu.Unlock()
	if err != nil {
		unix.Close(fd)
		return nc
	}
	nc.Close() // the duplicate lives on
	return c
}

// A pacedConn is a connection that a pacer wakes. One goroutine reads and writes; deadlines and Close are anybody's.
type pacedConn struct {
	p             *pacer
	local, remote net.Addr
	readable      chan struct{}
	pause         atomic.Int64 // how long it may wait after a first byte, a time.Duration
	eager         bool         // never wait for more: the client waits for us
	window        time.Time    // when the rate's window began
	windowBytes   int          // read since then

	mu       sync.Mutex // for everything below, and around every system call on fd
	fd       int
	closed   bool
	readBy   time.Time
	writeBy  time.Time
	deadline *time.Timer
	event    unix.EpollEvent // what it was armed with last
}

func (c *pacedConn) poke() {
	select {
	case c.readable <- struct{}{}:
	default:
	}
}

// Read reads what is there, and waits where nothing is.
func (c *pacedConn) Read(b []byte) (int, error) {
	for {
		n, err := c.tryRead(b)
		if !errors.Is(err, unix.EAGAIN) {
			c.windowBytes += n
			return n, err
		}
		c.measure()
		if err := c.arm(); err != nil {
			return 0, err
		}
		<-c.readable
	}
}

// measure finds out how long the connection may wait, by the rate at which it has brought bytes of late.
func (c *pacedConn) measure() {
	now := time.Now()
	elapsed := now.Sub(c.window)
	if c.eager || elapsed < rateWindow {
		return
	}
	d := maxPace
	if c.windowBytes > 0 {
		d = min(maxPace, time.Duration(paceBytes*int64(elapsed)/int64(c.windowBytes)))
	}
	if d < minPace {
		d = 0
	}
	c.pause.Store(int64(d))
	c.window, c.windowBytes = now, 0
}

func (c *pacedConn) tryRead(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if err := c.usable(c.readBy); err != nil {
			return 0, err
		}
		n, err := unix.Read(c.fd, b)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return 0, err
		case err != nil:
			return 0, os.NewSyscallError("read", err)
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

// usable says why fd may not be used, where it may not. c.mu is held.
func (c *pacedConn) usable(by time.Time) error {
	switch {
	case c.closed:
		return net.ErrClosed
	case !by.IsZero() && !time.Now().Before(by):
		return os.ErrDeadlineExceeded
	}
	return nil
}

// arm asks for one wake-up.
func (c *pacedConn) arm() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.event = unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT, Fd: int32(c.fd)}
	return unix.EpollCtl(c.p.fd, unix.EPOLL_CTL_MOD, c.fd, &c.event)
}

// writeRetry is how long Write waits before it looks again whether a slow reader has made room. Replies are a few bytes.
const writeRetry = time.Millisecond

// Write writes all of b. Who is written to waits for it, so that the connection is never paced from now on.
func (c *pacedConn) Write(b []byte) (int, error) {
	c.eager = true
	c.pause.Store(0)
	written := 0
	for {
		n, err := c.tryWrite(b[written:])
		written += n
		if err == nil && written == len(b) {
			return written, nil
		}
		if err != nil && !errors.Is(err, unix.EAGAIN) {
			return written, err
		}
		time.Sleep(writeRetry)
	}
}

func (c *pacedConn) tryWrite(b []byte) (int, error) {
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
func (c *pacedConn) Close() error {
	c.p.mu.Lock()
	c.mu.Lock()
	defer c.p.mu.Unlock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.closed = true
	if c.deadline != nil {
		c.deadline.Stop()
	}
	delete(c.p.conns, int32(c.fd))
	c.poke()
	return unix.Close(c.fd) // which takes it out of the epoll, too
}

// SetReadDeadline wakes the reader at t.
func (c *pacedConn) SetReadDeadline(t time.Time) error {
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
		c.deadline = time.AfterFunc(time.Until(t), c.poke)
	default:
		c.deadline.Reset(time.Until(t))
	}
	return nil
}

// SetWriteDeadline ends a Write at t.
func (c *pacedConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writeBy = t
	return nil
}

// SetDeadline sets both.
func (c *pacedConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// LocalAddr is the server's address.
func (c *pacedConn) LocalAddr() net.Addr { return c.local }

// RemoteAddr is the client's address.
func (c *pacedConn) RemoteAddr() net.Addr { return c.remote }
