package buffer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"
)

const (
	// MaxBatch is the largest batch that Append takes, in bytes.
	MaxBatch = 64 << 20

	// retryEvery is how often a waiting Append tries again without a commit: a full disk may have room again.
	retryEvery = time.Second

	// recycleAt is the size from which on a segment that isn't full is removed when everything in the queue is committed,
	// so that it never reaches the disk.
	recycleAt = 256 << 10

	// stampsPerSegment is how many stamps a segment has at most, besides one for each time the reader had caught up.
	stampsPerSegment = 64
)

// A waiter is a call of Append that waits for room.
type waiter struct{ room chan struct{} }

// appendLater waits in line until there is room, or until it may drop the oldest records. It is called with the mutex held, and
// returns without it.
func (q *Queue) appendLater(ctx context.Context, h frame, batch []byte, accepted func(), yield func() bool, leave bool) error {
	q.markFull()
	if q.yields(yield) {
		if leave {
			q.unlock()
			return ErrStalled
		}
		if done, err := q.put(h, batch, accepted, true, false); done || err != nil {
			q.unlock()
			return err
		}
	}
	if q.interrupt {
		q.unlock()
		return ErrInterrupted
	}
	w := &waiter{room: make(chan struct{}, 1)}
	q.waiters = append(q.waiters, w)
	q.logFull()
	q.stats.Waits++
	q.removeIfEmpty(0)
	q.wakeReader()
	tick := time.NewTimer(retryEvery)
	defer tick.Stop()
	for {
		tick.Reset(q.untilRetry(yield != nil))
		relieve := q.wantsRelief(q.waiters[0] == w, q.yields(yield))
		q.unlock()
		alone, err := q.awaitRoom(ctx, w, tick, relieve)
		q.mu.Lock()
		done := false
		drop := q.yields(yield)
		if drop && leave && err == nil {
			err = ErrStalled
		}
		if err == nil && (drop || q.waiters[0] == w || q.isClosed()) {
			done, err = q.put(h, batch, accepted, drop || q.full == DropOldest, alone)
			if !done && err == nil {
				q.markFull()
			}
		}
		if !done && err == nil && q.interrupt {
			err = ErrInterrupted
		}
		if done || err != nil {
			q.waiters = slices.DeleteFunc(q.waiters, func(o *waiter) bool { return o == w })
			q.wakeWaiter()
			q.wakeReader() // a drained queue may be empty now
			q.endFull()
			q.unlock()
			return err
		}
	}
}

// wantsRelief reports whether an Append needs others to make room on the disk: the queue has nothing that it may drop, or what it may
// drop is not its own alone.
func (q *Queue) wantsRelief(first, yields bool) bool {
	switch {
	case !q.noSpace:
		return false
	case q.stats.Records == 0 && first || len(q.segs) < 2 && yields:
		return true
	}
	return (yields || q.full == DropOldest && first) && len(q.segs) > 1 && !q.hasOneName(q.segs[0])
}

// awaitRoom waits until there may be room, unless relieve is set, and others on the disk make some. alone: they made none.
func (q *Queue) awaitRoom(ctx context.Context, w *waiter, tick *time.Timer, relieve bool) (alone bool, err error) {
	if relieve && ctx.Err() == nil {
		if alone = !q.relieve(); !alone {
			return false, nil
		}
	}
	select {
	case <-w.room:
	case <-tick.C:
	case <-q.closed:
	case <-ctx.Done():
		return alone, fmt.Errorf("wait for room in the queue: %w", ctx.Err())
	}
	return alone, nil
}

// How long nothing of a full queue must have been delivered before it counts as stalled, by default. A destination that is only
// slow delivers more often than every 10 s. One that is known to be down is waited for as long as a restart, a failover
// or a new DNS entry of it commonly takes. Other outputs wait this long at most, which clients' buffers have to bridge:
// Docker's can at up to 100,000 lines/s.
const (
	stalledAfter = 10 * time.Second
	downAfter    = 3 * time.Second
)

// SetDown says since when the destination has been known to be down; the zero time says that it isn't. It takes no lock.
func (q *Queue) SetDown(since time.Time) {
	var at int64
	if !since.IsZero() {
		at = max(1, int64(since.Sub(q.born)))
	}
	q.downSince.Store(at)
}

// markFull remembers that the queue is full. An empty queue that can't be written isn't.
func (q *Queue) markFull() {
	if q.stats.Records > 0 {
		q.fullSince.Store(max(1, int64(q.progress)))
	}
}

// Stalled reports whether the queue is full, and nothing of it was committed for Options.StalledAfter, or for 3 s in which
// its destination was down. It takes no lock.
func (q *Queue) Stalled() bool {
	since := time.Duration(q.fullSince.Load())
	return since != 0 && q.standsStill(since)
}

// standsStill reports whether it is so long since the last commit that the queue needn't be waited for.
func (q *Queue) standsStill(last time.Duration) bool {
	now, down := time.Since(q.born), time.Duration(q.downSince.Load())
	return now-last >= q.stalledAfter || down != 0 && now-max(last, down) >= q.downAfter
}

// untilRetry is how long an Append waits until it tries again: not longer than until the queue stalls, for one that may drop the
// oldest records then.
func (q *Queue) untilRetry(yields bool) time.Duration {
	since := time.Duration(q.fullSince.Load())
	if !yields || since == 0 {
		return retryEvery
	}
	left := since + q.stalledAfter
	if down := time.Duration(q.downSince.Load()); down != 0 {
		left = min(left, max(since, down)+q.downAfter)
	}
	if left -= time.Since(q.born); left > 0 {
		return min(left, retryEvery)
	}
	return retryEvery
}

// yields reports whether an Append with this function drops the oldest records instead of waiting.
func (q *Queue) yields(yield func() bool) bool { return yield != nil && q.Stalled() && yield() }

// wakeWaiter tells the first in line to try again.
func (q *Queue) wakeWaiter() {
	if len(q.waiters) > 0 {
		select {
		case q.waiters[0].room <- struct{}{}:
		default:
		}
	}
}

// put appends the batch if there is room for it, in the limit and on the disk. If drop is set, the oldest records are dropped
// to make room; on the disk those that other queues have, too, only if alone says that these keep them.
func (q *Queue) put(h frame, batch []byte, accepted func(), drop, alone bool) (done bool, err error) {
	if q.isClosed() {
		return false, ErrClosed
	}
	h.pos = q.next
	for {
		if ok, err := q.makeRoom(h.size(), drop); !ok {
			return false, err
		}
		err := q.write(h, batch)
		if err == nil {
			break
		}
		if isFull(err) && q.giveUpSpare() {
			continue
		}
		q.writeFailed(err)
		q.noSpace = isFull(err)
		if !drop || len(q.segs) < 2 || !isFull(err) {
			return false, nil
		}
		frees := q.hasOneName(q.segs[0])
		if frees || alone {
			q.dropOldest()
		}
		if !frees {
			return false, nil
		}
	}
	q.writeSucceeded()
	q.noSpace = false
	q.appended(h)
	if accepted != nil {
		accepted()
	}
	return true, nil
}

// makeRoom reports whether a frame of this size may be appended, and drops what must be dropped for it.
func (q *Queue) makeRoom(size int64, drop bool) (bool, error) {
	if q.full == DropOldest && dataAt+size > q.stats.Limit {
		return false, ErrTooLarge
	}
	for {
		switch {
		case q.size+q.spareSize+q.growth(size) <= q.stats.Limit, len(q.segs)+len(q.spares) == 0, q.overfull:
			return true, nil
		case q.giveUpSpare():
		case drop && len(q.segs) > 0:
			q.dropOldest()
		case q.stats.Records > 0:
			return false, nil
		case !q.removeIfEmpty(0):
			return true, nil
		}
	}
}

// growth is by how much the files grow with a frame of this size.
func (q *Queue) growth(size int64) int64 {
	if s := q.active; s != nil && s.slots == 0 && !q.isFull(s, size) {
		return max(0, s.end.off+size-s.size())
	}
	grows := dataAt + size
	if n := len(q.spares); n > 0 {
		grows = max(0, grows-q.spares[n-1].size)
	}
	return grows
}

// isFull reports whether a frame of this size doesn't fit into the segment. A frame that is larger than a segment gets one of
// its own.
func (q *Queue) isFull(s *segment, size int64) bool {
	return s.end.off > s.data() && s.end.off+size > s.room
}

// write writes one frame at the end of the active segment. After an error nothing has changed, except that the segment
// may be sealed.
func (q *Queue) write(h frame, batch []byte) error {
	if q.active != nil && (q.active.slots > 0 || q.isFull(q.active, h.size())) {
		q.seal() // what a Fan appends goes to another file from now on, too
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
	// The next frame goes to the same place. If the file can't be truncated, what was written stays after it.
	q.cutOff(s, h)
	if !isFull(err) {
		q.seal() // the next one is tried in another file
	}
	return fmt.Errorf("append to %s: %w", s.name(), err)
}

// cutOff cuts off a frame that could not be written as a whole.
func (q *Queue) cutOff(s *segment, h frame) {
	if s.file.Truncate(s.end.off) == nil {
		q.setWritten(s, 0)
	} else {
		q.setWritten(s, max(s.written, s.end.off+h.size()))
	}
}

// setWritten says how large the segment's file is, where that is more than its frames take.
func (q *Queue) setWritten(s *segment, written int64) {
	q.size -= s.size()
	s.written = written
	q.size += s.size()
}

// writeFrame writes header, batch and end frame in one write.
func (q *Queue) writeFrame(s *segment, h frame, batch []byte) error {
	q.pad(s, s.end.off+h.size()+frameHeader)
	h.put(q.header[:], s.seed)
	putEndFrame(q.ended[:], h.pos+uint64(h.records), s.seed)
	q.parts = [3][]byte{q.header[:], batch, q.ended[:]}
	_, err := s.file.WritevAt(q.parts[:], s.end.off)
	q.parts = [3][]byte{}
	return err
}

// appended counts the frame that was written, and wakes the reader if that is what it waits for.
func (q *Queue) appended(h frame) {
	s := q.active
	var now time.Time // where it is known
	if s.read == s.end || len(s.stamps) == 0 || s.end.off-s.stamps[len(s.stamps)-1].off >= s.room/stampsPerSegment {
		now = time.Now()
		s.stampEnd(now)
	}
	t := tally{int64(h.records), h.size()}
	if q.stats.Records == 0 {
		q.progress = time.Since(q.born)
	}
	q.size -= s.size()
	s.end = place{s.end.off + t.bytes, s.end.pos + uint64(t.records)}
	q.size += s.size()
	q.next = s.own(s.end.pos)
	q.stats.Appended += t.records
	q.stats.Records += t.records
	q.stats.Bytes += t.bytes
	if !now.IsZero() {
		q.checkActive(now)
	}
	if q.parked && q.ready(q.want) {
		q.wakeReader()
	}
}

// create makes a new active segment: of a spare, or of a new file.
func (q *Queue) create() error {
	q.number++
	s := &segment{number: q.number, id: q.id, first: q.next, begin: q.next, room: q.room()}
	s.low = place{dataAt, s.first}
	s.read, s.end = s.low, s.low
	if err := q.makeFile(s, s.header()); err != nil {
		return err
	}
	q.active = s
	q.segs = append(q.segs, s)
	q.size += s.size()
	return nil
}

// room is how much a segment that is made now holds. It grows with the queue.
func (q *Queue) room() int64 { return max(q.segSize, min(q.maxSegSize, q.size/segmentsPerLimit)) }

// makeFile makes the segment's file, with its head: of a spare, or a new one.
func (q *Queue) makeFile(s *segment, head []byte) error {
	for len(q.spares) > 0 {
		err := q.reuse(s, head)
		if err == nil || !errors.Is(err, fs.ErrNotExist) { // a spare that was removed is no loss
			return err
		}
	}
	s.written = 0
	f, err := q.fs.Open(s.name(), true)
	if err != nil && q.restore(err) {
		f, err = q.fs.Open(s.name(), true)
	}
	if err != nil {
		return fmt.Errorf("create a segment: %w", err)
	}
	if _, err = f.WriteAt(head, 0); err != nil {
		f.Close()
		_ = q.fs.Remove(s.name()) // without a whole header it is nothing
		return fmt.Errorf("create segment %s: %w", s.name(), err)
	}
	s.file = f
	return nil
}

// seal ends the active segment, if there is one, and notes in the file where it ends.
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
