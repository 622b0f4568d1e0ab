package sink

import "time"

// end deals with an attempt that has ended: the gate, the accounts, and what is left of the part.
func (l *loop) end(p *part) {
	now := time.Now()
	l.flying = without(l.flying, p)
	ld := p.load
	ld.left -= l.o.account(p, now)
	if p.encoding {
		p.encoding = false
		l.rawPerBody.learn(ld, p)
		if ld.more {
			l.ready = append(l.ready, ld)
		}
	}
	if !p.out.stopped {
		l.judge(p, now)
	}
	switch {
	case p.out.split:
		l.split(p, now)
	case p.req.Len() > 0:
		l.again(p, now)
	default:
		l.spare(p)
	}
	if ld.left == 0 {
		l.o.commit(ld)
		l.loads--
		l.held -= ld.cost
		ld.chunk = nil
		if len(l.spareLoads) < maxSpare {
			l.spareLoads = append(l.spareLoads, ld)
		}
	}
}

// judge moves the gate by what an attempt says about the destination.
func (l *loop) judge(p *part, now time.Time) {
	r := &p.out.reply
	switch {
	case !p.out.sent || r.Reencode || p.out.split:
		return
	case r.Throttled:
		l.fail(GateThrottled, r, now)
	case r.Unauthorised:
		l.fail(GateUnauthorised, r, now)
	case r.Verdict == Again && r.Err != nil:
		l.fail(GateFailing, r, now)
	default:
		l.passed = now
		l.sayRefused(p)
		if n := l.gate.pass(p.load.late); n > 0 {
			l.recovered(n, now)
		}
	}
}

// sayRefused tells of items that were refused for now by a request that passed: a block, a full queue.
func (l *loop) sayRefused(p *part) {
	if err := p.out.reply.Err; err != nil && p.req.Len() > 0 && l.o.someLog.allow() {
		l.o.log.Warn().Err(err).Int("waiting", p.req.Len()).Int64("unsaid", l.o.someLog.unsaid()).
			Msg("the destination refuses some records for now: they are sent again")
	}
}

func (l *loop) fail(state GateState, r *Reply, now time.Time) {
	l.gate.fail(state, r.RetryAfter, now)
	log := &l.o.failLog
	msg := "the destination doesn't take records: they wait"
	switch state {
	case GateThrottled:
		msg = "the destination asks for less: one request at a time"
	case GateUnauthorised:
		msg = "the destination refuses the credentials: records wait"
		log = &l.o.credsLog
	}
	if log.allow() {
		l.o.log.Warn().Err(r.Err).Int("status", r.Status).Int("failures", l.gate.failures).
			Dur("next_attempt", l.gate.until.Sub(now)).Int64("unsaid", log.unsaid()).Msg(msg)
	}
}

// recovered is called when an attempt passes after n that failed as a whole. What failed with them is due now. What
// has failed more often than that fails for a reason of its own, and goes on waiting.
func (l *loop) recovered(n int, now time.Time) {
	for _, p := range l.waiting {
		if p.whole && p.retries <= n {
			p.due = now
		}
	}
	l.o.log.Info().Int("failures", n).Msg("the destination takes records again")
}

// halveAfter is how often a part may fail as a whole before it is halved, if others pass meanwhile: one record that no
// request survives must not keep its company for ever.
const halveAfter = 4

// again puts what is left of a part into the list of those that wait.
func (l *loop) again(p *part, now time.Time) {
	r := &p.out.reply
	p.whole = r.Verdict == Again && r.Err != nil
	p.due = now
	switch {
	case p.out.stopped:
	case r.Reencode && p.reencodes < maxReencodes:
		p.reencodes++
		p.stale = true
	default:
		p.stale = r.Reencode
		p.reencodes = 0
		p.due = now.Add(l.gate.wait(p.retries, r.RetryAfter))
		p.retries++
	}
	if p.whole && p.failed.IsZero() {
		p.failed = now
	}
	if p.whole && p.retries > halveAfter && l.passed.After(p.failed) && p.req.Len() > 1 {
		p.retries = 0
		l.halve(p)
		return
	}
	if len(p.req.Body) < cap(p.req.Body)/4 {
		small := &part{}
		small.copyItems(p, 0, p.req.Len())
		l.spare(p)
		p = small
	}
	l.wait(p)
}

func (l *loop) wait(p *part) {
	p.held = p.cost()
	l.waiting = append(l.waiting, p)
}

// tooLarge is the status of a request that was refused for its size.
const tooLarge = 413

// split halves a part that was too large, and remembers what size was: unless one item made it so, no larger request
// is tried again, and what waits is cut to size.
func (l *loop) split(p *part, now time.Time) {
	size := len(p.req.Body)
	if half := max(size/2, minRequestBytes); p.out.reply.Status == tooLarge && p.largest() <= size/2 && half < l.maxBytes {
		l.maxBytes = half
		l.o.log.Info().Int("refused", size).Int("from_now_on", half).Msg("the destination takes no request of this size: requests become smaller")
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

// halve makes two parts of one, and lets them wait.
func (l *loop) halve(p *part) {
	m := p.middle()
	first, second := &part{}, &part{}
	first.copyItems(p, 0, m)
	second.copyItems(p, m, p.req.Len())
	l.spare(p)
	l.wait(first)
	l.wait(second)
}
