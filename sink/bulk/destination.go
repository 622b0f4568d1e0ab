// Package bulk delivers records to Elasticsearch and OpenSearch through their _bulk API. It implements Fluent Bit's es
// and opensearch, and Fluentd's elasticsearch and opensearch.
//
// A record becomes an item (encode.go), a request is one POST of many items (send.go), and verdict.go alone judges the
// server's replies. The destination adapts to a server that refuses _type, wants _type, refuses ids, or can't read gzip,
// until the process ends (adaptation).
//
// Every item has an id: the record's own, unless the user configures another one. With it a request can be sent again
// after a lost reply: create answers 409 for a document that exists, and that counts as done. With id_key it does, too,
// as in Fluent Bit.
package bulk

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
	"github.com/firelane/firelane/sink/httpsend"
)

// Destination delivers to a cluster of Elasticsearch or OpenSearch.
type Destination struct {
	opts    *Options
	log     zerolog.Logger
	encoder *encoder
	servers httpsend.Servers
	signer  *aws.Signer // nil: requests aren't signed

	retention  *sink.Retention  // nil: none
	dashboards *httpsend.Client // nil: no index pattern is wanted

	readers replyReaders
	gzip    *httpsend.Gzip // nil: bodies are not compressed
	plain   atomic.Bool    // the server can't read gzip: bodies are not compressed
	logged  [plainBodies + 1]sync.Once
	bare    sync.Once   // logs that the server answers with a bare status
	noType  atomic.Bool // _type was refused once: it is never sent again
}

var (
	_ sink.Destination = (*Destination)(nil)
	_ sink.Targeter    = (*Destination)(nil)
	_ sink.TailReader  = (*Destination)(nil)
)

// New makes the destination that opts describe. It fetches no credentials before the first Send.
func New(opts *Options, d config.Dialect, env sink.Env) (sink.Destination, error) {
	return newBulk(opts, d, env)
}

func newBulk(opts *Options, d config.Dialect, env sink.Env) (*Destination, error) {
	e, err := newEncoder(opts, d)
	if err != nil {
		return nil, err
	}
	dest := &Destination{opts: opts, log: env.Log, encoder: e, gzip: opts.gzip(env.Common)}
	servers, err := configuredServers(opts, d)
	if err != nil {
		return nil, err
	}
	for _, s := range servers {
		c, err := newClient(s, opts, d, env)
		if err != nil {
			return nil, err
		}
		dest.servers.Clients = append(dest.servers.Clients, c)
	}
	if opts.signed() {
		source, service := opts.awsSource(servers[0].host)
		dest.signer = aws.NewSigner(aws.For(env.Common, source), service)
	}
	if opts.Bootstrap && opts.Dashboards != "" {
		if dest.dashboards, err = newDashboards(servers[0], opts, d, env); err != nil {
			return nil, err
		}
	}
	dest.retention, err = opts.retention(d)
	return dest, err
}

// newDashboards makes the client for Dashboards, with the credentials of the server s.
func newDashboards(s server, o *Options, d config.Dialect, env sink.Env) (*httpsend.Client, error) {
	c, err := clientConfig(s, o, d, env)
	if err != nil {
		return nil, err
	}
	c.Name = o.dashboardsURL()
	if c.URL, err = url.Parse(c.Name); err != nil {
		return nil, fmt.Errorf("parsing the URL of Dashboards: %w", err)
	}
	for _, name := range []string{"osd-xsrf", "kbn-xsrf"} {
		c.Header.Set(name, "true")
	}
	c.Header.Set("securitytenant", "global")
	return httpsend.New(c)
}

// newClient makes the HTTP client for s.
func newClient(s server, o *Options, d config.Dialect, env sink.Env) (*httpsend.Client, error) {
	c, err := clientConfig(s, o, d, env)
	if err != nil {
		return nil, err
	}
	return httpsend.New(c)
}

// clientConfig is the configuration of the HTTP client for s.
func clientConfig(s server, o *Options, d config.Dialect, env sink.Env) (httpsend.Config, error) {
	u, err := url.Parse(s.url() + "/_bulk")
	if err != nil {
		return httpsend.Config{}, fmt.Errorf("parsing the URL of %s: %w", s.host, err)
	}
	u.RawQuery = bulkQuery(o)
	c := httpsend.Config{
		URL: u, Name: s.url(), Timeout: httpsend.DefaultTimeout, Net: &o.NetOptions, TLS: &o.TLSOptions, Dialect: d, Log: env.Log,
		Header: http.Header{"Content-Type": {"application/x-ndjson"}, "User-Agent": {"firelane"}},
	}
	if o.signed() {
		c.TLS = aws.WithBundle(c.TLS)
	}
	if o.RequestTimeout != nil && *o.RequestTimeout > 0 {
		c.Timeout = *o.RequestTimeout
	}
	if o.CustomHeaders != "" {
		var custom map[string]string
		_ = json.Unmarshal([]byte(o.CustomHeaders), &custom) // Check has reported an error
		for k, v := range custom {
			c.Header.Set(k, v)
		}
	}
	switch {
	case o.APIKey != "":
		c.Header.Set("Authorization", "ApiKey "+string(o.APIKey))
	case s.user != "":
		c.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(s.user+":"+s.password)))
	}
	c.Secrets = o.signed() || o.CustomHeaders != "" || c.Header.Get("Authorization") != ""
	return c, nil
}

// bulkQuery returns the query string of every request. filter_path reduces the reply to what readBulk needs: errors, and
// each item's status, so that the reply still has an entry for every item. Serverless collections get no filter_path.
func bulkQuery(o *Options) string {
	q := url.Values{}
	if o.Pipeline != "" {
		q.Set("pipeline", o.Pipeline)
	}
	if !o.serverless() {
		q.Set("filter_path", "took,errors,items.*.status,items.*.error")
	}
	return q.Encode()
}

// gzip returns the compressor of the requests, or nil if the options don't ask for one.
func (o *Options) gzip(c *sink.Common) *httpsend.Gzip {
	switch strings.ToLower(o.Compress) {
	case "gzip", "zstd", "snappy":
		return httpsend.SharedGzip(c, httpsend.Fastest)
	}
	switch o.CompressionLevel {
	case "best_speed":
		return httpsend.SharedGzip(c, httpsend.Fastest)
	case "default_compression":
		return httpsend.SharedGzip(c, httpsend.Default)
	case "best_compression":
		return httpsend.SharedGzip(c, httpsend.Smallest)
	}
	return nil
}

// awsSource returns where credentials come from, and the service that requests are signed for.
func (o *Options) awsSource(host string) (s aws.Source, service string) {
	s = aws.Source{
		Region: o.AWSRegion, Profile: o.AWSProfile, RoleARN: o.AWSRoleARN, ExternalID: o.AWSExternalID, STSEndpoint: o.AWSSTSEndpoint,
	}
	service = o.AWSService
	if e := o.Endpoint; e != nil {
		service = e.Service
		s.Region, s.RoleARN, s.Session, s.STSRegion = e.Region, e.RoleARN, e.RoleSession, e.STSRegion
		s.AccessKeyID, s.SecretAccessKey = e.AccessKeyID, string(e.SecretAccessKey)
		s.ContainerURI, s.WebIdentityFile = e.ContainerURI, e.WebIdentityFile
	}
	s.Region = cmp.Or(s.Region, aws.RegionOf(host))
	return s, service
}

// Limits implements sink.Destination. OpenSearch's throughput for log lines doesn't grow beyond 1 MiB a request, which is
// well under the 10 MiB that small AWS instances accept.
func (d *Destination) Limits() sink.Limits {
	l := sink.Limits{MaxBytes: 1 << 20}
	if t := d.opts.Threshold; t != nil && *t > 0 {
		l.MaxBytes = min(int(*t), sink.MaxRequestBytes)
	}
	return l
}

// Append encodes r as an action line and a document.
func (d *Destination) Append(body []byte, r *sink.Record) ([]byte, error) {
	return d.encoder.append(body, r)
}

// ReadsTails implements sink.TailReader.
func (d *Destination) ReadsTails() bool { return d.encoder.readsTails() }

// Target implements sink.Targeter: it is the index in the item's action line.
func (d *Destination) Target(item []byte) string {
	return targetOf(item)
}

// Close closes the idle connections.
func (d *Destination) Close() error {
	d.servers.CloseIdle()
	return nil
}

// adaptationMessages are logged, each once, by adapt.
var adaptationMessages = [...]string{
	dropType:    "the server refuses _type: it is no longer sent",
	addType:     "the server requires _type: it is sent from now on",
	dropID:      "the collection refuses ids: they are no longer sent, and a request whose reply is lost may be stored twice",
	plainBodies: "the server can't read gzip: requests are no longer compressed",
}

// adapt changes how requests are encoded from now on.
func (d *Destination) adapt(a adaptation) {
	mode := &d.encoder.mode
	switch a {
	case dropType:
		d.noType.Store(true)
		mode.And(^sendType)
	case addType:
		if !d.noType.Load() { // servers of two versions answer by this name: _type stays out
			mode.Or(sendType)
		}
	case dropID:
		mode.And(^sendID)
	case plainBodies:
		d.plain.Store(true)
	}
	d.logged[a].Do(func() { d.log.Warn().Str("server", d.servers.Clients[0].Name).Msg(adaptationMessages[a]) })
}

// signed reports whether requests are signed for AWS.
func (o *Options) signed() bool { return o.AWSAuth || o.Endpoint != nil }

// serverless reports whether the requests go to a collection of OpenSearch Serverless.
func (o *Options) serverless() bool {
	if o.Endpoint != nil {
		return o.Endpoint.Service == "aoss"
	}
	return o.AWSAuth && strings.EqualFold(o.AWSService, "aoss")
}

// printRequest prints a request to stdout, for trace_output.
func printRequest(c *httpsend.Client, body []byte) {
	_, _ = os.Stdout.WriteString("POST " + c.URL.Redacted() + "\n")
	_, _ = os.Stdout.Write(body)
}
