package router

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/firelane/firelane/config"
)

// Limits of the time that a reload takes. Clients wait only between the closing of the gate and its opening.
const (
	// gateTime is how long the intakes that are at work may take to come to an end of what they are doing. They do nothing that
	// waits, unless a disk doesn't answer; if one is later, the configuration stays as it is.
	gateTime = 5 * time.Second
	// inputEndTime is how long an input that the configuration doesn't have any more may take to queue what clients have sent.
	inputEndTime = 7 * time.Second
	// flightTime is how long the requests in progress of an output may take whose configuration has changed. Then they are
	// canceled, and their records are sent again.
	flightTime = 5 * time.Second
	// adoptFlightTime is the same for an output whose queue another output takes over: clients wait meanwhile.
	adoptFlightTime = 2 * time.Second
	// removedTime is how long an output that the configuration doesn't have any more goes on delivering what is in its queue.
	removedTime = 5 * time.Minute
)

// ErrNotRunning is the error of a Reload when the router is about to stop, or when ctx has ended.
var ErrNotRunning = errors.New("the router is about to stop")

// Reload replaces the configuration that is running by plan. What is the same in both goes on as it is; see docs/delivery.md. If
// plan is wrong (diagnostics), or can't be opened (the error), nothing changes. One Reload waits for another, and for the start.
//
// An input whose options are the same goes on, with its connections. One whose options have changed gives its socket to the new
// one, and serves the clients that are connected to it until they hang up. An output with the same identity keeps its queue,
// its queue's identity and its counts.
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

// endReloads waits for the Reload in progress, which a stop cuts short, and refuses later ones.
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

// A change is one configuration taking over from another.
type change struct {
	old, next *Router
	u         *running

	inputs  inputChanges
	outputs outputChanges

	bound   []*source // inputs of next that were made
	ended   []*source // inputs of old whose Run has returned
	opened  []*output // outputs of next whose queues were opened
	adopts  bool      // a new output may take over the queue of one that is removed
	holders bool      // those of old are paused
}

func newChange(old, next *Router, u *running) *change {
	c := &change{old: old, next: next, u: u}
	c.outputs = matchOutputs(old, next)
	c.inputs = matchInputs(old, next)
	next.sockets = old.sockets.Next(c.inputs.isKept)
	return c
}

// prepare does what may fail: nothing of it changes what the old configuration does, apart from inputs that can't be in both.
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
		return fmt.Errorf("the inputs didn't come to a stop within %v: is a disk that doesn't answer in use", gateTime)
	}
	return nil
}

// bind makes the n-th input of the new configuration.
func (c *change) bind(n int) error {
	if err := c.next.bindInput(c.next.inputs[n], n); err != nil {
		return err
	}
	c.bound = append(c.bound, c.next.inputs[n])
	return nil
}

// endInputs has the inputs that are removed queue what they have, and end. Their clients' connections are closed.
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
		_ = in.input.Close()
		c.ended = append(c.ended, in)
	}
}

// undo goes back to the old configuration.
func (c *change) undo() {
	for _, o := range c.outputs.old {
		o.queue.Interrupt(false)
	}
	if c.holders {
		c.old.hold(c.u, c.u.holding.all)
	}
	for _, in := range c.bound {
		_ = in.input.Close()
	}
	c.next.sockets.Spare(false)
	for _, in := range c.ended {
		if in.index >= len(c.old.plan.Inputs) || c.old.inputs[in.index] != in {
			continue // it was retired: its clients have lost their connections
		}
		if err := c.old.bindInput(in, in.index); err != nil {
			c.old.log.Error().Err(err).Str("input", in.id).Msg("an input can't be started again after a reload that failed: it takes no more records")
			continue
		}
		c.old.startInput(c.u, in)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for _, o := range c.opened {
		o.loop.Run(ended) // which returns its memory, and closes the destination
		c.next.closeQueues([]*output{o})
		c.next.removeQueue(o)
	}
	c.next.unlock()
	c.next.discard(slices.DeleteFunc(c.outputs.all, func(o *output) bool { return slices.Contains(c.opened, o) }))
	for _, o := range c.outputs.back {
		c.old.retire(c.u, o, nil)
	}
}

// endStages returns the memory of filters that no event goes through any more.
func (r *Router) endStages() {
	for _, s := range r.shares {
		s.Close()
	}
}

// discard ends a configuration that never ran, with the destinations of outputs.
func (r *Router) discard(outputs []*output) {
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
