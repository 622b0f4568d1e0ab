package bulk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/httpsend"
)

// An attempt is the outcome of one exchange: the reply, and what may be done about it at once.
type attempt struct {
	reply       sink.Reply
	broken      bool // the connection failed, or timed out
	credentials bool // they were refused
	unreadable  bool // the server couldn't read gzip
}

// Send makes one attempt, and one more at once for each of these, at most: the connection broke (another one is made,
// to the next server where there are several), credentials of AWS were refused (they are fetched anew), gzip
// wasn't understood (the body is sent plain).
func (d *Destination) Send(ctx context.Context, req *sink.Request) sink.Reply {
	var connection, credentials bool
	c := d.servers.Take()
	for {
		a := d.attempt(ctx, c, req)
		switch {
		case a.broken && ctx.Err() == nil && !connection:
			connection = true
			c.CloseIdle()
			c = d.servers.Take()
		case a.credentials && !credentials && d.signer != nil && d.signer.Invalidate():
			credentials = true
		case a.unreadable:
			d.learn(plainBodies)
		default:
			d.trace(c, req, &a.reply)
			return a.reply
		}
	}
}

// trace logs what trace_error and with_transporter_log ask for.
func (d *Destination) trace(c *httpsend.Client, req *sink.Request, r *sink.Reply) {
	if d.opts.TraceRequests {
		d.log.Info().Str("server", c.Name).Int("items", req.Len()).Int("bytes", len(req.Body)).Int("status", r.Status).Msg("request sent")
	}
	if d.opts.TraceError && r.Err != nil {
		d.log.Error().Str("server", c.Name).Int("status", r.Status).Err(r.Err).Msg("request refused")
	}
}

// attempt makes one exchange with c.
func (d *Destination) attempt(ctx context.Context, c *httpsend.Client, req *sink.Request) (a attempt) {
	post := httpsend.Post{Body: req.Body}
	if d.gzip != nil && !d.plain.Load() {
		z := d.gzip.Compress(req.Body)
		defer d.gzip.Put(z)
		post.Body, post.Encoding = z.Bytes(), "gzip"
	}
	if d.signer != nil {
		post.Sign = d.signer.Sign
	}
	if d.opts.TraceOutput {
		printRequest(c, req.Body)
	}
	err := c.Do(ctx, post, func(ctx context.Context, resp *http.Response) {
		if resp.StatusCode >= 200 && resp.StatusCode < 300 {
			a = d.answered(ctx, c, resp, req)
		} else {
			a = d.refused(c, readFailure(resp, post.Encoding != ""), req)
		}
	})
	var sign *httpsend.SignError
	switch {
	case errors.As(err, &sign):
		return attempt{reply: sink.Reply{Verdict: sink.Again, Cause: sink.Unauthorised, Err: sign.Err}}
	case err != nil:
		return attempt{broken: true, reply: sink.Reply{Verdict: sink.Again, Err: fmt.Errorf("sending to %s: %w", c.Name, err)}}
	}
	return a
}

// answered is a 2xx. A reply that breaks off is no failure of the connection to be retried here: what it says of the
// items until then holds, and the rest is sent again by the worker.
func (d *Destination) answered(ctx context.Context, c *httpsend.Client, resp *http.Response, req *sink.Request) attempt {
	r := d.readBulk(resp.Body, req)
	if r.Err != nil {
		r.Err = fmt.Errorf("sending to %s: %w", c.Name, httpsend.PlainError(ctx, r.Err))
	}
	r.RetryAfter = httpsend.RetryAfter(resp.Header, time.Now())
	return attempt{reply: r}
}

// refused is any other status.
func (d *Destination) refused(c *httpsend.Client, f *failure, req *sink.Request) attempt {
	r, lesson := judgeRequest(f, req.Len())
	r.Err = fmt.Errorf("sending to %s: %w", c.Name, r.Err)
	switch {
	case lesson == plainBodies:
		return attempt{reply: r, unreadable: true}
	case lesson != noLesson && req.Len() > 0 && canLearn(lesson, req.Item(0)):
		d.learn(lesson)
		r.Reencode = true
	}
	return attempt{reply: r, credentials: r.Cause == sink.Unauthorised}
}
