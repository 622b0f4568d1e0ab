package pace

import (
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Listen wraps ln: the connections that it accepts implement Conn if they can be paced; the others are those of ln.
// Closing the listener closes ln; the poller ends with the last connection.
func Listen(ln net.Listener) net.Listener { return &listener{Listener: ln} }

// sendBuffer is how many bytes the kernel holds for a client that doesn't read, twice as many with its own overhead. They
// count as the container's memory: 900 clients that never read acks had 64 MiB exceeded with Linux's default of 208 KiB.
const sendBuffer = 4 << 10

type listener struct {
	net.Listener
	start sync.Once
	p     *poller // made at the first connection; nil if that fails
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

// Close stops accepting. Open connections stay open.
func (l *listener) Close() error {
	err := l.Listener.Close()
	l.start.Do(func() {}) // p is set, or stays nil
	l.p.close()
	return err
}

// wrap moves nc from Go's poller to this one. It returns nc if that isn't possible.
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
