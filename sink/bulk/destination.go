// Package bulk delivers records to Elasticsearch and OpenSearch by their _bulk API. It is Fluent Bit's es and
// opensearch, and Fluentd's elasticsearch and opensearch.
//
// A record becomes an item (encode.go), a request is one POST of many (send.go), and what the server answers is sorted
// in one place (verdict.go). Four things are learned from a server's refusals and kept for the life of the process:
// whether it wants _type, whether the collection takes ids, and whether bodies may be gzipped.
//
// Every item carries an id. It is the record's identity, unless the user asks for another: with it a request can be
// sent again after a lost reply, and create answers 409 for what is there already, which counts as done. With id_key, too,
// a 409 on create means that the document is there, as it does for Fluent Bit.
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

// Destination is a cluster of Elasticsearch or OpenSearch.
type Destination struct {
	opts    *Options
	log     zerolog.Logger
	encoder *encoder
	servers httpsend.Servers
	signer  *aws.Signer // nil: requests aren't signed

	readers replyReaders
	gzip    *httpsend.Gzip // nil: bodies are sent as they are
	plain   atomic.Bool    // the server was found not to read gzip
	learned [plainBodies + 1]sync.Once
	noType  atomic.Bool // _type was refused once: it isn't sent again
}

var (
	_ sink.Destination = (*Destination)(nil)
	_ sink.Targeter    = (*Destination)(nil)
	_ sink.TailReader  = (*Destination)(nil)
)

// New makes the destination that opts describe. No credentials are looked for before the first Send.
func New(opts *Options, d config.Dialect, env sink.Env) (sink.Destination, error) {
	return newBulk(opts, d, env)
}

func newBulk(opts *Options, d config.Dialect, env sink.Env) (*Destination, error) {
	e, err := newEncoder(opts, d)
	if err != nil {
		return nil, err
	}
	dest := &Destination{opts: opts, log: env.Log, encoder: e, gzip: opts.gzip()}
	where, err := places(opts, d)
	if err != nil {
		return nil, err
	}
	for _, p := range where {
		c, err := newClient(p, opts, d, env)
		if err != nil {
			return nil, err
		}
		dest.servers.Clients = append(dest.servers.Clients, c)
	}
	if opts.signed() {
		source, service := opts.awsSource(where[0].host)
		dest.signer = aws.NewSigner(aws.For(env.Common, source), service)
	}
	return dest, nil
}

// newClient prepares connections to p.
func newClient(p place, o *Options, d config.Dialect, env sink.Env) (*httpsend.Client, error) {
	u, err := url.Parse(p.url() + "/_bulk")
	if err != nil {
		return nil, fmt.Errorf("making the URL of %s: %w", p.host, err)
	}
	u.RawQuery = bulkQuery(o)
	c := httpsend.Config{
		URL: u, Name: p.url(), Timeout: httpsend.DefaultTimeout, Net: &o.NetOptions, TLS: &o.TLSOptions, Dialect: d, Log: env.Log,
		Header: http.Header{"Content-Type": {"application/x-ndjson"}, "User-Agent": {"firelane"}},
	}
	if o.RequestTimeout != nil && *o.RequestTimeout > 0 {
		c.Timeout = *o.RequestTimeout
	}
	if o.CustomHeaders != "" {
		var custom map[string]string
		_ = json.Unmarshal([]byte(o.CustomHeaders), &custom) // Check has read it
		for k, v := range custom {
			c.Header.Set(k, v)
		}
	}
	switch {
	case o.APIKey != "":
		c.Header.Set("Authorization", "ApiKey "+string(o.APIKey))
	case p.user != "":
		c.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(p.user+":"+p.password)))
	}
	c.Secrets = o.signed() || o.CustomHeaders != "" || c.Header.Get("Authorization") != ""
	return httpsend.New(c)
}

// bulkQuery is the query of every request. filter_path leaves of the reply what is read here: errors, and each item's
// status, without which the positions would be lost. Serverless collections aren't asked for it.
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

// gzip compresses the requests; nil where the options don't ask for it.
func (o *Options) gzip() *httpsend.Gzip {
	if strings.EqualFold(o.Compress, "gzip") {
		return httpsend.NewGzip(httpsend.Fastest)
	}
	switch o.CompressionLevel {
	case "best_speed":
		return httpsend.NewGzip(httpsend.Fastest)
	case "default_compression":
		return httpsend.NewGzip(httpsend.Default)
	case "best_compression":
		return httpsend.NewGzip(httpsend.Smallest)
	}
	return nil
}

// awsSource is where credentials come from, and the service that requests are signed for.
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

// Limits of the requests. One MiB is where OpenSearch's throughput levels off for log lines, and well under the 10 MiB that
// small AWS instances take.
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

// ReadsTails says whether a document may show its members in another order than the record does.
func (d *Destination) ReadsTails() bool { return d.encoder.readsTails() }

// Target is the index that an item is for, as its action line names it: for the dead letter.
func (d *Destination) Target(item []byte) string {
	return targetOf(item)
}

// Close closes the idle connections.
func (d *Destination) Close() error {
	d.servers.CloseIdle()
	return nil
}

// lessons are what is logged, once, when a server's refusal has taught something.
var lessons = [...]string{
	dropType:    "the server refuses _type: it is left out from now on",
	addType:     "the server wants _type: it is sent from now on",
	dropID:      "the collection takes no ids: none are sent from now on, and a request whose reply is lost may be stored twice",
	plainBodies: "the server can't read gzip: requests are sent without it from now on",
}

// learn changes how items are written from now on.
func (d *Destination) learn(l lesson) {
	mode := &d.encoder.mode
	switch l {
	case dropType:
		d.noType.Store(true)
		mode.And(^sendType)
	case addType:
		if !d.noType.Load() { // servers of two kinds behind one name: _type stays out
			mode.Or(sendType)
		}
	case dropID:
		mode.And(^sendID)
	case plainBodies:
		d.plain.Store(true)
	}
	d.learned[l].Do(func() { d.log.Warn().Str("server", d.servers.Clients[0].Name).Msg(lessons[l]) })
}

// signed says whether requests are signed for AWS.
func (o *Options) signed() bool { return o.AWSAuth || o.Endpoint != nil }

// serverless says whether the requests go to a collection of OpenSearch Serverless.
func (o *Options) serverless() bool {
	if o.Endpoint != nil {
		return o.Endpoint.Service == "aoss"
	}
	return o.AWSAuth && strings.EqualFold(o.AWSService, "aoss")
}

// printRequest is trace_output.
func printRequest(c *httpsend.Client, body []byte) {
	_, _ = os.Stdout.WriteString("POST " + c.URL.Redacted() + "\n")
	_, _ = os.Stdout.Write(body)
}
