package deliver

import (
	"time"
)

const (
	// cutsBeforeHalving is how many requests in a row have to be cut off before requests get smaller. A destination tries
	// each of them twice.
	cutsBeforeHalving = 2
	// minGrowAfter is how many requests have to pass before requests that got smaller after cut-offs may double in size.
	// If they then get smaller again it doubles, up to maxGrowAfter.
	minGrowAfter = 64
	maxGrowAfter = 16 << 10
)

// A sizer finds out whether the destination cuts off large requests, as servers do that don't answer 413. That is a guess:
// a server that is restarted cuts off requests, too. So requests grow again.
type sizer struct {
	ceiling int // largest size that requests may grow to

	cuts      int       // large requests cut off in a row
	smallest  int       // smallest of them, in bytes
	last      time.Time // when the last one was cut off
	passes    int       // requests that passed since their size changed
	grown     bool      // requests have grown since they last got smaller
	growAfter int       // how many have to pass for requests to grow; 0: no cut-off has made them smaller
}

// cutOff reports whether p, which was cut off, should be halved.
func (s *sizer) cutOff(p *part, now time.Time) bool {
	if p.out.bytes <= minRequestBytes {
		return false
	}
	if p.started.After(s.last) { // requests in progress at the same time are one cut-off
		s.cuts++
		s.last = now
	}
	if s.cuts == 1 || p.out.bytes < s.smallest {
		s.smallest = p.out.bytes
	}
	return s.cuts >= cutsBeforeHalving && p.req.Len() > 1
}

// pass is called when a request of this many bytes has passed, and requests have at most maxBytes. It reports whether
// later ones may be twice as large.
func (s *sizer) pass(bytes, maxBytes int) bool {
	if bytes >= s.smallest {
		s.cuts = 0
	}
	if s.growAfter == 0 || maxBytes >= s.ceiling {
		return false
	}
	if s.passes++; s.passes < s.growAfter {
		return false
	}
	s.passes, s.grown = 0, true
	return true
}

// shrunk is called when requests get smaller, because of cut-offs or of a refusal of that many bytes.
func (s *sizer) shrunk(cut bool, bytes int) {
	if !cut {
		s.ceiling = min(s.ceiling, bytes)
	}
	switch {
	case s.grown:
		s.growAfter = min(2*s.growAfter, maxGrowAfter)
	case cut && s.growAfter == 0:
		s.growAfter = minGrowAfter
	}
	s.passes, s.grown = 0, false
}

// resize halves a request that was cut off, and has requests grow again.
func (l *loop) resize(p *part, now time.Time) {
	r := &p.out.reply
	switch {
	case !p.out.sent || p.out.stopped || p.out.split:
	case r.CutOff:
		p.out.split = l.sizer.cutOff(p, now)
	case p.out.passed() && l.sizer.pass(p.out.bytes, l.maxBytes):
		l.maxBytes = min(2*l.maxBytes, l.sizer.ceiling)
	}
}
