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
