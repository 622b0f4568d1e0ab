package router

import (
	"context"
	"errors"

	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/record"
)

// Reject implements input.Receiver.
func (i *intake) Reject(n int, reason string) { i.input.accounts.reject(n, reason) }

// Flush implements input.Receiver. It returns input.ErrHeld while a Holder may hold events that came by this intake:
// the router counts what all Holders got until the last of it is in the queues, by whichever connection.
func (i *intake) Flush(ctx context.Context) error {
	if i.received+i.unrouted > 0 {
		i.input.accounts.received.Add(i.received)
		i.input.accounts.unrouted.Add(i.unrouted)
		i.received, i.unrouted = 0, 0
	}
	var failed error
	for o := range i.pending {
		p, out := &i.pending[o], i.r.outputs[o]
		for _, c := range p.complete {
			failed = errors.Join(failed, out.append(ctx, c.batch, c.tally))
		}
		p.complete = nil
		if p.batch == nil && p.tally == (tally{}) {
			continue
		}
		failed = errors.Join(failed, out.append(ctx, p.batch, p.tally))
		if p.batch != nil {
			i.r.buffers.returnBatch(p.batch)
		}
		p.counted = counted{}
	}
	i.way = record.Event{} // what it aliases is no longer ours
	if i.scratch != nil {
		i.r.buffers.returnScratch(i.scratch)
		i.scratch = nil
	}
	if failed != nil && ctx.Err() != nil {
		return failed // what was released isn't queued: nobody may acknowledge it
	}
	if i.released > 0 {
		i.r.holding.Add(-i.released)
		i.released = 0
	}
	switch {
	case failed != nil || !i.holding:
		return failed
	case i.r.holding.Load() > 0:
		return input.ErrHeld
	}
	i.holding = false
	return nil
}

// append puts a batch, which may be nil, into the output's queue, waiting for room, and publishes what was counted on the way
// to it. A batch that can't be appended before ctx ends is counted as dropped: nobody acknowledges it, and a client that asked
// for that sends it again.
func (o *output) append(ctx context.Context, b *record.Batch, t tally) error {
	if b == nil {
		o.counts.add(t)
		return nil
	}
	err := o.queue.Append(ctx, b.Bytes(), b.Records(), func() { o.counts.add(t) })
	if err != nil {
		o.refused.Add(int64(b.Records()))
		o.counts.add(t)
	}
	return err
}
