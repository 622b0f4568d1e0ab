package syslog

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/serve"
	"github.com/firelane/firelane/parse"
	"github.com/firelane/firelane/record"
)

// Reasons for which messages are refused.
const (
	unparsed   = "message can't be parsed"
	noPriority = "no priority"
)

// New binds the socket and returns at once.
func New(o *Options, d config.Dialect, env input.Env) (input.Input, error) {
	in, err := listen(o, d, env)
	if err != nil {
		return nil, fmt.Errorf("syslog: %w", err)
	}
	return in, nil
}

func listen(o *Options, d config.Dialect, env input.Env) (input.Input, error) {
	r, err := newRules(o, d, env)
	if err != nil {
		return nil, err
	}
	perm, _ := o.perm() // Check has validated it
	receive := o.ReceiveSize
	if o.Transport != nil {
		receive = o.Transport.RecvBuffer
	}
	switch network := o.network(d); network {
	case "udp", "unixgram":
		var conn net.PacketConn
		if network == "udp" {
			conn, err = serve.ListenUDP(env, o.Listen, o.Port, int(receive))
		} else {
			conn, err = serve.ListenUnixgram(env, o.Path, perm, int(receive))
		}
		if err != nil {
			return nil, err
		}
		m := r.taker("")
		return serve.NewPackets(conn, func(recv input.Receiver, msg []byte, from func() string) {
			if r.needsAddress() {
				m.address = from()
			}
			if r.fluentd {
				msg = chomp(msg)
			}
			m.take(recv, msg)
		}, env)
	case "unix":
		ln, err := serve.ListenUnix(env, o.Path, perm)
		return o.stream(ln, err, nil, r, d, env)
	}
	var secure *tls.Config
	if d == config.Fluentd {
		secure, err = o.Transport.tls().Config()
	} else {
		secure, err = o.TLS.Config()
	}
	if err != nil {
		return nil, err
	}
	ln, err := serve.ListenTCP(env, o.Listen, o.Port)
	return o.stream(ln, err, secure, r, d, env)
}

func (o *Options) stream(ln net.Listener, err error, secure *tls.Config, r *rules, d config.Dialect, env input.Env) (input.Input, error) {
	if err != nil {
		return nil, err
	}
	return serve.NewStream(ln, serve.StreamConfig{
		TLS: secure, Framing: o.framing(d), Limit: o.limit(d),
		Begin: func(nc net.Conn) serve.Taker {
			address, _, err := net.SplitHostPort(nc.RemoteAddr().String())
			if err != nil { // a client of a unix socket has none
				address = ""
			}
			return r.taker(address).take
		},
	}, env), nil
}

// rules are the options as messages use them.
type rules struct {
	log     zerolog.Logger
	opts    *Options
	fluentd bool
	tag     []byte
	parser  *parse.Parser
	whole   bool // Fluentd: the parser takes the priority, too
}

func newRules(o *Options, d config.Dialect, env input.Env) (*rules, error) {
	r := &rules{log: env.Log, opts: o, fluentd: d == config.Fluentd, tag: []byte(cmp.Or(o.Tag, env.DefaultTag()))}
	var err error
	if r.fluentd {
		spec := o.Parse.spec()
		r.whole = spec.WithPriority
		r.parser, err = spec.Parser(false)
		return r, err
	}
	name := o.Parser
	if name == "" {
		name = "syslog-rfc5424"
		if n := o.network(d); n == "unix" || n == "unixgram" {
			name = "syslog-rfc3164-local"
		}
	}
	r.parser, err = parse.Find(name, parse.Env{Parsers: env.Parsers, Log: env.Log})
	return r, err
}

func (r *rules) needsAddress() bool { return r.opts.AddressKey != "" || r.opts.HostnameKey != "" }

// A taker takes the messages of one connection or socket.
type taker struct {
	*rules
	address string
	body    []byte
	more    []byte
	tagged  []byte
}

func (r *rules) taker(address string) *taker { return &taker{rules: r, address: address} }

// take adds a message, or rejects it.
func (m *taker) take(recv input.Receiver, msg []byte) {
	if m.fluentd {
		m.takeFluentd(recv, msg)
		return
	}
	at := now()
	body, ok := m.parser.Parse(m.body[:0], msg, &at)
	if ok {
		body = m.with(body, m.opts.RawKey, msg)
		body = m.with(body, m.opts.AddressKey, []byte(m.address))
	}
	m.keep(body)
	if !ok || !valid(body) {
		m.reject(recv, unparsed, msg)
		return
	}
	recv.Add(m.tag, at, body)
}

// valid reports whether a parser has made what a Receiver takes: decoded fields may be nested deeper than it does.
func valid(body []byte) bool {
	n, err := record.Check(body)
	return err == nil && n == len(body)
}

// maxKept is how many bytes of a buffer are kept for the next message.
const maxKept = 16 << 10

func (m *taker) keep(body []byte) {
	if m.body = body; cap(body) > maxKept {
		m.body = nil
	}
}

// with adds a field to body, unless its key or value is empty.
func (m *taker) with(body []byte, key string, value []byte) []byte {
	if key == "" || len(value) == 0 {
		return body
	}
	n, members, err := record.MapHeader(body)
	if err != nil {
		return body // impossible: a parser has made it
	}
	b := append(record.AppendMapHeader(m.more[:0], n+1), members...)
	b = record.AppendStrBytes(record.AppendStr(b, key), value)
	if m.more = body; cap(body) > maxKept {
		m.more = nil
	}
	return b
}

func (m *taker) reject(recv input.Receiver, reason string, msg []byte) {
	recv.Reject(1, reason)
	m.log.Warn().Str("reason", reason).Str("peer", m.address).Int("bytes", len(msg)).
		Msg("a message is not in the format of the parser: skipped; choose another one with the option parser, or <parse>")
}

func now() record.Time {
	t := time.Now()
	return record.Time{Sec: uint32(t.Unix()), Nsec: uint32(t.Nanosecond())}
}
