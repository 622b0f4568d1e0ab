package router

import "sync"

// An outputSet is a set of outputs by ID. It is safe for concurrent use; the zero value is empty.
type outputSet struct{ ids sync.Map }

func (s *outputSet) has(id string) bool {
	_, ok := s.ids.Load(id)
	return ok
}

// noteFedByLog notes which outputs the events of the router's own log reach, before they are queued: what is logged about these
// outputs must not become such an event, or an output that fails would get an event for each failure.
// The same goes for the outputs that deliver their dead letters.
func (i *intake) noteFedByLog() {
	for o := range i.pending {
		p := &i.pending[o]
		if p.tally.received == 0 && p.batch == nil && len(p.complete) == 0 {
			continue
		}
		i.r.fedByLog.ids.Store(p.out.id, true)
		if dead := p.out.deadTo; dead != nil {
			i.r.fedByLog.ids.Store(dead.id, true)
		}
	}
}
