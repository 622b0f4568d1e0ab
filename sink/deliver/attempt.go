package deliver

import (
	"context"
	"fmt"
	"time"

	"github.com/firelane/firelane/sink"
)

// maxAtOnce is how often in a row what is left of a part is sent again at once; after that it waits like any part that failed.
const maxAtOnce = 3

// attempt encodes p if need be, sends it, and sorts the reply. What is left in p after that must be tried again. Workers
// call it.
func (o *Output) attempt(ctx context.Context, p *part, maxBytes int) {
	p.out = outcome{fresh: p.encoding}
	o.announce(ctx, p)
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
		if p.retries > 0 || p.atOnce > 0 {
			p.out.resent = p.req.Len()
		}
		p.out.reply = o.send(ctx, p)
		p.out.stopped = ctx.Err() != nil && p.out.reply.Verdict == sink.Again && p.out.reply.Cause == sink.Unreached
		o.sort(p)
		if p.out.left = p.req.Len(); p.out.left > 0 {
			if refusedByItem(&p.out.reply) || p.defers() {
				p.out.target = o.targetOfFirst(p)
			}
			if p.defers() {
				o.deferItems(p)
			}
		}
	}
	o.conclude(p)
	p.out.lost = had - p.req.Len() - p.out.ended()
}

// send calls the destination's Send. A panic counts as a failure to be tried again.
func (o *Output) send(ctx context.Context, p *part) (reply sink.Reply) {
	defer func() {
		if v := recover(); v != nil {
			o.panicked(p, "sending", v)
			reply = sink.Reply{Verdict: sink.Again, Err: fmt.Errorf("sending: panic: %v", v)}
		}
	}()
	begin := time.Now()
	defer func() { p.out.took = time.Since(begin) }()
	reply = o.dest.Send(ctx, &p.req)
	if err := checkItems(reply.Items, p.req.Len()); err != nil {
		reply = sink.Reply{Verdict: sink.Again, Err: err, Cause: reply.Cause}
	}
	return reply
}

// checkItems checks that the items of a reply are in order, as the contract requires.
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

// sort removes from p the items that have ended, and writes those whose verdict is Never to the dead letter. The other items
// move to the front of the body, unchanged.
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
	counts := r.Cause == sink.Answered && !r.SendsAtOnce() && o.retry.Limit >= 0
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
			if why := o.overLimit(p, i, item, counts); why != "" {
				over := *item
				over.Reason = why + ": " + item.Reason
				o.giveUp(p, i, over)
				p.out.givenUp++
				continue
			}
			if kept == 0 {
				p.out.again = *item
			}
			p.move(kept, i)
			kept++
		}
	}
	p.truncate(kept)
	o.deadLetterItems(p)
}

// defers reports whether the items that are left in p are to be deferred.
func (p *part) defers() bool {
	r := &p.out.reply
	switch {
	case p.out.stopped:
		return false
	case refusedByItem(r):
		return p.toDefer && (p.flows || r.Cause != sink.Throttled || p.chunk.marks != nil) // an overload in which hardly any pass is an outage
	}
	return p.poison && r.Verdict == sink.Again && p.req.Len() == 1
}

// harmless reports whether the last attempt failed because of its own records, while others pass: the destination works.
func (p *part) harmless() bool {
	if !refusedByItem(&p.out.reply) || !p.flows && p.chunk.marks == nil {
		return false
	}
	return !p.toDefer || p.out.left == p.out.deferred // false: they were to be deferred, and couldn't be
}

// sortSplit handles a reply that asks for halving. A single item can't be halved, and goes to the dead letter.
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

// isRefusal reports whether a status means that the server refuses the item, rather than that it is overloaded.
func isRefusal(status int) bool {
	return status != 429 && (status < 502 || status > 504)
}
