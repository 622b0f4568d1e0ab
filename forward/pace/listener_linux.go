package pace

import (
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Listen wraps ln: the connections that it accepts are a Conn where they can be paced, and else what ln has accepted.
// Closing the listener closes ln; the poller ends with the last connection.
func Listen(ln net.Listener) net.Listener { return &listener{Listener: ln} }

// sendBuffer is how many bytes the kernel holds for a client that doesn't read, twice as many with its own overhead. They
// count as the container's memory: 900 clients that never read acks had 64 MiB exceeded with Linux's default of 208 KiB.
const sendBuffer = 4 << 10

type listener struct {
	net.Listener
	start sync.Once
	p     *poller // since the first connection; nil where there can be none
}

// Accept waits for the next connection.
func (l *listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if b, ok := nc.(interface{ SetWriteBuffer(int) error }); ok {
		_ = b.SetWriteBuffer(sendBuffer) // fails for a connection that is closed already
	}
	l.start.Do(func() {
		if l.p = newPoller(); l.p != nil {
			go l.p.run()
		}
	})
	return l.p.wrap(nc), nil
}

// Close takes no more connections. Those that are open go on.
func (l *listener) Close() error {
	err := l.Listener.Close()
	l.start.Do(func() {}) // from now on there is none, or p is set
	l.p.close()
	return err
}

// wrap takes nc out of Go's poller and into this one. Where that can't be done it returns nc.
func (p *poller) wrap(nc net.Conn) net.Conn {
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
	c := &conn{p: p, fd: fd, local: nc.LocalAddr(), remote: nc.RemoteAddr(), readable: make(chan struct{}, 1)}
	if !p.add(c) {
		unix.Close(fd)
		return nc
	}
	nc.Close() // the duplicate of its descriptor stays open
	return c
}
