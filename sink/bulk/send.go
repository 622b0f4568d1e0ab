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

// An attempt is the outcome of one exchange: the reply, and whether it is worth repeating at once.
type attempt struct {
	reply       sink.Reply
	broken      bool // the connection failed, or timed out
	credentials bool // the server refused the credentials
	unreadable  bool // the server couldn't read gzip
}

// Send makes one attempt. It repeats it at once, but only once for each of these reasons: the connection broke (it uses a
// new one, to the next server if there are several); AWS refused the credentials (it fetches new ones); the server
// couldn't read gzip (it sends the body uncompressed).
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
			d.adapt(plainBodies)
		default:
			d.trace(c, req, &a.reply)
			return a.reply
		}
	}
}

// trace logs the exchange for trace_error and with_transporter_log.
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
		return attempt{reply: sink.Reply{Verdict: sink.Again, Cause: sink.Unauthorised, Err: sign.Err, Trouble: &noCredentials}}
	case err != nil:
		var cut *httpsend.CutOffError
		return attempt{broken: true, reply: sink.Reply{Verdict: sink.Again, CutOff: errors.As(err, &cut), Err: fmt.Errorf("sending to %s: %w", c.Name, err)}}
	}
	return a
}

// answered judges a 2xx. If the reply breaks off, Send doesn't repeat the attempt: the results read so far are valid, and
// the loop sends the other items again.
func (d *Destination) answered(ctx context.Context, c *httpsend.Client, resp *http.Response, req *sink.Request) attempt {
	r := d.readBulk(resp.Body, req)
	wait := httpsend.RetryAfter(resp.Header, time.Now())
	var unread *unreadError
	if errors.As(r.Err, &unread) {
		unread.err = httpsend.PlainError(ctx, unread.err)
	}
	if unread != nil && r.Verdict == sink.Again {
		if unread.bare(resp.StatusCode) && d.answersBare(c, resp.Header) {
			d.bare.Do(func() {
				d.log.Info().Str("server", c.Name).Msg("the server answers with a bare status, as Data Prepper does: a request it answers with 2xx counts as delivered")
			})
			return attempt{reply: sink.Reply{Status: resp.StatusCode, Cause: sink.Answered, RetryAfter: wait}}
		}
		if unread.strange() {
			wait = max(wait, strangeReplyWait)
			r.Trouble = &notBulk
		}
		r.Status = resp.StatusCode
	}
	if r.Err != nil {
		r.Err = fmt.Errorf("sending to %s: %w", c.Name, r.Err)
	}
	r.RetryAfter = wait
	return attempt{reply: r}
}

// refused judges any other status.
func (d *Destination) refused(c *httpsend.Client, f *failure, req *sink.Request) attempt {
	r, change := judgeRequest(f, req.Len())
	r.Err = fmt.Errorf("sending to %s: %w", c.Name, r.Err)
	if t := d.requestTrouble(f, &r); t != nil {
		r.Trouble = t
	}
	switch {
	case change == plainBodies:
		return attempt{reply: r, unreadable: true}
	case change != noAdaptation && req.Len() > 0 && applies(change, req.Item(0)):
		d.adapt(change)
		r.Reencode = true
	}
	return attempt{reply: r, credentials: r.Cause == sink.Unauthorised}
}
