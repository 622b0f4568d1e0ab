// Package bulk delivers records to Elasticsearch and OpenSearch by their _bulk API. It is Fluent Bit's es and
// opensearch, and Fluentd's elasticsearch and opensearch.
//
// A record becomes an item (encode.go), a request is one POST of many (send.go), and what the server answers is sorted
// in one place (verdict.go). Four things are learnt from a server's refusals and kept for the life of the process:
// whether it wants _type, whether the collection takes ids, and whether bodies may be gzipped.
//
// Every item carries an id. It is the record's identity, unless the user asks for another: with it a request can be
// sent again after a lost reply, and create answers 409 for what is there already, which counts as done. With id_key, too,
// a 409 on create means that the document is there, as it does for Fluent Bit.
package bulk

import (
	"cmp"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/rs/zerolog"
)

// Env is what a Destination takes from its surroundings.
type Env struct {
	Log zerolog.Logger
}

// Destination is a cluster of Elasticsearch or OpenSearch.
type Destination struct {
	opts    *Options
	log     zerolog.Logger
	encoder *encoder
	servers ring
	signer  *signer // nil: requests aren't signed

	readers replyReaders
	gzip    *gzipper    // nil: bodies are sent as they are
	plain   atomic.Bool // the server was found not to read gzip
	learnt  [plainBodies + 1]sync.Once
	noType  atomic.Bool // _type was refused once: it isn't sent again
}

var (
	_ sink.Destination = (*Destination)(nil)
	_ sink.Tailer      = (*Destination)(nil)
	_ sink.TailReader  = (*Destination)(nil)
)

// New makes the destination that opts describe, which config has bound and checked. Nothing is connected to, and no
// credentials are looked for, before the first Send.
func New(opts *Options, d config.Dialect, env Env) (*Destination, error) {
	e, err := newEncoder(opts, d)
	if err != nil {
		return nil, err
	}
	dest := &Destination{opts: opts, log: env.Log, encoder: e, gzip: newGzipper(opts)}
	where, err := places(opts, d)
	if err != nil {
		return nil, err
	}
	for _, p := range where {
		s, err := newServer(p, opts, d, env)
		if err != nil {
			return nil, err
		}
		dest.servers.servers = append(dest.servers.servers, s)
	}
	if opts.signed() {
		dest.signer = newSigner(opts, where[0].host)
	}
	return dest, nil
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

// AppendTail implements sink.Tailer.
func (d *Destination) AppendTail(dst, tail []byte) ([]byte, bool) {
	return d.encoder.appendTail(dst, tail)
}

// ReadsTails implements sink.TailReader.
func (d *Destination) ReadsTails() bool { return d.encoder.readsTails() }

// Target is the index that an item is for, as its action line names it: for the dead letter.
func (d *Destination) Target(item []byte) string {
	return targetOf(item)
}

// Close closes the idle connections.
func (d *Destination) Close() error {
	for _, s := range d.servers.servers {
		s.client.CloseIdleConnections()
	}
	return nil
}

// lessons are what is logged, once, when a server has taught something.
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
	d.learnt[l].Do(func() { d.log.Warn().Str("server", d.servers.servers[0].base).Msg(lessons[l]) })
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
func printRequest(req *http.Request, body []byte) {
	_, _ = os.Stdout.WriteString(cmp.Or(req.Method, http.MethodGet) + " " + req.URL.Redacted() + "\n")
	_, _ = os.Stdout.Write(body)
}
