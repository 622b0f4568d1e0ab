package router

import (
	"context"
	"errors"
	"slices"

	"github.com/firelane/firelane/buffer"
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
		for last, all := p.counted, p.complete; len(all) > 0; all = all[1:] {
			p.counted = all[0]
			failed = errors.Join(failed, out.append(ctx, p))
			i.r.buffers.returnBatch(p.batch)
			p.counted = last
		}
		p.complete = nil
		if p.batch == nil && p.tally == (tally{}) {
			continue
		}
		failed = errors.Join(failed, out.append(ctx, p))
		i.r.buffers.returnBatch(p.batch)
		p.counted = counted{}
	}
	i.openFor, i.open = nil, nil
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

// Discard implements input.Discarder. Where a Holder has got or released something, all is queued: what was released came from
// other connections, too, and may have been acknowledged; what is held can't be taken back.
func (i *intake) Discard(ctx context.Context) error {
	if i.released == 0 && !i.holding && !slices.ContainsFunc(i.pending, pending.hasHeld) {
		return nil
	}
	if err := i.Flush(ctx); !errors.Is(err, input.ErrHeld) {
		return err
	}
	return nil
}

// hasHeld reports whether a Holder got or released what was added.
func (p pending) hasHeld() bool {
	return p.tally.held != 0 || slices.ContainsFunc(p.complete, func(c counted) bool { return c.tally.held != 0 })
}

// append puts p's batch, if it has one, into the output's queue, waiting for room, and adds p's tally to the output's at the
// moment from which the queue counts the records. A batch that can't be appended before ctx ends is counted as dropped: nobody
// acknowledges it, and a client that asked for that sends it again.
func (o *output) append(ctx context.Context, p *pending) error {
	var err error
	if p.batch != nil {
		if err = o.queue.Append(ctx, p.batch.Bytes(), p.batch.Records(), p.publish); err == nil {
			o.taps.offer(&p.batch.Batch)
			return nil
		}
		p.tally.refused += int64(p.batch.Records())
	}
	o.queue.Inspect(func(buffer.Stats) { p.publish() })
	return err
}
