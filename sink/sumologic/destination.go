// Package sumologic delivers records to an HTTP source of Sumo Logic, as Fluentd's sumologic does: "Upload Data to an HTTP
// Source" and "Troubleshooting HTTP Sources". (Fluent Bit has no output of that name: it sends to Sumo Logic with http.)
//
// A source answers for a request as a whole, and knows no ids: delivery is at least once.
package sumologic

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/httpsend"
)

const (
	// maxBody is the largest request in bytes before it is compressed: "HTTP Logs and Metrics Source" asks for at most 1 MB.
	maxBody = 1_000_000
	// maxReply is how much of a source's reply is read, in bytes.
	maxReply = 4 << 10
)

// Destination delivers to one HTTP source.
type Destination struct {
	source   *source
	encoder  *encoder
	servers  httpsend.Servers
	compress httpsend.Compressor // nil: none
	limit    int                 // bytes of a request
	log      zerolog.Logger
}

var _ sink.Keyer = (*Destination)(nil)

// New makes the destination that opts describe, without connecting.
func New(o *Options, d config.Dialect, env sink.Env) (sink.Destination, error) {
	u, err := o.url()
	if err != nil {
		return nil, err
	}
	dest := &Destination{encoder: newEncoder(o), limit: maxBody, log: env.Log}
	if dest.source, err = newSource(o); err != nil {
		return nil, err
	}
	network, tls := o.NetOptions, o.TLSOptions
	tls.Verify = tls.Verify && o.VerifySSL
	c := httpsend.Config{
		URL: u, Name: u.Scheme + "://" + u.Host, // the path is secret
		Timeout: httpsend.DefaultTimeout, Net: &network, TLS: &tls, Secrets: true, Dialect: d, Log: env.Log,
		Header: http.Header{"User-Agent": {"firelane"}, "X-Sumo-Client": {o.Client}},
	}
	if o.Open != nil && *o.Open > 0 {
		network.ConnectTimeout = *o.Open
	}
	if o.Receive != nil && *o.Receive > 0 {
		c.Timeout = *o.Receive
	}
	if c.Proxy, err = httpsend.ParseProxy("proxy_uri", string(o.Proxy)); err != nil {
		return nil, err
	}
	client, err := httpsend.New(c)
	if err != nil {
		return nil, err
	}
	dest.servers.Clients = []*httpsend.Client{client}
	switch {
	case o.Compress && o.Encoding == "deflate":
		dest.compress = httpsend.SharedZlib(env.Common)
	case o.Compress:
		dest.compress = httpsend.SharedGzip(env.Common, httpsend.Fastest)
	}
	if o.MaxRequest > 0 {
		dest.limit = int(min(o.MaxRequest, maxBody))
	}
	return dest, nil
}

// Append implements sink.Destination.
func (d *Destination) Append(body []byte, r *sink.Record) ([]byte, error) {
	return d.encoder.append(body, r)
}

// Key implements sink.Keyer: the headers that say where records come from.
func (d *Destination) Key(dst []byte, r *sink.Record) ([]byte, error) { return d.source.key(dst, r) }

// Target implements sink.Targeter: a key has several parts, none of which is a place.
func (d *Destination) Target([]byte) string { return "" }

// Send implements sink.Destination.
func (d *Destination) Send(ctx context.Context, req *sink.Request) sink.Reply {
	return httpsend.SendGroups(ctx, req, httpsend.KeyGroups(req), func(ctx context.Context, g httpsend.Group) sink.Reply {
		return d.servers.Send(ctx, httpsend.Exchange{
			Post:     httpsend.Post{Header: headersOf(g.Key), Body: g.Body},
			Compress: d.compress,
			Judge:    d.accepted,
			Refused: func(f *httpsend.Failure) sink.Reply {
				f.Hide(d.servers.Clients[0].URL)
				return refused(f, g.Len)
			},
		})
	})
}

// accepted logs what a source says of records that it has accepted.
func (d *Destination) accepted(_ context.Context, resp *http.Response) sink.Reply {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	var reply struct{ Code, Message string }
	if len(body) > 0 && json.Unmarshal(body, &reply) == nil && reply.Code+reply.Message != "" {
		d.log.Warn().Str("code", httpsend.Clip(reply.Code, httpsend.MaxReason)).Str("reason", httpsend.Clip(reply.Message, httpsend.MaxReason)).
			Msg("Sumo Logic has accepted records, and found something wrong with them")
	}
	return sink.Reply{Cause: sink.Answered}
}

// refused judges a status other than 2xx.
func refused(f *httpsend.Failure, n int) sink.Reply {
	r := f.Collector(n)
	if f.Status == http.StatusUnauthorized {
		r.Err = fmt.Errorf("the source's URL is unknown; check endpoint: %w", r.Err)
	}
	return r
}

// Limits implements sink.Destination.
func (d *Destination) Limits() sink.Limits { return sink.Limits{MaxBytes: d.limit} }

// Close closes the idle connections.
func (d *Destination) Close() error {
	d.servers.CloseIdle()
	return nil
}
