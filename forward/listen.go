package forward

import (
	"cmp"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/serve"
)

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

// NewTCP binds the socket of Fluent Bit's input tcp. Unless the options have a tag, it is the default tag, as in Fluent Bit.
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
	cfg, err := opts.TLS.Config()
	if d == config.Fluentd {
		cfg, err = opts.Transport.Config()
	}
	if err != nil {
		return nil, err
	}
	var ln net.Listener
	if opts.UnixPath != "" {
		perm, _ := opts.perm() // Check has validated it
		ln, err = serve.ListenUnix(env, opts.UnixPath, perm)
	} else {
		ln, err = serve.ListenTCP(env, opts.Listen, opts.Port)
	}
	if err != nil {
		return nil, err
	}
	s := newServer(ln, cfg, env)
	s.rules, s.auth, s.handle = opts.rules(d), opts.auth(d), (*conn).forward
	if d == config.Fluentd && opts.UnixPath == "" {
		s.listenHeartbeat(env)
	}
	return s, nil
}

func listenLines(opts *TCPOptions, env input.Env) (*Server, error) {
	return serveLines(opts, env, func() (net.Listener, error) { return serve.ListenTCP(env, opts.Listen, opts.Port) })
}

// serveLines makes the server of JSON values or lines on the connections of a listener.
func serveLines(opts *TCPOptions, env input.Env, listen func() (net.Listener, error)) (*Server, error) {
	cfg, err := opts.TLS.Config()
	if err != nil {
		return nil, err
	}
	r, handle, err := opts.rules(env.DefaultTag())
	if err != nil {
		return nil, err
	}
	ln, err := listen()
	if err != nil {
		return nil, err
	}
	s := newServer(ln, cfg, env)
	s.rules, s.handle = r, handle
	return s, nil
}

// rules are the options as connections use them, and the method that reads a connection.
func (o *TCPOptions) rules(id string) (rules, func(*conn) error, error) {
	sep, err := serve.Separator(o.Separator)
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

// perm is unix_perm, 0 where it isn't given.
func (o *Options) perm() (fs.FileMode, error) { return serve.Permissions("unix_perm", o.UnixPerm) }

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
