package deliver

import (
	"context"
	"fmt"

	"github.com/firelane/firelane/sink"
)

// maxReencodes is how often in a row a destination may ask for items in another way before it has to wait as for any
// other failure.
const maxReencodes = 3

// attempt encodes what p hasn't encoded yet, sends it, and sorts the reply. What is left in p must be tried again. A
// worker calls it.
func (o *Output) attempt(ctx context.Context, p *part, maxBytes int) {
	p.out = outcome{}
	had := p.req.Len()
	switch {
	case p.stale:
		o.reencode(p)
	case p.encoding:
		before := p.chunk.encoded()
		o.encode(p, maxBytes)
		had = p.chunk.encoded() - before
	}
	if p.req.Len() > 0 {
		p.out.sent, p.out.bytes, p.out.items = true, len(p.req.Body), p.req.Len()
		if p.retries > 0 || p.reencodes > 0 {
			p.out.resent = p.req.Len()
		}
		p.out.reply = o.send(ctx, p)
		p.out.stopped = ctx.Err() != nil && p.out.reply.Verdict == sink.Again && p.out.reply.Cause == sink.Unreached
		o.sort(p)
	}
	p.out.lost = had - p.req.Len() - p.out.ended()
}

// send makes the attempt. A panic counts as a failure that may pass.
func (o *Output) send(ctx context.Context, p *part) (reply sink.Reply) {
	defer func() {
		if v := recover(); v != nil {
			o.panicked(p, "sending", v)
			reply = sink.Reply{Verdict: sink.Again, Err: fmt.Errorf("sending: panic: %v", v)}
		}
	}()
	reply = o.dest.Send(ctx, &p.req)
	if err := checkItems(reply.Items, p.req.Len()); err != nil {
		reply = sink.Reply{Verdict: sink.Again, Err: err, Cause: reply.Cause}
	}
	return reply
}

// checkItems holds the destination to its contract.
func checkItems(items []sink.ItemReply, n int) error {
	last := -1
	for i := range items {
		if items[i].Index <= last || items[i].Index >= n {
			return fmt.Errorf("sorting the reply: item %d of %d is out of order", items[i].Index, n)
		}
		last = items[i].Index
	}
	return nil
}

// sort takes out of p what has ended, by the verdict on each item, and dead-letters what will never be taken. The items
// that are left move to the front of the body as they are.
func (o *Output) sort(p *part) {
	r := &p.out.reply
	if r.Split != sink.No {
		o.sortSplit(p, r)
		return
	}
	rest := sink.ItemReply{Verdict: r.Verdict, Status: r.Status}
	if r.Err != nil && r.Verdict != sink.Done {
		rest.Reason = r.Err.Error()
	}
	counts := r.Cause == sink.Answered && !r.Reencode && o.retry.Limit >= 0
	next, kept := 0, 0
	for i := range p.req.Len() {
		item := &rest
		if next < len(r.Items) && r.Items[next].Index == i {
			item = &r.Items[next]
			next++
		}
		switch item.Verdict {
		case sink.Done:
			p.out.delivered++
		case sink.Never:
			o.giveUp(p, i, *item)
		case sink.Again:
			if counts && !item.Busy && isRefusal(item.Status) && p.countRefusal(i) > o.retry.Limit {
				over := *item
				over.Reason = fmt.Sprintf("given up after %d refusals (retry_limit): %s", o.retry.Limit+1, item.Reason)
				o.giveUp(p, i, over)
				continue
			}
			p.move(kept, i)
			kept++
		}
	}
	p.truncate(kept)
	o.deadLetterItems(p)
}

// sortSplit sorts the reply to a request that must be halved. A single item that is too large will never be taken.
func (o *Output) sortSplit(p *part, r *sink.Reply) {
	if p.req.Len() > 1 {
		p.out.split = true
		return
	}
	reason := "too large"
	if r.Err != nil {
		reason = r.Err.Error()
	}
	o.giveUp(p, 0, sink.ItemReply{
		Status: r.Status, Type: "too_large", Reason: fmt.Sprintf("the destination refuses a request of %d bytes: %s", len(p.req.Body), reason),
	})
	p.truncate(0)
	o.deadLetterItems(p)
}

// isRefusal says whether a status is a refusal of the item. That of an overloaded server is not: it passes with time.
func isRefusal(status int) bool {
	return status != 429 && (status < 502 || status > 504)
}
