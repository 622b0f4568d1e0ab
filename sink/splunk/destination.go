// Package splunk delivers records to Splunk's HTTP Event Collector, as Fluent Bit's splunk and fluent-plugin-splunk-hec do.
//
// The collector knows no ids: delivery is at least once. With a token that has indexer acknowledgment, a record is delivered
// when Splunk has indexed it (ack.go), otherwise when the collector has accepted it.
package splunk

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/httpsend"
)

// maxResumes is how many exchanges one attempt makes at most: after an invalid event it goes on with those that follow.
const maxResumes = 16

// Destination delivers to one collector.
type Destination struct {
	encoder  *encoder
	servers  httpsend.Servers
	compress httpsend.Compressor // nil: none
	log      zerolog.Logger

	indexOfRecord bool
	channel       atomic.Pointer[string] // the header's value; nil: none is sent
	ackPath       string
	ackLimit      time.Duration // how long an acknowledgment is waited for
	ackWorks      atomic.Bool   // an acknowledgment has come once
	noAck         sync.Once     // logs that they can't be read
}

// New makes the destination that opts describe, without connecting.
func New(o *Options, d config.Dialect, env sink.Env) (sink.Destination, error) {
	e, err := newEncoder(o, d, env.Hostname)
	if err != nil {
		return nil, err
	}
	c, err := o.client(d, env)
	if err != nil {
		return nil, err
	}
	client, err := httpsend.New(c)
	if err != nil {
		return nil, err
	}
	dest := &Destination{encoder: e, log: env.Log, indexOfRecord: o.SendRaw || o.IndexKey != "", ackPath: ackPath(c.URL.Path), ackLimit: ackLimit}
	dest.servers.Clients = []*httpsend.Client{client}
	if gzip, _ := httpsend.GzipOnly(o.Compress); gzip || o.Gzip {
		dest.compress = httpsend.SharedGzip(env.Common, httpsend.Fastest)
	}
	if o.Channel != "" {
		dest.channel.Store(&o.Channel)
	}
	return dest, nil
}

func (o *Options) client(d config.Dialect, env sink.Env) (c httpsend.Config, err error) {
	u, err := o.url(d)
	if err != nil {
		return c, err
	}
	network, tls := o.NetOptions, o.TLSOptions
	tls.Verify = tls.Verify && !o.Insecure
	if o.CADir != "" {
		tls.CAPath = o.CADir
	}
	c = httpsend.Config{
		URL: u, Name: u.Scheme + "://" + u.Host, Timeout: httpsend.DefaultTimeout, Net: &network, TLS: &tls, Secrets: true, Dialect: d, Log: env.Log,
		Header: http.Header{"Content-Type": {"application/json"}, "User-Agent": {"firelane"}},
	}
	if o.User != "" {
		c.Header.Set("Authorization", httpsend.Basic(o.User, o.Password))
	} else {
		c.Header.Set("Authorization", "Splunk "+string(o.Token))
	}
	if d == config.FluentBit {
		return c, nil
	}
	if o.OpenTimeout != nil && *o.OpenTimeout > 0 {
		network.ConnectTimeout = *o.OpenTimeout
	}
	if o.ReadTimeout != nil && *o.ReadTimeout > 0 {
		c.Timeout = *o.ReadTimeout
	}
	for name, value := range map[string]string{"__splunk_app_name": o.AppName, "__splunk_app_version": o.AppVersion} {
		if value != "" && httpsend.CheckHeader(name, value) == nil {
			c.Header[name] = []string{value} // in lower case
		}
	}
	pairs, err := o.headers()
	httpsend.ApplyHeaders(c.Header, pairs, true)
	return c, err
}

// ReadsTails implements sink.TailReader.
func (d *Destination) ReadsTails() bool { return d.encoder.readsTails() }

// Append implements sink.Destination.
func (d *Destination) Append(body []byte, r *sink.Record) ([]byte, error) {
	return d.encoder.append(body, r)
}

// Send implements sink.Destination. The collector reads a request up to the first invalid event, and keeps those before it:
// that event is given up, and the attempt goes on with the next one, which nobody has judged.
func (d *Destination) Send(ctx context.Context, req *sink.Request) sink.Reply {
	var ended []sink.ItemReply // of the items before from
	from, channel := 0, false
	for range maxResumes {
		o := d.exchange(ctx, req, from)
		if o.channel && !channel && ctx.Err() == nil {
			channel = true
			d.makeChannel()
			o = d.exchange(ctx, req, from)
		}
		if o.invalid < 0 {
			if o.reply.Verdict == sink.Done && o.ack != nil {
				o.reply = d.acknowledged(ctx, &o)
			}
			return joined(ended, from, o.reply)
		}
		bad := from + o.invalid
		for i := from; i < bad; i++ {
			ended = append(ended, sink.ItemReply{Index: i, Verdict: sink.Done})
		}
		reason := sink.ItemReply{Index: bad, Verdict: sink.Never, Status: o.reply.Status, Reason: o.reply.Err.Error()}
		ended = append(ended, reason)
		if from = bad + 1; from == req.Len() {
			return joined(ended, from, sink.Reply{Cause: sink.Answered, Status: o.reply.Status})
		}
	}
	return joined(ended, from, unjudged(sink.Reply{Err: fmt.Errorf("%d events of a request are invalid", maxResumes)}))
}

// unjudged makes r say that nobody has judged the items.
func unjudged(r sink.Reply) sink.Reply {
	r.Cause, r.Verdict, r.Split, r.Unjudged = sink.Answered, sink.Again, sink.No, true
	return r
}

// joined is the reply for a request whose first items have ended, and r is that for the others.
func joined(ended []sink.ItemReply, from int, r sink.Reply) sink.Reply {
	if from == 0 {
		return r
	}
	if r.Split != sink.No {
		r = unjudged(r) // the rest is a request of its own next time, and is halved then
	}
	for i := range r.Items {
		r.Items[i].Index += from
	}
	items := make([]sink.ItemReply, 0, len(ended)+len(r.Items))
	for _, i := range ended {
		if i.Verdict != r.Verdict {
			items = append(items, i)
		}
	}
	r.Items = append(items, r.Items...)
	return r
}

// exchange sends the items from one on.
func (d *Destination) exchange(ctx context.Context, req *sink.Request, from int) (o outcome) {
	o.invalid = -1
	start := 0
	if from > 0 {
		start = req.Ends[from-1]
	}
	x := httpsend.Exchange{
		Post:     httpsend.Post{Body: req.Body[start:], Header: d.channelHeader()},
		Compress: d.compress,
		Judge:    func(_ context.Context, resp *http.Response) sink.Reply { return o.accepted(resp) },
		Refused:  func(f *httpsend.Failure) sink.Reply { return o.refused(f, req.Len()-from, d.indexOfRecord) },
	}
	o.reply = d.servers.Send(ctx, x)
	return o
}

func (d *Destination) channelHeader() http.Header {
	if c := d.channel.Load(); c != nil {
		return http.Header{"X-Splunk-Request-Channel": {*c}}
	}
	return nil
}

// makeChannel makes a channel, unless there is one.
func (d *Destination) makeChannel() {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	guid := fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
	if d.channel.CompareAndSwap(nil, &guid) {
		d.log.Info().Str("channel", guid).Msg("Splunk wants a channel with each request: this one is sent from now on")
	}
}

// Limits implements sink.Destination. Splunk advises against requests of more than 1 MB.
func (d *Destination) Limits() sink.Limits { return sink.Limits{MaxBytes: 1_000_000} }

// Close closes the idle connections.
func (d *Destination) Close() error {
	d.servers.CloseIdle()
	return nil
}

// wait waits, and reports whether ctx goes on.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
