//go:build !linux

package admin

import (
	"context"
	"errors"
	"net"
)

var errNotLinux = errors.New("only Linux has the sockets that a running router can be looked into by")

// ListenLocal fails: see local_linux.go.
func ListenLocal() (net.Listener, error) { return nil, errNotLinux }

// LocalRouters fails.
func LocalRouters() ([]int, error) { return nil, errNotLinux }

// DialLocal fails.
func DialLocal(context.Context, int) (net.Conn, error) { return nil, errNotLinux }
