// Package tcp is the destination that writes records to a TCP connection, with TLS or without, as Fluent Bit's tcp does.
//
// The peer doesn't answer: records count as delivered when its host has acknowledged them (dial.Peer). A request whose
// connection breaks is written again as a whole, so a record may arrive twice, and what the peer had not read yet when it died
// is lost.
package tcp

import (
	"context"
	"sync"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dial"
	"github.com/firelane/firelane/sink/format"
)

// Options are the options of tcp.
type Options struct {
	Host       string `fluentbit:"host" default:"127.0.0.1" identity:"true" help:"server's name or address"`
	Port       int    `fluentbit:"port" default:"5170" identity:"true" help:"server's port"`
	Format     string `fluentbit:"format" oneof:"msgpack,json,json_lines,json_stream" other:"msgpack" default:"msgpack" help:"msgpack: [[time, {}], {…}]; json: one array for each request; json_lines: one object a line; json_stream: objects without a separator"`
	DateKey    string `fluentbit:"json_date_key" default:"date" help:"field that gets the record's time in JSON; false for none"`
	DateFormat string `fluentbit:"json_date_format" oneof:"double,iso8601,epoch,epoch_ms,epoch_millis,epoch_milliseconds,java_sql_timestamp" other:"double" default:"double" help:"format of that time"`
	RawKey     string `fluentbit:"raw_message_key" help:"write only the value of this field, a line each, whatever the format"`

	dial.TLSOptions
	dial.NetOptions
	sink.OutputOptions
}

// Check reports the mistakes that binding can't find.
func (o *Options) Check(d config.Dialect) error {
	if err := o.CheckOutput(d); err != nil {
		return err
	}
	if err := o.CheckNet(); err != nil {
		return err
	}
	if err := o.CheckTLS(d); err != nil {
		return err
	}
	if err := dial.CheckPeer(o.Host, o.Port); err != nil {
		return err
	}
	_, err := o.formatter()
	return err
}

// formatter returns how a record is written.
func (o *Options) formatter() (format.Func, error) {
	if o.RawKey != "" {
		return format.Value("raw_message_key", o.RawKey, "\n")
	}
	key := format.DateKey(o.DateKey)
	switch o.Format {
	case "json", "json_stream":
		return format.JSON(key, o.DateFormat, ""), nil
	case "json_lines":
		return format.JSON(key, o.DateFormat, "\n"), nil
	}
	return format.MessagePack, nil
}

// Destination writes to a TCP connection.
type Destination struct {
	format  format.Func
	asArray bool // the items of a request are one JSON array
	peer    *dial.Peer
	bodies  sync.Pool // of *[]byte
}

// New makes the destination that the options describe. It connects to nothing.
func New(o *Options, d config.Dialect, env sink.Env) (sink.Destination, error) {
	f, err := o.formatter()
	if err != nil {
		return nil, err
	}
	p, err := dial.NewPeer(o.peer(d, env))
	if err != nil {
		return nil, err
	}
	return &Destination{format: f, asArray: o.Format == "json" && o.RawKey == "", peer: p}, nil
}

// peer says how to reach the server.
func (o *Options) peer(d config.Dialect, env sink.Env) dial.PeerConfig {
	return dial.PeerConfig{
		Network: "tcp", Host: o.Host, Port: o.Port, Secure: o.TLS, Net: &o.NetOptions, TLS: &o.TLSOptions, Dialect: d, Log: env.Log,
	}
}

// Append implements sink.Destination.
func (d *Destination) Append(body []byte, r *sink.Record) ([]byte, error) { return d.format(body, r) }

// Limits implements sink.Destination. With one worker the records arrive in order; it doesn't wait for answers.
func (d *Destination) Limits() sink.Limits { return sink.Limits{Workers: 1} }

// Close closes the connections.
func (d *Destination) Close() error {
	d.peer.Close()
	return nil
}

// maxKeptBody is the largest array in bytes that is kept for the next request.
const maxKeptBody = 2 << 20

// Send implements sink.Destination.
func (d *Destination) Send(ctx context.Context, req *sink.Request) sink.Reply {
	body := req.Body
	if d.asArray {
		buf, ok := d.bodies.Get().(*[]byte)
		if !ok {
			buf = new([]byte)
		}
		*buf = appendArray((*buf)[:0], req)
		body = *buf
		if cap(*buf) <= maxKeptBody {
			defer d.bodies.Put(buf)
		}
	}
	if err := d.peer.Send(ctx, body); err != nil {
		return sink.Reply{Verdict: sink.Again, Err: err}
	}
	return sink.Reply{Cause: sink.Answered}
}

// appendArray appends the items as one array.
func appendArray(dst []byte, req *sink.Request) []byte {
	for i := range req.Len() {
		dst = append(append(dst, ','), req.Item(i)...)
	}
	if len(dst) > 0 {
		dst[0] = '['
	}
	return append(dst, ']')
}
