package forward

import (
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// quiet logs lines of one kind once in quietTime, and says how many there were in between.
type quiet struct {
	log zerolog.Logger

	mu    sync.Mutex
	kinds map[string]*kind // keys are constants, so there are few
}

type kind struct {
	last    time.Time
	skipped int
}

func newQuiet(log zerolog.Logger) *quiet {
	return &quiet{log: log, kinds: make(map[string]*kind)}
}

// may says whether a line of this kind may be logged now, and how many weren't since the last one.
func (q *quiet) may(name string) (ok bool, skipped int) {
	now := time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	k := q.kinds[name]
	if k == nil {
		k = new(kind)
		q.kinds[name] = k
	}
	if !k.last.IsZero() && now.Sub(k.last) < quietTime {
		k.skipped++
		return false, 0
	}
	skipped, k.skipped, k.last = k.skipped, 0, now
	return true, skipped
}

// warn logs "name: peer: what" unless a line of that kind was logged just before.
func (q *quiet) warn(kind, name, peer, what string) {
	ok, skipped := q.may(kind)
	if !ok {
		return
	}
	e := q.log.Warn()
	if skipped > 0 {
		e = e.Int("repeated", skipped)
	}
	e.Msg(name + ": " + peer + ": " + what)
}
