package sink

import (
	"math"
	"math/rand/v2"
	"time"
)

const (
	// Unlimited is the Retry.Limit of records that are never given up.
	Unlimited = -1

	firstBackoff = 500 * time.Millisecond // ceiling of the first wait
	maxBackoff   = 30 * time.Second       // ceiling of every wait
)

// Retry is when a record is tried again, and when it is given up.
type Retry struct {
	// Limit is how often a destination that was reached may refuse a record after its first attempt; then the record
	// goes to the dead letter. Time-outs, throttling and refused credentials don't count. Unlimited: never given up.
	Limit int
	// Base is the ceiling of the first wait, Cap that of every wait, Factor what the ceiling grows by.
	Base, Cap time.Duration
	Factor    float64
}

// Wait is how long to wait before retry n (from 0): a random time up to the ceiling ("full jitter"), so that routers
// which failed together don't come back together. Zero values mean the defaults.
func (r Retry) Wait(n int) time.Duration {
	base, limit, factor := r.Base, r.Cap, r.Factor
	if base <= 0 {
		base = firstBackoff
	}
	if limit <= 0 {
		limit = maxBackoff
	}
	if factor < 1 {
		factor = 2
	}
	ceiling := math.Min(float64(base)*math.Pow(factor, float64(n)), float64(limit))
	return time.Duration(rand.Float64() * ceiling)
}
