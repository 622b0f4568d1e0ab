package router

import (
	"context"
	"errors"

	"github.com/firelane/firelane/record"
)

// Reject implements forward.Receiver.
func (i *intake) Reject(n int, reason string) { i.input.accounts.reject(n, reason) }

// Flush implements forward.Receiver.
func (i *intake) Flush(ctx context.Context) error {
	if i.received > 0 {
		i.input.accounts.received.Add(i.received)
		i.input.accounts.unrouted.Add(i.unrouted)
		i.received, i.unrouted = 0, 0
	}
	var failed error
	for o := range i.pending {
		p, out := &i.pending[o], i.r.outputs[o]
		if p.filtered > 0 {
			out.filtered.Add(p.filtered)
			p.filtered = 0
		}
		for n := range p.complete {
			failed = errors.Join(failed, out.append(ctx, p.complete[n]))
		}
		p.complete = nil
		if p.batch == nil {
			continue
		}
		failed = errors.Join(failed, out.append(ctx, p.batch))
		i.r.buffers.returnBatch(p.batch)
		p.batch = nil
	}
	i.way = record.Event{} // what it aliases is no longer ours
	if i.scratch != nil {
		i.r.buffers.returnScratch(i.scratch)
		i.scratch = nil
	}
	return failed
}

// append puts a batch into the output's queue, waiting for room. One that can't be appended before ctx ends is counted as
// dropped: nobody acknowledges it, and a client that asked for that sends it again.
func (o *output) append(ctx context.Context, b *record.Batch) error {
	err := o.queue.Append(ctx, b.Bytes(), b.Records(), nil)
	if err != nil {
		o.refused.Add(int64(b.Records()))
	}
	return err
}

// Close implements forward.Receiver.
func (i *intake) Close() {}
