package input

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/firelane/firelane/budget"
)

// patience is how long a holder of a Line's memory may wait for its client while others wait for the memory.
const patience = 200 * time.Millisecond

// A Line lends memory of one kind, of which there is a limited amount, in the order of arrival. Holders whose client has sent
// whole messages before come first, and newcomers get half of it at most: clients that only open connections and begin
// messages don't stop others. A holder that waits for its client for longer than patience, while others wait for memory, is
// asked to return it.
type Line struct {
	share *budget.Share
	limit int // bytes

	Spare sync.Pool // what holders made in the memory, such as decompressors, for the next one

	mu      sync.Mutex
	lent    int // bytes
	newLent int // of these, to newcomers
	waiting [2][]*Turn
	idle    []*Turn // those that wait for their client, the longest first
	timer   *time.Timer
}

// The classes of Turns, each with its own order of arrival.
const (
	known    = iota // the client has sent whole messages before
	newcomer        // it hasn't
)

func newLine(share *budget.Share, limit int) *Line { return &Line{share: share, limit: limit} }

// A Turn is the right to memory of a Line. It belongs to one goroutine.
type Turn struct {
	line  *Line
	n     int       // bytes; 0: it holds none
	class int       // known or newcomer
	hurry func()    // asks for the memory; it must not block
	since time.Time // when it began to wait for its client
	grant chan struct{}
}

// Turn makes a Turn without memory.
func (l *Line) Turn(hurry func()) *Turn {
	return &Turn{line: l, hurry: hurry, grant: make(chan struct{}, 1)}
}

// Lent returns how many bytes the Line has lent.
func (l *Line) Lent() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lent
}

// Held reports whether the Turn has memory.
func (t *Turn) Held() bool { return t.n > 0 }

// Take waits for n bytes, at most the Line's limit, until ctx ends, or for 30 s; then the error is ErrNoMemory. isKnown says that
// the client has sent whole messages before.
func (t *Turn) Take(ctx context.Context, n int, isKnown bool) error {
	l := t.line
	l.mu.Lock()
	t.n, t.class = n, newcomer
	if isKnown {
		t.class = known
	}
	if len(l.waiting[known]) == 0 && len(l.waiting[t.class]) == 0 && l.fits(t) {
		l.lend(t)
		l.mu.Unlock()
		return nil
	}
	l.waiting[t.class] = append(l.waiting[t.class], t)
	l.hurryIdle()
	l.mu.Unlock()

	timeout := time.NewTimer(lendTimeout)
	defer timeout.Stop()
	err := ErrNoMemory
	select {
	case <-t.grant:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-timeout.C:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-t.grant: // just now
		return nil
	default:
	}
	l.waiting[t.class] = without(l.waiting[t.class], t)
	t.n = 0
	l.serve() // it may have been the first, and the next one may need less
	return err
}

// fits reports whether there is memory for t. Newcomers get half of the limit together, but a single one may have more.
func (l *Line) fits(t *Turn) bool {
	if t.class == newcomer && l.newLent > 0 && l.newLent+t.n > l.limit/2 {
		return false
	}
	return l.lent+t.n <= l.limit
}

func (l *Line) lend(t *Turn) {
	l.lent += t.n
	if t.class == newcomer {
		l.newLent += t.n
	}
	l.share.Add(t.n)
}

// Return returns the memory, if there is any.
func (t *Turn) Return() {
	l := t.line
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.n == 0 {
		return
	}
	l.idle = without(l.idle, t)
	l.lent -= t.n
	if t.class == newcomer {
		l.newLent -= t.n
	}
	l.share.Add(-t.n)
	t.n = 0
	l.serve()
}

// serve lends to those that are first in their class, while there is memory.
func (l *Line) serve() {
	for class := range l.waiting {
		for len(l.waiting[class]) > 0 && l.fits(l.waiting[class][0]) {
			t := l.waiting[class][0]
			l.waiting[class] = slices.Delete(l.waiting[class], 0, 1)
			l.lend(t)
			t.grant <- struct{}{}
		}
	}
	l.hurryIdle()
}

// Wait says that the holder waits for its client from now on, until Resume. Without memory it does nothing.
func (t *Turn) Wait() {
	if t.n == 0 {
		return
	}
	l := t.line
	l.mu.Lock()
	defer l.mu.Unlock()
	t.since = time.Now()
	l.idle = append(l.idle, t)
	l.hurryIdle()
}

// Resume says that the holder goes on.
func (t *Turn) Resume() {
	l := t.line
	l.mu.Lock()
	defer l.mu.Unlock()
	l.idle = without(l.idle, t)
}

// hurryIdle asks for the memory of those that have waited too long for their clients, while others wait for memory, and sets
// the timer for the next one.
func (l *Line) hurryIdle() {
	for len(l.idle) > 0 && len(l.waiting[known])+len(l.waiting[newcomer]) > 0 {
		if d := patience - time.Since(l.idle[0].since); d > 0 {
			if l.timer == nil {
				l.timer = time.AfterFunc(d, l.tick)
			} else {
				l.timer.Reset(d)
			}
			return
		}
		l.idle[0].hurry()
		l.idle = slices.Delete(l.idle, 0, 1)
	}
}

func (l *Line) tick() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hurryIdle()
}

func without(turns []*Turn, t *Turn) []*Turn {
	if i := slices.Index(turns, t); i >= 0 {
		return slices.Delete(turns, i, i+1)
	}
	return turns
}
