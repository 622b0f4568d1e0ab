// Package newrelic delivers records to New Relic's Log API, as Fluent Bit's nrlogs and New Relic's own outputs do:
// "Introduction to the Log API", in its detailed JSON.
//
// New Relic accepts a request before it has processed it, and knows no ids: delivery is at least once.
package newrelic

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/httpsend"
)

// What is around the logs of a request.
const (
	before = `[{"common":{"attributes":{"plugin":{"type":"firelane"}}},"logs":[`
	after  = `]}]`
)

// maxBody is the largest request in bytes before it is compressed; New Relic takes 10^6 bytes after that, so that there is
// room for an item that makes it full.
const maxBody = 1_000_000 - 1024

// Destination delivers to New Relic.
type Destination struct {
	servers  httpsend.Servers
	compress httpsend.Compressor // nil: none
	ownTime  bool                // a record's timestamp takes precedence over its time
	with     [3]record.JSONOptions
}

// New makes the destination that opts describe, without connecting.
func New(o *Options, d config.Dialect, env sink.Env) (sink.Destination, error) {
	u, err := o.url()
	if err != nil {
		return nil, err
	}
	network, tls := o.NetOptions, o.TLSOptions
	network.ProxyEnvIgnore = network.ProxyEnvIgnore || o.IgnoreProxy
	tls.Verify = o.verified(d)
	if o.CABundle != "" {
		tls.CAFile = o.CABundle
	}
	if o.CADir != "" {
		tls.CAPath = o.CADir
	}
	header, key := o.key(d)
	c := httpsend.Config{
		URL: u, Name: u.Scheme + "://" + u.Host, Timeout: httpsend.DefaultTimeout, Net: &network, TLS: &tls, Secrets: true, Dialect: d, Log: env.Log,
		Header: http.Header{"Content-Type": {"application/json"}, "User-Agent": {"firelane"}, "X-Event-Source": {"logs"}},
	}
	c.Header.Set(header, key)
	if c.Proxy, err = httpsend.ParseProxy("proxy", string(o.Proxy)); err != nil {
		return nil, err
	}
	client, err := httpsend.New(c)
	if err != nil {
		return nil, err
	}
	dest := &Destination{ownTime: d == config.Fluentd}
	dest.with[logMessage].Omit, dest.with[ownMessage].Omit = []string{"log"}, []string{"message"}
	dest.servers.Clients = []*httpsend.Client{client}
	dest.compress, err = o.compressor(d, env.Common)
	return dest, err
}

// Which field is the message.
const (
	noMessage  = iota
	logMessage // log, also if there is a message: that stays an attribute
	ownMessage // message
)

// Append writes a record as one log: its time, its field log or message, and all other fields as attributes.
func (d *Destination) Append(dst []byte, r *sink.Record) ([]byte, error) {
	kind := noMessage
	var message, at []byte
	for f := record.FieldsOf(r.Body); f.Next(); {
		switch string(f.Key()) {
		case "log":
			kind, message = logMessage, f.Value()
		case "message":
			if kind != logMessage {
				kind, message = ownMessage, f.Value()
			}
		case "timestamp":
			at = f.Value()
		}
	}
	dst = append(dst, `{"timestamp":`...)
	if d.ownTime && at != nil && record.KindOf(at[0]) != record.KindNil {
		dst = record.AppendJSON(dst, at)
	} else {
		dst = strconv.AppendInt(dst, int64(r.Time.Sec)*1000+int64(r.Time.Nsec)/1e6, 10)
	}
	if kind != noMessage {
		dst = record.AppendJSON(append(dst, `,"message":`...), message)
	}
	dst = record.AppendJSONMembers(append(dst, `,"attributes":{`...), r.Body, &d.with[kind])
	return append(dst, '}', '}', ','), nil
}

// Send implements sink.Destination.
func (d *Destination) Send(ctx context.Context, req *sink.Request) sink.Reply {
	return d.servers.Send(ctx, httpsend.Exchange{
		Post:     httpsend.Post{Before: []byte(before), Body: req.Body[:max(len(req.Body)-1, 0)], After: []byte(after)},
		Compress: d.compress,
		Refused:  func(f *httpsend.Failure) sink.Reply { return refused(f, req.Len()) },
	})
}

// refused judges a status other than 2xx.
func refused(f *httpsend.Failure, n int) sink.Reply {
	r := f.Collector(n)
	if f.Status == http.StatusUnauthorized || f.Status == http.StatusForbidden {
		r.Err = fmt.Errorf("the key is refused; check it, and that base_uri is that of its region: %w", r.Err)
	}
	return r
}

// Limits implements sink.Destination.
func (d *Destination) Limits() sink.Limits { return sink.Limits{MaxBytes: maxBody} }

// Close closes the idle connections.
func (d *Destination) Close() error {
	d.servers.CloseIdle()
	return nil
}
