package deliver

import (
	"slices"
	"time"

	"github.com/firelane/firelane/sink"
)

// end handles an attempt that has ended: it updates the accounts and the gate, and queues the items that are left.
func (l *loop) end(p *part) {
	now := time.Now()
	l.inflight = without(l.inflight, p)
	c := p.chunk
	c.left -= l.o.account(p, now)
	if p.encoding {
		p.encoding = false
		l.rawPerBody.add(c, p)
		switch {
		case c.more:
			l.ready = append(l.ready, c)
		case len(c.suspects) > 0:
			c.suspects = nil
			l.careful--
			l.queue.Attempted(c.from.Queue, c.from.First, c.from.Records)
		}
	}
	l.resize(p, now)
	if !p.out.stopped {
		l.judge(p, now)
	}
	if c.left == 0 && p.last {
		l.untried -= int64(c.from.Records)
	}
	switch {
	case p.out.split:
		l.split(p, now)
	case p.req.Len() > 0:
		l.again(p, now)
	default:
		l.reuse(p)
	}
	if c.left == 0 {
		l.o.commit(l.queue, c)
		l.endChunk(c)
	} else if c.large && !l.attempting(c) && (!c.more || l.gate.state != GateOpen) { // else its next records are attempted at once
		l.freeLarge(c)
	}
}

// judge opens or closes the gate by the outcome of an attempt. If every item was refused for now while other records flow, the
// refusal concerns these records only, unless they were tried for the first time and the destination is overloaded.
func (l *loop) judge(p *part, now time.Time) {
	r := &p.out.reply
	refused := refusedByItem(r) && p.out.left == p.out.items
	alone := refused && p.flows && !(p.out.fresh && r.Cause == sink.Throttled)
	switch {
	case !p.out.sent || r.SendsAtOnce() && p.out.left > 0 || p.out.split:
		return
	case refused && l.deferred:
		l.deferredRefused(p, now)
		return
	case alone:
	case r.Cause == sink.Throttled:
		l.fail(p, GateThrottled, now)
		return
	case r.Cause == sink.Unauthorised:
		l.fail(p, GateUnauthorised, now)
		return
	case !p.out.passed(), refused:
		l.fail(p, GateFailing, now)
		return
	}
	if !refused {
		l.passed = now
	}
	if r.Err != nil && p.out.left > 0 { // a block or a full queue, for example
		l.o.report.RefusedSome(r, p.out.left, p.out.target)
	}
	if n := l.gate.pass(p.chunk.late && !refused); n > 0 {
		l.queue.SetDown(time.Time{})
		l.recovered(n, now)
	}
}

// passed reports whether the destination took the request, though perhaps not every item of it, or judged each of its items.
func (out *outcome) passed() bool {
	r := &out.reply
	if r.Cause == sink.Throttled || r.Cause == sink.Unauthorised {
		return false
	}
	return r.Verdict != sink.Again || r.Err == nil || len(r.Items) == out.items && !slices.ContainsFunc(r.Items, isAgain)
}

func isAgain(i sink.ItemReply) bool { return i.Verdict == sink.Again }

func (l *loop) fail(p *part, state GateState, now time.Time) {
	r := &p.out.reply
	l.gate.fail(state, r.RetryAfter, now)
	l.queue.SetDown(l.gate.noteDown(p.started, now))
	l.o.report.Failed(r, l.gate.until.Sub(now))
}

// recovered is called when an attempt passes after n that failed as a whole. Parts that failed no more often than that are
// due now. The others fail because of their records, and go on waiting.
func (l *loop) recovered(n int, now time.Time) {
	for _, p := range l.waiting {
		if p.whole && p.retries <= n {
			p.due = now
		}
	}
	l.o.report.Passed()
}

// halveAfter is how often a part may fail as a whole, while others pass, before it is halved: a record that makes every
// request fail must not hold up the others in its part forever.
const halveAfter = 4

// again has the rest of a part wait to be tried again.
func (l *loop) again(p *part, now time.Time) {
	r := &p.out.reply
	p.whole = r.Verdict == sink.Again && r.Err != nil
	p.due = now
	p.stale = r.Reencode
	switch {
	case p.out.stopped:
	case r.SendsAtOnce() && p.atOnce < maxAtOnce:
		p.atOnce++
	default:
		p.atOnce = 0
		if refusedByItem(r) {
			p.rounds++
		}
		p.due = now.Add(l.gate.wait(p.retries, r.RetryAfter))
		p.retries++
	}
	if p.whole && p.failed.IsZero() {
		p.failed = now
	}
	if p.whole && p.retries > halveAfter && p.others && p.req.Len() > 1 {
		p.retries = 0
		l.halve(p)
		return
	}
	if len(p.req.Body) < cap(p.req.Body)/4 {
		small := &part{}
		small.copyItems(p, 0, p.req.Len())
		l.reuse(p)
		p = small
	}
	l.wait(p)
}

func (l *loop) wait(p *part) {
	l.dropBody(p)
	p.held = p.cost()
	l.waiting = append(l.waiting, p)
}

// split halves a part. If its request was too large (BySize, or cut off), it also lowers the limit for later requests, and
// halves the waiting parts that are more than twice as large.
func (l *loop) split(p *part, now time.Time) {
	size, r := len(p.req.Body), &p.out.reply
	if half := max(size/2, minRequestBytes); (r.Split == sink.BySize || r.CutOff) && p.largest() <= size/2 && half < l.maxBytes {
		l.maxBytes = half
		l.sizer.shrunk(r.CutOff, half)
		if r.CutOff {
			l.o.log.Warn().Err(r.Err).Int("cut_off_bytes", size).Int("max_bytes", half).Msg("the destination cuts off large requests; later requests are smaller")
		} else {
			l.o.log.Info().Int("refused_bytes", size).Int("max_bytes", half).Msg("the destination refused a request as too large; later requests are smaller")
		}
	}
	p.due = now
	l.halve(p)
	for i := 0; i < len(l.waiting); {
		if q := l.waiting[i]; len(q.req.Body) > 2*l.maxBytes && q.req.Len() > 1 {
			l.waiting = without(l.waiting, q)
			l.halve(q)
		} else {
			i++
		}
	}
}

// halve makes two waiting parts of p.
func (l *loop) halve(p *part) {
	m := p.middle()
	first, second := &part{}, &part{}
	first.copyItems(p, 0, m)
	second.copyItems(p, m, p.req.Len())
	l.reuse(p)
	l.wait(first)
	l.wait(second)
}
