package pace

import (
	"slices"
	"sync"
	"time"
)

// A clock wakes connections after a pause, many with one timer. Its lock is acquired after all others.
type clock struct {
	mu      sync.Mutex
	conns   []*conn
	timer   *time.Timer // of the first one that is due; nil before the first use
	next    time.Time   // when it fires
	stopped bool
}

// after wakes c after pause.
func (k *clock) after(c *conn, pause time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c.due = time.Now().Add(pause)
	if !c.onClock { // it still is where something else woke it before it was due
		c.onClock = true
		k.conns = append(k.conns, c)
	}
	if len(k.conns) == 1 || c.due.Before(k.next) {
		k.setTimer(c.due, pause)
	}
}

// setTimer schedules tick at t, which is d from now. k.mu is held.
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

// tick wakes the connections that are due, and those due within half of their pause: one wake-up for many.
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

// remove forgets c.
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
