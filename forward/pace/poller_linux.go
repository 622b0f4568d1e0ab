package pace

import (
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxEvents is the most connections that one call of epoll_wait returns.
const maxEvents = 256

// A poller wakes the connections of one listener.
type poller struct {
	clock clock

	file *os.File // the epoll instance, itself known to Go's poller
	raw  syscall.RawConn
	fd   int

	mu     sync.Mutex
	conns  map[int32]*conn // by file descriptor
	closed bool            // no connection is added any more; open ones stay open
}

// newPoller returns nil where the kernel refuses one.
func newPoller() *poller {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil
	}
	p := &poller{file: os.NewFile(uintptr(fd), "epoll"), fd: fd, conns: make(map[int32]*conn)}
	if p.raw, err = p.file.SyscallConn(); err != nil {
		p.file.Close()
		return nil
	}
	return p
}

// close ends the poller as soon as it has no connection left.
func (p *poller) close() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.endIfUnused()
}

// endIfUnused ends run and the clock where nothing is left to wake. p.mu is held.
func (p *poller) endIfUnused() {
	if p.closed && len(p.conns) == 0 {
		p.file.Close()
		p.clock.stop()
	}
}

// add begins to watch c, and reports whether that was possible.
func (p *poller) add(c *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	// The kernel always reports hang-ups, but with ONESHOT only once.
	event := unix.EpollEvent{Events: unix.EPOLLONESHOT, Fd: int32(c.fd)}
	if err := unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, c.fd, &event); err != nil {
		return false
	}
	p.conns[int32(c.fd)] = c
	return true
}

// remove forgets c, whose descriptor is closed. p.mu is held.
func (p *poller) remove(c *conn) {
	p.clock.remove(c)
	delete(p.conns, int32(c.fd))
	p.endIfUnused()
}

// run wakes connections until the poller ends.
func (p *poller) run() {
	events := make([]unix.EpollEvent, maxEvents)
	n := 0
	wait := func(uintptr) bool {
		n = p.ready(events)
		return n > 0
	}
	poll := func(uintptr) { n = p.ready(events) }
	for {
		if err := p.raw.Read(wait); err != nil {
			return
		}
		if d := p.pause(events[:n]); d > 0 {
			time.Sleep(d)
		}
		p.wake(events[:n])
		if err := p.raw.Control(poll); err != nil {
			return // closed meanwhile: the descriptor may be another file's by now
		}
		p.wake(events[:n])
	}
}

// ready fills events with what is ready now.
func (p *poller) ready(events []unix.EpollEvent) int {
	n, err := unix.EpollWait(p.fd, events, 0)
	if err != nil {
		return 0
	}
	return n
}

// pause is how long the connections of events may wait: the shortest of their pauses.
func (p *poller) pause(events []unix.EpollEvent) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := maxPause
	for i := range events {
		switch c := p.conns[events[i].Fd]; {
		case c == nil:
		case events[i].Events&(unix.EPOLLHUP|unix.EPOLLRDHUP|unix.EPOLLERR) != 0:
			return 0
		default:
			d = min(d, c.rate.pause())
		}
	}
	return d
}

func (p *poller) wake(events []unix.EpollEvent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range events {
		if c := p.conns[events[i].Fd]; c != nil {
			c.wake()
		}
	}
}
