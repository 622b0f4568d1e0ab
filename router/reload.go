package router

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/firelane/firelane/config"
)

// Time limits of a reload. Clients wait only while the gate is closed.
const (
	// gateTime is how long the active intakes may take to leave the gate. Nothing they do there blocks, unless a disk doesn't
	// respond. If one takes longer, the old configuration stays.
	gateTime = 5 * time.Second
	// inputEndTime is how long a removed input may take to queue what clients have sent.
	inputEndTime = 7 * time.Second
	// flightTime is how long an output whose configuration has changed may take to complete its requests in progress. After
	// that they are canceled, and their records are sent again.
	flightTime = 5 * time.Second
	// adoptFlightTime is the same limit for an output whose queue another output takes over. It is shorter because clients wait
	// meanwhile.
	adoptFlightTime = 2 * time.Second
	// removedTime is how long a removed output keeps delivering what is in its queue.
	removedTime = 5 * time.Minute
)

// ErrNotRunning is returned by Reload if the router is stopping, or if ctx has ended.
var ErrNotRunning = errors.New("the router is stopping")

// Reload replaces the running configuration with plan; parts that are the same in both keep running (see docs/delivery.md). If plan
// is wrong, it returns diagnostics; if plan can't be opened, an error. In both cases the old configuration keeps running. A call waits
// until the router has started, and until an earlier call has returned.
//
// An input whose options are the same keeps running, with its connections. One whose options have changed hands its socket to the
// new input, and serves its connected clients until they disconnect. An output with the same identity keeps its queue, the queue's
// identity, and its counts.
func (r *Router) Reload(ctx context.Context, plan *config.Plan) ([]config.Diagnostic, error) {
	select {
	case <-r.started:
	case <-ctx.Done():
		return nil, ErrNotRunning
	}
	r.reloading.Lock()
	defer r.reloading.Unlock()
	u := r.running
	if u == nil {
		return nil, ErrNotRunning
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(u.stop, cancel)()
	old := r.current.Load()
	next, diags := build(plan, old.env, r.process)
	if len(diags) > 0 {
		next.discard(next.outputs)
		return diags, nil
	}
	c := newChange(old, next, u)
	next.startStages() // what they need to know may be there when the first event comes
	if err := c.prepare(ctx); err != nil {
		c.undo()
		return nil, err
	}
	c.commit()
	c.finish(ctx)
	r.reloads.Add(1)
	next.logReloaded(c)
	return nil, nil
}

// endReloads waits for the Reload in progress, which the stop cancels, and makes later ones fail.
func (r *Router) endReloads() {
	r.reloading.Lock()
	u := r.running
	r.running = nil
	r.reloading.Unlock()
	for _, o := range r.leftOver().outputs {
		o.retiree.quit()
	}
	u.reloads.Wait()
}

// A change is the replacement of the old configuration by the next one.
type change struct {
	old, next *Router
	u         *running

	inputs  inputChanges
	outputs outputChanges

	bound   []*source // inputs of next that have been created
	ended   []*source // inputs of old whose Run has returned
	opened  []*output // outputs of next whose queues are open
	adopts  bool      // a new output may take over the queue of a removed one, or one without an output
	holders bool      // the Holders of old are paused
}

func newChange(old, next *Router, u *running) *change {
	c := &change{old: old, next: next, u: u}
	c.outputs = matchOutputs(old, next)
	c.inputs = matchInputs(old, next)
	next.sockets = old.sockets.Next(c.inputs.isKept)
	return c
}

// prepare does everything that may fail. If it does fail, undo restores the old configuration. Until commit that one keeps running,
// except for the inputs that are removed: these can't run at the same time as the new ones.
func (c *change) prepare(ctx context.Context) error {
	if err := c.openOutputs(); err != nil {
		return err
	}
	for _, n := range c.inputs.made {
		if c.next.listens(n) {
			if err := c.bind(n); err != nil {
				return err
			}
		}
	}
	c.next.sockets.Spare(true)
	c.endInputs()
	for _, n := range c.inputs.made {
		if !c.next.listens(n) {
			if err := c.bind(n); err != nil {
				return err
			}
		}
	}
	h := c.u.holding
	close(h.pause)
	<-h.done
	c.holders = true
	if err := ctx.Err(); err != nil {
		return ErrNotRunning
	}
	for _, o := range c.outputs.old {
		o.queue.Interrupt(true)
	}
	ctx, cancel := context.WithTimeout(ctx, gateTime)
	defer cancel()
	if !c.old.gate.close(ctx) {
		return fmt.Errorf("the inputs didn't pause within %v; check whether a disk doesn't respond", gateTime)
	}
	return nil
}

// bind creates the n-th input of the new configuration.
func (c *change) bind(n int) error {
	if err := c.next.bindInput(c.next.inputs[n], n); err != nil {
		return err
	}
	c.bound = append(c.bound, c.next.inputs[n])
	return nil
}

// endInputs stops the removed inputs. They queue what they have received, and close their connections.
func (c *change) endInputs() {
	for _, in := range c.inputs.removed {
		in.end()
	}
	over := time.AfterFunc(inputEndTime, func() {
		for _, in := range c.inputs.removed {
			_ = in.input.Close()
		}
	})
	defer over.Stop()
	for _, in := range c.inputs.removed {
		<-in.done
		c.old.forgetUnqueued(in)
		_ = in.input.Close()
		c.ended = append(c.ended, in)
	}
}

// undo restores the old configuration after prepare has failed.
func (c *change) undo() {
	for _, o := range c.outputs.old {
		o.queue.Interrupt(false)
	}
	if c.holders {
		c.old.hold(c.u, c.u.holding.all)
		c.old.wakeHolders()
	}
	for _, in := range c.bound {
		_ = in.input.Close()
	}
	c.next.sockets.Spare(false)
	for _, in := range c.ended {
		if in.index >= len(c.old.plan.Inputs) || c.old.inputs[in.index] != in {
			continue // it was retired already: its clients have lost their connections
		}
		if err := c.old.bindInput(in, in.index); err != nil {
			c.old.log.Error().Err(err).Str("input", in.id).Msg("an input can't be restarted after a failed reload: it accepts no more records; restart the router")
			continue
		}
		c.old.startInput(c.u, in)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for _, o := range c.opened {
		o.loop.Run(ended) // releases its memory, and closes the destination
		if o.reserved != nil {
			o.reserved.Close()
		}
		c.next.closeQueues([]*output{o})
		c.next.removeQueue(o)
	}
	c.next.unlock()
	c.next.discard(slices.DeleteFunc(c.outputs.all, func(o *output) bool { return slices.Contains(c.opened, o) }))
	c.old.retireAll(c.u, c.outputs.back)
}

// endStages releases the memory of filters that get no more events.
func (r *Router) endStages() {
	for _, s := range r.shares {
		s.Close()
	}
}

// discard releases what a configuration that never ran holds, and closes the destinations of outputs.
func (r *Router) discard(outputs []*output) {
	r.closeStages()
	r.endStages()
	closeDestinations(outputs)
}

// closeDestinations closes the destinations of outputs that never ran.
func closeDestinations(outputs []*output) {
	for _, o := range outputs {
		switch {
		case o == nil:
		case o.dest != nil:
			_ = o.dest.Close()
		case o.store != nil:
			_ = o.store.Close()
		}
	}
}

func (r *Router) logReloaded(c *change) {
	r.log.Info().Strs("configuration", r.plan.Files).Int("inputs", len(r.inputs)).Int("outputs", len(r.plan.Outputs)).
		Int("inputs_kept", len(c.inputs.kept)).Int("outputs_kept", len(c.outputs.kept)).Int64("reloads", r.reloads.Load()).
		Msg("the configuration was reloaded")
}
