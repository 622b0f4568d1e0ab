package router

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/firelane/firelane/enrich"
)

// maxRefused is how many Lots that were refused are remembered.
const maxRefused = 256

// refusedLots are the newest Lots that were not queued, and that their source offers again, such as the events of a request that was
// answered with 503. What a Holder still holds of them isn't queued either: it would be stored twice.
type refusedLots struct {
	newest atomic.Uint64 // no later one has been refused
	mu     sync.Mutex
	n      int // that were ever added
	last   [maxRefused]enrich.Lot
}

func (r *refusedLots) add(l enrich.Lot) {
	if l == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last[r.n%maxRefused] = l
	r.n++
	r.newest.Store(max(r.newest.Load(), uint64(l)))
}

func (r *refusedLots) has(l enrich.Lot) bool {
	if l == 0 || uint64(l) > r.newest.Load() {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.last[:], l)
}

// endLot ends the Lot of a Flush that has failed, unless failed is nil.
func (i *intake) endLot(failed error) {
	if i.failedLot = 0; failed != nil {
		i.failedLot = i.lot
	}
	i.lot = 0
}

// isRefused reports whether the event that the Step emits, of so many held ones, came by a Flush that was refused. What a joiner holds
// is acknowledged at once, and is never refused.
func (c *call) isRefused(of int) bool {
	return of > 0 && c.holder.in == nil && c.i.r.refused.has(c.out.Released())
}
