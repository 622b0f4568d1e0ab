package dial

import (
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// States of a TCP connection in Linux (include/net/tcp_states.h).
const (
	stateEstablished = 1
	stateCloseWait   = 8 // the peer has closed its side
)

// tcpState returns the state of a TCP connection.
func tcpState(c net.Conn) (s connState) {
	info, err := control(c, func(fd int) (*unix.TCPInfo, error) {
		return unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	})
	switch {
	case err != nil || info.State != stateEstablished && info.State != stateCloseWait:
		return tcpBroken
	case info.Unacked > 0 || info.Notsent_bytes > 0:
		return tcpSending
	case info.State == stateCloseWait:
		return tcpEnded
	}
	return tcpOpen
}

// socketError returns and clears the error that a socket has met since the last call, such as ECONNREFUSED.
func socketError(c net.Conn) error {
	errno, err := control(c, func(fd int) (int, error) { return unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR) })
	if err == nil && errno != 0 {
		err = os.NewSyscallError("send", syscall.Errno(errno))
	}
	return err
}

// control calls f with the connection's file descriptor.
func control[T any](c net.Conn, f func(fd int) (T, error)) (v T, err error) {
	s, ok := c.(syscall.Conn)
	if !ok {
		return v, os.ErrInvalid
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return v, err
	}
	failed := raw.Control(func(fd uintptr) { v, err = f(int(fd)) })
	if failed != nil {
		err = failed
	}
	return v, err
}
