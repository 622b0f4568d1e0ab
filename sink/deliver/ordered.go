package deliver

import (
	"cmp"
	"slices"
	"time"
)

// inOrder is choose for a destination whose records stay in the order of the queue (sink.Limits.Ordered): the first of the parts
// that wait, and a new one only while none waits.
func (l *loop) inOrder(now time.Time) *part {
	switch {
	case len(l.inflight) > 0: // also one that has stalled
		return nil
	case len(l.waiting) > 0:
		first := slices.MinFunc(l.waiting, before)
		if first.due.After(now) {
			return nil
		}
		return l.resume(first, now)
	case len(l.ready) > 0 && l.mayEncode():
		slices.SortFunc(l.ready, func(a, b *inflightChunk) int { return cmp.Compare(a.number, b.number) })
		return l.fresh()
	}
	return nil
}

// before compares the places of two parts in the queue.
func before(a, b *part) int {
	return cmp.Or(cmp.Compare(a.chunk.number, b.chunk.number), slices.Compare(a.pos, b.pos))
}
