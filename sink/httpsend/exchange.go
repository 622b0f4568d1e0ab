package httpsend

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/firelane/firelane/sink"
)

// An Exchange is one attempt of a destination.
type Exchange struct {
	Post
	// Compress compresses the body; nil: it is sent as it is.
	Compress Compressor
	// Judge reads a reply with a status 2xx, and gives the verdict. Nil: a 2xx means that every item is done.
	Judge func(ctx context.Context, resp *http.Response) sink.Reply
	// Refused gives the verdict for any other status. Nil: Failure.Reply.
	Refused func(f *Failure) sink.Reply
	// Pages means that a web page with a status 2xx is an acceptance, too. Otherwise it is somebody else's answer, such as that of
	// a proxy that asks to sign in.
	Pages bool
	// Renew gets new credentials after the server refused them, and reports whether there may be new ones. Nil: it can't.
	Renew func() bool
}

// Send makes one attempt with one of the servers. It repeats it at once, but only once for each of these reasons: the
// connection broke (a fresh one, to the next server if there are several), or the credentials were refused and Renew got
// new ones. The reply's error names the server.
func (s *Servers) Send(ctx context.Context, x Exchange) sink.Reply {
	if x.Compress != nil {
		z := x.Compress.CompressAround(x.Before, x.Body, x.After)
		defer x.Compress.Put(z)
		x.Body, x.Before, x.After, x.Encoding = z.Bytes(), nil, nil, x.Compress.Encoding()
	}
	c := s.Take()
	r, err := c.exchange(ctx, &x)
	if err != nil && ctx.Err() == nil {
		c.CloseIdle()
		c = s.Take()
		r, err = c.exchange(ctx, &x)
	}
	if err == nil && r.Cause == sink.Unauthorised && x.Renew != nil && x.Renew() {
		r, err = c.exchange(ctx, &x)
	}
	if err != nil {
		var cut *CutOffError
		r = sink.Reply{Verdict: sink.Again, Err: err, CutOff: errors.As(err, &cut)}
	}
	if r.Err != nil {
		r.Err = fmt.Errorf("sending to %s: %w", c.Name, r.Err)
	}
	return r
}

// exchange makes one exchange. An error means that the connection failed.
func (c *Client) exchange(ctx context.Context, x *Exchange) (r sink.Reply, err error) {
	err = c.Do(ctx, x.Post, func(ctx context.Context, resp *http.Response) {
		switch {
		case resp.StatusCode >= 200 && resp.StatusCode < 300 && !x.Pages && isPage(resp):
			r = notService(resp)
		case resp.StatusCode < 200 || resp.StatusCode >= 300:
			f := ReadFailure(resp)
			if x.Refused != nil {
				r = x.Refused(f)
			} else {
				r = f.Reply()
			}
		case x.Judge != nil:
			r = x.Judge(ctx, resp)
			r.Status = resp.StatusCode
		default:
			Drain(resp)
			r = sink.Reply{Cause: sink.Answered, Status: resp.StatusCode, RetryAfter: RetryAfter(resp.Header, time.Now())}
		}
	})
	var sign *SignError
	if errors.As(err, &sign) {
		return sink.Reply{Verdict: sink.Again, Cause: sink.Unauthorised, Err: sign.Err}, nil
	}
	return r, err
}
