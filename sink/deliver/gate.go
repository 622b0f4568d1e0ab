package deliver

import (
	"time"

	"github.com/firelane/firelane/sink"
)

const (
	// growAfter is how many attempts have to pass, with a backlog, before one more may be in progress at once.
	growAfter = 4
	// stallAfter is how long an attempt may take before it counts as stalled: it goes on, but another one may begin, so
	// that a connection that hangs doesn't delay the others.
	stallAfter = 5 * time.Second
	// maxStalled is how many stalled attempts there may be, in addition to Limits.Workers.
	maxStalled = 8
	// maxRetryAfter is the longest Retry-After that is honoured.
	maxRetryAfter = 5 * time.Minute
	// hurriedBackoff is the ceiling of every wait after Hurry.
	hurriedBackoff = 500 * time.Millisecond
)

// GateState says whether the destination accepts requests.
type GateState uint8

// The states of the gate. In every state but GateOpen, one attempt is made at a time.
const (
	GateOpen         GateState = iota
	GateThrottled              // the destination is overloaded
	GateUnauthorised           // the destination refuses the credentials
	GateFailing                // the destination can't be reached, or fails
)

func (s GateState) String() string {
	return [...]string{"open", "throttled", "unauthorised", "failing"}[s]
}

// A gate decides how many attempts may be in progress. It closes when an attempt fails as a whole, and then admits single
// probes until one passes. It belongs to Run's goroutine.
type gate struct {
	retry sink.Retry
	max   int // limit's maximum
	limit int // attempts that may be in progress at once, now

	state    GateState
	failures int       // attempts in a row that failed as a whole
	until    time.Time // admit no probe before this time
	passed   int       // attempts that have passed since limit changed
	hurried  bool
	down     time.Time // when attempts began to fail for another reason than too much load; zero: they don't
	isDown   bool      // one that began after that has failed, too
}

func newGate(workers int, retry sink.Retry) gate { return gate{retry: retry, max: workers, limit: 1} }

// room reports whether one more attempt may begin now. inflight are in progress, stalled ones included.
func (g *gate) room(inflight, stalled int, now time.Time) bool {
	if inflight-stalled >= g.max || inflight >= g.max+maxStalled {
		return false
	}
	if g.state == GateOpen {
		return inflight-stalled < g.limit
	}
	return inflight == stalled && !now.Before(g.until)
}

// pass opens the gate after an attempt that passed, and returns how many in a row had failed before it.
func (g *gate) pass(backlog bool) (failures int) {
	failures = g.failures
	g.failures, g.state = 0, GateOpen
	g.down, g.isDown = time.Time{}, false
	if !backlog {
		return failures
	}
	if g.passed++; g.passed >= growAfter && g.limit < g.max {
		g.limit++
		g.passed = 0
	}
	return failures
}

// fail closes the gate after an attempt that failed as a whole.
func (g *gate) fail(state GateState, retryAfter time.Duration, now time.Time) {
	if state == GateThrottled && g.state != GateThrottled {
		g.limit = max(1, g.limit/2)
	}
	g.passed = 0
	g.state = state
	g.until = now.Add(g.wait(g.failures, retryAfter))
	g.failures++
}

// noteDown notes that an attempt failed which began at started, and returns since when the destination has been known to be
// down: two attempts in a row have failed, the second of which began after the first, and no load explains it; the zero time:
// it isn't known to. Attempts that a single fault breaks at the same moment are not in a row.
func (g *gate) noteDown(started, now time.Time) time.Time {
	switch {
	case g.state == GateThrottled:
		g.down, g.isDown = time.Time{}, false
	case g.down.IsZero():
		g.down = now
	case started.After(g.down):
		g.isDown = true
	}
	if !g.isDown {
		return time.Time{}
	}
	return g.down
}

// wait returns how long to wait after failure n (from 0).
func (g *gate) wait(n int, retryAfter time.Duration) time.Duration {
	d := max(g.retry.Wait(n), min(retryAfter, maxRetryAfter))
	if g.hurried {
		d = min(d, hurriedBackoff)
	}
	return d
}

// hurry ends the current wait, and shortens those to come.
func (g *gate) hurry(now time.Time) {
	g.hurried = true
	g.until = now
}
