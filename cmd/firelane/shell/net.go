package shell

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// netTime is how long a connection of nc, curl or wget takes, if no option says otherwise. ECS's limit for a health check is 5 s by
	// default.
	netTime = 4 * time.Second
	// maxNetTime is what an option may say.
	maxNetTime = time.Minute
	// replyTime is how long nc waits, after the end of its input, for a peer that says nothing and doesn't close.
	replyTime = time.Second
)

var errListen = errors.New("nc can't listen in this image")

// nc is "nc [flags] HOST PORT": it connects, sends what it reads, and prints what comes back until the other side closes. "nc -z"
// only connects, "nc -U PATH" connects to a unix socket.
func (c *call) nc() int {
	given, words, err := c.flags("zvnN46ulUktC", "wqip", map[string]byte{"wait": 'w', "send-only": 'N', "recv-only": 'k', "verbose": 'v', "zero": 'z'}, false)
	network, address := "tcp", ""
	switch {
	case err != nil:
	case has(given, 'l'):
		err = errListen
	case has(given, 'U') && len(words) == 1:
		network, address = "unix", c.abs(words[0])
	case has(given, 'U') || len(words) != 2:
		err = errors.New("want HOST PORT, or -U PATH")
	default:
		address = net.JoinHostPort(words[0], words[1])
	}
	if has(given, 'u') {
		network = "udp"
	}
	limit := netTime
	if err == nil && has(given, 'w') {
		limit, err = netLimit(given['w'])
	}
	if err != nil {
		return c.fail(exitUsage, "%v", err)
	}
	conn, err := Dial(c.ctx, network, address, limit)
	if err != nil {
		return c.fail(exitFailed, "%v", err)
	}
	defer conn.Close()
	if has(given, 'v') {
		fmt.Fprintf(c.stderr, "nc: connected to %s\n", address)
	}
	if has(given, 'z') {
		return exitOK
	}
	reply := replyTime
	switch {
	case has(given, 'w'):
		reply = limit
	case network == "udp":
		reply = 0
	}
	if err := c.exchange(conn, limit, reply); err != nil {
		return c.fail(exitFailed, "%v", err)
	}
	return exitOK
}

// exchange sends standard input, each write within limit, and prints what comes back until the other side closes. For a health check
// it is no error if a peer that has accepted the connection keeps it open, for which it waits no longer than reply, or closes it
// without having read everything, as a router with too many connections does.
func (c *call) exchange(conn net.Conn, limit, reply time.Duration) error {
	stop := context.AfterFunc(c.ctx, func() { _ = conn.SetDeadline(time.Now()) })
	defer stop()
	var silence atomic.Int64 // after the input's end
	received := make(chan error, 1)
	go func() { received <- c.receive(conn, &silence) }()
	err := c.sendInput(conn, limit)
	if err != nil {
		reply = 0
	} else if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	silence.Store(int64(reply))
	_ = conn.SetReadDeadline(time.Now().Add(reply))
	if answer := <-received; err == nil && !errors.Is(answer, os.ErrDeadlineExceeded) {
		err = answer
	}
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return err
}

// receive prints what comes until the connection's end or its deadline. A peer that says something gets that much more time.
func (c *call) receive(conn net.Conn, silence *atomic.Int64) error {
	b := make([]byte, 4<<10)
	for {
		n, err := conn.Read(b)
		if _, wrote := c.stdout.Write(b[:n]); wrote != nil {
			return wrote
		}
		if err != nil {
			return notEOF(err)
		}
		if more := time.Duration(silence.Load()); more > 0 {
			_ = conn.SetReadDeadline(time.Now().Add(more))
		}
		if c.ctx.Err() != nil {
			return os.ErrDeadlineExceeded
		}
	}
}

// sendInput sends standard input.
func (c *call) sendInput(conn net.Conn, limit time.Duration) error {
	in, b := c.input(), make([]byte, 32<<10)
	for {
		n, err := in.Read(b)
		_ = conn.SetWriteDeadline(time.Now().Add(limit))
		if _, wrote := conn.Write(b[:n]); wrote != nil {
			return wrote
		}
		if err != nil {
			return notEOF(err)
		}
	}
}

// netLimit parses the seconds of an option.
func netLimit(text string) (time.Duration, error) {
	x, err := strconv.ParseFloat(strings.TrimSuffix(text, "s"), 64)
	if err != nil || x <= 0 || x > maxNetTime.Seconds() {
		return 0, fmt.Errorf("want seconds up to %.0f, got %q", maxNetTime.Seconds(), text)
	}
	return time.Duration(x * float64(time.Second)), nil
}
