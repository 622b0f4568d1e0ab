// Package datadog delivers records to Datadog's intake of logs, as Fluent Bit's datadog and fluent-plugin-datadog do: "Send
// logs" of Datadog's API reference, version 2.
//
// Datadog answers for a request as a whole, before it has processed it, and knows no ids: delivery is at least once.
package datadog

import (
	"context"
	"fmt"
	"net/http"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/httpsend"
)

// Limits of Datadog's intake, from "Send logs". A request has less than the 5 MB that it may have.
const (
	maxBody = 1 << 20   // bytes of a request
	maxLogs = 1000      // entries of a request
	maxLog  = 1_000_000 // bytes of an entry; Datadog would cut a longer one, and say nothing
)

// Destination delivers to Datadog.
type Destination struct {
	encoder  *encoder
	servers  httpsend.Servers
	compress httpsend.Compressor // nil: none
}

// New makes the destination that opts describe, without connecting.
func New(o *Options, d config.Dialect, env sink.Env) (sink.Destination, error) {
	u, err := o.url(d)
	if err != nil {
		return nil, err
	}
	network, tls := o.NetOptions, o.TLSOptions
	tls.Verify = tls.Verify && !o.NoVerify
	c := httpsend.Config{
		URL: u, Name: u.Scheme + "://" + u.Host, Timeout: httpsend.DefaultTimeout, Net: &network, TLS: &tls, Secrets: true, Dialect: d, Log: env.Log,
		Header: http.Header{"Content-Type": {"application/json"}, "User-Agent": {"firelane"}, "Dd-Evp-Origin": {"firelane"}},
	}
	if !o.V1 {
		c.Header.Set("DD-API-KEY", string(o.APIKey))
	}
	headers, err := o.headers(d)
	if err != nil {
		return nil, err
	}
	httpsend.ApplyHeaders(c.Header, headers, true)
	if c.Proxy, err = httpsend.ParseProxy("proxy", string(o.Proxy)); err != nil {
		return nil, err
	}
	client, err := httpsend.New(c)
	if err != nil {
		return nil, err
	}
	dest := &Destination{encoder: newEncoder(o, d, env.Hostname), compress: o.compressor(d, env.Common)}
	dest.servers.Clients = []*httpsend.Client{client}
	return dest, nil
}

// compressor returns the compressor of the requests, nil for none.
func (o *Options) compressor(d config.Dialect, common *sink.Common) httpsend.Compressor {
	level := httpsend.Fastest
	gzip, _ := httpsend.GzipOnly(o.Compress)
	switch {
	case d == config.FluentBit && !gzip, d == config.Fluentd && !o.UseGzip:
		return nil
	case o.Level == nil || *o.Level <= 3:
	case *o.Level >= 8:
		level = httpsend.Smallest
	default:
		level = httpsend.Default
	}
	return httpsend.SharedGzip(common, level)
}

// ReadsTails implements sink.TailReader.
func (d *Destination) ReadsTails() bool { return d.encoder.readsTails() }

// Append implements sink.Destination.
func (d *Destination) Append(body []byte, r *sink.Record) ([]byte, error) {
	return d.encoder.append(body, r)
}

// Send implements sink.Destination.
func (d *Destination) Send(ctx context.Context, req *sink.Request) sink.Reply {
	return d.servers.Send(ctx, httpsend.Exchange{
		Post:     httpsend.Post{Before: []byte{'['}, Body: req.Body[:max(len(req.Body)-1, 0)], After: []byte{']'}},
		Compress: d.compress,
		Refused: func(f *httpsend.Failure) sink.Reply {
			f.Hide(d.servers.Clients[0].URL) // with force_v1_routes it has the key
			return refused(f, req.Len())
		},
	})
}

// refused judges a status other than 2xx.
func refused(f *httpsend.Failure, n int) sink.Reply {
	r := f.Collector(n)
	if f.Status == http.StatusUnauthorized || f.Status == http.StatusForbidden {
		r.Err = fmt.Errorf("the API key is refused; check it, and that host is the intake of its site: %w", r.Err)
	}
	return r
}

// Limits implements sink.Destination.
func (d *Destination) Limits() sink.Limits {
	return sink.Limits{MaxBytes: maxBody, MaxItems: maxLogs, MaxItem: maxLog}
}

// Close closes the idle connections.
func (d *Destination) Close() error {
	d.servers.CloseIdle()
	return nil
}
