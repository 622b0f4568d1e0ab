package buffer

import (
	"errors"
	"io/fs"
	"time"

	"github.com/rs/zerolog"
)

// kind is a kind of line that could come often, and is said rarely.
type kind int

const (
	kindFull kind = iota
	kindDropped
	kindWrite
	kindMark
	kindRemove
	kindDamaged
	kinds
)

// sayEvery is how often a line of one kind is logged at most; the counts are in Stats.
const sayEvery = time.Minute

// note keeps a line to be logged when the mutex is free. Every is the least time between two of its kind.
func (q *Queue) note(k kind, every time.Duration, level zerolog.Level, say func(*zerolog.Event)) bool {
	now := time.Now()
	if last := q.said[k]; !last.IsZero() && now.Sub(last) < every {
		return false
	}
	q.said[k] = now
	q.notes = append(q.notes, func() { say(q.log.WithLevel(level)) })
	return true
}

func (q *Queue) sayFull() {
	if q.trouble {
		return // said already, with the reason
	}
	buffered, limit := q.stats.Records, q.stats.Limit
	q.note(kindFull, sayEvery, zerolog.WarnLevel, func(e *zerolog.Event) {
		e.Int64("records", buffered).Int64("limit", limit).Msg("the queue is full: reading stops until there is room")
	})
}

// sayDropped adds up what was dropped for room until it is said.
func (q *Queue) sayDropped(t tally, every time.Duration) {
	q.unsaid.add(t)
	u, limit := q.unsaid, q.stats.Limit
	if u.records > 0 && q.note(kindDropped, every, zerolog.WarnLevel, func(e *zerolog.Event) {
		e.Int64("records", u.records).Int64("bytes", u.bytes).Int64("limit", limit).
			Msg("the queue is full: its oldest records are dropped")
	}) {
		q.unsaid = tally{}
	}
}

func (q *Queue) writeFailed(err error) {
	q.stats.DiskErrors++
	if q.trouble {
		return
	}
	q.trouble = q.note(kindWrite, sayEvery, zerolog.ErrorLevel, func(e *zerolog.Event) {
		e.Err(err).Msg("the queue can't be written: trying again until it can")
	})
}

func (q *Queue) wroteAgain() {
	if !q.trouble {
		return
	}
	q.trouble = false
	q.notes = append(q.notes, func() { q.log.Info().Msg("the queue can be written again") })
}

func (q *Queue) sayMarkFailed(s *segment, err error) {
	q.note(kindMark, sayEvery, zerolog.WarnLevel, func(e *zerolog.Event) {
		e.Err(err).Str("segment", s.name()).Msg("what is delivered can't be marked: a restart will send it again, under the same ids")
	})
}

func (q *Queue) sayNotRemoved(s *segment, err error) {
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	q.note(kindRemove, sayEvery, zerolog.WarnLevel, func(e *zerolog.Event) {
		e.Err(err).Str("segment", s.name()).Msg("a delivered segment can't be removed")
	})
}

func (q *Queue) sayDamaged(s *segment, t tally, what string, err error) {
	q.note(kindDamaged, 0, zerolog.ErrorLevel, func(e *zerolog.Event) {
		e.AnErr("error", err).Str("segment", s.name()).Int64("records", t.records).Int64("bytes", t.bytes).
			Msg("a segment of the queue " + what + ": these records are lost, the file is kept as " + s.name() + asideSuffix)
	})
}
