package enrich

import (
	"time"

	"github.com/firelane/firelane/record"
)

// JoinerConfig are the limits of a Joiner; zero values mean the defaults.
type JoinerConfig struct {
	MaxLine    int           // bytes of one line's text
	MaxTotal   int           // bytes held for all lines
	FlushAfter time.Duration // how long after its last part an unfinished line is given out
}

// A Joiner puts lines together again that Docker split at 16 KiB. It is safe for concurrent use.
type Joiner struct{}

// NewJoiner makes a Joiner.
func NewJoiner(cfg JoinerConfig) *Joiner { panic("not written yet") }

// Add looks at one event. It returns true where ev is no part of a line: the caller goes on with it. Otherwise the part
// is held, and every line that it completes (or makes room by) is given to emit with the number of parts in it. The
// event passed to emit is valid until emit returns.
func (j *Joiner) Add(ev *record.Event, s *Scratch, emit func(ev *record.Event, parts int)) bool {
	panic("not written yet")
}

// Expire gives out the lines whose last part is too long ago.
func (j *Joiner) Expire(now time.Time, s *Scratch, emit func(ev *record.Event, parts int)) {
	panic("not written yet")
}

// Flush gives out everything that is held.
func (j *Joiner) Flush(s *Scratch, emit func(ev *record.Event, parts int)) { panic("not written yet") }

// Held is what is held now: parts, and their bytes.
func (j *Joiner) Held() (parts, bytes int) { panic("not written yet") }
