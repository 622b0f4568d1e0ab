package deliver

import (
	"time"

	"github.com/firelane/firelane/sink"
)

const (
	// growAfter is how many attempts have to pass, with a backlog, before there may be one more at once.
	growAfter = 4
	// stallAfter is how long an attempt may take before it stops counting: it goes on, and another one may begin in its
	// place, so that a connection that hangs doesn't hold up the others.
	stallAfter = 5 * time.Second
	// maxStalled is how many such attempts there may be, beside those that Limits.Workers allows.
	maxStalled = 8
	// maxRetryAfter is the longest that a destination's Retry-After is honoured.
	maxRetryAfter = 5 * time.Minute
	// hurriedBackoff is the ceiling of every wait while the output is being drained.
	hurriedBackoff = 500 * time.Millisecond
)

// GateState says whether the destination takes requests.
type GateState uint8

// The states of the gate. In every state but GateOpen, one attempt is made at a time.
const (
	GateOpen         GateState = iota
	GateThrottled              // the destination asked for less
	GateUnauthorised           // it refused the credentials
	GateFailing                // it can't be reached, or failed
)

func (s GateState) String() string {
	return [...]string{"open", "throttled", "unauthorised", "failing"}[s]
}

// A gate decides how many attempts may be in progress. It closes when an attempt fails as a whole, and lets single probes
// through until one passes. It belongs to the goroutine of Run.
type gate struct {
	retry sink.Retry
	max   int // attempts at once, at most
	limit int // attempts at once, now

	state    GateState
	failures int       // attempts in a row that failed as a whole
	until    time.Time // no probe before
	passed   int       // attempts that passed since limit changed
	hurried  bool
}

func newGate(workers int, retry sink.Retry) gate { return gate{retry: retry, max: workers, limit: 1} }

// room says whether one more attempt may begin now, when inflight are in progress, stalled of them for so long that they
// don't count.
func (g *gate) room(inflight, stalled int, now time.Time) bool {
	if inflight-stalled >= g.max || inflight >= g.max+maxStalled {
		return false
	}
	if g.state == GateOpen {
		return inflight-stalled < g.limit
	}
	return inflight == stalled && !now.Before(g.until)
}

// pass opens the gate after an attempt that passed, and reports how many had failed before it.
func (g *gate) pass(backlog bool) (failures int) {
	failures = g.failures
	g.failures, g.state = 0, GateOpen
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

// wait is how long to wait after the failure number n (from 0).
func (g *gate) wait(n int, retryAfter time.Duration) time.Duration {
	d := max(g.retry.Wait(n), min(retryAfter, maxRetryAfter))
	if g.hurried {
		d = min(d, hurriedBackoff)
	}
	return d
}

// hurry ends all waiting.
func (g *gate) hurry(now time.Time) {
	g.hurried = true
	g.until = now
}
