//go:build !linux

package dial

import (
	"net"
	"time"
)

// direct exists on Linux only.
func direct(net.Conn, time.Duration) net.Conn { return nil }
