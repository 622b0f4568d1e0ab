package pace

import (
	"slices"
	"sync"
	"time"
)

// A clock wakes connections after a pause, many with one timer. Its lock is taken last of all.
type clock struct {
	mu      sync.Mutex
	conns   []*conn
	timer   *time.Timer // of the first of them that is due; nil before there was one
	next    time.Time   // when it fires
	stopped bool
}

// after wakes c in its pause from now.
func (k *clock) after(c *conn, pause time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c.due = time.Now().Add(pause)
	if !c.onClock { // it is still there where something else has woken it meanwhile
		c.onClock = true
		k.conns = append(k.conns, c)
	}
	if len(k.conns) == 1 || c.due.Before(k.next) {
		k.setTimer(c.due, pause)
	}
}

// setTimer has tick called at t, in d from now. k.mu is held.
func (k *clock) setTimer(t time.Time, d time.Duration) {
	k.next = t
	switch {
	case k.stopped:
	case k.timer == nil:
		k.timer = time.AfterFunc(d, k.tick)
	default:
		k.timer.Reset(d)
	}
}

// tick wakes the connections that are due, and those that would be within half of their pause: one wake-up for many.
func (k *clock) tick() {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	var next time.Time
	left := k.conns[:0]
	for _, c := range k.conns {
		if c.due.Sub(now) <= c.rate.pause()/2 {
			c.onClock = false
			c.wake()
			continue
		}
		left = append(left, c)
		if next.IsZero() || c.due.Before(next) {
			next = c.due
		}
	}
	clear(k.conns[len(left):])
	k.conns = left
	if len(left) > 0 {
		k.setTimer(next, next.Sub(now))
	}
}

// remove takes c off the clock.
func (k *clock) remove(c *conn) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c.onClock {
		c.onClock = false
		k.conns = slices.DeleteFunc(k.conns, func(o *conn) bool { return o == c })
	}
}

// stop ends the timer.
func (k *clock) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopped = true
	if k.timer != nil {
		k.timer.Stop()
	}
}
