package shell

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	// acceptPause is the time between two looks at the connections that wait.
	acceptPause = 20 * time.Millisecond
	// maxSockets is how much of the kernel's list of sockets is read, in bytes. Those that listen come first.
	maxSockets = 1 << 20
)

// Dial connects within limit. On this host it is an error if the process that listens doesn't accept the connection, since the kernel
// completes connections also for a process that is stopped or stuck.
func Dial(ctx context.Context, network, address string, limit time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if err := accepted(ctx, conn); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// accepted waits until the process that listens where conn goes to has accepted connections. It returns nil where that can't be known.
func accepted(ctx context.Context, conn net.Conn) error {
	remote, ok := conn.RemoteAddr().(*net.TCPAddr)
	local, _ := conn.LocalAddr().(*net.TCPAddr)
	if !ok || local == nil || !remote.IP.IsLoopback() && !remote.IP.Equal(local.IP) {
		return nil
	}
	for before := 0; ; {
		n := waiting(remote.Port)
		if n == 0 || n < before {
			return nil
		}
		before = n
		select {
		case <-ctx.Done():
			return fmt.Errorf("%v is bound, but the process doesn't accept connections: %d wait", remote, n)
		case <-time.After(acceptPause):
		}
	}
}

// waiting is how many connections to a port of this host wait to be accepted.
func waiting(port int) (n int) {
	for _, name := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		n += waitingIn(io.LimitReader(f, maxSockets), port)
		_ = f.Close()
	}
	return n
}

// waitingIn reads a list such as /proc/net/tcp, see proc_net_tcp.txt of the kernel's documentation:
//
//	sl  local_address rem_address   st tx_queue rx_queue …
//	 0: 0100007F:22AD 00000000:0000 0A 00000000:00000001 …
//
// The state 0A is LISTEN, for which rx_queue is the number of connections that wait.
func waitingIn(list io.Reader, port int) (n int) {
	suffix := fmt.Sprintf(":%04X", port)
	for lines := bufio.NewScanner(list); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 5 || fields[3] != "0A" || !strings.HasSuffix(fields[1], suffix) {
			continue
		}
		_, received, _ := strings.Cut(fields[4], ":")
		wait, _ := strconv.ParseUint(received, 16, 31)
		n += int(wait)
	}
	return n
}
