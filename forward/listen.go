package forward

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
)

// Listen binds what opts says and returns at once; Serve answers. Clients that connect in between wait.
func Listen(ctx context.Context, opts *Options, d config.Dialect, log zerolog.Logger) (*Server, error) {
	t := opts.TLS.settings()
	if d == config.Fluentd {
		t = opts.Transport.settings()
	}
	cfg, err := loadTLS(t)
	if err != nil {
		return nil, fmt.Errorf("forward: %w", err)
	}
	var ln net.Listener
	if opts.UnixPath != "" {
		perm, _ := opts.perm() // Check has seen it
		ln, err = listenUnix(ctx, opts.UnixPath, perm)
	} else {
		ln, err = listenTCP(ctx, opts.Listen, opts.Port)
	}
	if err != nil {
		return nil, fmt.Errorf("forward: %w", err)
	}
	s := newServer(ln, cfg, log)
	s.rules = opts.rules(d)
	s.auth = opts.auth(d)
	s.handle = (*conn).forward
	if d == config.Fluentd && opts.UnixPath == "" {
		s.listenHeartbeat(ctx)
	}
	return s, nil
}

// ListenUnix binds the socket of Fluentd's source unix, whose folder is made.
func ListenUnix(ctx context.Context, opts *UnixOptions, log zerolog.Logger) (*Server, error) {
	if err := os.MkdirAll(filepath.Dir(opts.Path), 0o755); err != nil {
		return nil, fmt.Errorf("unix: making the socket's folder: %w", err)
	}
	o := &Options{UnixPath: opts.Path, Tag: opts.Tag, SkipInvalid: true, DecompressLimit: defaultInflated}
	return Listen(ctx, o, config.Fluentd, log)
}

// ListenTCP binds Fluent Bit's input tcp. opts.Tag must be set.
func ListenTCP(ctx context.Context, opts *TCPOptions, log zerolog.Logger) (*Server, error) {
	cfg, err := loadTLS(opts.TLS.settings())
	if err != nil {
		return nil, fmt.Errorf("tcp: %w", err)
	}
	sep, err := unescape(opts.Separator)
	if err != nil {
		return nil, fmt.Errorf("tcp: %w", err)
	}
	limit, err := kibibytes(opts.BufferSize)
	if err != nil {
		return nil, fmt.Errorf("tcp: buffer_size: %w", err)
	}
	ln, err := listenTCP(ctx, opts.Listen, opts.Port)
	if err != nil {
		return nil, fmt.Errorf("tcp: %w", err)
	}
	s := newServer(ln, cfg, log)
	s.rules = rules{name: "tcp", tag: []byte(opts.Tag), event: limit, addressKey: opts.SourceAddress, separator: sep}
	s.handle = (*conn).jsonLines
	if strings.EqualFold(opts.Format, "none") {
		s.handle = (*conn).rawLines
	}
	return s, nil
}

func loadTLS(t *serverTLS) (*tls.Config, error) {
	if t == nil {
		return nil, nil
	}
	return t.load()
}

func listenTCP(ctx context.Context, host string, port int) (net.Listener, error) {
	var lc net.ListenConfig // probes idle connections by default
	return lc.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
}

// listenUnix replaces a socket that another process has left behind, and nothing else. perm 0 leaves the permissions to
// the umask.
func listenUnix(ctx context.Context, path string, perm fs.FileMode) (net.Listener, error) {
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("looking for an old socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("%s exists and is not a socket: another path would be right", path)
	default:
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("removing the old socket: %w", err)
		}
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "unix", path)
	if err != nil || perm == 0 {
		return ln, err
	}
	if err := os.Chmod(path, perm); err != nil {
		return nil, errors.Join(fmt.Errorf("setting the socket's permissions: %w", err), ln.Close())
	}
	return ln, nil
}

// perm is unix_perm, 0 where it isn't written.
func (o *Options) perm() (fs.FileMode, error) {
	if o.UnixPerm == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(o.UnixPerm, 8, 9)
	if err != nil {
		return 0, &config.OptionError{Option: "unix_perm", Reason: "must be octal permissions: 0644"}
	}
	return fs.FileMode(n), nil
}

// kibibytes reads a size as Fluent Bit's input tcp does: the digits that it begins with, in KiB; into bytes. Nothing is
// defaultLine.
func kibibytes(s string) (int, error) {
	if s == "" {
		return defaultLine, nil
	}
	digits := s
	if i := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		digits = s[:i]
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || n > maxEvent>>10 {
		return 0, fmt.Errorf("must be a number of KiB from 1 to %d", maxEvent>>10)
	}
	return n << 10, nil
}

// unescape reads a separator's escapes.
func unescape(s string) ([]byte, error) {
	if s == "" {
		return []byte{'\n'}, nil
	}
	if strings.Contains(s, `\0`) {
		s = strings.ReplaceAll(s, `\0`, `\x00`)
	}
	out, err := strconv.Unquote(`"` + strings.ReplaceAll(s, `"`, `\"`) + `"`)
	if err != nil {
		return nil, &config.OptionError{Option: "separator", Reason: `must be text with the escapes \n, \t, \r, \0 and \xNN`}
	}
	return []byte(out), nil
}
