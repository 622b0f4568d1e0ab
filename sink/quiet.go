package sink

import (
	"sync"
	"time"
)

// quiet lets a line that repeats through once in a while, and counts the others. It is safe for concurrent use.
type quiet struct {
	every time.Duration

	mu      sync.Mutex
	last    time.Time
	skipped int64 // since the last line
	passed  int64 // skipped before the line that was let through last
}

// allow says whether the line may be written now.
func (q *quiet) allow() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	if !q.last.IsZero() && now.Sub(q.last) < q.every {
		q.skipped++
		return false
	}
	q.last, q.passed, q.skipped = now, q.skipped, 0
	return true
}

// unsaid is how many lines were not written before the one that was allowed last.
func (q *quiet) unsaid() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.passed
}
