package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/firelane/firelane/input"
)

// A Packets takes datagrams from one socket: an input.Input without acks. While a queue is full it reads nothing; what the
// socket has no room for is dropped by the kernel.
type Packets struct {
	log       zerolog.Logger
	conn      net.PacketConn
	raw       syscall.RawConn
	take      PacketTaker
	flushTime time.Duration
	reads     atomic.Int64

	flushing context.Context // of every Flush: ends later than that of Run
	abandon  context.CancelFunc

	mu       sync.Mutex
	idle     chan struct{} // closed while the socket is empty and all is flushed
	isIdle   bool
	stopping bool
	closed   sync.Once
}

// A PacketTaker adds a datagram to recv, or rejects it. msg is valid during the call only; from is its sender's address, "" if
// it has none.
type PacketTaker func(recv input.Receiver, msg []byte, from func() string)

// ListenUDP listens on host and port. receive is the size in bytes of the socket's buffer, 0 for the system's own.
func ListenUDP(env input.Env, host string, port, receive int) (net.PacketConn, error) {
	address := net.JoinHostPort(host, fmt.Sprint(port))
	c, err := inheritPackets(env, "udp "+address)
	if c == nil && err == nil {
		c, err = net.ListenPacket("udp", address)
	}
	if err != nil {
		return nil, err
	}
	if s, ok := c.(*net.UDPConn); ok {
		env.Sockets.Add("udp "+address, env.ID, noFile{s})
	}
	return c, setReceive(c, receive)
}

// inheritPackets returns a duplicate of the socket that env.Sockets has at key; nil if there is none.
func inheritPackets(env input.Env, key string) (net.PacketConn, error) {
	f := env.Sockets.Inherit(key)
	if f == nil {
		return nil, nil
	}
	defer f.Close() // the connection has a duplicate
	return net.FilePacketConn(f)
}

// A unixgram is a datagram socket with a file, which its Close removes.
type unixgram struct {
	*net.UnixConn
	path string
	keep atomic.Bool // another one has taken it over
	once sync.Once
}

// SetUnlinkOnClose implements input.Socket.
func (u *unixgram) SetUnlinkOnClose(remove bool) { u.keep.Store(!remove) }

// Close removes the file before the socket is closed, as the listeners of net do.
func (u *unixgram) Close() error {
	u.once.Do(func() {
		if !u.keep.Load() {
			_ = os.Remove(u.path)
		}
	})
	return u.UnixConn.Close()
}

// ListenUnixgram replaces a socket file that another process has left, and nothing else. perm 0 leaves the permissions to the
// umask.
func ListenUnixgram(env input.Env, path string, perm os.FileMode, receive int) (net.PacketConn, error) {
	key := "unixgram " + path
	p, err := inheritPackets(env, key)
	c := &unixgram{path: path}
	if p != nil {
		c.keep.Store(true) // until it is taken over
		c.UnixConn = p.(*net.UnixConn)
	} else {
		if err == nil {
			err = removeStale("unixgram", path)
		}
		if err == nil {
			c.UnixConn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
		}
	}
	if err != nil {
		return nil, err
	}
	env.Sockets.Add(key, env.ID, c)
	if perm != 0 {
		if err := os.Chmod(path, perm); err != nil {
			return nil, errors.Join(fmt.Errorf("setting the socket's permissions: %w", err), c.Close())
		}
	}
	return c, setReceive(c, receive)
}

func setReceive(c net.PacketConn, size int) error {
	if b, ok := c.(interface{ SetReadBuffer(int) error }); ok && size > 0 {
		if err := b.SetReadBuffer(size); err != nil {
			return errors.Join(fmt.Errorf("setting the size of the socket's buffer: %w", err), c.Close())
		}
	}
	return nil
}

// NewPackets makes a server on conn, which it closes.
func NewPackets(conn net.PacketConn, take PacketTaker, env input.Env) (*Packets, error) {
	s := &Packets{log: env.Log, conn: conn, take: take, flushTime: cmp.Or(env.FlushTime, flushTime), idle: make(chan struct{})}
	s.flushing, s.abandon = context.WithCancel(context.Background())
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return nil, errors.Join(errors.New("the socket can't be read"), conn.Close())
	}
	var err error
	if s.raw, err = sc.SyscallConn(); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return s, nil
}

// Addr is where the server listens.
func (s *Packets) Addr() net.Addr { return s.conn.LocalAddr() }

// Reads implements input.ReadCounter.
func (s *Packets) Reads() int64 { return s.reads.Load() }

// Run implements input.Input.
func (s *Packets) Run(ctx context.Context, receiver func() input.Receiver) error {
	stop := context.AfterFunc(ctx, s.stop)
	defer stop()
	late := context.AfterFunc(ctx, func() { time.AfterFunc(drainTime+s.flushTime, s.abandon) })
	defer late()
	recv, buf := receiver(), make([]byte, MaxDatagram)
	for {
		err := s.burst(recv, buf, true)
		if err == nil {
			continue
		}
		stopping := s.isStopping()
		if stopping && errors.Is(err, os.ErrDeadlineExceeded) {
			s.drain(recv, buf)
		}
		cerr := s.Close()
		if stopping {
			return nil
		}
		return errors.Join(fmt.Errorf("reading %s: %w", s.Addr(), err), cerr)
	}
}

// burst waits for a datagram, if it should, and takes what else is there, up to a limit. Then it flushes, also if a stop has ended it.
func (s *Packets) burst(recv input.Receiver, buf []byte, wait bool) error {
	size := 0
	var end error
	for n := 0; n < maxDatagrams && size < maxBurst; n++ {
		got, from, err := s.receive(buf, wait && n == 0)
		if err == nil && got < 0 && n == 0 && !wait {
			err = errEmpty
		}
		if n == 0 && err != nil {
			return err
		}
		if end = err; err != nil || got < 0 {
			break
		}
		s.reads.Add(1)
		if got > 0 {
			s.take(recv, buf[:got], func() string { return address(from) })
		}
		size += got
	}
	if err := recv.Flush(s.flushing); err != nil && !errors.Is(err, input.ErrHeld) {
		s.log.Warn().Msg("datagrams were not queued before the input stopped")
		return err
	}
	return end
}

// errEmpty means that the socket is empty.
var errEmpty = errors.New("no datagram is there")

// drain takes what is in the socket at a stop.
func (s *Packets) drain(recv input.Receiver, buf []byte) {
	_ = s.conn.SetReadDeadline(time.Time{}) // an error shows at the read
	for end := time.Now().Add(drainTime); time.Now().Before(end); {
		if s.burst(recv, buf, false) != nil {
			return
		}
	}
}

// receive reads a datagram. n is -1 if none is there and it shouldn't wait.
func (s *Packets) receive(buf []byte, wait bool) (n int, from unix.Sockaddr, err error) {
	cerr := s.raw.Read(func(fd uintptr) bool {
		for {
			n, from, err = unix.Recvfrom(int(fd), buf, unix.MSG_DONTWAIT)
			if err != unix.EINTR {
				break
			}
		}
		if err != unix.EAGAIN {
			s.setIdle(false)
			return true
		}
		n, err = -1, nil
		s.setIdle(wait)
		return !wait
	})
	if cerr != nil {
		return 0, nil, cerr
	}
	return n, from, err
}

// address is the text of a sender's address, without its port.
func address(from unix.Sockaddr) string {
	switch a := from.(type) {
	case *unix.SockaddrInet4:
		return net.IP(a.Addr[:]).String()
	case *unix.SockaddrInet6:
		return net.IP(a.Addr[:]).String()
	}
	return ""
}

// setIdle notes whether everything that has come is flushed.
func (s *Packets) setIdle(idle bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case idle && !s.isIdle:
		close(s.idle)
	case !idle && s.isIdle:
		s.idle = make(chan struct{})
	}
	s.isIdle = idle
}

// WaitIdle waits until the socket is empty.
func (s *Packets) WaitIdle(ctx context.Context) error {
	s.mu.Lock()
	idle := s.idle
	s.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Packets) isStopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

// stop ends the wait for a datagram.
func (s *Packets) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping = true
	_ = s.conn.SetReadDeadline(time.Now()) // a socket that is closed isn't waited for either
}

// Close implements input.Input.
func (s *Packets) Close() error {
	s.stop()
	s.abandon()
	s.closed.Do(func() {
		_ = s.conn.Close() // nothing is lost with it
	})
	return nil
}
