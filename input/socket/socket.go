package socket

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
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
	unparsed = "message can't be parsed"
	stranger = "client not allowed"
)

// rules are the options as messages use them.
type rules struct {
	log    zerolog.Logger
	opts   *Common
	tag    []byte
	parser *parse.Extractor
}

func newRules(o *Common, env input.Env) (*rules, error) {
	parser, err := o.Extract.Extractor(o.Parse)
	return &rules{log: env.Log, opts: o, tag: []byte(o.Tag), parser: parser}, err
}

// NewTCP binds the socket of Fluentd's tcp and returns at once.
func NewTCP(o *TCPOptions, _ config.Dialect, env input.Env) (input.Input, error) {
	r, err := newRules(&o.Common, env)
	if err != nil {
		return nil, fmt.Errorf("tcp: %w", err)
	}
	secure, err := o.Transport.Config()
	if err != nil {
		return nil, fmt.Errorf("tcp: %w", err)
	}
	allowed, err := o.allowed()
	if err != nil {
		return nil, fmt.Errorf("tcp: %w", err)
	}
	ln, err := serve.ListenTCP(env, o.Bind, o.Port)
	if err != nil {
		return nil, fmt.Errorf("tcp: %w", err)
	}
	return serve.NewStream(ln, serve.StreamConfig{
		TLS: secure, Limit: int(max(o.Limit, 0)), Delimiter: o.Delimiter,
		Begin: func(nc net.Conn) serve.Taker {
			address, _, _ := net.SplitHostPort(nc.RemoteAddr().String())
			if !mayConnect(allowed, address) {
				env.Log.Warn().Str("peer", address).Msg("a client is not in <security>: its connection is closed")
				nc.Close()
				return func(recv input.Receiver, _ []byte) { recv.Reject(1, stranger) }
			}
			return (&taker{rules: r, parser: *r.parser, address: address}).take
		},
	}, env), nil
}

// mayConnect reports whether a client may connect. allowed nil means all.
func mayConnect(allowed []netip.Prefix, address string) bool {
	if allowed == nil {
		return true
	}
	addr, err := netip.ParseAddr(address)
	return err == nil && slices.ContainsFunc(allowed, func(p netip.Prefix) bool { return p.Contains(addr.Unmap().WithZone("")) })
}

// A taker takes the messages of one connection.
type taker struct {
	*rules
	parser  parse.Extractor
	address string
	body    []byte
	more    []byte
}

// maxKept is how many bytes of a buffer are kept for the next message.
const maxKept = 16 << 10

// take adds a message, or rejects it.
func (t *taker) take(recv input.Receiver, msg []byte) {
	now := time.Now()
	at := record.Time{Sec: uint32(now.Unix()), Nsec: uint32(now.Nanosecond())}
	body, tag, ok := t.parser.Parse(t.body[:0], msg, t.tag, &at)
	if t.body = body; cap(body) > maxKept {
		t.body = nil
	}
	if ok {
		body = t.withAddress(body)
	}
	if n, err := record.Check(body); !ok || err != nil || n != len(body) {
		t.reject(recv, unparsed, msg)
		return
	}
	recv.Add(tag, at, body)
}

// withAddress adds the fields of the sender's address.
func (t *taker) withAddress(body []byte) []byte {
	keys := [2]string{t.opts.AddressKey, t.opts.HostnameKey}
	more := 0
	for _, key := range keys {
		if key != "" && t.address != "" {
			more++
		}
	}
	n, members, err := record.MapHeader(body)
	if err != nil || more == 0 {
		return body
	}
	b := append(record.AppendMapHeader(t.more[:0], n+more), members...)
	for _, key := range keys {
		if key != "" {
			b = record.AppendStr(record.AppendStr(b, key), t.address)
		}
	}
	if t.more = b; cap(b) > maxKept {
		t.more = nil
	}
	return b
}

func (t *taker) reject(recv input.Receiver, reason string, msg []byte) {
	recv.Reject(1, reason)
	t.log.Warn().Str("reason", reason).Str("peer", t.address).Int("bytes", len(msg)).
		Msg("a message is refused: it is not in the format of <parse>")
}
