package router

// A tally is what happened to records on the path to one output. For each of them
//
//	received + added = queued + filtered + failed + merged + held + refused + dead
//
// That of an output is guarded by its queue's lock, under which the queue counts what it has: the two always agree.
type tally struct {
	received int64 // records that reached the output's filters
	filtered int64 // records that a step filtered out, or rerouted to another tag
	failed   int64 // records that were lost because a step panicked
	added    int64 // records that a step made in addition to those that it got
	merged   int64 // records that became one with another
	held     int64 // records that a Holder got and has not released; negative where more were released
	refused  int64 // records that could not be queued
	dead     int64 // records that are too large for the queue, in the dead letter
}

func (t *tally) add(u tally) {
	t.received += u.received
	t.filtered += u.filtered
	t.failed += u.failed
	t.added += u.added
	t.merged += u.merged
	t.held += u.held
	t.refused += u.refused
	t.dead += u.dead
}
