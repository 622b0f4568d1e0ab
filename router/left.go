package router

import (
	"slices"
	"sync"

	"github.com/firelane/firelane/buffer"
)

// Limits of what is left behind by Flushes that failed.
const (
	maxLeft  = 1 << 20 // bytes; above it further events are dropped
	leftCost = 4 << 10 // bytes that are counted for each failed Flush besides its records
)

// left is what Holders released into a Flush that failed, and that had come by other Flushes: it may have been acknowledged, and its
// client doesn't send it again. releaseHeld queues it.
type left struct {
	mu    sync.Mutex
	all   []*intake // that releaseHeld hasn't got yet
	bytes int       // of these, and of those that releaseHeld has
}

// keepOthers keeps the records of a batch that came by other Flushes, for leave. It reports whether there are any. All of the batch's
// have been counted as refused.
func (p *pending) keepOthers() bool {
	others := p.batch.ofOthers()
	if others == nil {
		return false
	}
	kept := counted{others, p.tally}
	kept.tally.refused -= int64(others.Records())
	p.left = append(p.left, kept)
	return true
}

// leave gives what keepOthers has kept to releaseHeld, which tries once a second to queue it. Acks for events that Holders released
// wait for that. If too much is waiting already, it is dropped.
func (i *intake) leave(failed error) {
	l, size := i.takeLeft()
	if l == nil {
		return
	}
	p := i.r.process
	p.left.mu.Lock()
	defer p.left.mu.Unlock()
	if p.left.bytes >= maxLeft {
		l.dropWaiting()
		i.r.log.Error().Err(failed).Msg("records that a filter held can't be queued: they are dropped")
		return
	}
	l.released, i.released = i.released, 0
	l.unended, i.unended = i.unended, unended{}
	l.leftBytes = size
	p.left.bytes += size
	p.left.all = append(p.left.all, l)
	i.r.wakeHolders()
}

// takeLeft makes an intake of what was kept, and returns its size in bytes; nil if nothing was.
func (i *intake) takeLeft() (l *intake, size int) {
	for o := range i.pending {
		p := &i.pending[o]
		if len(p.left) == 0 {
			continue
		}
		if l == nil {
			outputs := make([]*output, len(i.pending))
			for n := range outputs {
				outputs[n] = i.pending[n].out
			}
			l = i.r.newNoWaitIntake(i.input, outputs)
		}
		l.pending[o].complete, l.pending[o].gone, p.left = p.left, p.gone, nil
	}
	if l != nil {
		size = leftCost + l.waitingBytes()
	}
	return l, size
}

// dropWaiting drops what waits, and counts it.
func (i *intake) dropWaiting() {
	for o := range i.pending {
		p := &i.pending[o]
		for _, p.counted = range p.complete {
			p.tally.refused += int64(p.batch.Records())
			p.out.queue.Inspect(func(buffer.Stats) { p.publish() })
		}
		p.counted, p.complete = counted{}, nil
	}
}

// withLeft adds what has been left to all, and removes what has been queued, or can't be.
func (r *Router) withLeft(all []expiry) []expiry {
	r.left.mu.Lock()
	defer r.left.mu.Unlock()
	all = slices.DeleteFunc(all, func(e expiry) bool {
		ended := e.holder == nil && !e.waits
		if ended {
			r.left.bytes -= e.i.leftBytes
		}
		return ended
	})
	for _, i := range r.left.all {
		all = append(all, expiry{i: i, waits: true})
	}
	r.left.all = nil
	return all
}
