package router

import "github.com/firelane/firelane/record"

// tooLarge writes ev to the dead letters of rt's outputs, if it is too large as JSON to be queued: no destination could be
// sent it within the memory that there is.
func (i *intake) tooLarge(rt *route, ev *record.Event) bool {
	for _, o := range rt.outputs {
		if !i.r.outputs[o].refuse(ev) {
			return false // nor is it too large for the others: the limit is one for all
		}
		i.pending[o].tally.dead++
	}
	return true
}

// refuse writes ev to the output's dead letter if it is too large to be sent, and reports whether it is.
func (o *output) refuse(ev *record.Event) bool {
	o.swap.RLock()
	defer o.swap.RUnlock()
	return o.loop.Refuse(ev)
}

// entryRoom is more than what an event takes in a batch besides its body and tail, in bytes.
const entryRoom = record.MaxTag + 64

// withoutLarge returns a copy of a batch that is larger than the output's queue may be, without the records that don't fit, and how
// many these are. A batch is complete at a fraction of what the queue takes, so that is one record as a rule.
func (o *output) withoutLarge(batch *record.Batch) (small *record.Batch, large int64) {
	most := o.queue.MaxBatch()
	small = new(record.Batch)
	var ev record.Event
	for r := record.ReadBatch(batch.Bytes()); r.Next(&ev); {
		size := len(ev.Body) + len(ev.Tail) + entryRoom
		if small.Len()+size <= most {
			small.AddEvent(&ev)
			continue
		}
		o.log.Error().Str("tag", ev.Tag).Int("bytes", size).Int("limit_bytes", most).
			Msg("a record is larger than the queue may be: this output doesn't get it; its queue needs a higher limit")
	}
	return small, int64(batch.Records() - small.Records())
}
