package router

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/input"
)

// openOutputs locks the queue folders of the new outputs, and opens their queues. If a new output may take over another queue,
// commit opens them instead.
func (c *change) openOutputs() error {
	for _, o := range c.outputs.made {
		if err := c.lockQueue(o); err != nil {
			return err
		}
	}
	c.adopts = slices.ContainsFunc(c.outputs.made, func(o *output) bool { return o.isNew }) &&
		(len(c.old.Orphans()) > 0 || slices.ContainsFunc(c.outputs.removed, c.mayBeAdopted))
	if c.adopts {
		return nil
	}
	return c.openQueues()
}

// lockQueue is Router.lockQueue, but fails if the folder isn't writable. That is no error if the running configuration keeps its
// queues in memory for the same reason.
func (c *change) lockQueue(o *output) error {
	if err := c.next.lockQueue(o); err != nil {
		return err
	}
	dir := c.next.queueDir(o)
	if o.lock != nil || dir == "" || c.inMemory(dir) {
		return nil
	}
	lock, err := buffer.LockFolder(dir, o.name)
	if err == nil {
		err = errors.Join(errors.New("it wasn't writable a moment ago"), lock.Close())
	}
	return fmt.Errorf("queue of %s: %w", o.id, err)
}

// inMemory reports whether an output of the running configuration has its queue in memory because dir isn't usable.
func (c *change) inMemory(dir string) bool {
	return slices.ContainsFunc(c.outputs.old, func(o *output) bool { return c.old.queueDir(o) == dir && !o.queue.Stats().Durable })
}

// openQueues opens the queues of the new outputs, the last one first: an output needs the queue of its dead letters.
func (c *change) openQueues() error {
	for _, o := range slices.Backward(c.outputs.made) {
		if err := c.next.openQueue(o); err != nil {
			return err
		}
		c.opened = append(c.opened, o)
		if dir := c.next.queueDir(o); dir != "" && !o.queue.Stats().Durable && !c.inMemory(dir) && !c.adopts {
			return fmt.Errorf("queue of %s: %s is not writable", o.id, dir)
		}
	}
	return nil
}

// mayBeAdopted reports whether a new output may take over the queue of o, a removed output.
func (c *change) mayBeAdopted(o *output) bool {
	s := o.queue.Stats()
	f := orphan{dir: c.old.queueDir(o), name: o.name, is: o.is}
	return s.Durable && s.Records > 0 && slices.ContainsFunc(c.outputs.made, func(made *output) bool { return c.next.mayAdopt(made, &f) })
}

// commit makes the new configuration the running one. The gate is closed, so no intake is active. Each wait for a destination is
// limited to adoptFlightTime.
func (c *change) commit() {
	waiting := c.releaseHolders()
	for old, o := range c.outputs.changed {
		old.heir = o
	}
	if c.adopts {
		c.adoptQueues()
	} else {
		c.old.forgetOrphans(c.next)
	}
	for o, n := range c.outputs.kept {
		o.is.index = n
	}
	for in, n := range c.inputs.kept {
		in.index, in.label = n, c.next.plan.Start(n)
	}
	for in, heir := range c.inputs.replaced {
		in.index, in.label = heir.index, heir.label
	}
	c.next.fedByLog.ids.Clear() // the log may go to other outputs now
	c.next.current.Store(c.next)
	for i := range waiting {
		waiting[i].i.moveTo(c.next)
	}
	c.retireInputs()
	c.next.hold(c.u, append(c.next.expiries(), waiting...))
	c.next.sockets.TakeOver()
	for _, o := range c.outputs.old {
		o.queue.Interrupt(false)
	}
	c.next.gate.open()
	c.next.wakeHolders()
}

// wakeHolders wakes releaseHeld, which asks every Holder when its next event is due.
func (r *Router) wakeHolders() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// releaseHolders makes the Holders that end with the old configuration emit everything, and returns those whose events wait for room
// in a queue. The joiners of inputs that keep running keep what they hold.
func (c *change) releaseHolders() (waiting []expiry) {
	var ending []expiry
	for _, e := range c.u.holding.all {
		if e.holder != nil && e.in != nil && c.inputs.goesOn(e.in) {
			if e.i.hasWaiting() {
				e.holder = nil
				waiting = append(waiting, e)
			}
			continue
		}
		ending = append(ending, e)
	}
	for range maxReroutes + 1 {
		for n := range ending {
			if e := &ending[n]; e.holder != nil {
				e.i.expire(e.holder, enrich.Everything)
			}
			if err := ending[n].i.flush(context.Background()); err != nil && !errors.Is(err, errFull) && !errors.Is(err, input.ErrHeld) {
				c.old.log.Error().Err(err).Msg("records that a filter held can't be queued: they are dropped")
			}
		}
		if heldBy(ending) == 0 {
			break
		}
	}
	for _, e := range ending {
		if e.i.hasWaiting() || e.i.leftBytes > 0 { // withLeft removes what has been left
			e.holder = nil
			waiting = append(waiting, e)
		}
	}
	for n := range waiting {
		waiting[n].waits = true
	}
	return waiting
}

// retireInputs adds the replaced inputs to the retired ones, and removes those that have ended.
func (c *change) retireInputs() {
	p := c.old.process
	p.retiredMu.Lock()
	defer p.retiredMu.Unlock()
	for in := range c.inputs.replaced {
		if !slices.Contains(p.retired.inputs, in) {
			p.retired.inputs = append(p.retired.inputs, in)
		}
	}
	p.retired.inputs = slices.DeleteFunc(p.retired.inputs, func(in *source) bool { return slices.Contains(c.ended, in) })
}

// adoptQueues gives new outputs the queues of removed outputs and those that had no output, by the rules that apply at a start (see
// Router.adopt). Then it opens the queues of the new outputs.
func (c *change) adoptQueues() {
	given := make(map[string]*output)
	for _, o := range c.outputs.removed {
		if !c.mayBeAdopted(o) {
			continue
		}
		o.suspend(adoptFlightTime, nil)
		c.old.closeQueues([]*output{o})
		given[c.old.queueKey(o)] = o
	}
	c.next.orphansMu.Lock()
	c.next.orphans = nil
	c.next.orphansMu.Unlock()
	taken := c.next.adopt(func(queue string) bool { return given[queue] != nil })
	for queue, o := range given {
		o.heir = taken[queue]
	}
	if err := c.openQueues(); err != nil { // not even in memory
		c.next.log.Error().Err(err).Msg("the queue of a new output can't be opened, and the reload can't be undone any more; correct the cause, and restart the router")
	}
	for _, o := range slices.Backward(c.outputs.removed) { // an output's dead letters need their queue before it
		if given[c.old.queueKey(o)] == o && o.heir == nil {
			o.heir = c.reopen(o)
		}
	}
	c.outputs.removed = slices.DeleteFunc(c.outputs.removed, func(o *output) bool { return o.heir != nil })
	c.outputs.removed = slices.Concat(c.outputs.reopened, c.outputs.removed)
}

// reopen creates a removed output again whose queue no other output has taken over, so that it delivers what is left. If that fails,
// it returns nil, and the records stay in the queue.
func (c *change) reopen(old *output) *output {
	var o *output
	var err error
	of := c.old.plan.Outputs[old.is.index]
	if old.is.dead == "" {
		o, err = c.old.newOutput(of)
	} else {
		o, err = c.old.newDeadOutput(of, c.old.outputs[old.is.index])
	}
	if err == nil {
		o.name = old.name
		if old.deadTo != nil {
			o.deadTo = old.deadTo.heirNow()
		}
		err = errors.Join(c.old.lockQueue(o), c.old.openQueue(o))
	}
	if err != nil {
		old.log.Error().Err(err).Msg("the queue of a removed output can't be opened again: its records are kept, and not delivered until the output is configured again")
		return nil
	}
	o.isNew = false
	c.outputs.reopened = slices.Insert(c.outputs.reopened, 0, o)
	return o
}

// forgetOrphans removes the queues that have an output in next from the list of orphans.
func (r *Router) forgetOrphans(next *Router) {
	var known []string
	for _, o := range next.outputs {
		known = append(known, next.queueKey(o))
	}
	r.orphansMu.Lock()
	defer r.orphansMu.Unlock()
	r.orphans = slices.DeleteFunc(r.orphans, func(o Orphan) bool { return slices.Contains(known, o.Queue) })
}

// finish starts the new parts, and ends those that are no longer needed. Once ctx has ended, waits are at most adoptFlightTime.
func (c *change) finish(ctx context.Context) {
	for _, n := range c.inputs.made {
		c.next.startInput(c.u, c.next.inputs[n])
	}
	for in := range c.inputs.replaced {
		c.next.retireInput(c.u, in)
	}
	for _, in := range c.ended {
		if !slices.ContainsFunc(c.next.inputs, func(now *source) bool { return now.id == in.id }) {
			c.next.logInput(in.account())
		}
	}
	for _, o := range slices.Concat(c.outputs.made, c.outputs.reopened) {
		c.u.startOutput(o)
	}
	var handovers sync.WaitGroup
	for old, o := range c.outputs.changed {
		handovers.Go(func() { c.handOver(ctx, old, o) })
	}
	handovers.Wait()
	c.old.retireAll(c.u, c.outputs.removed)
	closeDestinations(c.outputs.unused)
	c.old.endStages()
	c.old.closeStages() // they get no more events
	for key, l := range c.old.logs {
		if c.next.logs[key] != l {
			l.limiter.Flush(l.log)
		}
	}
}

// retireInput ends an input that another one has replaced: when its clients have disconnected if it is an input.Retirer, otherwise
// at once.
func (r *Router) retireInput(u *running, in *source) {
	if in.isRetired {
		return
	}
	in.isRetired = true
	if retirer, ok := in.input.(input.Retirer); ok {
		retirer.Retire()
	} else {
		in.end()
	}
	u.inputs.Go(func() {
		<-in.done
		r.forgetUnqueued(in)
		_ = in.input.Close()
		r.retiredMu.Lock()
		defer r.retiredMu.Unlock()
		r.retired.inputs = slices.DeleteFunc(r.retired.inputs, func(o *source) bool { return o == in })
	})
}

// handOver ends old, and makes o deliver from the same queue, from the point that old reached.
func (c *change) handOver(ctx context.Context, old, o *output) {
	old.suspend(flightTime, ctx.Done())
	r := c.next
	if err := errors.Join(o.queue.Adjust(r.queueOptions(o)), o.queue.Describe(o.is.about())); err != nil {
		o.log.Warn().Err(err).Msg("the options or the description of the queue can't be changed")
	}
	dir := ""
	if o.queue.Stats().Durable {
		dir = r.queueDir(o)
	}
	o.deadLost[0], o.deadLost[1] = old.lostDead()
	o.dead = r.deadLetter(o, dir)
	o.swap.Lock()
	o.loop = r.newLoop(o, old.loop)
	o.swap.Unlock()
	c.u.startOutput(o)
	if err := old.dead.Close(); err != nil {
		o.log.Error().Err(err).Msg("closing the dead letter failed")
	}
}

// suspend ends the output's loop when its requests in progress are complete, or after atMost, which cancels them. Once hurry is
// closed, it waits at most adoptFlightTime longer.
func (o *output) suspend(atMost time.Duration, hurry <-chan struct{}) {
	if o.loop.Suspend() {
		over := time.NewTimer(atMost)
		defer over.Stop()
		select {
		case <-o.done:
		case <-over.C:
		case <-hurry:
			over.Reset(min(atMost, adoptFlightTime))
			select {
			case <-o.done:
			case <-over.C:
			}
		}
	}
	o.end()
	<-o.done
}
