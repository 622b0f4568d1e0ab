// Package httpout delivers records to any server by HTTP, as Fluent Bit's and Fluentd's http do.
//
// A request is one POST or PUT of many records. The server's status is the verdict on all of them (httpsend's Collector): a
// request that is refused with 400 or 422 is halved until the record is found that the server refuses. There is no id by
// which a server could tell that it has a record already: delivery is at least once.
package httpout

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
	"github.com/firelane/firelane/sink/httpsend"
)

// maxRequests is how many records one attempt takes that have a request each (body_key).
const maxRequests = 100

// defaultTimeout is Fluentd's default of read_timeout.
const defaultTimeout = 60 * time.Second

// Destination delivers to one server, or to those that Fluentd's endpoint names.
type Destination struct {
	opts     *Options
	encoding *encoding
	servers  httpsend.Servers
	compress httpsend.Compressor // nil: none
	signer   *aws.Signer         // nil: requests aren't signed
	oauth    *httpsend.OAuth     // nil: no token is sent
	again    []int               // statuses after which records are sent again in any case

	endpoint *endpoint // Fluentd's; nil in Fluent Bit
	perKey   []header
}

// New makes the destination that opts describe. It fetches no credentials before the first Send.
func New(o *Options, d config.Dialect, env sink.Env) (sink.Destination, error) {
	e, err := newEncoding(o, d, env.Hostname)
	if err != nil {
		return nil, err
	}
	dest := &Destination{opts: o, encoding: e}
	if dest.compress, err = httpsend.SharedCompressor(env.Common, o.Compress); err != nil {
		return nil, err
	}
	if dest.perKey, err = parseHeaders(o, d); err != nil {
		return nil, err
	}
	c, err := dest.config(o, d, env)
	if err != nil {
		return nil, err
	}
	client, err := httpsend.New(c)
	if err != nil {
		return nil, err
	}
	dest.servers.Clients = []*httpsend.Client{client}
	if dest.oauth, err = httpsend.NewOAuth(&o.OAuthOptions, c); err != nil {
		return nil, err
	}
	if source, service := o.aws(); service != "" {
		dest.signer = aws.NewSigner(aws.For(env.Common, source), service)
	}
	for _, s := range o.Retryable {
		n, _ := strconv.Atoi(strings.TrimSpace(s)) // Check has reported an error
		dest.again = append(dest.again, n)
	}
	if len(dest.perKey) > 0 || dest.endpoint != nil && dest.endpoint.fixed == nil {
		return keyed{dest}, nil
	}
	return dest, nil
}

// config returns the configuration of the client, and sets d.endpoint.
func (d *Destination) config(o *Options, dialect config.Dialect, env sink.Env) (c httpsend.Config, err error) {
	network, tls := o.NetOptions, o.TLSOptions
	c = httpsend.Config{Header: http.Header{"User-Agent": {"firelane"}}, Timeout: o.ResponseTimeout, Net: &network, TLS: &tls, Dialect: dialect, Log: env.Log}
	if d.encoding.contentType != "" {
		c.Header.Set("Content-Type", d.encoding.contentType)
	}
	if dialect == config.FluentBit {
		if c.URL, err = o.url(); err != nil {
			return c, err
		}
		if network.IOTimeout == 0 {
			network.IOTimeout = o.ReadIdle
		}
		if o.User != "" {
			c.Header.Set("Authorization", httpsend.Basic(o.User, o.Password))
		}
		httpsend.ApplyHeaders(c.Header, o.Headers, o.Repeated)
	} else {
		if d.endpoint, err = parseEndpoint(o); err != nil {
			return c, err
		}
		if c.URL = d.endpoint.fixed; c.URL == nil {
			c.URL = &url.URL{Scheme: d.endpoint.scheme, Host: d.endpoint.host(o.Endpoint)}
		}
		tls.Verify = tls.Verify && o.VerifyMode != "none"
		network.ConnectTimeout = timeoutOr(o.OpenTimeout, network.ConnectTimeout)
		c.Timeout = timeoutOr(o.ReadTimeout, defaultTimeout)
		pairs, err := httpsend.ParseHash("headers", string(o.HashHeaders))
		if err != nil {
			return c, err
		}
		httpsend.ApplyHeaders(c.Header, pairs, false)
		if a := o.Auth; a != nil && a.Method == "basic" {
			c.Header.Set("Authorization", httpsend.Basic(a.User, a.Password))
		}
	}
	if c.Timeout <= 0 {
		c.Timeout = httpsend.DefaultTimeout
	}
	c.Name = c.URL.Scheme + "://" + c.URL.Host // the path may have a token
	if c.Proxy, err = httpsend.ParseProxy("proxy", string(o.Proxy)); err != nil {
		return c, err
	}
	_, service := o.aws()
	if service != "" {
		c.TLS = aws.WithBundle(c.TLS)
	}
	c.Secrets = service != "" || o.Enable || len(o.Headers) > 0 || o.HashHeaders != "" || c.URL.User != nil || c.Header.Get("Authorization") != ""
	return c, nil
}

// host is the host of a URL whose path depends on the record; "" if the host does, too.
func (e *endpoint) host(text string) string {
	if e.anyHost {
		return ""
	}
	_, rest, _ := strings.Cut(text, "://")
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		rest = rest[:i]
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		rest = rest[i+1:]
	}
	return rest
}

// aws returns where credentials come from, and the service that requests are signed for, "" for none.
func (o *Options) aws() (aws.Source, string) {
	switch {
	case o.AWSAuth:
		return aws.Source{
			Region: o.AWSRegion, Profile: o.AWSProfile, RoleARN: o.AWSRoleARN, ExternalID: o.AWSExternalID, STSEndpoint: o.AWSSTSEndpoint,
		}, o.AWSService
	case o.Auth != nil && o.Auth.Method == "aws_sigv4":
		return aws.Source{Region: o.Auth.Region, RoleARN: o.Auth.RoleARN, Session: "fluentd"}, o.Auth.Service
	}
	return aws.Source{}, ""
}

// ReadsTails implements sink.TailReader.
func (d *Destination) ReadsTails() bool { return d.encoding.tails }

// Append implements sink.Destination.
func (d *Destination) Append(body []byte, r *sink.Record) ([]byte, error) {
	return d.encoding.append(body, r)
}

// Send implements sink.Destination. Records with different keys, or with a request each, are sent one request after the
// other.
func (d *Destination) Send(ctx context.Context, req *sink.Request) sink.Reply {
	switch {
	case d.encoding.perRecord:
		return httpsend.SendGroups(ctx, req, httpsend.SingleGroups(req), d.send)
	case len(req.KeyOf) > 0:
		return httpsend.SendGroups(ctx, req, httpsend.KeyGroups(req), d.send)
	}
	return d.send(ctx, httpsend.Group{Body: req.Body, Len: req.Len()})
}

// send makes one request of a group.
func (d *Destination) send(ctx context.Context, g httpsend.Group) sink.Reply {
	post, err := d.post(g.Key)
	if err != nil {
		return sink.Reply{Verdict: sink.Never, Cause: sink.Answered, Err: err}
	}
	post.Method, post.Body = d.opts.Method, g.Body
	x := httpsend.Exchange{Post: post, Compress: d.compress, Pages: true, Refused: func(f *httpsend.Failure) sink.Reply { return d.refused(f, post.URL, g.Len) }}
	switch {
	case d.encoding.array:
		x.Before, x.Body, x.After = []byte{'['}, g.Body[:len(g.Body)-1], []byte{']'}
	case d.encoding.perRecord:
		headers, body := readRequest(g.Body)
		if x.Body = body; x.Header == nil {
			x.Header = http.Header{}
		}
		httpsend.ApplyHeaders(x.Header, headers, d.opts.Repeated)
	}
	switch {
	case d.signer != nil:
		x.Sign, x.Renew = d.signer.Sign, d.signer.Invalidate
	case d.oauth != nil:
		x.Sign, x.Renew = d.oauth.Sign, d.oauth.Invalidate
	}
	return d.servers.Send(ctx, x)
}

// refused judges a status other than 2xx for a request of n records to u; nil: the client's URL.
func (d *Destination) refused(f *httpsend.Failure, u *url.URL, n int) sink.Reply {
	if u == nil {
		u = d.servers.Clients[0].URL
	}
	f.Hide(u)
	if !d.opts.LogResponse && d.endpoint == nil {
		f.Reason = ""
	}
	keep := d.opts.Unrecoverable != nil && !*d.opts.Unrecoverable
	if keep || slices.Contains(d.again, f.Status) {
		return f.Reply()
	}
	return f.Collector(n)
}

// Limits implements sink.Destination.
func (d *Destination) Limits() sink.Limits {
	l := sink.Limits{MaxBytes: 1 << 20}
	if d.encoding.perRecord {
		l.MaxItems = maxRequests
	}
	return l
}

// Close closes the idle connections.
func (d *Destination) Close() error {
	d.servers.CloseIdle()
	if d.oauth != nil {
		d.oauth.Close()
	}
	return nil
}
