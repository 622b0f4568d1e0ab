package splunk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/httpsend"
)

const (
	// ackLimit is how long an acknowledgment is waited for. "About HTTP Event Collector Indexer Acknowledgment" advises a
	// client to send the events again after some time.
	ackLimit = 3 * time.Minute
	// firstPoll and lastPoll are the shortest and the longest pause between two requests for an acknowledgment.
	firstPoll = 100 * time.Millisecond
	lastPoll  = 5 * time.Second
)

// errNotAcked means that Splunk hasn't indexed the events in time.
var errNotAcked = fmt.Errorf("the events were not acknowledged within %v", ackLimit)

// acknowledged waits until Splunk has indexed the events of an exchange. If acknowledgments can't be read at all, because the
// collector has no such endpoint or a load balancer leads to another collector, the reply to the events counts.
func (d *Destination) acknowledged(ctx context.Context, o *outcome) sink.Reply {
	ctx, cancel := context.WithTimeoutCause(ctx, d.ackLimit, errNotAcked)
	defer cancel()
	for pause := firstPoll; ; pause = min(2*pause, lastPoll) {
		if !wait(ctx, pause) {
			break
		}
		switch acked, r := d.ask(ctx, o); {
		case acked:
			d.ackWorks.Store(true)
			return o.reply
		case r.Status >= 400 && r.Status < 500 && r.Cause == sink.Answered:
			return d.unread(o, r.Err)
		case r.Status != 0 && r.Verdict == sink.Again && r.RetryAfter > pause:
			pause = min(r.RetryAfter, lastPoll)
		}
	}
	if errors.Is(context.Cause(ctx), errNotAcked) && !d.ackWorks.Load() {
		return d.unread(o, errNotAcked)
	}
	return sink.Reply{Verdict: sink.Again, Err: fmt.Errorf("waiting for the acknowledgment of %s: %w", d.servers.Clients[0].Name, context.Cause(ctx))}
}

// unread returns the reply to the events, because there is no acknowledgment, and says so once.
func (d *Destination) unread(o *outcome, err error) sink.Reply {
	d.noAck.Do(func() {
		d.log.Warn().Err(err).Msg("Splunk's acknowledgments can't be read: records count as delivered when the collector has accepted them; a load balancer must be sticky")
	})
	return o.reply
}

// ask asks once whether the events are indexed.
func (d *Destination) ask(ctx context.Context, o *outcome) (acked bool, r sink.Reply) {
	u := *d.servers.Clients[0].URL
	u.Path, u.RawPath, u.RawQuery = d.ackPath, "", ""
	id := strconv.FormatInt(*o.ack, 10)
	header := d.channelHeader()
	if header == nil {
		header = http.Header{}
	} else {
		u.RawQuery = url.Values{"channel": {header.Get("X-Splunk-Request-Channel")}}.Encode()
	}
	if len(o.cookies) > 0 {
		header.Set("Cookie", strings.Join(o.cookies, "; "))
	}
	r = d.servers.Send(ctx, httpsend.Exchange{
		Post: httpsend.Post{URL: &u, Header: header, Body: []byte(`{"acks":[` + id + `]}`)},
		Judge: func(_ context.Context, resp *http.Response) sink.Reply {
			body, _ := io.ReadAll(io.LimitReader(resp.Body, maxReply))
			a, _ := readAnswer(body)
			acked = a.Acks[id]
			return sink.Reply{Cause: sink.Answered}
		},
		Refused: func(f *httpsend.Failure) sink.Reply {
			r := f.Reply()
			if a, ok := readAnswer(f.Body); ok && a.Code == codeAckDisabled {
				r.Err = errors.New(a.Text)
			}
			return r
		},
	})
	return acked, r
}
