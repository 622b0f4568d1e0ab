package deliver

import "time"

// deferEarly makes one part due now that was refused item by item, to be deferred if it is refused again, if such parts take
// the memory that other chunks need.
func (l *loop) deferEarly(now time.Time) bool {
	if len(l.waiting) == 0 || l.deferred || l.fetching || l.drained || l.hasRoom() {
		return false
	}
	for _, p := range l.waiting {
		if p.rounds > 0 && p.rounds < deferAfter && p.due.After(now) {
			p.rounds, p.due = deferAfter, now
			return true
		}
	}
	return false
}

// deferredRefused sets when the next deferred records are tried, after a request of which every item was refused. If more
// wait than one request takes, the waits are shorter; in the last round there are none.
func (l *loop) deferredRefused(p *part, now time.Time) {
	r := &p.out.reply
	l.gate.fail(GateFailing, r.RetryAfter, now)
	l.o.report.RefusedSome(r, p.out.left, p.out.target)
	if n := l.queue.Stats().Bytes / deferredChunk; n > 1 && r.RetryAfter == 0 {
		wait := l.gate.until.Sub(now)
		l.gate.until = now.Add(max(wait/time.Duration(n), min(wait, deferredPace)))
	}
	if l.lastRound {
		l.gate.until = now
	}
}

// beginLastRound has each deferred record tried once more, and the loop end after that.
func (l *loop) beginLastRound() {
	l.closing = nil
	l.lastRound, l.untried = true, l.queue.Stats().Records
	l.hurry()
}
