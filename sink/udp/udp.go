// Package udp is the destination that sends each record as a datagram, as Fluent Bit's udp does.
//
// Nobody notices a datagram that is lost on its way. A request is sent again, as a whole, only if the peer's host answers that
// nobody listens, or if the router was killed: some of its datagrams may then arrive twice.
package udp

import (
	"context"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dial"
	"github.com/firelane/firelane/sink/format"
)

// Options are the options of udp.
type Options struct {
	Host       string `fluentbit:"host" default:"127.0.0.1" identity:"true" help:"server's name or address"`
	Port       int    `fluentbit:"port" default:"5170" identity:"true" help:"server's port"`
	Format     string `fluentbit:"format" oneof:"msgpack,json,json_lines,json_stream" other:"msgpack" default:"json_lines" help:"what a datagram is; msgpack: [[time, {}], {…}]; json: an array with one object; json_lines, json_stream: an object; all but msgpack end in a newline"`
	DateKey    string `fluentbit:"json_date_key" default:"date" help:"field that gets the record's time in JSON; false for none"`
	DateFormat string `fluentbit:"json_date_format" oneof:"double,iso8601,epoch,epoch_ms,epoch_millis,epoch_milliseconds,java_sql_timestamp" other:"double" default:"double" help:"format of that time"`
	RawKey     string `fluentbit:"raw_message_key" help:"send only the value of this field, and a newline, whatever the format"`

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
	if err := dial.CheckPeer(o.Host, o.Port); err != nil {
		return err
	}
	_, err := o.formatter()
	return err
}

// formatter returns what a datagram is.
func (o *Options) formatter() (format.Func, error) {
	if o.RawKey != "" {
		return format.Value("raw_message_key", o.RawKey, "\n")
	}
	key := format.DateKey(o.DateKey)
	switch o.Format {
	case "json":
		object := format.JSON(key, o.DateFormat, "]\n")
		return func(dst []byte, r *sink.Record) ([]byte, error) { return object(append(dst, '['), r) }, nil
	case "msgpack":
		return format.MessagePack, nil
	}
	return format.JSON(key, o.DateFormat, "\n"), nil
}

// Destination sends datagrams.
type Destination struct {
	format format.Func
	peer   *dial.Peer
}

// New makes the destination that the options describe. It sends nothing.
func New(o *Options, d config.Dialect, env sink.Env) (sink.Destination, error) {
	f, err := o.formatter()
	if err != nil {
		return nil, err
	}
	p, err := dial.NewPeer(o.peer(d, env))
	if err != nil {
		return nil, err
	}
	return &Destination{format: f, peer: p}, nil
}

// peer says how to reach the server.
func (o *Options) peer(d config.Dialect, env sink.Env) dial.PeerConfig {
	return dial.PeerConfig{Network: "udp", Host: o.Host, Port: o.Port, Net: &o.NetOptions, Dialect: d, Log: env.Log}
}

// Append implements sink.Destination.
func (d *Destination) Append(body []byte, r *sink.Record) ([]byte, error) {
	out, err := d.format(body, r)
	if err != nil {
		return body, err
	}
	return out, nil
}

// Limits implements sink.Destination. A record that no datagram holds goes to the dead letter.
func (d *Destination) Limits() sink.Limits { return sink.Limits{MaxItem: dial.MaxDatagram, Workers: 1} }

// Close closes the socket.
func (d *Destination) Close() error {
	d.peer.Close()
	return nil
}

// Send implements sink.Destination.
func (d *Destination) Send(ctx context.Context, req *sink.Request) sink.Reply {
	err := d.peer.Datagrams(ctx, func(send func([]byte) error) error {
		for i := range req.Len() {
			if err := send(req.Item(i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return sink.Reply{Verdict: sink.Again, Err: err}
	}
	return sink.Reply{Cause: sink.Answered}
}
