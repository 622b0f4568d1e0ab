package router

import "sync"

// A tally is what happened to records on the way to one output, since it was published last. For each of them
//
//	received + added = queued + filtered + merged + held
type tally struct {
	received int64 // records that reached the output's way
	filtered int64 // records that a step filtered out, or sent to another tag's way
	added    int64 // records that a step made besides those that it got
	merged   int64 // records that became one with another
	held     int64 // records that a Holder got and has not released; negative where more were released
}

func (t *tally) add(u tally) {
	t.received += u.received
	t.filtered += u.filtered
	t.added += u.added
	t.merged += u.merged
	t.held += u.held
}

// counts is the sum of an output's tallies.
type counts struct {
	mu  sync.Mutex
	sum tally
}

func (c *counts) add(t tally) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sum.add(t)
}

func (c *counts) get() tally {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sum
}
