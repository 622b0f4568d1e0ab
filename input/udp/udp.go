package udp

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/serve"
	"github.com/firelane/firelane/parse"
	"github.com/firelane/firelane/record"
)

// Reasons for which input is refused.
const (
	notJSON  = "not JSON"
	notMap   = "not a JSON object or array"
	unparsed = "message can't be parsed"
)

// maxKept is how many bytes of a buffer are kept for the next datagram.
const maxKept = 16 << 10

// New binds the socket and returns at once.
func New(o *Options, d config.Dialect, env input.Env) (input.Input, error) {
	t, err := newTaker(o, d, env)
	if err != nil {
		return nil, fmt.Errorf("udp: %w", err)
	}
	receive := o.ReceiveSize
	if o.Transport != nil {
		receive = cmp.Or(o.Transport.RecvBuffer, receive)
	}
	conn, err := serve.ListenUDP(env, o.Listen, o.Port, int(receive))
	if err != nil {
		return nil, fmt.Errorf("udp: %w", err)
	}
	return serve.NewPackets(conn, t.take, env)
}

// A taker takes datagrams.
type taker struct {
	log       zerolog.Logger
	opts      *Options
	tag       []byte
	separator []byte
	parser    *parse.Parser    // Fluent Bit's; nil: none
	extractor *parse.Extractor // Fluentd's
	datagram  func(recv input.Receiver, msg []byte)

	address    string // of the sender, if a field gets it
	body, more []byte
}

func newTaker(o *Options, d config.Dialect, env input.Env) (*taker, error) {
	t := &taker{log: env.Log, opts: o, tag: []byte(cmp.Or(o.Tag, env.DefaultTag()))}
	var err error
	if d == config.Fluentd {
		if o.Parse == nil {
			return nil, parse.ErrNoSpec
		}
		t.datagram = t.parsed
		t.extractor, err = o.Extract.Extractor(o.Parse)
		return t, err
	}
	if t.separator, err = serve.Separator(o.Separator); err != nil {
		return nil, err
	}
	t.datagram = t.values
	if o.Format == "none" || o.Parser != "" {
		t.datagram = t.lines
	}
	if o.Parser != "" {
		t.parser, err = parse.Find(o.Parser, parse.Env{Parsers: env.Parsers, Log: env.Log})
	}
	return t, err
}

func (t *taker) take(recv input.Receiver, msg []byte, from func() string) {
	if t.opts.AddressKey != "" || t.opts.HostnameKey != "" {
		t.address = from()
	}
	t.datagram(recv, msg)
	if cap(t.body) > maxKept {
		t.body = nil
	}
	if cap(t.more) > maxKept {
		t.more = nil
	}
}

// values takes JSON values: an object becomes a record, an array the field msg of one, as in the input tcp.
func (t *taker) values(recv input.Receiver, msg []byte) {
	for rest := bytes.TrimSpace(msg); len(rest) > 0; {
		out, after, err := record.NextFromJSON(t.body[:0], rest)
		if err != nil {
			t.reject(recv, notJSON, rest, err)
			return
		}
		t.body, rest = out, after
		switch record.KindOf(out[0]) {
		case record.KindMap:
			t.add(recv, now(), out)
		case record.KindArray:
			t.more = append(record.AppendStr(record.AppendMapHeader(t.more[:0], 1), "msg"), out...)
			t.body, t.more = t.more, t.body
			if !valid(t.body) { // it is nested one level deeper than the array
				t.reject(recv, notJSON, msg, record.ErrDepth)
				return
			}
			t.add(recv, now(), t.body)
		default:
			t.reject(recv, notMap, msg, nil)
			return
		}
	}
}

// lines takes lines; empty ones are skipped.
func (t *taker) lines(recv input.Receiver, msg []byte) {
	for len(msg) > 0 {
		line, rest, _ := bytes.Cut(msg, t.separator)
		msg = rest
		if len(line) == 0 {
			continue
		}
		at := now()
		if t.parser != nil {
			if body, ok := t.parser.Parse(t.body[:0], line, &at); ok && valid(body) {
				t.body = body
				t.add(recv, at, body)
				continue
			}
			at = now()
		}
		t.body = record.AppendStrBytes(record.AppendStr(record.AppendMapHeader(t.body[:0], 1), "log"), line)
		t.add(recv, at, t.body)
	}
}

// parsed takes a datagram as Fluentd does: it is one message.
func (t *taker) parsed(recv input.Receiver, msg []byte) {
	if t.opts.Chomp {
		msg = bytes.TrimSuffix(bytes.TrimSuffix(msg, []byte("\n")), []byte("\r"))
	}
	at := now()
	body, tag, ok := t.extractor.Parse(t.body[:0], msg, t.tag, &at)
	if !ok || !valid(body) {
		t.reject(recv, unparsed, msg, nil)
		return
	}
	t.body = body
	t.addTagged(recv, tag, at, body)
}

func (t *taker) add(recv input.Receiver, at record.Time, body []byte) {
	t.addTagged(recv, t.tag, at, body)
}

// addTagged adds a record, with the sender's address.
func (t *taker) addTagged(recv input.Receiver, tag []byte, at record.Time, body []byte) {
	for _, key := range [...]string{t.opts.AddressKey, t.opts.HostnameKey} {
		n, members, err := record.MapHeader(body)
		if key == "" || t.address == "" || err != nil {
			continue
		}
		with := append(record.AppendMapHeader(t.more[:0], n+1), members...)
		t.more = body
		body = record.AppendStr(record.AppendStr(with, key), t.address)
		t.body = body
	}
	recv.Add(tag, at, body)
}

func (t *taker) reject(recv input.Receiver, reason string, msg []byte, err error) {
	recv.Reject(1, reason)
	if err == nil {
		err = errors.New(reason)
	}
	t.log.Warn().Err(err).Int("bytes", len(msg)).Msg("a datagram is not in the format of the input: skipped; see the options format and parser, or <parse>")
}

// valid reports whether a parser has made what a Receiver takes: decoded fields may be nested deeper than it does.
func valid(body []byte) bool {
	n, err := record.Check(body)
	return err == nil && n == len(body)
}

func now() record.Time {
	t := time.Now()
	return record.Time{Sec: uint32(t.Unix()), Nsec: uint32(t.Nanosecond())}
}
