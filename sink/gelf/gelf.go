// Package gelf is the destination that sends records to Graylog and others as messages of GELF 1.1, by UDP, TCP or TLS. It
// implements Fluent Bit's gelf, and that of Fluentd.
//
// A server doesn't answer. By TCP and TLS records count as delivered when its host has acknowledged them (dial.Peer): a record
// may arrive twice, and what the server had not read yet when it died is lost. By UDP they are delivered at most once.
package gelf

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"syscall"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dial"
	"github.com/firelane/firelane/sink/format"
	"github.com/firelane/firelane/sink/httpsend"
)

// Destination sends to a GELF server.
type Destination struct {
	format   format.Func
	peer     *dial.Peer
	udp      bool
	packet   int
	compress bool
	gzip     *httpsend.Gzip
}

// New makes the destination that the options describe. It connects to nothing.
func New(o *Options, d config.Dialect, env sink.Env) (sink.Destination, error) {
	made, err := newDestination(o, d, env)
	if err != nil {
		return nil, err
	}
	keys := format.GELFKeys{Short: o.ShortKey, Full: o.FullKey, Host: o.HostKey, Timestamp: o.TimestampKey, Level: o.LevelKey, Tag: o.TagKey}
	made.format = format.GELF(keys, env.Hostname, o.end())
	return made, nil
}

// end is what ends a message.
func (o *Options) end() string {
	if o.Mode != "udp" {
		return "\x00"
	}
	return ""
}

// peerConfig says how to reach the server.
func (o *Options) peerConfig(d config.Dialect, env sink.Env) dial.PeerConfig {
	c := dial.PeerConfig{Network: "tcp", Host: o.Host, Port: o.Port, Secure: o.secure(), Net: &o.NetOptions, TLS: &o.TLSOptions, Dialect: d, Log: env.Log}
	if o.Mode == "udp" {
		c.Network, c.Secure = "udp", false
	}
	return c
}

// newDestination makes a destination that can't encode yet.
func newDestination(o *Options, d config.Dialect, env sink.Env) (*Destination, error) {
	p, err := dial.NewPeer(o.peerConfig(d, env))
	if err != nil {
		return nil, err
	}
	return &Destination{peer: p, udp: o.Mode == "udp", packet: o.PacketSize, compress: o.Compress, gzip: httpsend.SharedGzip(env.Common, httpsend.Fastest)}, nil
}

// Append encodes r as a message.
func (d *Destination) Append(body []byte, r *sink.Record) ([]byte, error) {
	return d.format(body, r)
}

// Limits implements sink.Destination. With one worker the messages arrive in order; it doesn't wait for answers.
func (d *Destination) Limits() sink.Limits { return sink.Limits{Workers: 1} }

// Close closes the connections.
func (d *Destination) Close() error {
	d.peer.Close()
	return nil
}

// Send implements sink.Destination.
func (d *Destination) Send(ctx context.Context, req *sink.Request) sink.Reply {
	if !d.udp {
		if err := d.peer.Send(ctx, req.Body); err != nil {
			return sink.Reply{Verdict: sink.Again, Err: err}
		}
		return sink.Reply{Cause: sink.Answered}
	}
	var large []sink.ItemReply
	err := d.peer.Datagrams(ctx, func(send func([]byte) error) error {
		large = nil
		for i := range req.Len() {
			err := d.sendMessage(send, req.Item(i))
			var no *tooLargeError
			if errors.As(err, &no) {
				large = append(large, sink.ItemReply{Index: i, Verdict: sink.Never, Type: "too_large", Reason: no.Error()})
			} else if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return sink.Reply{Verdict: sink.Again, Err: err}
	}
	return sink.Reply{Cause: sink.Answered, Items: large}
}

// maxChunks is the most datagrams of one message (Graylog, "GELF via UDP").
const maxChunks = 128

// A tooLargeError means that a message doesn't fit in maxChunks datagrams.
type tooLargeError struct{ size, packet int }

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("the message has %d bytes compressed; by UDP it can have at most %d of packet_size %d", e.size, maxChunks*e.packet, e.packet)
}

// sendMessage sends a message as one datagram, or in chunks: each has the magic bytes, the message's id, its number and their
// count (Graylog, "GELF via UDP").
func (d *Destination) sendMessage(send func([]byte) error, msg []byte) error {
	if d.compress || len(msg) > d.packet {
		z := d.gzip.Compress(msg)
		defer d.gzip.Put(z)
		msg = z.Bytes()
	}
	if len(msg) <= d.packet {
		return sent(send(msg), len(msg), d.packet)
	}
	count := (len(msg) + d.packet - 1) / d.packet
	if count > maxChunks {
		return &tooLargeError{len(msg), d.packet}
	}
	chunk := make([]byte, headerSize, headerSize+d.packet)
	chunk[0], chunk[1], chunk[11] = 0x1e, 0x0f, byte(count)
	rand.Read(chunk[2:10]) // never fails
	for i := range count {
		chunk[10] = byte(i)
		part := msg[i*d.packet : min((i+1)*d.packet, len(msg))]
		chunk = append(chunk[:headerSize], part...)
		if err := send(chunk); err != nil {
			return sent(err, len(msg), d.packet)
		}
	}
	return nil
}

// headerSize is the size in bytes of a chunk's header.
const headerSize = 12

// sent tells a datagram that is too large for the network apart from other errors.
func sent(err error, size, packet int) error {
	if errors.Is(err, syscall.EMSGSIZE) {
		return &tooLargeError{size, packet}
	}
	return err
}
