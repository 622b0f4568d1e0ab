package sink

import "time"

// Caps and defaults of requests. Workers × (chunk + body) is the memory that an output's delivery takes.
const (
	MaxRequestBytes = 8 << 20 // largest Limits.MaxBytes that a user may ask for
	MaxWorkers      = 16      // most attempts in flight at once that a user may ask for

	// Immediately is the Linger that waits for no company. (Zero means the default.)
	Immediately = time.Nanosecond

	defaultMaxBytes = 1 << 20
	defaultMaxItems = 10_000
	defaultLinger   = 100 * time.Millisecond
	defaultWorkers  = 4
)

// withDefaults fills in what is zero.
func (l Limits) withDefaults() Limits {
	fill(&l.MaxBytes, defaultMaxBytes)
	fill(&l.MaxItems, defaultMaxItems)
	fill(&l.Linger, defaultLinger)
	fill(&l.Workers, defaultWorkers)
	return l
}
