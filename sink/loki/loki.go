// Package loki delivers records to Grafana Loki through its push API, in Protocol Buffers and snappy. It implements Fluent
// Bit's loki and fluent-plugin-grafana-loki's output of that name.
//
// A record becomes an entry of a stream (encode.go, line.go); the stream's labels are its key (labels.go). A request is one
// POST for each tenant (send.go), and judge.go alone judges the answers.
//
// Records are delivered at least once, and Loki stores them once: it ignores an entry with the labels, time and line of one
// that it has. (It does that, too, with two entries that were alike from the start.) So a request whose answer is lost, or
// that was refused because of some of its entries, can be sent again.
package loki

import (
	"bytes"
	"context"
	"net/http"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/httpsend"
)

// Destination delivers to Loki.
type Destination struct {
	encoder *encoder
	servers httpsend.Servers // one
	snappy  httpsend.Compressor
	bodies  bodies
}

// New makes the destination that the options describe. It connects to nothing.
func New(o *Options, d config.Dialect, env sink.Env) (sink.Destination, error) {
	e, err := newEncoder(o, d)
	if err != nil {
		return nil, err
	}
	u, err := o.target(d)
	if err != nil {
		return nil, err
	}
	h, err := o.header()
	if err != nil {
		return nil, err
	}
	if o.TenantID != "" && !e.perRecord() {
		h.Set(tenantHeader, o.TenantID)
	}
	secrets, err := o.authorize(h)
	if err != nil {
		return nil, err
	}
	tls := o.tls()
	client, err := httpsend.New(httpsend.Config{
		URL: u, Name: u.Scheme + "://" + u.Host, Header: h, Timeout: httpsend.DefaultTimeout,
		Net: &o.NetOptions, TLS: &tls, Secrets: secrets, Dialect: d, Log: env.Log,
	})
	if err != nil {
		return nil, err
	}
	snappy, err := httpsend.SharedCompressor(env.Common, "snappy")
	if err != nil {
		return nil, err
	}
	return &Destination{encoder: e, snappy: snappy, servers: httpsend.Servers{Clients: []*httpsend.Client{client}}}, nil
}

// tenantHeader names the tenant (Loki, "HTTP API": X-Scope-OrgID), in the spelling of http.Header.
const tenantHeader = "X-Scope-Orgid"

// Key implements sink.Keyer. The key is the tenant, if a field holds it, and the stream's labels, which begin with a brace.
func (d *Destination) Key(dst []byte, r *sink.Record) ([]byte, error) {
	return d.encoder.appendKey(dst, r)
}

// ReadsTails implements sink.TailReader.
func (d *Destination) ReadsTails() bool { return d.encoder.jsonOnly != nil && d.encoder.kube == nil }

// Append encodes r as an entry.
func (d *Destination) Append(body []byte, r *sink.Record) ([]byte, error) {
	return d.encoder.append(body, r)
}

// Limits implements sink.Destination. A line may be as long as the server allows, 256 KiB by default, which its answer tells.
func (d *Destination) Limits() sink.Limits { return sink.Limits{MaxBytes: 1 << 20} }

// Close closes the idle connections.
func (d *Destination) Close() error {
	d.servers.CloseIdle()
	return nil
}

// Send implements sink.Destination: one POST for each tenant in the request.
func (d *Destination) Send(ctx context.Context, req *sink.Request) sink.Reply {
	tenants := groupByTenant(req)
	if len(tenants) == 1 {
		return d.push(ctx, req, &tenants[0])
	}
	var all merged
	for i := range tenants {
		if !all.unreached() {
			all.add(&tenants[i], d.push(ctx, req, &tenants[i]))
		}
	}
	return all.reply(req.Len())
}

// push sends the records of one tenant.
func (d *Destination) push(ctx context.Context, req *sink.Request, t *tenant) sink.Reply {
	plain := d.bodies.get()
	defer d.bodies.put(plain)
	packed := d.snappy.Compress(plain.encode(req, t))
	defer d.snappy.Put(packed)
	// A block of snappy is the format itself, and not a Content-Encoding.
	post := httpsend.Post{Body: packed.Bytes()}
	if d.encoder.perRecord() && len(t.name) > 0 {
		post.Header = http.Header{tenantHeader: {string(t.name)}}
	}
	return d.servers.Send(ctx, httpsend.Exchange{
		Post: post,
		Judge: func(_ context.Context, resp *http.Response) sink.Reply {
			if resp.StatusCode > lastAccepted {
				return judge(httpsend.ReadFailure(resp), req, t)
			}
			httpsend.Drain(resp)
			return sink.Reply{Cause: sink.Answered}
		},
		Refused: func(f *httpsend.Failure) sink.Reply { return judge(f, req, t) },
	})
}

// splitKey cuts a key into the tenant and the labels.
func splitKey(key []byte) (tenant, labels []byte) {
	i := max(bytes.IndexByte(key, '{'), 0)
	return key[:i], key[i:]
}
