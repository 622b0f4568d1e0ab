package router

import (
	"context"

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
	for o := range i.pending {
		p := &i.pending[o]
		if p.filtered > 0 {
			i.r.outputs[o].filtered.Add(p.filtered)
			p.filtered = 0
		}
		if p.batch.Records() > 0 {
			i.appendTo(ctx, o)
		}
	}
	err := i.err
	i.err = nil
	return err
}

// appendTo appends what is pending for output o to its queue, waiting for room. What can't be appended before ctx
// ends is counted as dropped: nobody will acknowledge it, and a client that asked for that sends it again.
func (i *intake) appendTo(ctx context.Context, o int) {
	p := &i.pending[o]
	if err := i.r.outputs[o].queue.Append(ctx, p.batch.Bytes(), p.batch.Records()); err != nil {
		i.r.outputs[o].refused.Add(int64(p.batch.Records()))
		i.err = err
	}
	if cap(p.batch.Bytes()) > maxKeptBatch {
		p.batch = record.Batch{}
		return
	}
	p.batch.Reset()
}

// Close implements forward.Receiver.
func (i *intake) Close() {}
