// Package syslog is the destination that sends records to a syslog server, as messages of RFC 5424 or RFC 3164, by UDP, TCP or
// TLS. It implements Fluent Bit's syslog and Fluentd's remote_syslog.
//
// A server doesn't answer. By TCP and TLS records count as delivered when its host has acknowledged them (dial.Peer): a record
// may arrive twice, and what the server had not read yet when it died is lost. By UDP they are delivered at most once.
package syslog

import (
	"context"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dial"
)

// Destination sends to a syslog server.
type Destination struct {
	encode func(dst []byte, r *sink.Record) ([]byte, error) // appends a message
	peer   *dial.Peer
	udp    bool
}

// New makes the destination that the options describe. It connects to nothing.
func New(o *Options, d config.Dialect, env sink.Env) (sink.Destination, error) {
	e, err := newEncoder(o)
	if err != nil {
		return nil, err
	}
	made, err := newDestination(o, d, env)
	if err != nil {
		return nil, err
	}
	made.encode = func(dst []byte, r *sink.Record) ([]byte, error) { return e.append(dst, r), nil }
	return made, nil
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
	return &Destination{peer: p, udp: o.Mode == "udp"}, nil
}

// Append encodes r as a message.
func (d *Destination) Append(body []byte, r *sink.Record) ([]byte, error) {
	return d.encode(body, r)
}

// Limits implements sink.Destination. With one worker the messages arrive in order; it doesn't wait for answers.
func (d *Destination) Limits() sink.Limits {
	if d.udp {
		return sink.Limits{MaxItem: dial.MaxDatagram, Workers: 1}
	}
	return sink.Limits{Workers: 1}
}

// Close closes the connections.
func (d *Destination) Close() error {
	d.peer.Close()
	return nil
}

// Send implements sink.Destination.
func (d *Destination) Send(ctx context.Context, req *sink.Request) sink.Reply {
	var err error
	if d.udp {
		err = d.peer.Datagrams(ctx, func(send func([]byte) error) error {
			for i := range req.Len() {
				if err := send(req.Item(i)); err != nil {
					return err
				}
			}
			return nil
		})
	} else {
		err = d.peer.Send(ctx, req.Body)
	}
	if err != nil {
		return sink.Reply{Verdict: sink.Again, Err: err}
	}
	return sink.Reply{Cause: sink.Answered}
}
