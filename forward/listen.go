package forward

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
)

// staleTime is how long removeStale waits for an answer on a socket file that exists already.
const staleTime = time.Second

// New binds the socket of the input forward and returns at once. Clients that connect before Run wait.
func New(opts *Options, d config.Dialect, env input.Env) (input.Input, error) {
	return asInput(listen(opts, d, env))
}

// NewUnix binds the socket of Fluentd's source unix, and makes the socket's folder where it doesn't exist.
func NewUnix(opts *UnixOptions, _ config.Dialect, env input.Env) (input.Input, error) {
	if err := os.MkdirAll(filepath.Dir(opts.Path), 0o755); err != nil {
		return nil, fmt.Errorf("unix: making the socket's folder: %w", err)
	}
	o := &Options{UnixPath: opts.Path, Tag: opts.Tag, SkipInvalid: true, DecompressLimit: defaultInflated}
	return asInput(listen(o, config.Fluentd, env))
}

// NewTCP binds the socket of Fluent Bit's input tcp. Unless the options have a tag, it is env.ID, as in Fluent Bit.
func NewTCP(opts *TCPOptions, _ config.Dialect, env input.Env) (input.Input, error) {
	s, err := listenLines(opts, env)
	if err != nil {
		return nil, fmt.Errorf("tcp: %w", err)
	}
	return s, nil
}

// asInput keeps a nil *Server from becoming an Input that isn't nil.
func asInput(s *Server, err error) (input.Input, error) {
	if err != nil {
		return nil, fmt.Errorf("forward: %w", err)
	}
	return s, nil
}

func listen(opts *Options, d config.Dialect, env input.Env) (*Server, error) {
	t := opts.TLS.settings()
	if d == config.Fluentd {
		t = opts.Transport.settings()
	}
	cfg, err := loadTLS(t)
	if err != nil {
		return nil, err
	}
	var ln net.Listener
	if opts.UnixPath != "" {
		perm, _ := opts.perm() // Check has validated it
		ln, err = listenUnix(opts.UnixPath, perm)
	} else {
		ln, err = listenTCP(opts.Listen, opts.Port)
	}
	if err != nil {
		return nil, err
	}
	s := newServer(ln, cfg, env)
	s.rules, s.auth, s.handle = opts.rules(d), opts.auth(d), (*conn).forward
	if d == config.Fluentd && opts.UnixPath == "" {
		s.listenHeartbeat()
	}
	return s, nil
}

func listenLines(opts *TCPOptions, env input.Env) (*Server, error) {
	cfg, err := loadTLS(opts.TLS.settings())
	if err != nil {
		return nil, err
	}
	r, handle, err := opts.rules(env.ID)
	if err != nil {
		return nil, err
	}
	ln, err := listenTCP(opts.Listen, opts.Port)
	if err != nil {
		return nil, err
	}
	s := newServer(ln, cfg, env)
	s.rules, s.handle = r, handle
	return s, nil
}

// rules are the options as connections use them, and the method that reads a connection.
func (o *TCPOptions) rules(id string) (rules, func(*conn) error, error) {
	sep, err := unescape(o.Separator)
	if err != nil {
		return rules{}, nil, err
	}
	limit, err := kibibytes(o.BufferSize)
	if err != nil {
		return rules{}, nil, fmt.Errorf("buffer_size: %w", err)
	}
	r := rules{tag: []byte(cmp.Or(o.Tag, id)), event: limit, addressKey: o.SourceAddress, separator: sep}
	if strings.EqualFold(o.Format, "none") {
		return r, (*conn).rawLines, nil
	}
	return r, (*conn).jsonLines, nil
}

// Listens implements input.Listener.
func (o *Options) Listens(config.Dialect) []input.Address {
	if o.UnixPath != "" {
		return []input.Address{input.Unix(o.UnixPath)}
	}
	return []input.Address{input.TCP(o.Listen, o.Port)}
}

// Listens implements input.Listener.
func (o *UnixOptions) Listens(config.Dialect) []input.Address {
	return []input.Address{input.Unix(o.Path)}
}

// Listens implements input.Listener: ECS's health check sends its line here.
func (o *TCPOptions) Listens(config.Dialect) []input.Address {
	a := input.TCP(o.Listen, o.Port)
	a.Health = true
	return []input.Address{a}
}

func loadTLS(t *serverTLS) (*tls.Config, error) {
	if t == nil {
		return nil, nil
	}
	return t.load()
}

func listenTCP(host string, port int) (net.Listener, error) { // with TCP keepalive, Go's default
	return net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
}

// listenUnix replaces a socket that another process has left, and nothing else. perm 0 leaves the permissions to the
// umask.
func listenUnix(path string, perm fs.FileMode) (net.Listener, error) {
	if err := removeStale(path); err != nil {
		return nil, err
	}
	ln, err := net.Listen("unix", path)
	if err != nil || perm == 0 {
		return ln, err
	}
	if err := os.Chmod(path, perm); err != nil {
		return nil, errors.Join(fmt.Errorf("setting the socket's permissions: %w", err), ln.Close())
	}
	return ln, nil
}

// removeStale removes a socket on which no process listens.
func removeStale(path string) error {
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("checking for an old socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s exists and is not a socket; use another path", path)
	}
	c, err := net.DialTimeout("unix", path, staleTime)
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

// perm is unix_perm, 0 where it isn't given.
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

// kibibytes is a size in bytes, read as Fluent Bit's input tcp does: the leading digits, in KiB. An empty text is
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
