package bulk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/firelane/firelane/sink"
)

// An attempt is what one exchange came to: the reply, and what may be done about it at once.
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
	s := d.servers.take()
	for {
		a := d.attempt(ctx, s, req)
		switch {
		case a.broken && ctx.Err() == nil && !connection:
			connection = true
			s.client.CloseIdleConnections()
			s = d.servers.take()
		case a.credentials && !credentials && d.signer != nil && d.signer.invalidate():
			credentials = true
		case a.unreadable:
			d.learn(plainBodies)
		default:
			d.trace(s, req, &a.reply)
			return a.reply
		}
	}
}

// trace logs what trace_error and with_transporter_log ask for.
func (d *Destination) trace(s *server, req *sink.Request, r *sink.Reply) {
	if d.opts.TraceRequests {
		d.log.Info().Str("server", s.base).Int("items", req.Len()).Int("bytes", len(req.Body)).Int("status", r.Status).Msg("request sent")
	}
	if d.opts.TraceError && r.Err != nil {
		d.log.Error().Str("server", s.base).Int("status", r.Status).Err(r.Err).Msg("request refused")
	}
}

// attempt makes one exchange with s.
func (d *Destination) attempt(ctx context.Context, s *server, req *sink.Request) attempt {
	limit := d.opts.timeout()
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%w (%s)", errNoReply, limit))
	defer cancel()
	body, gzipped := req.Body, d.gzip != nil && !d.plain.Load()
	if gzipped {
		z := d.gzip.compress(body)
		defer d.gzip.put(z)
		body = z.out.Bytes()
	}
	post, sent := s.newRequest(ctx, body, gzipped)
	defer sent.release()
	if d.signer != nil {
		if err := d.signer.sign(ctx, post, body); err != nil {
			return attempt{reply: sink.Reply{Verdict: sink.Again, Unauthorised: true, Err: err}}
		}
	}
	if d.opts.TraceOutput {
		printRequest(post, req.Body)
	}
	resp, err := s.client.Do(post)
	if err != nil {
		return d.broken(ctx, s, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return d.answered(ctx, s, resp, req)
	}
	return d.refused(s, readFailure(resp, gzipped), req)
}

// broken is an exchange that failed before its reply began.
func (d *Destination) broken(ctx context.Context, s *server, err error) attempt {
	s.failed.Store(time.Now().UnixNano())
	return attempt{broken: true, reply: sink.Reply{Verdict: sink.Again, Err: fmt.Errorf("sending to %s: %w", s.base, plainError(ctx, err))}}
}

// plainError takes the URL off the error, which the caller names, and says what a time-out was about.
func plainError(ctx context.Context, err error) error {
	if errors.Is(err, context.DeadlineExceeded) && errors.Is(context.Cause(ctx), errNoReply) {
		return context.Cause(ctx)
	}
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// answered is a 2xx. A reply that breaks off is no failure of the connection to be retried here: what it says of the
// items until then holds, and the rest is sent again by the worker.
func (d *Destination) answered(ctx context.Context, s *server, resp *http.Response, req *sink.Request) attempt {
	s.failed.Store(0)
	r := d.readBulk(resp.Body, req)
	if r.Err != nil {
		r.Err = fmt.Errorf("sending to %s: %w", s.base, plainError(ctx, r.Err))
	}
	r.RetryAfter = retryAfter(resp.Header, time.Now())
	return attempt{reply: r}
}

// refused is any other status.
func (d *Destination) refused(s *server, f *failure, req *sink.Request) attempt {
	r, lesson := judgeRequest(f, req.Len())
	r.Err = fmt.Errorf("sending to %s: %w", s.base, r.Err)
	switch {
	case lesson == plainBodies:
		return attempt{reply: r, unreadable: true}
	case lesson != noLesson && req.Len() > 0 && canLearn(lesson, req.Item(0)):
		d.learn(lesson)
		r.Reencode = true
	}
	return attempt{reply: r, credentials: r.Unauthorised}
}
