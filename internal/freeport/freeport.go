// Package freeport tells whether a port is free, for tests that start programs.
package freeport

import (
	"fmt"
	"net"
	"syscall"
)

// Listen reports whether a listener can be bound to a TCP port of loopback, 0 for any, and returns that port.
//
// No process is forked meanwhile: a child has the listener until its exec closes it, so for a moment after the listener was closed
// a client could connect to it, and would be reset.
func Listen(port int) (int, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return 0, err
	}
	return ln.Addr().(*net.TCPAddr).Port, ln.Close()
}
