package forward

import (
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Docker's driver makes one write of every record. Being woken for each costs ten times what the record does, so a
// connection that has run dry is left alone for some milliseconds: by then more has come, which one read takes. One that
// brings bytes steadily is looked at by the clock, together with the others; one that doesn't, some time after its next
// byte. Go's own poller can't be used for that: it is edge-triggered, and wakes a thread at every write whether anybody
// waits for it or not. Hence an epoll of our own, where a connection is armed for one event only.
const (
	// maxPace is the longest time between two looks at a connection, or between a first byte and the look; a wait below
	// minPace is not worth its own wake-up.
	maxPace = 40 * time.Millisecond
	minPace = time.Millisecond
	// maxPaceBytes is the most that a connection is to bring between two looks at it: one read takes it.
	maxPaceBytes = readSize - 2<<10
	// socketRoom is what a socket holds by Linux's default (net.core.wmem_default), in bytes, each write with what the
	// kernel adds to it. A client that fills it waits: by then it must be looked at.
	socketRoom = 212992
	// steadyBytes is what a connection must be expected to bring within its pause to be looked at by the clock.
	steadyBytes = 1 << 10
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
	done  sync.WaitGroup
	mu    sync.Mutex
	conns map[int32]*pacedConn // by file descriptor

	// Connections that are looked at by the clock have a lock of their own, which is taken last.
	clock  sync.Mutex
	timed  []*pacedConn
	timer  *time.Timer // of the first of them that is due; nil before there was one
	next   time.Time   // when it goes off
	closed bool
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
	p.clock.Lock()
	p.closed = true
	if p.timer != nil {
		p.timer.Stop()
	}
	p.clock.Unlock()
	p.file.Close()
	p.done.Wait()
}

// after has c poked in its pause from now.
func (p *pacer) after(c *pacedConn, pause time.Duration) {
	p.clock.Lock()
	defer p.clock.Unlock()
	c.due = time.Now().Add(pause)
	if !c.onClock { // it is where something else has poked it meanwhile
		c.onClock = true
		p.timed = append(p.timed, c)
	}
	if len(p.timed) == 1 || c.due.Before(p.next) {
		p.setTimer(c.due, pause)
	}
}

// setTimer lets tick be called at t, in d from now. The clock is locked.
func (p *pacer) setTimer(t time.Time, d time.Duration) {
	p.next = t
	switch {
	case p.closed:
	case p.timer == nil:
		p.timer = time.AfterFunc(d, p.tick)
	default:
		p.timer.Reset(d)
	}
}

// tick pokes the connections that are due, and those that would be within half of their pause: one wake-up for many.
func (p *pacer) tick() {
	p.clock.Lock()
	defer p.clock.Unlock()
	now := time.Now()
	var next time.Time
	left := p.timed[:0]
	for _, c := range p.timed {
		if c.due.Sub(now) <= time.Duration(c.pause.Load())/2 {
			c.onClock = false
			c.poke()
			continue
		}
		left = append(left, c)
		if next.IsZero() || c.due.Before(next) {
			next = c.due
		}
	}
	clear(p.timed[len(left):])
	p.timed = left
	if len(left) > 0 {
		p.setTimer(next, next.Sub(now))
	}
}

// forget takes c off the clock.
func (p *pacer) forget(c *pacedConn) {
	p.clock.Lock()
	defer p.clock.Unlock()
	if c.onClock {
		p.timed = slices.DeleteFunc(p.timed, func(o *pacedConn) bool { return o == c })
	}
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

// count says how many events nc has brought since the last call.
func (*pacer) count(nc net.Conn, events int) {
	if c, ok := nc.(*pacedConn); ok {
		c.events += events
	}
}

// A pacedConn is a connection that a pacer wakes. One goroutine reads and writes; deadlines and Close are anybody's.
type pacedConn struct {
	p             *pacer
	local, remote net.Addr
	readable      chan struct{}
	pause         atomic.Int64 // how long it may be left alone, a time.Duration
	due           time.Time    // when it is looked at by the clock; this and onClock are the pacer's
	onClock       bool
	eager         bool      // never wait for more: the client waits for us
	steady        bool      // more will have come after the pause
	dry           bool      // the last read took all there was
	window        time.Time // when the rate's window began
	windowBytes   int       // read since then
	events        int       // in them

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

// Read reads what is there, and waits where nothing is, or little is to be expected.
func (c *pacedConn) Read(b []byte) (int, error) {
	for {
		if c.dry {
			c.dry = false
			c.measure()
			if c.steady {
				c.p.after(c, time.Duration(c.pause.Load()))
				<-c.readable
			}
		}
		n, err := c.tryRead(b)
		if !errors.Is(err, unix.EAGAIN) {
			c.windowBytes += n
			c.dry = n < len(b)
			return n, err
		}
		c.measure()
		if err := c.arm(); err != nil {
			return 0, err
		}
		<-c.readable
	}
}

// measure finds out how long the connection may be left alone, by the rate at which it has brought bytes of late.
func (c *pacedConn) measure() {
	now := time.Now()
	elapsed := now.Sub(c.window)
	if c.eager || elapsed < rateWindow {
		return
	}
	d := maxPace
	if c.windowBytes > 0 {
		want := paceBytes(c.windowBytes / max(c.events, 1))
		d = min(maxPace, time.Duration(int64(want)*int64(elapsed)/int64(c.windowBytes)))
	}
	if d < minPace {
		d = 0
	}
	c.steady = d > 0 && int64(c.windowBytes)*int64(d) >= steadyBytes*int64(elapsed)
	c.pause.Store(int64(d))
	c.window, c.windowBytes, c.events = now, 0, 0
}

// paceBytes is what a connection is to bring between two looks at it, if its events have size bytes and each is a write:
// half of what the socket holds of them. The kernel puts each write into a power of two, with 320 bytes of its own, and
// keeps 256 more.
func paceBytes(size int) int {
	size = max(size, 1)
	kept := 256 + 1<<bits.Len(uint(size+320-1))
	return min(socketRoom/kept*size/2, maxPaceBytes)
}

func (c *pacedConn) tryRead(b []byte) (int, error) {
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

// readNow is read(2) of a descriptor that doesn't block, without telling the scheduler: taking a hundred records out of a
// socket is long enough for the runtime's monitor to hand the core to another thread, which finds nothing to do. b isn't
// empty.
func readNow(fd int, b []byte) (int, unix.Errno) {
	n, _, err := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), err
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
	c.eager, c.steady = true, false
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
	c.p.forget(c)
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
