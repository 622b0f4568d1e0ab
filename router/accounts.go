package router

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/firelane/firelane/sink/deliver"
)

// Account is where every record of one output is, at one moment:
//
//	Received + Added = Delivered + Filtered + Merged + Dropped + Dead + Held + Buffered + Unaccounted
//
// Each term is counted where it happens, so that a record that is lost by a fault of the router shows as Unaccounted.
type Account struct {
	Output    string           `json:"output"`
	Received  int64            `json:"received"` // also those that were in the queue at the start, leave an earlier dead letter, or are sent again after a reload
	Added     int64            `json:"added"`    // made by steps in addition to those that they got
	Delivered int64            `json:"delivered"`
	Filtered  int64            `json:"filtered"`
	Merged    int64            `json:"merged"`            // became one with another
	Dropped   map[string]int64 `json:"dropped,omitempty"` // by reason
	Dead      int64            `json:"dead_lettered"`
	Held      int64            `json:"held"` // by a step, until others come
	Buffered  int64            `json:"buffered"`
	Deferred  int64            `json:"deferred"` // of the buffered ones: refused for now, again and again

	Unaccounted int64 `json:"unaccounted"` // 0, always
}

// DropReasons are the keys of Account.Dropped.
var DropReasons = [...]string{notQueued, filterFailed, noRoom, damaged, inMemory, deadFull}

// Reasons of dropped records.
const (
	notQueued    = "not queued"          // the queue had no room until the end of the grace period
	filterFailed = "filter failed"       // lost because of a fault in a filter
	noRoom       = "no room"             // given up for newer ones, since the queue was full
	damaged      = "damaged"             // could not be read
	inMemory     = "queue was in memory" // lost at the stop
	deadFull     = "dead letter full"    // removed from the dead letter for newer ones
)

// balance computes Unaccounted from the other terms.
func (a *Account) balance() {
	left := a.Received + a.Added - a.Delivered - a.Filtered - a.Merged - a.Dead - a.Held - a.Buffered
	for _, n := range a.Dropped {
		left -= n
	}
	a.Unaccounted = left
}

// account is where every record of the output is now.
func (o *output) account() (a Account) {
	o.inspect(func(t tally, s deliver.Stats) { a = o.accountOf(t, s) })
	return a
}

// inspect calls see with what happened to records before the output's queue, and after it, at one moment.
func (o *output) inspect(see func(tally, deliver.Stats)) {
	o.swap.RLock()
	defer o.swap.RUnlock()
	if o.loop == nil { // nothing has been opened
		see(*o.tally, deliver.Stats{})
		return
	}
	o.loop.Inspect(func(s deliver.Stats) { see(*o.tally, s) })
}

// stats are those of the output's loop.
func (o *output) stats() (s deliver.Stats) {
	o.inspect(func(_ tally, now deliver.Stats) { s = now })
	return s
}

func (o *output) accountOf(t tally, s deliver.Stats) Account {
	a := Account{
		Output: o.id, Received: t.received + s.Queue.Recovered + s.DeferredQueue.Recovered + s.Again, Added: t.added, Delivered: s.Delivered, Filtered: t.filtered,
		Merged: t.merged, Dropped: make(map[string]int64), Dead: s.Dead + t.dead, Held: t.held, Buffered: s.Buffered,
		Deferred: s.Deferred,
	}
	lost := o.lost.Load()
	if a.Buffered -= lost; lost > 0 {
		a.Deferred = 0
	}
	own, earlier := o.lostDead()
	own = min(own, a.Dead) // a record that was just put there may not be counted in Dead yet
	a.Received += earlier
	a.Dead -= own
	for reason, n := range map[string]int64{
		notQueued: t.refused, filterFailed: t.failed, noRoom: s.Queue.DroppedNoRoom, inMemory: lost, deadFull: own + earlier,
		damaged: s.Queue.DroppedDamaged + s.DeferredQueue.DroppedDamaged + s.Unreadable,
	} {
		if n > 0 {
			a.Dropped[reason] = n
		}
	}
	a.balance()
	return a
}

// lostDead returns how many records were removed from a full dead letter: those that this process had put there, and those
// that it found. The latter are counted as received only now: to count at the start, as in the queue, what a dead letter of
// 1 GiB holds would take too long.
func (o *output) lostDead() (own, earlier int64) {
	if o.file != nil {
		own, earlier = o.file.Lost()
	}
	return own + o.deadLost[0], earlier + o.deadLost[1]
}

// InputAccount is what one input has taken in.
type InputAccount struct {
	Input    string           `json:"input"`
	Received int64            `json:"received"`           // records, lines that Docker split counting once
	Bytes    int64            `json:"bytes"`              // of these records, as MessagePack
	Unrouted int64            `json:"unrouted"`           // of those, the ones that no output wanted
	Joining  int64            `json:"joining"`            // parts of split lines, held until the last one comes
	Rejected map[string]int64 `json:"rejected,omitempty"` // input that was no record, by reason
}

// inputCounters is the running form of an InputAccount.
type inputCounters struct {
	received, bytes, unrouted atomic.Int64
	mu                        sync.Mutex
	rejected                  map[string]int64
}

func (c *inputCounters) reject(n int, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rejected == nil {
		c.rejected = make(map[string]int64)
	}
	c.rejected[reason] += int64(n)
}

// sum changes whenever one of the counters does.
func (c *inputCounters) sum() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.received.Load()
	for _, rejected := range c.rejected {
		n += rejected
	}
	return n
}

func (c *inputCounters) snapshot(name string) InputAccount {
	c.mu.Lock()
	defer c.mu.Unlock()
	return InputAccount{
		Input: name, Received: c.received.Load(), Bytes: c.bytes.Load(), Unrouted: c.unrouted.Load(), Rejected: maps.Clone(c.rejected),
	}
}
