package deliver

import "time"

// A flow says how many of the records that an output has tried lately the destination took. Refusals of single items mean
// little for the others while those pass; if hardly any passes, it is an outage.
type flow struct {
	taken, tried float64   // moving sums over requests: the share that was taken, and 1
	last         time.Time // when a record was taken
}

const (
	// minFlow is the share of records that the destination takes at least if refusals concern single records only.
	minFlow = 0.1
	// flowsFor is how long after the last record that was taken others are still deferred.
	flowsFor = time.Minute
)

// add adds the outcome of a request of new records.
func (f *flow) add(taken, refused int) {
	const decay = 0.9 // the weight of earlier requests
	if n := taken + refused; n > 0 {
		f.taken = decay*f.taken + float64(taken)/float64(n)
		f.tried = decay*f.tried + 1
	}
}

// flows reports whether most records pass, or at least minFlow of them.
func (f *flow) flows() bool { return f.tried > 0 && f.taken >= minFlow*f.tried }

// passes reports whether some records pass.
func (f *flow) passes(now time.Time) bool {
	return f.flows() || !f.last.IsZero() && now.Sub(f.last) < flowsFor
}
