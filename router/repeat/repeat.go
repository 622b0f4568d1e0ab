// Package repeat limits how often a log repeats itself.
package repeat

import (
	"sync"
	"time"

	"github.com/rs/zerolog"
)

const (
	// firstWindow is how long a message is suppressed after it was logged once. The window doubles, up to maxWindow,
	// each time the message is logged again; it starts over when the message has not come for maxWindow.
	firstWindow = 10 * time.Second
	maxWindow   = time.Minute
	// maxMessages bounds the messages that are remembered. Messages are constants of the program, and one input, filter
	// or output has far fewer; at the limit the one whose window ended first is forgotten, with its count.
	maxMessages = 64
)

// A Limiter is a zerolog.Hook that lets one line of each message and level pass per window. The next line that passes carries
// the number of those that did not, in the field "suppressed". Lines are the same when their level and message are, whatever
// their fields: messages must be constants. Debug and trace lines, and levels above error, always pass.
//
// It is safe for concurrent use. Each part of the router has its own, so that one output does not suppress another's lines.
type Limiter struct {
	now   func() time.Time
	mu    sync.Mutex
	lines map[line]*window
}

// New makes a Limiter. now is the clock, time.Now outside tests.
func New(now func() time.Time) *Limiter {
	return &Limiter{now: now, lines: map[line]*window{}}
}

// Flush logs how many lines of each message were suppressed since the last that passed. log must be without the Limiter. It is
// called once, when the router has stopped.
func (l *Limiter) Flush(log zerolog.Logger) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, w := range l.lines {
		if w.suppressed > 0 {
			log.WithLevel(k.level).Int("suppressed", w.suppressed).Msg(k.message)
			w.suppressed = 0
		}
	}
}

// A line is what a Limiter takes for the same line.
type line struct {
	level   zerolog.Level
	message string
}

// A window is the time after a line that passed, in which the same line is suppressed.
type window struct {
	end        time.Time
	length     time.Duration
	suppressed int
}

// Run implements zerolog.Hook.
func (l *Limiter) Run(e *zerolog.Event, level zerolog.Level, message string) {
	if level < zerolog.InfoLevel || level > zerolog.ErrorLevel {
		return
	}
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.lines[line{level, message}]
	if w == nil {
		l.makeRoom()
		w = &window{}
		l.lines[line{level, message}] = w
	}
	if now.Before(w.end) {
		w.suppressed++
		e.Discard()
		return
	}
	if now.Before(w.end.Add(maxWindow)) {
		w.length = min(2*w.length, maxWindow)
	} else {
		w.length = firstWindow
	}
	w.end = now.Add(w.length)
	if w.suppressed > 0 {
		e.Int("suppressed", w.suppressed)
		w.suppressed = 0
	}
}

// makeRoom forgets a message if there are maxMessages.
func (l *Limiter) makeRoom() {
	if len(l.lines) < maxMessages {
		return
	}
	var oldest line
	var end time.Time
	for k, w := range l.lines {
		if end.IsZero() || w.end.Before(end) {
			oldest, end = k, w.end
		}
	}
	delete(l.lines, oldest)
}
