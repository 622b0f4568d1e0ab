package buffer

import (
	"errors"
	"io/fs"
	"time"

	"github.com/rs/zerolog"
)

// checkEvery is how often the file that is appended to is checked for having been removed.
const checkEvery = time.Second

// A restorer is an FS whose folder can be made again after somebody removed it.
type restorer interface{ Restore() error }

// restore makes the queue's folder again if err says that it is missing. This process still reads removed files, which it has
// open.
func (q *Queue) restore(err error) bool {
	r, ok := q.fs.(restorer)
	if !ok || !errors.Is(err, fs.ErrNotExist) || r.Restore() != nil {
		return false
	}
	queued := q.stats.Records
	q.logLater(zerolog.ErrorLevel, func(e *zerolog.Event) {
		e.Int64("records", queued).
			Msg("the queue's folder was removed: it is made again; what it held is delivered, unless the router ends before that")
	})
	return true
}

// checkActive starts a new segment if the file of the active one was removed: no restart would find it.
func (q *Queue) checkActive(now time.Time) {
	if now.Sub(q.checked) < checkEvery {
		return
	}
	q.checked = now
	folder, ok := q.fs.(interface {
		Has(name string, f File) bool
	})
	if ok && !folder.Has(q.active.name(), q.active.file) && q.restore(fs.ErrNotExist) {
		q.seal()
	}
}
