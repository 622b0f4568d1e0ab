package router

import (
	"slices"
	"sync"
	"time"

	"github.com/firelane/firelane/buffer"
)

// A retiree is the wait for a removed output to deliver what is left.
type retiree struct {
	quit func()        // ends the wait, and leaves the output as it is
	done chan struct{} // closed when the wait has ended
}

// retireAll retires removed outputs: one that gets another's dead letters comes after that one, and ends after it.
func (r *Router) retireAll(u *running, outputs []*output) {
	for _, o := range outputs {
		var after *output
		if n := slices.IndexFunc(outputs, func(of *output) bool { return of.deadTo == o }); n >= 0 {
			after = outputs[n]
		}
		r.retire(u, o, after)
	}
}

// retire lets a removed output deliver what is in its queue, for at most removedTime, and then closes it. What is left stays in its
// folder, as it would after a restart. If after isn't nil, that output ends first, because o may get its dead letters.
func (r *Router) retire(u *running, o, after *output) {
	quit := make(chan struct{})
	o.retiree = &retiree{quit: sync.OnceFunc(func() { close(quit) }), done: make(chan struct{})}
	r.retiredMu.Lock()
	r.retired.outputs = append(r.retired.outputs, o)
	r.retiredMu.Unlock()
	var first chan struct{}
	if after != nil && after.retiree != nil {
		first = after.retiree.done
	}
	u.reloads.Go(func() {
		defer close(o.retiree.done)
		if first != nil {
			select {
			case <-first:
			case <-quit:
				return
			}
		}
		o.queue.Overfill() // nobody waits for it any longer: no new records are for it
		o.loop.Drain()
		over := time.NewTimer(removedTime)
		defer over.Stop()
		select {
		case <-o.done:
		case <-over.C:
		case <-quit:
			return
		}
		o.end()
		<-o.done
		r.closeRetired(o)
	})
}

// takeBack undoes retire. It returns false if the output has already been closed.
func (r *Router) takeBack(o *output) bool {
	o.retiree.quit()
	<-o.retiree.done
	r.retiredMu.Lock()
	defer r.retiredMu.Unlock()
	n := slices.Index(r.retired.outputs, o)
	if n >= 0 {
		r.retired.outputs = slices.Delete(r.retired.outputs, n, n+1)
	}
	return n >= 0
}

// closeRetired closes the queue of an output that has ended, and removes its folder if it is empty.
func (r *Router) closeRetired(o *output) {
	o.loseMemory()
	r.closeQueues([]*output{o})
	if o.reserved != nil {
		o.reserved.Close()
	}
	a := o.account()
	r.logOutput(&a)
	s := o.queue.Stats()
	if s.Durable {
		if a.Buffered > 0 {
			left := Orphan{Queue: r.queueKey(o), Output: o.is.String(), Records: a.Buffered, Bytes: s.Bytes, Reason: "its output was removed from the configuration"}
			r.orphansMu.Lock()
			r.orphans = append(r.orphans, left)
			r.orphansMu.Unlock()
			r.log.Warn().Str("queue", left.Queue).Str("was_for", left.Output).Int64("records", left.Records).Int64("bytes", left.Bytes).Str("reason", left.Reason).
				Msg("a queue has no output: its records are kept and not delivered; configure the output again, or remove the folder")
		} else {
			r.removeQueue(o)
		}
	}
	r.retiredMu.Lock()
	defer r.retiredMu.Unlock()
	r.retired.outputs = slices.DeleteFunc(r.retired.outputs, func(other *output) bool { return other == o })
}

// removeQueue removes the folder of a closed queue if it is empty.
func (r *Router) removeQueue(o *output) {
	dir := r.queueDir(o)
	if dir == "" {
		return
	}
	if lock, err := buffer.LockFolder(dir, o.name); err == nil && lock.Remove() != nil {
		_ = lock.Close() // nothing was written to it
	}
}
