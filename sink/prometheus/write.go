// Package prometheus has the destinations of metrics: prometheus_remote_write, which sends them to Prometheus, or another server
// of remote write, and prometheus_exporter, which Prometheus scrapes. They take only metrics: the samples of package metric.
package prometheus

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
	"github.com/firelane/firelane/sink/httpsend"
	"github.com/firelane/firelane/sink/wire"
)

// Limits of a request. Prometheus itself sends 2,000 samples; Amazon's limit is 1 MB ("Amazon Managed Service for Prometheus
// service quotas").
const (
	maxRequest = 960 << 10 // bytes before compression
	maxItems   = 2000      // metrics, each of which may have several series
	linger     = time.Second
)

// Field numbers of the protocol's messages (Prometheus, prompb/remote.proto and types.proto).
const (
	requestSeries = 1 // WriteRequest
	seriesLabels  = 1 // TimeSeries
	seriesSamples = 2
	labelName     = 1
	labelValue    = 2
	sampleValue   = 1
	sampleAt      = 2 // milliseconds
)

// Destination is a server of remote write.
//
// An item is the series of one metric, with a sample each. The body of a request is its items, one after another. Only one request is
// in flight at a time, since the protocol wants the samples of a series in the order of their times.
type Destination struct {
	labels     []metric.Label // of every series, sorted
	servers    httpsend.Servers
	compressor httpsend.Compressor
	signer     *aws.Signer // nil: requests aren't signed
}

// New makes the destination. It makes no connection. An invalid option is an error.
func New(o *Options, d config.Dialect, env sink.Env) (sink.Destination, error) {
	u, err := o.target()
	if err != nil {
		return nil, err
	}
	h, err := o.header()
	if err != nil {
		return nil, err
	}
	proxy, err := httpsend.ParseProxy("proxy", string(o.Proxy))
	if err != nil {
		return nil, err
	}
	compressor, err := httpsend.SharedCompressor(env.Common, o.Compress)
	if err != nil || compressor == nil {
		return nil, errors.Join(&config.OptionError{Option: "compression", Reason: "want snappy or gzip"}, err)
	}
	trusted := &o.TLSOptions
	if o.AWSAuth {
		trusted = aws.WithBundle(trusted)
	}
	client, err := httpsend.New(httpsend.Config{
		URL: u, Name: u.Scheme + "://" + u.Host, Header: h, Timeout: httpsend.DefaultTimeout, Net: &o.NetOptions, TLS: trusted, Proxy: proxy,
		Secrets: o.AWSAuth || len(o.Header) > 0 || h.Get("Authorization") != "", Dialect: d, Log: env.Log,
	})
	if err != nil {
		return nil, err
	}
	dest := &Destination{labels: added(o.AddLabel), servers: httpsend.Servers{Clients: []*httpsend.Client{client}}, compressor: compressor}
	if o.AWSAuth {
		dest.signer = aws.NewSigner(aws.For(env.Common, o.source()), o.AWSService)
	}
	return dest, nil
}

// added returns the labels of add_label, sorted. If a name is there several times, the last one counts. A label with an empty value is
// left out.
func added(pairs []config.Pair) (labels []metric.Label) {
	for _, p := range pairs {
		labels = slices.DeleteFunc(labels, func(l metric.Label) bool { return l.Name == p.Key })
		labels = append(labels, metric.Label{Name: p.Key, Value: p.Value})
	}
	return sorted(labels)
}

// sorted sorts labels, and removes those that Prometheus refuses: empty ones, and repeats of a name.
func sorted(labels []metric.Label) []metric.Label {
	labels = slices.DeleteFunc(labels, func(l metric.Label) bool { return l.Value == "" || l.Name == "" })
	slices.SortStableFunc(labels, func(a, b metric.Label) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(labels, func(a, b metric.Label) bool { return a.Name == b.Name })
}

var errNoMetric = errors.New("the record isn't a metric")

// Append encodes the series of a metric.
func (d *Destination) Append(body []byte, r *sink.Record) ([]byte, error) {
	var s metric.Sample
	if !s.Read(r.Body) {
		return body, errNoMetric
	}
	own := labelsOf(&s, d.labels)
	ms := uint64(r.Time.Sec)*1000 + uint64(r.Time.Nsec)/1e6
	var series []metric.Label
	s.Series(func(name string, extra metric.Label, value float64) {
		series = append(append(series[:0], metric.Label{Name: "__name__", Value: cleanName(name, true)}), own...)
		if extra.Name != "" {
			series = append(slices.DeleteFunc(series, func(l metric.Label) bool { return l.Name == extra.Name }), extra)
		}
		series = sorted(series)
		dst, at := wire.Open(body, requestSeries)
		for _, l := range series {
			var label int
			dst, label = wire.Open(dst, seriesLabels)
			dst = wire.AppendString(dst, labelName, l.Name)
			dst = wire.Close(wire.AppendString(dst, labelValue, l.Value), label)
		}
		dst, sample := wire.Open(dst, seriesSamples)
		dst = wire.AppendFixed64(dst, sampleValue, math.Float64bits(value))
		dst = wire.Close(wire.AppendVarint(dst, sampleAt, ms), sample)
		body = wire.Close(dst, at)
	})
	return body, nil
}

// labelsOf returns the labels of a metric, with valid names, and the labels all of every metric, which take precedence.
func labelsOf(s *metric.Sample, all []metric.Label) []metric.Label {
	labels := slices.Clone(all)
	for _, l := range s.Labels {
		name := cleanName(l.Name, false)
		if name != "__name__" && !slices.ContainsFunc(all, func(a metric.Label) bool { return a.Name == name }) {
			labels = append(labels, metric.Label{Name: name, Value: strings.ToValidUTF8(l.Value, "\ufffd")})
		}
	}
	return labels
}

// validName reports whether s is a valid name of a label.
func validName(s string) bool { return s != "" && cleanName(s, false) == s }

// cleanName replaces the characters that a label's name must not have by _ (Prometheus, "Data model"). With colons, the name is a
// metric's, which may have colons.
func cleanName(s string, colons bool) string {
	bad := func(i int, c rune) bool {
		switch {
		case c == '_', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == ':' && colons, '0' <= c && c <= '9' && i > 0:
			return false
		}
		return true
	}
	for i, c := range s {
		if bad(i, c) {
			var b strings.Builder
			for i, c := range s {
				if bad(i, c) {
					c = '_'
				}
				b.WriteRune(c)
			}
			return b.String()
		}
	}
	return s
}

// Send implements sink.Destination.
//
// Prometheus refuses a whole request because of one metric, such as a sample that is older than the last one of its series, and may
// have stored nothing of it ("Prometheus Remote-Write specification": a sender must not repeat the request). So Send sends the halves
// of a refused request, one after the other to keep the order of the samples, and so on until the metric is found.
func (d *Destination) Send(ctx context.Context, req *sink.Request) sink.Reply {
	a := &attempt{d: d, req: req, left: maxCalls}
	a.send(ctx, 0, req.Len())
	if a.stopped == nil {
		a.reply.Verdict = sink.Done // for items that are not in Items
	}
	return a.reply
}

// maxCalls is the maximum number of calls for one request. The items that are left after that are sent again.
const maxCalls = 100

// An attempt sends a request in pieces.
type attempt struct {
	d       *Destination
	req     *sink.Request
	left    int         // calls that it may still make
	reply   sink.Reply  // so far
	stopped *sink.Reply // why no more pieces are sent
}

// send sends the items from i up to but not including j.
func (a *attempt) send(ctx context.Context, i, j int) {
	if a.stopped == nil && a.left == 0 {
		a.stop(sink.Reply{Verdict: sink.Again, Cause: sink.Answered, Unjudged: true, Status: a.reply.Status, Err: errors.New("many metrics of the request were refused: the rest is sent in another request")}, i)
	}
	if a.stopped != nil {
		return
	}
	a.left--
	r := a.d.post(ctx, a.req, i, j)
	switch {
	case r.Verdict == sink.Done:
		a.reply.Cause, a.reply.RetryAfter = sink.Answered, r.RetryAfter
	case refused(&r) && j-i > 1:
		a.reply.Status = r.Status
		middle := i + (j-i)/2
		a.send(ctx, i, middle)
		a.send(ctx, middle, j)
	case refused(&r):
		a.reply.Cause, a.reply.Status = sink.Answered, r.Status
		a.reply.Items = append(a.reply.Items, sink.ItemReply{Index: i, Verdict: sink.Never, Status: r.Status, Type: "refused", Reason: reasonOf(&r)})
	default:
		a.stop(r, i)
	}
}

// stop ends the attempt with the reply to a piece: the items from i on are sent again, and the items before i keep their verdicts.
func (a *attempt) stop(r sink.Reply, i int) {
	judged := a.reply.Items
	a.stopped = &r
	a.reply = r
	a.reply.Items = nil
	if i == 0 {
		return // nothing has a verdict: r may even ask to split the request
	}
	if a.reply.Split != sink.No {
		a.reply.Split, a.reply.Unjudged = sink.No, true // the rest is a request of its own next time, and is halved then
	}
	for n := range i {
		if len(judged) > 0 && judged[0].Index == n {
			a.reply.Items, judged = append(a.reply.Items, judged[0]), judged[1:]
			continue
		}
		a.reply.Items = append(a.reply.Items, sink.ItemReply{Index: n, Verdict: sink.Done})
	}
}

// post makes one call with the items from i up to but not including j.
func (d *Destination) post(ctx context.Context, req *sink.Request, i, j int) sink.Reply {
	start := 0
	if i > 0 {
		start = req.Ends[i-1]
	}
	packed := d.compressor.Compress(req.Body[start:req.Ends[j-1]])
	defer d.compressor.Put(packed)
	x := httpsend.Exchange{
		Post:    httpsend.Post{Body: packed.Bytes(), Encoding: d.compressor.Encoding()},
		Refused: judge,
	}
	if d.signer != nil {
		x.Sign, x.Renew = d.signer.Sign, d.signer.Invalidate
	}
	return d.servers.Send(ctx, x)
}

// judge judges an answer other than 2xx. A sender must not repeat a request after a 4xx other than 429. But 401, 403, 404 and 405 are
// mistakes in the configuration, so the metrics wait. They also wait if the answer isn't the server's own.
func judge(f *httpsend.Failure) sink.Reply {
	r := f.Reply()
	if r.Split != sink.No || r.Cause != sink.Answered || !f.AboutRequest() || f.Status < 400 || f.Status >= 500 {
		return r
	}
	switch f.Status {
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		r.Err = fmt.Errorf("%w; check host, port and uri", r.Err)
		return r
	}
	r.Verdict = sink.Never
	return r
}

// refused reports whether a call was refused because of what was sent.
func refused(r *sink.Reply) bool { return r.Verdict == sink.Never }

func reasonOf(r *sink.Reply) string { return httpsend.Clip(r.Err.Error(), httpsend.MaxReason) }

// Limits implements sink.Destination.
func (d *Destination) Limits() sink.Limits {
	return sink.Limits{MaxBytes: maxRequest, MaxItems: maxItems, Linger: linger, Workers: 1, Ordered: true}
}

// TakesMetrics implements sink.MetricTaker.
func (d *Destination) TakesMetrics() (metrics, others bool) { return true, false }

// Close closes the idle connections.
func (d *Destination) Close() error {
	d.servers.CloseIdle()
	return nil
}
