package serve

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
)

// staleTime is how long removeStale waits for an answer on a socket file that exists already.
const staleTime = time.Second

// ListenTCP listens on host and port, with TCP keepalive, Go's default.
func ListenTCP(env input.Env, host string, port int) (net.Listener, error) {
	return listen(env, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
}

// ListenUnix replaces a socket that another process has left, and nothing else. perm 0 leaves the permissions to the
// umask.
func ListenUnix(env input.Env, path string, perm fs.FileMode) (net.Listener, error) {
	ln, err := listen(env, "unix", path)
	if err != nil || perm == 0 {
		return ln, err
	}
	if err := os.Chmod(path, perm); err != nil {
		return nil, errors.Join(fmt.Errorf("setting the socket's permissions: %w", err), ln.Close())
	}
	return ln, nil
}

// listen listens on an address. A socket of env.Sockets is taken over.
func listen(env input.Env, network, address string) (ln net.Listener, err error) {
	key := network + " " + address
	f := env.Sockets.Inherit(key)
	if f != nil {
		ln, err = net.FileListener(f)
		_ = f.Close() // ln has a duplicate
	} else {
		if network == "unix" {
			err = removeStale(network, address)
		}
		if err == nil {
			ln, err = net.Listen(network, address)
		}
	}
	if err != nil {
		return nil, err
	}
	switch l := ln.(type) {
	case *net.UnixListener:
		env.Sockets.Add(key, env.ID, l)
	case *net.TCPListener:
		env.Sockets.Add(key, env.ID, noFile{l})
	}
	return ln, nil
}

// noFile is a socket without a file.
type noFile struct {
	socket interface{ File() (*os.File, error) }
}

func (n noFile) File() (*os.File, error) { return n.socket.File() }
func (noFile) SetUnlinkOnClose(bool)     {}

// removeStale removes a socket on which no process listens.
func removeStale(network, path string) error {
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("checking for an old socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s exists and is not a socket; use another path", path)
	}
	c, err := net.DialTimeout(network, path, staleTime)
	if err == nil {
		c.Close()
	}
	// Only a refused connection shows that nobody listens. Other errors, such as that of a full backlog, don't.
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return errors.Join(fmt.Errorf("%s is in use: another process answers there; stop it or use another path", path), err)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("removing the old socket: %w", err)
	}
	return nil
}

// Permissions reads the octal permissions of an option, 0 where it isn't written.
func Permissions(option, value string) (fs.FileMode, error) {
	if value == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(value, 8, 9)
	if err != nil {
		return 0, &config.OptionError{Option: option, Reason: "must be octal permissions: 0644", Instead: config.NotWritten}
	}
	return fs.FileMode(n), nil
}
