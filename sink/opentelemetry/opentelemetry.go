// Package opentelemetry delivers records as logs of OpenTelemetry, by OTLP/HTTP in Protocol Buffers. It implements Fluent
// Bit's opentelemetry for logs.
//
// A record becomes a LogRecord (encode.go, value.go); its key is the Resource that it comes from (resource.go). A request is
// one POST, and judge.go alone judges the answers.
//
// Records are delivered at least once: OTLP has no ids by which a server could recognise a request whose answer was lost.
package opentelemetry

import (
	"context"
	"net/http"
	"sync"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
	"github.com/firelane/firelane/sink/httpsend"
	"github.com/firelane/firelane/sink/wire"
)

// Destination delivers to a server of OTLP/HTTP.
type Destination struct {
	encoder    *encoder
	servers    httpsend.Servers    // one
	compressor httpsend.Compressor // nil: none
	signer     *aws.Signer         // nil: requests aren't signed
	url        string
	items      int
	log        zerolog.Logger
	bodies     sync.Pool // of *[]byte
	resources  resources
}

// New makes the destination that the options describe. It connects to nothing.
func New(o *Options, d config.Dialect, env sink.Env) (sink.Destination, error) {
	e, err := newEncoder(o)
	if err != nil {
		return nil, err
	}
	u, err := o.target()
	if err != nil {
		return nil, err
	}
	h, err := o.header()
	if err != nil {
		return nil, err
	}
	compressor, err := httpsend.SharedCompressor(env.Common, o.compression())
	if err != nil {
		return nil, err
	}
	trusted := &o.TLSOptions
	if o.AWSAuth {
		trusted = aws.WithBundle(trusted)
	}
	client, err := httpsend.New(httpsend.Config{
		URL: u, Name: u.Scheme + "://" + u.Host, Header: h, Timeout: httpsend.DefaultTimeout, Net: &o.NetOptions, TLS: trusted,
		Secrets: o.AWSAuth || len(o.Header) > 0 || h.Get("Authorization") != "", Dialect: d, Log: env.Log,
	})
	if err != nil {
		return nil, err
	}
	dest := &Destination{
		encoder: e, servers: httpsend.Servers{Clients: []*httpsend.Client{client}}, compressor: compressor,
		url: u.String(), items: o.BatchSize, log: env.Log,
	}
	if o.AWSAuth {
		dest.signer = aws.NewSigner(aws.For(env.Common, o.source()), o.AWSService)
	}
	return dest, nil
}

// Key implements sink.Keyer. The key is the Resource, encoded.
func (d *Destination) Key(dst []byte, r *sink.Record) ([]byte, error) {
	r.EncodeTail(d.encoder.appendTail)
	return d.resources.append(dst, r), nil
}

// ReadsTails implements sink.TailReader.
func (d *Destination) ReadsTails() bool { return d.encoder.readsTails() }

// Append encodes r as a LogRecord.
func (d *Destination) Append(body []byte, r *sink.Record) ([]byte, error) {
	return d.encoder.append(body, r), nil
}

// Target implements sink.Targeter: it is the server's URL, since the key isn't text.
func (d *Destination) Target([]byte) string { return d.url }

// Limits implements sink.Destination.
func (d *Destination) Limits() sink.Limits {
	return sink.Limits{MaxBytes: maxRequest, MaxItems: d.items}
}

// maxRequest is the size in bytes at which a request is sent: with the resources, which aren't counted, less than the 1 MB of
// CloudWatch Logs. A Collector takes 20 MiB (confighttp, max_request_body_size).
const maxRequest = 960 << 10

// Close closes the idle connections.
func (d *Destination) Close() error {
	d.servers.CloseIdle()
	return nil
}

// maxKeptBody is the largest body in bytes that is kept for the next request.
const maxKeptBody = 2 << 20

// Send implements sink.Destination.
func (d *Destination) Send(ctx context.Context, req *sink.Request) sink.Reply {
	plain, ok := d.bodies.Get().(*[]byte)
	if !ok {
		plain = new([]byte)
	}
	*plain = encodeRequest((*plain)[:0], req)
	if cap(*plain) <= maxKeptBody {
		defer d.bodies.Put(plain)
	}
	x := httpsend.Exchange{
		Post:    httpsend.Post{Body: *plain},
		Judge:   func(_ context.Context, resp *http.Response) sink.Reply { return judgeAccepted(resp, req) },
		Refused: func(f *httpsend.Failure) sink.Reply { return judgeRefused(f, req.Len()) },
	}
	if d.compressor != nil {
		packed := d.compressor.Compress(*plain)
		defer d.compressor.Put(packed)
		x.Body, x.Encoding = packed.Bytes(), d.compressor.Encoding()
	}
	if d.signer != nil {
		x.Sign, x.Renew = d.signer.Sign, d.signer.Invalidate
	}
	return d.servers.Send(ctx, x)
}

// encodeRequest appends the ExportLogsServiceRequest: the records of each resource, in one scope.
func encodeRequest(dst []byte, req *sink.Request) []byte {
	for resource, items := range req.ByKey() {
		size := 0
		for _, i := range items {
			size += len(req.Item(i))
		}
		var at int
		dst, at = wire.Open(dst, requestResourceLogs)
		dst = wire.AppendBytes(dst, resourceLogsOf, resource)
		dst = wire.AppendHeader(dst, resourceLogsScopes, size)
		for _, i := range items {
			dst = append(dst, req.Item(i)...)
		}
		dst = wire.Close(dst, at)
	}
	return dst
}
