// Package freeport finds ports that are free, for tests that start programs.
package freeport

import (
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"syscall"
)

// Ports that Next returns are below those that Linux gives to who asks for any (from 32768 on): such a one could be given to somebody
// else before the program that it is for listens on it.
const firstPort, ports = 20000, 10000

// tried counts the ports that Next has tried.
var tried atomic.Uint32

// Next returns a TCP port of loopback that is free, another each time until all have been tried. Where it begins depends on the
// process, so that two at once seldom try the same.
func Next() (int, error) {
	begin := os.Getpid() % 100 * (ports / 100)
	for range ports {
		if port := firstPort + (begin+int(tried.Add(1)))%ports; IsFree(port) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free port from %d to %d", firstPort, firstPort+ports-1)
}

// Listener returns a listener on such a port. After it is closed nobody listens there, unless its owner does so again.
func Listener() (net.Listener, error) {
	port, err := Next()
	if err != nil {
		return nil, err
	}
	return net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
}

// IsFree reports whether a listener can be bound to a TCP port of loopback.
//
// No process is forked meanwhile: a child has the listener until its exec closes it, so for a moment after the listener was closed
// a client could connect to it, and would be reset.
func IsFree(port int) bool {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	return err == nil && ln.Close() == nil
}
