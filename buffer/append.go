package buffer

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"syscall"
	"time"
)

const (
	// MaxBatch is the largest batch that Append takes, in bytes.
	MaxBatch = 64 << 20

	// oneWrite is the largest frame that is copied together to be written by one call; a larger one is written in two,
	// its header last.
	oneWrite       = 256 << 10
	minFrameMemory = 4 << 10

	// retryEvery is how often a waiting Append tries again where no commit told it to: a disk may have got room.
	retryEvery = time.Second

	// recycleAt is the size at which a segment is removed when all that the queue holds is committed, though it isn't
	// full yet: before the disk sees it.
	recycleAt = 256 << 10

	// stampsPerSegment is how many stamps a segment has at most, besides one for each time the reader had caught up.
	stampsPerSegment = 64
)

// A waiter is a call of Append that waits for room.
type waiter struct{ room chan struct{} }

// appendLater waits in line until there is room. It is called with the mutex held, and returns without it.
func (q *Queue) appendLater(ctx context.Context, batch []byte, records int, sum uint32) error {
	w := &waiter{room: make(chan struct{}, 1)}
	q.waiters = append(q.waiters, w)
	q.stats.Waits++
	q.sayFull()
	q.removeIfEmpty(0)
	q.unpark()
	tick := time.NewTicker(retryEvery)
	defer tick.Stop()
	for {
		q.unlock()
		var err error
		select {
		case <-w.room:
		case <-tick.C:
		case <-q.closed:
		case <-ctx.Done():
			err = fmt.Errorf("wait for room in the queue: %w", ctx.Err())
		}
		q.mu.Lock()
		done := false
		if err == nil && (q.waiters[0] == w || q.isClosed()) {
			done, err = q.put(batch, records, sum)
		}
		if done || err != nil {
			q.waiters = slices.DeleteFunc(q.waiters, func(o *waiter) bool { return o == w })
			q.admit()
			q.unpark() // a drained queue may be empty now
			q.unlock()
			return err
		}
	}
}

// admit tells the first in line to try again.
func (q *Queue) admit() {
	if len(q.waiters) > 0 {
		select {
		case q.waiters[0].room <- struct{}{}:
		default:
		}
	}
}

// put appends the batch if there is room: for it in the limit, and on the disk.
func (q *Queue) put(batch []byte, records int, sum uint32) (done bool, err error) {
	if q.isClosed() {
		return false, ErrClosed
	}
	h := frame{uint32(len(batch)), uint32(records), q.next, sum}
	for {
		if ok, err := q.makeRoom(h.size()); !ok {
			return false, err
		}
		err := q.write(h, batch)
		if err == nil {
			break
		}
		q.writeFailed(err)
		if q.full != DropOldest || len(q.segs) < 2 || !isFull(err) {
			return false, nil
		}
		q.dropOldest()
	}
	q.wroteAgain()
	q.appended(h)
	return true, nil
}

// makeRoom says whether a frame of this size may be appended, and drops what must go for it.
func (q *Queue) makeRoom(size int64) (bool, error) {
	if q.full == DropOldest && dataAt+size > q.stats.Limit {
		return false, ErrTooLarge
	}
	for {
		need := size
		if q.active == nil || q.isFull(q.active, size) {
			need += dataAt
		}
		if q.size+need <= q.stats.Limit || len(q.segs) == 0 {
			return true, nil
		}
		if q.full == DropOldest {
			q.dropOldest()
			continue
		}
		if q.stats.Records > 0 {
			return false, nil
		}
		q.removeIfEmpty(0)
		return true, nil
	}
}

// isFull says that a frame of this size doesn't go into the segment. A frame that is larger than a segment gets one of
// its own.
func (q *Queue) isFull(s *segment, size int64) bool {
	return s.end.off > dataAt && s.end.off+size > q.segSize
}

// write writes one frame at the end of the active segment. After an error nothing has changed, but that the segment may
// be sealed.
func (q *Queue) write(h frame, batch []byte) error {
	if q.active != nil && q.isFull(q.active, h.size()) {
		q.seal()
	}
	if q.active == nil {
		if err := q.create(); err != nil {
			return err
		}
	}
	s := q.active
	err := q.writeFrame(s, h, batch)
	if err == nil && q.sync {
		err = s.file.Sync()
	}
	if err == nil {
		return nil
	}
	// The next frame goes to the same place. Where the file can't be cut, what was written stands behind the end that
	// the mark will say.
	_ = s.file.Truncate(s.end.off)
	if !isFull(err) {
		q.seal() // the next one is tried in another file
	}
	return fmt.Errorf("append to %s: %w", s.name(), err)
}

func (q *Queue) writeFrame(s *segment, h frame, batch []byte) error {
	if h.size() <= oneWrite {
		if int64(cap(q.frame)) < h.size() {
			q.frame = make([]byte, max(minFrameMemory, 1<<bits.Len64(uint64(h.size()-1))))
		}
		b := q.frame[:h.size()]
		h.put(b, s.seed)
		copy(b[frameHeader:], batch)
		_, err := s.file.WriteAt(b, s.end.off)
		return err
	}
	if _, err := s.file.WriteAt(batch, s.end.off+frameHeader); err != nil {
		return err
	}
	b := q.header[:]
	h.put(b, s.seed)
	_, err := s.file.WriteAt(b, s.end.off)
	return err
}

// appended counts the frame that was written, and wakes the reader if that is what it waits for.
func (q *Queue) appended(h frame) {
	s := q.active
	if s.read == s.end || len(s.stamps) == 0 || s.end.off-s.stamps[len(s.stamps)-1].off >= q.segSize/stampsPerSegment {
		s.stampEnd(time.Now())
	}
	t := tally{int64(h.records), h.size()}
	s.end = place{s.end.off + t.bytes, s.end.pos + uint64(t.records)}
	q.next = s.end.pos
	q.size += t.bytes
	q.stats.Appended += t.records
	q.stats.Records += t.records
	q.stats.Bytes += t.bytes
	if q.parked && q.ripe(q.want) {
		q.unpark()
	}
}

// create makes a new active segment.
func (q *Queue) create() error {
	s := &segment{number: q.number + 1, id: q.id, first: q.next}
	s.low = place{dataAt, s.first}
	s.read, s.end = s.low, s.low
	f, err := q.fs.Open(s.name(), true)
	if err != nil {
		return fmt.Errorf("create a segment: %w", err)
	}
	q.number++ // also if it fails now: it may not be possible to remove the file
	if _, err = f.WriteAt(s.header(), 0); err != nil {
		f.Close()
		_ = q.fs.Remove(s.name()) // without a whole header it is nothing
		return fmt.Errorf("create segment %s: %w", s.name(), err)
	}
	s.file = f
	q.active = s
	q.segs = append(q.segs, s)
	q.size += s.size()
	return nil
}

// seal ends the active segment, if there is one: it says in the file where it ends.
func (q *Queue) seal() {
	s := q.active
	if s == nil {
		return
	}
	q.active = nil
	s.sealed = true
	if s.done() {
		q.removeDone()
		q.stubIfDone(s)
		return
	}
	q.writeMark(s)
}

// isFull says that a write failed for want of room.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
