//go:build !linux

package sink

import (
	"net"
	"time"
)

// direct is for Linux.
func direct(net.Conn, time.Duration) net.Conn { return nil }
