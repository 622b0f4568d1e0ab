package sink

import (
	"math"
	"math/rand/v2"
	"time"
)

const (
	// Unlimited is the Retry.Limit with which records are never given up.
	Unlimited = -1

	firstBackoff = 500 * time.Millisecond // ceiling of the first wait
	maxBackoff   = 30 * time.Second       // ceiling of every wait
)

// Retry is the policy of retries: how long they wait, and when a record is given up.
type Retry struct {
	// Limit is how many retries a record has: a reachable destination that refuses it more often sends it to the dead
	// letter. Time-outs, throttling and refused credentials don't count. Unlimited: never given up.
	Limit int
	// Base is the ceiling of the first wait, and Cap that of every wait; Factor is by how much the ceiling grows with
	// each retry. Zero values mean the defaults: 500 ms, 30 s, 2.
	Base, Cap time.Duration
	Factor    float64
}

// Wait returns how long to wait before retry n (from 0): a random time up to the ceiling ("full jitter"), so that routers
// that failed together don't retry together.
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
