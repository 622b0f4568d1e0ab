package forward

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"net"
	"strings"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/serve"
	"github.com/firelane/firelane/record"
)

// UnixSocketOptions are those of Fluent Bit's input unix_socket: its input tcp, on a unix socket. Its sizes are numbers of KiB.
type UnixSocketOptions struct {
	Path       string `fluentbit:"socket_path" required:"true" help:"socket file to listen on"`
	Mode       string `fluentbit:"socket_mode" oneof:"STREAM,DGRAM" default:"STREAM" help:"STREAM: connections; DGRAM: datagrams"`
	Perm       string `fluentbit:"socket_permissions" help:"permissions of the socket file, octal: 0644"`
	Format     string `fluentbit:"format" oneof:"json,none" default:"json" help:"json: a stream of JSON values, also several on a line or one on several lines; none: each line is a record of one field, log"`
	Separator  string `fluentbit:"separator" default:"\\n" help:"what ends a line where format is none; \\n, \\t, \\r, \\0 and \\xNN are known"`
	ChunkSize  string `fluentbit:"chunk_size" default:"32" help:"accepted; buffers grow as they must"`
	BufferSize string `fluentbit:"buffer_size" help:"longest value or line of a connection, in KiB; 1024 unless written"`

	Tag string `fluentbit:"tag" help:"tag of every event; unless written, the name of the input"`
	serve.TLS
	input.CommonOptions
}

// lines are the options as those of the input tcp.
func (o *UnixSocketOptions) lines() *TCPOptions {
	return &TCPOptions{Format: o.Format, Separator: o.Separator, ChunkSize: o.ChunkSize, BufferSize: o.BufferSize, Tag: o.Tag, TLS: o.TLS}
}

// Check implements config's check after binding.
func (o *UnixSocketOptions) Check(d config.Dialect) error {
	if _, err := o.perm(); err != nil {
		return err
	}
	return o.lines().Check(d)
}

func (o *UnixSocketOptions) perm() (fs.FileMode, error) {
	return serve.Permissions("socket_permissions", o.Perm)
}

// Listens implements input.Listener.
func (o *UnixSocketOptions) Listens(config.Dialect) []input.Address {
	return []input.Address{input.Unix(o.Path)}
}

// NewUnixSocket binds the socket of Fluent Bit's unix_socket and returns at once.
func NewUnixSocket(o *UnixSocketOptions, _ config.Dialect, env input.Env) (in input.Input, err error) {
	perm, _ := o.perm() // Check has validated it
	if strings.EqualFold(o.Mode, "DGRAM") {
		in, err = o.datagrams(env, perm)
	} else {
		in, err = serveLines(o.lines(), env, func() (net.Listener, error) { return serve.ListenUnix(env, o.Path, perm) })
	}
	if err != nil {
		return nil, fmt.Errorf("unix_socket: %w", err)
	}
	return in, nil
}

func (o *UnixSocketOptions) datagrams(env input.Env, perm fs.FileMode) (input.Input, error) {
	sep, err := serve.Separator(o.Separator)
	if err != nil {
		return nil, err
	}
	conn, err := serve.ListenUnixgram(env, o.Path, perm, 0)
	if err != nil {
		return nil, err
	}
	d := &datagrams{log: env.Log, tag: []byte(cmp.Or(o.Tag, env.DefaultTag())), separator: sep, asText: strings.EqualFold(o.Format, "none")}
	return serve.NewPackets(conn, d.take, env)
}

// datagrams takes datagrams, of whole values or lines.
type datagrams struct {
	log        zerolog.Logger
	tag        []byte
	separator  []byte
	asText     bool
	body, more []byte
}

// notJSON is the reason for which the rest of a datagram is rejected.
const notJSON = "not JSON, or no object or array"

func (d *datagrams) take(recv input.Receiver, msg []byte, _ func() string) {
	if d.asText {
		for line := range bytes.SplitSeq(msg, d.separator) {
			if len(line) > 0 {
				d.body = record.AppendStrBytes(record.AppendStr(record.AppendMapHeader(d.body[:0], 1), "log"), line)
				recv.Add(d.tag, now(), d.body)
			}
		}
	} else {
		d.values(recv, msg)
	}
	if cap(d.body) > readSize {
		d.body = nil
	}
	if cap(d.more) > readSize {
		d.more = nil
	}
}

// values takes JSON values: an object becomes a record, an array the field msg of one.
func (d *datagrams) values(recv input.Receiver, msg []byte) {
	for rest := bytes.TrimSpace(msg); len(rest) > 0; {
		body, after, err := record.NextFromJSON(d.body[:0], rest)
		kind := record.KindNil
		if err == nil {
			d.body, kind = body, record.KindOf(body[0])
		}
		switch kind {
		case record.KindMap:
			recv.Add(d.tag, now(), body)
		case record.KindArray:
			d.more = append(record.AppendStr(record.AppendMapHeader(d.more[:0], 1), "msg"), body...)
			if _, err := record.Check(d.more); err != nil { // an array is nested one level deeper than it was
				d.reject(recv, rest, err)
				return
			}
			recv.Add(d.tag, now(), d.more)
		default:
			d.reject(recv, rest, err)
			return
		}
		rest = after
	}
}

func (d *datagrams) reject(recv input.Receiver, rest []byte, err error) {
	recv.Reject(1, notJSON)
	d.log.Warn().Err(err).Int("bytes", len(rest)).Msg("a datagram has something other than JSON objects: the rest of it is skipped; see the option format")
}
