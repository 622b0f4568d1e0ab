package sink

import (
	"context"
	"fmt"
)

// maxReencodes is how often in a row a destination may ask for items in another way before it has to wait as for any
// other failure.
const maxReencodes = 3

// attempt encodes what p hasn't encoded yet, sends it, and sorts the reply. What is left in p must be tried again. It
// is the body of a worker.
func (o *Output) attempt(ctx context.Context, p *part, maxBytes int) {
	p.out = outcome{}
	switch {
	case p.stale:
		o.reencode(p)
	case p.req.Len() == 0:
		o.encode(p, maxBytes)
	}
	if p.req.Len() == 0 {
		return
	}
	p.out.sent, p.out.bytes, p.out.items = true, len(p.req.Body), p.req.Len()
	if p.retries > 0 || p.reencodes > 0 {
		p.out.resent = p.req.Len()
	}
	p.out.reply = o.send(ctx, p)
	p.out.stopped = ctx.Err() != nil && p.out.reply.Verdict == Again && !p.out.reply.Reached
	o.sort(p)
}

// send makes the attempt. A panic counts as a failure that may pass.
func (o *Output) send(ctx context.Context, p *part) (reply Reply) {
	defer func() {
		if v := recover(); v != nil {
			o.panicked(p, "sending", v)
			reply = Reply{Verdict: Again, Err: fmt.Errorf("sending: panic: %v", v)}
		}
	}()
	reply = o.dest.Send(ctx, &p.req)
	if err := checkItems(reply.Items, p.req.Len()); err != nil {
		reply = Reply{Verdict: Again, Err: err, Reached: reply.Reached}
	}
	return reply
}

// checkItems holds the destination to its contract.
func checkItems(items []ItemReply, n int) error {
	last := -1
	for i := range items {
		if items[i].Index <= last || items[i].Index >= n {
			return fmt.Errorf("sorting the reply: item %d of %d is out of order", items[i].Index, n)
		}
		last = items[i].Index
	}
	return nil
}

// sort takes out of p what has ended, by the verdict on each item, and buries what will never be taken. The items that
// are left move to the front of the body as they are.
func (o *Output) sort(p *part) {
	r := &p.out.reply
	if r.TooLarge {
		if p.req.Len() > 1 {
			p.out.split = true
			return
		}
		o.condemn(p, 0, ItemReply{Status: r.Status, Type: "too_large", Reason: fmt.Sprintf("the destination takes no request of %d bytes: %s", len(p.req.Body), errText(r.Err))})
		p.keep(0)
		o.buryCondemned(p)
		return
	}
	rest := ItemReply{Verdict: r.Verdict, Status: r.Status}
	if r.Err != nil && r.Verdict != Done {
		rest.Reason = r.Err.Error()
	}
	counts := r.Reached && !r.Throttled && !r.Unauthorised && !r.Reencode && o.retry.Limit >= 0
	next, kept := 0, 0
	for i := range p.req.Len() {
		item := &rest
		if next < len(r.Items) && r.Items[next].Index == i {
			item = &r.Items[next]
			next++
		}
		switch item.Verdict {
		case Done:
			p.out.delivered++
		case Never:
			o.condemn(p, i, *item)
		case Again:
			if counts && !item.Busy && refuses(item.Status) && p.refuse(i) > o.retry.Limit {
				given := *item
				given.Reason = fmt.Sprintf("given up after %d refusals (retry_limit): %s", o.retry.Limit+1, item.Reason)
				o.condemn(p, i, given)
				continue
			}
			p.move(kept, i)
			kept++
		}
	}
	p.keep(kept)
	o.buryCondemned(p)
}

// refuses says whether a status is a refusal of the item. An overloaded server's is not: waiting passes it.
func refuses(status int) bool {
	return status != 429 && (status < 502 || status > 504)
}

// refuse counts a refusal of item i.
func (p *part) refuse(i int) int {
	if len(p.refused) < p.req.Len() {
		p.refused = append(p.refused[:0], make([]uint16, p.req.Len())...)
	}
	if p.refused[i] < 1<<16-1 {
		p.refused[i]++
	}
	return int(p.refused[i])
}

// move puts item i in place k ≤ i, when all before i have been sorted. If any of those is gone, place i-1 has not been
// written, and Ends[i-1] still says where item i begins.
func (p *part) move(k, i int) {
	if k == i {
		return
	}
	start, end, w := p.req.Ends[i-1], p.req.Ends[i], 0
	if k > 0 {
		w = p.req.Ends[k-1]
	}
	copy(p.req.Body[w:], p.req.Body[start:end])
	p.req.Ends[k] = w + end - start
	p.pos[k] = p.pos[i]
	if len(p.refused) > 0 {
		p.refused[k] = p.refused[i]
	}
}

// keep leaves the first n items.
func (p *part) keep(n int) {
	end := 0
	if n > 0 {
		end = p.req.Ends[n-1]
	}
	p.req.Body, p.req.Ends, p.pos = p.req.Body[:end], p.req.Ends[:n], p.pos[:n]
	if len(p.refused) > n {
		p.refused = p.refused[:n]
	}
}

func errText(err error) string {
	if err == nil {
		return "too large"
	}
	return err.Error()
}
