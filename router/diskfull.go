package router

import (
	"slices"

	"github.com/firelane/firelane/sink"
)

// makeRoomFor makes room on a full disk for o's queue, which holds too little there to make room itself, and reports whether it
// did. What other queues keep without need goes first. Then the largest of those of which nothing is delivered drops its
// oldest records, unless it has the option block: its records would otherwise keep out those of all outputs.
func (r *Router) makeRoomFor(o *output) bool {
	type candidate struct {
		*output
		bytes int64
	}
	var backlogs []candidate
	for _, other := range r.allOutputs() {
		if other.queue == o.queue || other.queue == nil || !other.queue.SameDisk(o.queue) {
			continue
		}
		if other.queue.GiveWay(false) {
			return true
		}
		if other.yields || other.options.Queue().WhenFull == sink.DropOldest {
			backlogs = append(backlogs, candidate{other, other.queue.Stats().Bytes})
		}
	}
	slices.SortFunc(backlogs, func(a, b candidate) int { return int(b.bytes - a.bytes) })
	return slices.ContainsFunc(backlogs, func(c candidate) bool { return c.queue.GiveWay(true) })
}
