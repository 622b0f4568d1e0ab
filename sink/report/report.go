// Package report writes what an operator reads of an output's delivery: why records wait, since when and how many, that they
// are delivered again, and how many records the destination refused for good.
//
// What lasts is logged at once, once a minute while it lasts, and once when it is over. The counts come from the accounts.
package report

import (
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/sink"
)

const (
	// lineEvery is how often a trouble that lasts, and what has gone to the dead letter, is logged.
	lineEvery = time.Minute
	// warnFor is how long a trouble that ends by itself is a warning; then it is an error.
	warnFor = 5 * time.Minute
	// forgetAfter is how long after its last refusal a target's trouble is over, if other refused records wait, so that their
	// number doesn't say whether it is.
	forgetAfter = 10 * time.Minute
	// maxTargets is how many targets in trouble are told apart, and maxReasons how many reasons of dead letters. All others are
	// counted together.
	maxTargets = 16
	maxReasons = 16
	// maxText is how much of a destination's text a line has, in bytes, and maxTarget how much of a target's name.
	maxText   = 512
	maxTarget = 120
)

// A Backlog is what an output has to deliver, at one moment.
type Backlog struct {
	Records      int64     // that wait to be delivered
	Refused      int64     // of these, the ones that were refused for now
	Bytes, Limit int64     // of the queue
	Oldest       time.Time // when the oldest record was queued; zero: not known
	Delivered    int64     // records, since the start
}

// A Reporter writes the lines of one output. It is safe for concurrent use. It calls backlog with its lock held: none of its
// methods may be called with a lock held that backlog needs.
type Reporter struct {
	log     zerolog.Logger // without a limit on lines that repeat: there is one here
	service func() string
	backlog func() Backlog

	mu      sync.Mutex
	timer   *time.Timer // runs lines at the next time that a line is due; nil: none is
	closed  bool
	whole   *trouble                // of the destination as a whole; nil: none
	logged  map[sink.Kind]time.Time // when a line on a trouble of the whole destination was written last
	targets map[string]*trouble     // of single targets, by kind and target
	reasons map[string]*reason      // of dead letters
}

// New makes a Reporter. service returns what lines call the destination; nil: that. It is called for the first line.
func New(log zerolog.Logger, service func() string, backlog func() Backlog) *Reporter {
	if service == nil {
		service = func() string { return "the destination" }
	}
	return &Reporter{log: log, service: sync.OnceValue(service), backlog: backlog}
}

// Close writes the lines that are due, as the last ones before the accounts.
func (r *Reporter) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	r.closed = true
	if r.timer != nil {
		r.timer.Stop()
	}
	r.logTotals(time.Now())
}

// lines writes the lines that are due. The timer calls it.
func (r *Reporter) lines() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.timer = nil
	if r.closed {
		return
	}
	now := time.Now()
	if t := r.whole; t != nil && due(t.line, now) {
		r.logTrouble(t, now)
	}
	r.targetLines(now)
	r.logTotals(now)
	if r.whole != nil || len(r.targets) > 0 || r.pending() {
		r.arm()
	}
}

// due reports whether another line is due, of those that the timer has written, after one at last. What began between two
// times of the timer has its second line after less than a minute, but at least half of one.
func due(last, now time.Time) bool { return now.Sub(last) >= lineEvery/2 }

// arm has the lines written that are due a minute from now.
func (r *Reporter) arm() {
	if r.timer == nil && !r.closed {
		r.timer = time.AfterFunc(lineEvery, r.lines)
	}
}
