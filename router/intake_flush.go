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

// Flush implements input.Receiver. It returns input.ErrHeld while a Holder may hold events that came by this intake: until everything
// that any Holder got before is in the queues, by whichever connection (see isPast). If another configuration takes over while it waits
// for room, it goes on with that one's queues.
func (i *intake) Flush(ctx context.Context) error {
	var failed error
	for {
		i.enterGate()
		err := i.flush(ctx)
		i.leaveGate()
		if !errors.Is(err, buffer.ErrInterrupted) {
			return join(failed, err)
		}
		failed = join(failed, without(err, buffer.ErrInterrupted))
	}
}

// join is errors.Join that leaves a single error as it is.
func join(a, b error) error {
	if a == nil {
		return b
	}
	return errors.Join(a, b)
}

// without returns what err has besides target, which must not be wrapped: nil if that is nothing.
func without(err, target error) (rest error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			rest = errors.Join(rest, without(e, target))
		}
		return rest
	}
	if errors.Is(err, target) {
		return nil
	}
	return err
}

// flush is Flush inside the gate. If its wait for room is interrupted, the error is buffer.ErrInterrupted.
func (i *intake) flush(ctx context.Context) error {
	if i.received+i.unrouted > 0 {
		i.input.accounts.received.Add(i.received)
		i.input.accounts.bytes.Add(i.bytes)
		i.input.accounts.unrouted.Add(i.unrouted)
		i.received, i.bytes, i.unrouted = 0, 0, 0
	}
	i.filtered.publish()
	if i.input.ownLog {
		i.noteFedByLog()
	}
	i.noteGiven()
	failed := i.queue(ctx)
	if !stays(failed) {
		i.leave(failed)
		i.endLot(failed)
	}
	i.viewers = &i.unknown
	i.openFor, i.open = nil, nil
	i.event = record.Event{} // what it aliases is no longer ours
	if i.scratch != nil {
		i.r.buffers.returnScratch(i.scratch)
		i.scratch = nil
	}
	if failed != nil && (ctx.Err() != nil || stays(failed)) {
		if !stays(failed) {
			i.noteUnqueued(i.released)
		}
		return failed // what was released isn't queued: nobody may acknowledge it
	}
	if i.released > 0 {
		i.r.holding.Add(-i.released)
		i.r.passing.end(i.unended)
		i.released, i.unended = 0, unended{}
		i.noteUnqueued(0)
	}
	switch {
	case failed != nil || !i.holding:
		return failed
	case i.r.holding.Load() > 0 && !i.isPast():
		return input.ErrHeld
	}
	i.holding = false
	return nil
}

// noteUnqueued notes that n of the events that were released could not be queued.
func (i *intake) noteUnqueued(n int64) {
	if n != i.unqueued {
		i.input.unqueued.Add(n - i.unqueued)
		for odd := range i.unended {
			i.input.unended[odd].Add(i.unended[odd] - i.unendedNoted[odd])
		}
		i.unqueued, i.unendedNoted = n, i.unended
	}
}

// forgetUnqueued has no ack wait any longer for what the receivers of an input that has ended couldn't queue.
func (p *process) forgetUnqueued(in *source) {
	p.holding.Add(-in.unqueued.Swap(0))
	p.passing.end(unended{in.unended[0].Swap(0), in.unended[1].Swap(0)})
}

// queue appends what was added to the queues: to several at once where they get the same; and to those that are stalled, or turn out to
// be, last, so that no other waits for them, and that they drop nothing for others which are full, too.
func (i *intake) queue(ctx context.Context) (failed error) {
	i.queueShared()
	late := false
	for o := range i.pending {
		if i.pending[o].out.queue.Stalled() {
			late = true
		} else if err := i.queueFor(ctx, o, false); errors.Is(err, buffer.ErrStalled) {
			late = true
		} else if err != nil {
			failed = errors.Join(failed, err)
		}
	}
	for o := 0; late && o < len(i.pending); o++ {
		if err := i.queueFor(ctx, o, true); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// queueFor appends what was added for one output. If it isn't the last in line and turns out to be stalled, the error is
// buffer.ErrStalled, and the rest stays.
func (i *intake) queueFor(ctx context.Context, o int, last bool) (failed error) {
	p := &i.pending[o]
	out := p.out
	if len(p.complete) > 0 {
		failed = p.queueComplete(ctx, out, last, &i.r.buffers)
	}
	if p.batch == nil && p.tally == (tally{}) {
		return failed
	}
	if !stays(failed) {
		failed = errors.Join(failed, out.append(ctx, p, last || failed != nil))
	}
	if stays(failed) { // the open batch is closed: what its Tail aliases is no longer ours
		p.complete = append(p.complete, p.counted)
	} else {
		i.r.buffers.returnBatch(p.batch)
	}
	p.counted = counted{}
	return failed
}

// queueComplete appends the batches that are complete.
func (p *pending) queueComplete(ctx context.Context, out *output, last bool, b *buffers) (failed error) {
	open := p.counted
	defer func() { p.counted = open }()
	for ; len(p.complete) > 0; p.complete = p.complete[1:] {
		p.counted = p.complete[0]
		if err := out.append(ctx, p, last || failed != nil); stays(err) {
			return err
		} else if err != nil {
			failed = errors.Join(failed, err)
		}
		b.returnBatch(p.batch)
	}
	p.complete = nil
	return failed
}

// errFull is the error of a Flush that left something to the next one: see pending.noWait.
var errFull = errors.New("a queue is full: records wait")

// stays reports whether err is that of a batch that was not appended and stays.
func stays(err error) bool {
	return errors.Is(err, errFull) || errors.Is(err, buffer.ErrStalled) || errors.Is(err, buffer.ErrInterrupted)
}

// waitingBytes returns how many bytes of complete batches wait for room in the queues.
func (i *intake) waitingBytes() (n int) {
	for o := range i.pending {
		for _, c := range i.pending[o].complete {
			if c.batch != nil {
				n += c.batch.Len()
			}
		}
	}
	return n
}

// Discard implements input.Discarder. Where a Holder has got or released something, all is queued: what was released came from
// other connections, too, and may have been acknowledged. What is held can't be taken back, but if the last Flush has failed, what
// came by it alone isn't queued when it is released: the source offers it again.
func (i *intake) Discard(ctx context.Context) error {
	i.r.refused.add(i.failedLot)
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
// acknowledges it, and a client that asked for that sends it again. So is one for an output that a reload has removed, and that has
// ended; that is no error. Nor is a record that is larger than the queue may be, which counts as dropped, too: sending it again can't
// help. What came by other Flushes isn't dropped, but left. Unless the output is the last in line, a batch for a queue that is stalled
// stays: the error is buffer.ErrStalled.
func (o *output) append(ctx context.Context, p *pending, last bool) error {
	var err error
	yield, appendTo := p.yield, o.queue.AppendUnlessStalled
	if last {
		appendTo = o.queue.AppendBeside
	}
	if p.noWait {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		cancel()
		yield = nil
	}
	if p.batch != nil {
		batch, large := &p.batch.Batch, int64(0)
		err = appendTo(ctx, batch.Bytes(), batch.Records(), p.publish, yield)
		if errors.Is(err, buffer.ErrTooLarge) {
			batch, large = o.withoutLarge(batch)
			p.tally.refused += large
			if batch.Records() == 0 {
				o.queue.Inspect(func(buffer.Stats) { p.publish() })
				return nil
			}
			err = appendTo(ctx, batch.Bytes(), batch.Records(), p.publish, yield)
		}
		if err == nil {
			o.taps.offer(o.id, batch)
			return nil
		}
		if p.noWait && (errors.Is(err, buffer.ErrInterrupted) || errors.Is(err, context.Canceled)) {
			err = errFull
		}
		if stays(err) {
			p.tally.refused -= large
			return err
		}
		p.tally.refused += int64(batch.Records())
		if errors.Is(err, ctx.Err()) && p.keepOthers() {
			return err
		}
		if p.gone && errors.Is(err, buffer.ErrClosed) { // nobody can send it again to an output that has ended
			err = nil
		}
	}
	o.queue.Inspect(func(buffer.Stats) { p.publish() })
	return err
}
