package buffer

import (
	"errors"
	"io/fs"

	"github.com/rs/zerolog"
)

// logLater keeps a line to be logged when the mutex is unlocked. How often a message is repeated is the logger's concern.
func (q *Queue) logLater(level zerolog.Level, write func(*zerolog.Event)) {
	log := q.log
	q.notes = append(q.notes, func() { write(log.WithLevel(level)) })
}

func (q *Queue) logFull() {
	if q.failing {
		return // logged already, with the reason
	}
	if q.beginFull(); !q.mayLogFull() {
		return
	}
	queued, limit := q.stats.Records, q.stats.Limit
	q.logLater(zerolog.WarnLevel, func(e *zerolog.Event) {
		e.Int64("records", queued).Int64("limit_bytes", limit).Msg("the queue is full: reading stops until there is room")
	})
}

// logDropped logs what was dropped for room now, and since Open.
func (q *Queue) logDropped(t tally) {
	if t.records == 0 {
		return
	}
	q.fullness.logged = true // each loss is logged
	total, limit := q.stats.DroppedNoRoom, q.stats.Limit
	text := "the queue is full: its oldest records are dropped"
	if q.full != DropOldest {
		text = "the queue is full and nothing of it is delivered: its oldest records are dropped, so that other outputs don't wait for it"
	}
	q.logLater(zerolog.WarnLevel, func(e *zerolog.Event) {
		e.Int64("records", t.records).Int64("bytes", t.bytes).Int64("dropped_total", total).Int64("limit_bytes", limit).
			Msg(text)
	})
}

// logOtherVersions logs once that files of another version were found.
func (q *Queue) logOtherVersions() {
	n := q.otherVersions
	if n == 0 {
		return
	}
	q.logLater(zerolog.ErrorLevel, func(e *zerolog.Event) {
		e.Int("segments", n).Int("own_version", version).Str("kept_as", "*"+segSuffix+".v*").
			Msg("segments of the queue are of another version of the format: they are kept until a router of that version starts")
	})
}

func (q *Queue) logMissing(s *segment, t tally) {
	q.logLater(zerolog.ErrorLevel, func(e *zerolog.Event) {
		e.Str("segment", s.name()).Int64("records", t.records).
			Msg("a segment of the queue was removed by another process: its records are lost")
	})
}

func (q *Queue) writeFailed(err error) {
	q.stats.DiskErrors++
	if q.failing {
		return
	}
	q.failing = true
	q.logLater(zerolog.ErrorLevel, func(e *zerolog.Event) {
		e.Err(err).Msg("the queue can't be written: records wait, and it is tried again; free disk space or make the folder writable")
	})
}

func (q *Queue) writeSucceeded() {
	if !q.failing {
		return
	}
	q.failing = false
	q.logLater(zerolog.InfoLevel, func(e *zerolog.Event) { e.Msg("the queue can be written again") })
}

func (q *Queue) logMarkFailed(s *segment, err error) {
	q.logLater(zerolog.WarnLevel, func(e *zerolog.Event) {
		e.Err(err).Str("segment", s.name()).
			Msg("what was delivered can't be marked in the queue: a restart will send it again, under the same ids")
	})
}

func (q *Queue) logNotRemoved(s *segment, err error) {
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	q.logLater(zerolog.WarnLevel, func(e *zerolog.Event) {
		e.Err(err).Str("segment", s.name()).Msg("a delivered segment of the queue can't be removed")
	})
}

func (q *Queue) logDamaged(s *segment, t tally, what string, err error) {
	q.logLater(zerolog.ErrorLevel, func(e *zerolog.Event) {
		e.AnErr("error", err).Str("segment", s.name()).Str("damage", what).Int64("records", t.records).
			Int64("bytes", t.bytes).Str("kept_as", s.name()+asideSuffix).
			Msg("a segment of the queue is damaged: these records are lost, the file is kept")
	})
}
