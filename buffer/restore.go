package buffer

import (
	"errors"
	"io/fs"
	"time"

	"github.com/rs/zerolog"
)

// checkEvery is how often the file that is appended to is checked for having been removed.
const checkEvery = time.Second

// restorer is an FS whose folder can be made again where somebody removed it.
type restorer interface{ Restore() error }

// restore makes the queue's folder again if err says that it is gone. What is in removed files can still be read by this
// process, which has them open.
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

// checkActive sees to it that what is appended goes to a file that a restart finds.
func (q *Queue) checkActive(now time.Time) {
	if now.Sub(q.checked) < checkEvery {
		return
	}
	q.checked = now
	if f, ok := q.active.file.(interface{ Unlinked() bool }); ok && f.Unlinked() && q.restore(fs.ErrNotExist) {
		q.seal()
	}
}
