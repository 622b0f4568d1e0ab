package router

import (
	"slices"

	"github.com/firelane/firelane/record"
)

// A batch is records for the queues of one or more outputs. Outputs share one for as long as they get the same records, so
// that a record is copied once, however many outputs it has.
type batch struct {
	record.Batch
	outputs []int // that share it; nil: they have begun to differ, and one that gets another record copies the batch first
	users   int   // outputs that have not appended it yet
	others  []int // records that came by other Flushes, by their place: see intake.left
}

// put adds ev. others says that it came by another Flush than the one that the batch is for.
func (b *batch) put(ev *record.Event, others bool) {
	if others {
		b.others = append(b.others, b.Records())
	}
	b.AddEvent(ev)
}

// ofOthers returns a batch of the records that came by other Flushes; nil if there are none.
func (b *batch) ofOthers() *batch {
	if len(b.others) == 0 {
		return nil
	}
	left, ev := &batch{users: 1}, new(record.Event) // no larger than it need be
	r, next := record.ReadBatch(b.Bytes()), 0
	for n := 0; next < len(b.others) && r.Next(ev); n++ {
		if n == b.others[next] {
			left.AddEvent(ev)
			next++
		}
	}
	return left
}

// add adds ev to the batch of each output of rt, of which there is one at least.
func (i *intake) add(rt *route, ev *record.Event) {
	outputs := rt.outputs
	b := i.pending[outputs[0]].batch
	if b == nil || !slices.Equal(b.outputs, outputs) {
		b = i.share(outputs)
	}
	if b != nil {
		i.open, i.openFor = b, rt
		b.put(ev, i.others)
		i.full = i.full || b.Len() >= i.most
		return
	}
	for _, o := range outputs {
		b := i.ownBatch(o)
		b.put(ev, i.others)
		i.full = i.full || b.Len() >= i.most
	}
}

// share begins a batch that outputs share; nil if one of them has records already.
func (i *intake) share(outputs []int) *batch {
	for _, o := range outputs {
		if i.pending[o].batch != nil {
			return nil
		}
	}
	b := i.r.buffers.batch()
	b.outputs, b.users = outputs, len(outputs)
	for _, o := range outputs {
		i.pending[o].batch, i.pending[o].fed = b, true
	}
	return b
}

// ownBatch returns the batch of one output, which no other output shares.
func (i *intake) ownBatch(o int) *batch {
	p := &i.pending[o]
	i.openFor = nil
	if p.batch != nil && p.batch.users == 1 {
		return p.batch
	}
	b := i.r.buffers.batch()
	b.users = 1
	if shared := p.batch; shared != nil {
		b.CopyOf(&shared.Batch)
		b.others = append(b.others[:0], shared.others...)
		shared.outputs = nil
		shared.users--
	}
	p.batch, p.fed = b, true
	return b
}
