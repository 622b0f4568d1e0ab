package router

import (
	"maps"
	"sync"
	"sync/atomic"
)

// Account is where every record of one output is, at one moment:
//
//	Received = Delivered + Filtered + Dropped + Dead + Buffered
//
// Recovered records, which an earlier process left in the queue, count as received.
type Account struct {
	Output    string           `json:"output"`
	Received  int64            `json:"received"`
	Delivered int64            `json:"delivered"`
	Filtered  int64            `json:"filtered"`
	Dropped   map[string]int64 `json:"dropped,omitempty"` // by reason
	Dead      int64            `json:"dead_lettered"`
	Buffered  int64            `json:"buffered"`
}

// InputAccount is what one input has taken in.
type InputAccount struct {
	Input    string           `json:"input"`
	Received int64            `json:"received"`           // records, lines that Docker split counting once
	Unrouted int64            `json:"unrouted"`           // of those, the ones that no output wanted
	Joining  int64            `json:"joining"`            // parts of split lines, held until the last one comes
	Rejected map[string]int64 `json:"rejected,omitempty"` // input that was no record, by reason
}

// inputCounters is the running form of an InputAccount.
type inputCounters struct {
	received, unrouted atomic.Int64
	mu                 sync.Mutex
	rejected           map[string]int64
}

func (c *inputCounters) reject(n int, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rejected == nil {
		c.rejected = make(map[string]int64)
	}
	c.rejected[reason] += int64(n)
}

func (c *inputCounters) snapshot(name string) InputAccount {
	c.mu.Lock()
	defer c.mu.Unlock()
	return InputAccount{
		Input: name, Received: c.received.Load(), Unrouted: c.unrouted.Load(), Rejected: maps.Clone(c.rejected),
	}
}
