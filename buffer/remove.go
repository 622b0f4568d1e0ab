package buffer

import (
	"errors"
	"io/fs"
	"slices"
)

// updateCommitted records what was committed in a segment, on disk as well, and removes segments that are committed as a whole.
func (q *Queue) updateCommitted(s *segment) {
	if !s.advanceLow() || s.gone || q.shut {
		return
	}
	if s.done() && s.sealed {
		q.removeDone()
		q.stubIfDone(s)
		return
	}
	if s.slots == 0 && q.removeIfEmpty(recycleAt) { // a file of a Fan ends when all have delivered it: see Fan.fits
		return
	}
	q.writeMark(s)
}

// writeMark says in the file how far the segment is committed. An error costs no more than delivering again what was
// delivered.
func (q *Queue) writeMark(s *segment) {
	if s.file == nil {
		return
	}
	s.putMark(q.mark[:])
	if _, err := s.file.WriteAt(q.mark[:], s.mark()); err != nil {
		q.stats.DiskErrors++
		q.logMarkFailed(s, err)
	}
}

// removeIfEmpty removes the active segment when all that the queue holds is committed, if it has this size: the next
// batch gets a new one.
func (q *Queue) removeIfEmpty(size int64) bool {
	if s := q.active; s == nil || q.stats.Records > 0 || !s.done() || s.end.off < size && len(q.waiters) == 0 {
		return false
	}
	q.seal()
	return true
}

// removeDone removes the segments that are committed, up to the first that isn't. A segment that is committed before an
// older one keeps its place, so that it isn't missed.
func (q *Queue) removeDone() {
	n := 0
	for n < len(q.segs) && q.segs[n].sealed && q.segs[n].done() {
		_ = q.remove(q.segs[n])
		n++
	}
	q.forget(n)
}

// forget takes the n oldest segments out of the list.
func (q *Queue) forget(n int) {
	q.segs = slices.Delete(q.segs, 0, n)
	q.current = max(0, q.current-n)
	if n > 0 {
		q.wakeWaiter()
	}
}

// stubIfDone frees the room of a segment that is committed and must keep its place. A damaged one stays whole.
func (q *Queue) stubIfDone(s *segment) {
	if s.gone || s.stub || s.damaged || !s.done() {
		return
	}
	q.writeMark(s)
	if s.file == nil || q.cutToHead(s) != nil {
		return
	}
	q.size -= s.size()
	s.stub = true
	q.size += s.size()
	s.leave()
	q.closeFile(s)
	q.wakeWaiter()
}

// cutToHead cuts the segment's file to its head. A file that other queues have, too, is replaced by one with nothing but a head.
func (q *Queue) cutToHead(s *segment) error {
	if q.isOnlyOurs(s) {
		return s.file.Truncate(s.data())
	}
	stub := &segment{number: s.number, id: s.id, first: s.begin, begin: s.begin, sealed: true}
	stub.low = place{dataAt, s.own(s.end.pos)}
	stub.end = stub.low
	name := spareName(s.number) // Open removes one that is left behind
	f, err := q.fs.Open(name, true)
	if err != nil {
		return err
	}
	q.garbage = append(q.garbage, f)
	if _, err = f.WriteAt(stub.header()[:dataAt], 0); err == nil {
		err = q.fs.Rename(name, s.name())
	}
	if err != nil {
		_ = q.fs.Remove(name)
	}
	return err
}

// remove takes the segment's file away: it is kept as a spare or removed, or set aside if it is damaged. The error, which is
// logged and counted, is that the file still has its name, or had none.
func (q *Queue) remove(s *segment) error {
	q.size -= s.size()
	s.gone = true
	var err error
	switch {
	case s.damaged:
		err = q.fs.Rename(s.name(), s.name()+asideSuffix)
	case q.keepSpare(s):
	default:
		err = q.fs.Remove(s.name())
	}
	if err != nil {
		q.stats.DiskErrors++
		q.logNotRemoved(s, err)
	}
	s.leave()
	q.closeFile(s)
	return err
}

// closeFile closes the segment's file, unless it is being read.
func (q *Queue) closeFile(s *segment) {
	if s.file != nil && s.busy == 0 {
		q.garbage = append(q.garbage, s.file)
		s.file = nil
	}
}

// dropOldest makes room: what of the oldest segment is neither committed nor in flight counts as dropped. What is in
// flight stays in memory in its chunks, unless their memory was given back: then it is dropped as well.
func (q *Queue) dropOldest() {
	q.beginFull()
	s := q.segs[0]
	if s == q.active {
		q.active = nil
		s.sealed = true
	}
	t := s.unread()
	t.add(s.released)
	readable := s.file != nil
	s.released = tally{}
	for _, c := range s.out {
		switch {
		case c.state == released: // t has all of its records
			t.records -= q.commitEnded(c)
		case c.state == inFlight && c.mem == nil:
			c.state = dropped
			q.dropChunk(c)
		}
	}
	missing := errors.Is(q.remove(s), fs.ErrNotExist) && !readable
	if missing {
		q.drop(t, &q.stats.DroppedDamaged)
	} else {
		q.drop(t, &q.stats.DroppedNoRoom)
	}
	q.forget(1)
	for _, f := range q.garbage { // now: it is the room that matters
		f.Close()
	}
	q.garbage = nil
	if missing {
		q.logMissing(s, t)
	} else {
		q.logDropped(t)
	}
}

// skip drops what damage takes: from where the run begins to where the next frame is.
func (q *Queue) skip(r *run) {
	s := r.seg
	if r.err != nil {
		q.stats.DiskErrors++
	}
	if r.err != nil && s == q.active {
		q.seal() // what comes next isn't trusted to this file
	}
	q.dropDamaged(s, r.to, r.damage, r.err)
}

// dropUnopenable drops all of a segment that can't be opened.
func (q *Queue) dropUnopenable(s *segment, err error) {
	q.stats.DiskErrors++
	for s.read.off < s.end.off {
		q.dropDamaged(s, s.readEnd(), "can't be opened", err)
	}
}

// dropDamaged drops what of the segment comes before a place and wasn't taken, and sees to it that the file is set
// aside.
func (q *Queue) dropDamaged(s *segment, to place, what string, err error) {
	t := to.minus(s.read)
	q.drop(t, &q.stats.DroppedDamaged)
	if !s.damaged {
		s.damaged = true
		q.stats.Damaged++
	}
	q.logDamaged(s, t, what, err)
	s.took(&Chunk{seg: s, from: s.read, to: to, state: committed})
	q.updateCommitted(s)
}
