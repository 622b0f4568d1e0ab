package router

import (
	"math/rand/v2"
	"time"
)

const (
	// maxUnclocked is how many records may be skipped before a sampler reads the clock again: reading it costs more than the rest. If
	// records come more slowly than before, at most that many are skipped too many.
	maxUnclocked = 64
	// clockRate is how often the clock is read in a second, at least: for each record, if fewer come.
	clockRate = 100
)

// A sampler chooses among the records that come, at a limited rate. It goes by how many have come and not by the time, or else it would
// choose those that come after a pause: those of the same connection, as a rule.
type sampler struct {
	last    time.Time
	room    float64 // records that may be chosen now
	pace    float64 // records that come in a second, about
	skip    float64 // records until the next one is chosen
	ahead   int     // of these, how many may come before the clock is read
	skipped int     // of these, since it was read
}

// skips reports whether none of the next n records is to be taken; if so, it counts them. It doesn't read the clock.
func (s *sampler) skips(n int) bool {
	if s.skipped+n > s.ahead {
		return false
	}
	s.skipped += n
	return true
}

// choose returns how many of the next n records to take.
func (s *sampler) choose(n, perSecond int) (chosen int) {
	if s.skips(n) {
		return 0
	}
	now := time.Now()
	elapsed := min(now.Sub(s.last).Seconds(), burst)
	s.last = now
	all := float64(s.skipped + n)
	s.room = min(max(2*float64(perSecond), burst), s.room+elapsed*float64(perSecond))
	s.pace += all - s.pace*min(elapsed, 1)
	every := max(1, s.pace/max(s.room, 1))
	s.skip = min(s.skip, 2*(every-1)) // it is less where they come more slowly now
	for ; s.skip < all; s.skip += 1 + 2*(every-1)*rand.Float64() {
		chosen++
	}
	s.skip -= all
	s.ahead, s.skipped = min(int(s.skip), maxUnclocked, int(s.pace/clockRate)), 0
	chosen = min(chosen, n, int(s.room))
	s.room -= float64(chosen)
	return chosen
}

// A yield is how many of the records that were examined a filter has taken, in the last second, about.
type yield struct {
	examined, taken float64
	last            time.Time // that a record was counted
	rate            int       // how many records in a second are to be examined; 0: none was counted yet
}

// count counts a record that was examined. shown is how many records in a second can be shown: if the filter takes more, not all that
// it may take are examined.
func (y *yield) count(taken bool, now time.Time, shown int) {
	left := 1 - min(now.Sub(y.last).Seconds(), 1)
	y.last, y.examined, y.taken = now, y.examined*left+1, y.taken*left
	if taken {
		y.taken++
	}
	y.rate = maxExamined
	if y.taken > float64(shown) {
		y.rate = min(int(examinedFor*float64(shown)*y.examined/y.taken), maxExamined)
	}
}
