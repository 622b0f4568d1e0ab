package admin

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// localName begins the names of routers' sockets, which are in Linux's abstract namespace: they need no folder that can be written to,
// and end with the process. After it are the mount namespace, which is the container's own where containers share the network, and
// the process's ID.
const localName = "@firelane:"

// localPrefix begins the names of the sockets of this container's routers.
func localPrefix() string {
	mount, _ := os.Readlink("/proc/self/ns/mnt") // mnt:[4026531841]
	return localName + strings.Trim(strings.TrimPrefix(mount, "mnt:"), "[]") + ":"
}

// ListenLocal listens on this process's socket for `firelane top` and `firelane tail`. Only root and the user of this process, in this
// container or in one that shares its process IDs, can connect.
func ListenLocal() (net.Listener, error) {
	name := localPrefix() + strconv.Itoa(os.Getpid())
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", name, err)
	}
	return &localListener{ln}, nil
}

// A localListener closes, at once, connections of processes that may not connect.
type localListener struct{ *net.UnixListener }

// Accept implements net.Listener.
func (l *localListener) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if mayLook(c) {
			return c, nil
		}
		_ = c.Close()
	}
}

// mayLook reports whether the process at the other end of c may see log records: one of root or of this process's user. A process of
// another container has no ID in this one, and could belong to anybody.
func mayLook(c *net.UnixConn) bool {
	peer := peerOf(c)
	return peer.Pid != 0 && (peer.Uid == 0 || int(peer.Uid) == syscall.Geteuid())
}

// peerOf returns the process at the other end of c; its Pid is 0 if that isn't known.
func peerOf(c *net.UnixConn) (peer unix.Ucred) {
	raw, err := c.SyscallConn()
	if err != nil {
		return peer
	}
	_ = raw.Control(func(fd uintptr) {
		if found, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			peer = *found
		}
	})
	return peer
}

// LocalRouters returns the IDs of the processes in this container that ListenLocal.
func LocalRouters() ([]int, error) {
	f, err := os.Open("/proc/net/unix")
	if err != nil {
		return nil, fmt.Errorf("looking for a running router: %w", err)
	}
	defer f.Close()
	prefix := localPrefix()
	var pids []int
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text()) // Num RefCount Protocol Flags Type St Inode Path
		if len(fields) < 8 || fields[3] != "00010000" {
			continue // no listener: each connection has a line, too
		}
		if digits, ok := strings.CutPrefix(fields[7], prefix); ok {
			if pid, err := strconv.Atoi(digits); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids, nil
}

// DialLocal connects to the router that is the process pid. Anybody who shares the network can take a free name; so it is an error if
// another process listens there.
func DialLocal(ctx context.Context, pid int) (net.Conn, error) {
	var d net.Dialer
	name := localPrefix() + strconv.Itoa(pid)
	c, err := d.DialContext(ctx, "unix", name)
	if err != nil {
		return nil, err
	}
	if peer := peerOf(c.(*net.UnixConn)); int(peer.Pid) != pid {
		_ = c.Close()
		return nil, fmt.Errorf("process %d listens on %s", peer.Pid, name)
	}
	return c, nil
}
