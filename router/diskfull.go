package router

import (
	"slices"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/sink"
)

// makeRoomFor makes room on a full disk for o's queue, which can't make any by itself: it holds too little there, or other queues have
// its oldest file, too. It reports whether it did. What other queues keep without need goes first, and then that oldest file, if all who
// have it may drop it. Then the largest queue of which nothing is delivered drops its oldest records, unless it has the option block:
// its records would otherwise keep out those of all outputs.
func (r *Router) makeRoomFor(o *output) bool {
	var backlogs []*buffer.Queue
	bytes := make(map[*buffer.Queue]int64)
	for _, other := range r.allOutputs() {
		if other.queue == nil || !other.queue.SameDisk(o.queue) {
			continue
		}
		if other.queue != o.queue && other.queue.GiveWay() {
			return true
		}
		if other.yields || other.options.Queue().WhenFull == sink.DropOldest {
			backlogs = append(backlogs, other.queue)
			bytes[other.queue] = other.queue.Stats().Bytes
		}
	}
	slices.SortFunc(backlogs, func(a, b *buffer.Queue) int { return int(bytes[b] - bytes[a]) })
	return slices.Contains(backlogs, o.queue) && o.queue.DropOldestWith(backlogs) || buffer.DropOldestOf(backlogs)
}
