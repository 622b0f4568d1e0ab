package deliver

import "time"

// A flow is the share of the records tried lately that the destination took. While others pass, refusals concern single
// records; if hardly any passes, it is an outage.
type flow struct {
	taken, tried float64   // moving sums over requests: of the share that was taken, and of 1
	last         time.Time // when a record was taken
}

const (
	// minFlow is the least share of records that the destination must take for refusals to concern single records only.
	minFlow = 0.1
	// flowsFor is how long after the destination took a record others may still be deferred.
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

// flows reports whether records flow: the destination takes at least minFlow of them.
func (f *flow) flows() bool { return f.tried > 0 && f.taken >= minFlow*f.tried }

// passes reports whether records flow, or one was taken less than flowsFor ago.
func (f *flow) passes(now time.Time) bool {
	return f.flows() || !f.last.IsZero() && now.Sub(f.last) < flowsFor
}
