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

// openOutputs locks the folders of the new outputs, and opens their queues. Those that may take over another queue are opened by
// commit.
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

// lockQueue is Router.lockQueue for a folder that must be writable, unless the running configuration has queues in memory instead.
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
		err = errors.Join(errors.New("it was not writable before"), lock.Close())
	}
	return fmt.Errorf("queue of %s: %w", o.id, err)
}

// inMemory reports whether an output of the running configuration has its queue in memory since it can't be in dir.
func (c *change) inMemory(dir string) bool {
	return slices.ContainsFunc(c.outputs.old, func(o *output) bool { return c.old.queueDir(o) == dir && !o.queue.Stats().Durable })
}

// openQueues opens the queues of the new outputs: an output's dead letters need their queue before it.
func (c *change) openQueues() error {
	for _, o := range slices.Backward(c.outputs.made) {
		if err := c.next.openQueue(o); err != nil {
			return err
		}
		c.opened = append(c.opened, o)
		if dir := c.next.queueDir(o); dir != "" && !o.queue.Stats().Durable && !c.inMemory(dir) && !c.adopts {
			return fmt.Errorf("queue of %s: %s can't be written", o.id, dir)
		}
	}
	return nil
}

// mayBeAdopted reports whether a new output may take over the queue of one that is removed.
func (c *change) mayBeAdopted(o *output) bool {
	s := o.queue.Stats()
	f := orphan{dir: c.old.queueDir(o), name: o.name, is: o.is}
	return s.Durable && s.Records > 0 && slices.ContainsFunc(c.outputs.made, func(made *output) bool { return c.next.mayAdopt(made, &f) })
}

// commit makes the new configuration the one that is running. The gate is closed: no intake works, and nothing here waits for a
// destination longer than adoptFlightTime.
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

// wakeHolders has releaseHeld ask all Holders when something is due.
func (r *Router) wakeHolders() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// releaseHolders makes the Holders that end with the old configuration emit everything. It returns what finds no room in the queues.
// The joiners of inputs that go on keep what they have.
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
				c.old.log.Error().Err(err).Msg("records that a filter had held could not be queued: they are dropped")
			}
		}
		if heldBy(ending) == 0 {
			break
		}
	}
	for _, e := range ending {
		if e.i.hasWaiting() {
			e.holder = nil
			waiting = append(waiting, e)
		}
	}
	for n := range waiting {
		waiting[n].waits = true
	}
	return waiting
}

// retireInputs lists the inputs that have been replaced and have clients, and forgets those that have ended.
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

// adoptQueues gives the queues of outputs that are removed, and those that were without an output before, to new outputs, as a start
// does; see Router.adopt. Then it opens the queues of the new outputs.
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
		if o.heir = taken[queue]; o.heir == nil {
			o.heir = c.reopen(o)
		}
	}
	c.outputs.removed = slices.DeleteFunc(c.outputs.removed, func(o *output) bool { return o.heir != nil })
	c.outputs.removed = append(c.outputs.removed, c.outputs.reopened...)
	if err := c.openQueues(); err != nil { // not even in memory
		c.next.log.Error().Err(err).Msg("an output can't be opened after the reload has begun: stop the router, and correct this")
	}
}

// reopen makes an output that is removed, and whose queue no other one takes over, once more, so that it delivers what is left. If
// that isn't possible the records stay where they are.
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
		err = errors.Join(c.old.lockQueue(o), c.old.openQueue(o))
	}
	if err != nil {
		old.log.Error().Err(err).Msg("the queue of an output that was removed can't be opened: its records are kept, and not delivered before the output is configured again")
		return nil
	}
	o.isNew = false
	c.outputs.reopened = append(c.outputs.reopened, o)
	return o
}

// forgetOrphans forgets the queues that have an output now.
func (r *Router) forgetOrphans(next *Router) {
	var known []string
	for _, o := range next.outputs {
		known = append(known, next.queueKey(o))
	}
	r.orphansMu.Lock()
	defer r.orphansMu.Unlock()
	r.orphans = slices.DeleteFunc(r.orphans, func(o Orphan) bool { return slices.Contains(known, o.Queue) })
}

// finish starts what is new and ends what is not needed. If ctx ends nothing is waited for.
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
	for _, o := range c.outputs.removed { // those that deliver dead letters come after the others
		n := slices.IndexFunc(c.outputs.removed, func(of *output) bool { return of.deadTo == o })
		if n < 0 {
			c.old.retire(c.u, o, nil)
		} else {
			c.old.retire(c.u, o, c.outputs.removed[n])
		}
	}
	closeDestinations(c.outputs.unused)
	c.old.endStages()
	c.old.closeStages() // they get no more events
	for key, l := range c.old.logs {
		if c.next.logs[key] != l {
			l.limiter.Flush(l.log)
		}
	}
}

// retireInput has an input that another one has replaced end when its clients hang up, or at once if they lose nothing.
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
		_ = in.input.Close()
		r.retiredMu.Lock()
		defer r.retiredMu.Unlock()
		r.retired.inputs = slices.DeleteFunc(r.retired.inputs, func(o *source) bool { return o == in })
	})
}

// handOver has o deliver from the queue of old, from where old has ended.
func (c *change) handOver(ctx context.Context, old, o *output) {
	old.suspend(flightTime, ctx.Done())
	r := c.next
	if err := errors.Join(o.queue.Adjust(r.queueOptions(o)), o.queue.Describe(o.is.about())); err != nil {
		o.log.Warn().Err(err).Msg("the queue's options or description can't be changed")
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

// suspend ends the output's loop: after its requests in progress, or when the time is over. That is adoptFlightTime at most once hurry
// is closed.
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
