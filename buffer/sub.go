package buffer

import (
	"os"
	"path/filepath"
	"slices"
)

// Sub opens a queue of this name inside q's folder, in memory if q is in memory. What happens to q's folder happens to it,
// too: it belongs to the same output. It has its own limit in bytes, and is closed separately.
func (q *Queue) Sub(name string, limit int64) (*Queue, error) {
	o := Options{Name: name, Limit: limit, Sync: q.sync, Log: q.log.With().Str("queue", name).Logger()}
	if d, ok := q.lock.(*disk); ok {
		o.Dir = d.dir
	}
	return Open(o)
}

// RemoveSub removes the folder of a queue of this name, which is closed, if it holds nothing.
func (q *Queue) RemoveSub(name string) {
	if d, ok := q.lock.(*disk); ok && !q.HasSub(name) {
		_ = os.Remove(filepath.Join(d.dir, name, lockName))
		_ = os.Remove(filepath.Join(d.dir, name)) // unless something else is in it
	}
}

// HasSub reports whether q's folder has a queue of this name that holds segments.
func (q *Queue) HasSub(name string) bool {
	d, ok := q.lock.(*disk)
	if !ok {
		return false
	}
	files, _ := os.ReadDir(filepath.Join(d.dir, name)) // no folder: no segments
	return slices.ContainsFunc(files, isSegment)
}
