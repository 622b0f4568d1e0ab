package buffer

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/firelane/firelane/record"
	"github.com/rs/zerolog"
)

const (
	// MaxLimit is the limit of a queue on disk for which none is set, or a quarter of the file system's free space where
	// that is less.
	MaxLimit = 1 << 30
	// MemoryLimit is the limit of a queue in memory for which none is set.
	MemoryLimit = 16 << 20

	// segmentSize is what a file holds of a queue whose reader keeps up, maxSegmentSize of a long one: each file that
	// is made and removed costs about as much as a hundred records, and more where many were just removed.
	segmentSize    = 4 << 20
	maxSegmentSize = 16 << 20
	minSegmentSize = 4 << 10
	// segmentsPerLimit is how many segments a full queue has at least, since room is made by whole segments. A segment that
	// is made while the queue is long has that part of the queue.
	segmentsPerLimit = 8
)

// A Policy says what Append does when the queue is full.
type Policy int

const (
	Block      Policy = iota // Append waits for room: back-pressure
	DropOldest               // the oldest segment is removed, counted as dropped: for a limit that the user has set
)

// Options says where a queue lives and how large it may become. The zero value is a queue in memory.
type Options struct {
	Dir          string        // the folder that holds all queues; this one is Dir/Name. Empty: in memory
	Name         string        // the output's name
	Limit        int64         // bytes of all segments; 0: MaxLimit or MemoryLimit
	Full         Policy        // what happens at the limit
	SegmentSize  int64         // bytes; 0: 4 MiB, up to 16 in a long queue, or less where the limit is small
	StalledAfter time.Duration // for how long nothing is committed of a full queue that is stalled; 0: 10 s, or 3 s while its destination is down
	// DiskFull is called while an Append waits for a disk that is full, to a queue that can't make room itself: it is empty, or
	// stalled and has no segment to drop. It may call other queues, and reports whether it made room. nil: it never does.
	DiskFull func() bool
	Sync     bool           // every Append is on the disk before it returns (storage.sync full)
	Lock     *Lock          // of the folder, which the queue takes over, also if Open fails; nil: Open locks it
	Chunks   *ChunkPool     // shared by the queues of a process; nil: the queue's own
	FS       FS             // the folder's files; nil: the operating system's, or memory
	Log      zerolog.Logger // for what an operator should know
}

// Open opens the queue, and makes it where there is none. It fails if the folder can't be written, or is in use
// (ErrLocked): never for what is in it.
func Open(o Options) (q *Queue, err error) {
	q = &Queue{
		serial: opened.Add(1), log: o.Log, id: record.NewQueueIdentity(), full: o.Full, sync: o.Sync, born: time.Now(),
		reader: make(chan struct{}, 1), closed: make(chan struct{}), wake: make(chan struct{}, 1),
		stalledAfter: cmp.Or(o.StalledAfter, stalledAfter),
	}
	q.downAfter = min(downAfter, q.stalledAfter)
	if q.relieve = o.DiskFull; q.relieve == nil {
		q.relieve = func() bool { return false }
	}
	if q.chunks = o.Chunks; q.chunks == nil {
		q.chunks = new(ChunkPool)
	}
	q.stats.Durable = o.Dir != ""
	q.fs = o.FS
	if o.Dir != "" {
		if o.Lock == nil {
			if o.Lock, err = LockFolder(o.Dir, o.Name); err != nil {
				return nil, fmt.Errorf("open the queue: %w", err)
			}
		}
		d := o.Lock.disk
		d.sync = o.Sync
		q.lock = d
		if q.fs == nil {
			q.fs = d
		}
	}
	if !o.Sync {
		q.keep = maxSpares
		if o.FS == nil && o.Dir != "" && hasLargePages() {
			q.padBy = padBy
		}
	}
	if q.fs == nil {
		q.fs, q.keep = newMemory(memBlock), 0 // it has spare blocks
	}
	q.mu.Lock()
	err = q.recover()
	if err == nil {
		err = q.setLimits(o)
	}
	q.unlock()
	if err != nil {
		if q.lock != nil {
			q.lock.Close()
		}
		return nil, fmt.Errorf("open the queue: %w", err)
	}
	if d, ok := q.lock.(*disk); ok {
		q.openAttempts(d.dir)
	}
	return q, nil
}

// setLimits sets what the options leave open.
func (q *Queue) setLimits(o Options) error {
	limit := o.Limit
	switch {
	case limit > 0:
	case !q.stats.Durable:
		limit = MemoryLimit
	default:
		free, err := q.fs.Free()
		if err != nil {
			return err
		}
		limit = min(MaxLimit, (free+q.size)/4)
	}
	q.stats.Limit = limit
	q.segSize, q.maxSegSize = o.SegmentSize, o.SegmentSize
	if q.segSize <= 0 {
		q.segSize = min(segmentSize, max(minSegmentSize, limit/segmentsPerLimit))
		q.maxSegSize = q.segSize
		if q.stats.Durable {
			q.maxSegSize = maxSegmentSize
		}
	}
	q.noteLikeness()
	return nil
}

// MaxBatch returns the length in bytes of the largest batch that Append takes. A queue that drops its oldest never exceeds its
// limit.
func (q *Queue) MaxBatch() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.full != DropOldest {
		return MaxBatch
	}
	return int(min(q.stats.Limit-dataAt-frameHeader, MaxBatch))
}

// recover finds what an earlier process left.
func (q *Queue) recover() error {
	names, err := q.fs.List()
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		if own, v, ok := cutVersionSuffix(name); ok {
			name = own
			if !isOwnVersion(v) {
				number, _, _ := segmentNumber(own)
				q.number = max(q.number, number)
				continue
			}
			if err := q.fs.Rename(own+versionSuffix(v), own); err != nil {
				return err
			}
		}
		number, aside, ok := segmentNumber(name)
		if isSpare(name) {
			_ = q.fs.Remove(name) // where that fails it is tried again by the next Open
		}
		if !ok {
			continue
		}
		q.number = max(q.number, number)
		if aside {
			continue
		}
		s, err := q.load(number)
		if err != nil {
			return err
		}
		if s != nil {
			q.adopt(s)
		}
	}
	q.removeDone()
	q.logOtherVersions()
	if n := q.stats.Records; n > 0 {
		segments, bytes := len(q.segs), q.stats.Bytes
		q.notes = append(q.notes, func() {
			q.log.Info().Int64("records", n).Int64("bytes", bytes).Int("segments", segments).Msg("the queue has records of an earlier run: they are delivered first")
		})
	}
	return nil
}

// adopt takes a segment into the queue, after those it has, and counts what is missing in between.
func (q *Queue) adopt(s *segment) {
	if !s.placed {
		s.begin = q.next
	}
	if missing := int64(s.begin - q.next); len(q.segs) > 0 && missing > 0 {
		q.stats.Recovered += missing
		q.stats.DroppedDamaged += missing
		q.notes = append(q.notes, func() {
			q.log.Error().Int64("records", missing).Str("before", s.name()).
				Msg("segments of the queue are missing or damaged: their records are lost")
		})
	}
	t := s.end.minus(s.low)
	q.segs = append(q.segs, s)
	q.size += s.size()
	q.next = max(q.next, s.own(s.end.pos))
	q.stats.Recovered += t.records
	q.stats.Records += t.records
	q.stats.Bytes += t.bytes
}

// load reads a segment's head, and all of it if it wasn't sealed. It returns nil for one that holds nothing, or
// can't be used and was set aside.
func (q *Queue) load(number uint64) (*segment, error) {
	s := &segment{number: number}
	f, err := q.fs.Open(s.name(), false)
	if err != nil {
		return nil, q.setAside(s, err)
	}
	defer f.Close()
	head := make([]byte, dataAt)
	n, readErr := f.ReadAt(head, 0)
	ok, both := s.parseHeader(head[:n])
	if n == 0 && readErr == io.EOF {
		return nil, q.fs.Remove(s.name()) // it never held anything
	}
	if v, other := otherVersion(head[:n]); !ok && other {
		q.otherVersions++
		return nil, q.fs.Rename(s.name(), s.name()+versionSuffix(v))
	}
	if !ok {
		return nil, q.setAside(s, readErr)
	}
	mark := head[min(n, markAt):]
	if s.slots > 0 {
		mark = make([]byte, slotSize)
		n, _ = f.ReadAt(mark, s.mark())
		mark = mark[:n]
	}
	if !s.parseMark(mark) || !both {
		q.notes = append(q.notes, func() {
			q.log.Warn().Str("segment", s.name()).Msg("a segment's head was damaged: nothing is lost")
		})
	}
	if !s.sealed {
		if err := q.findEnd(s, f); err != nil {
			return nil, err
		}
	}
	s.read = s.low
	s.stub = s.done() && !s.damaged
	return s, nil
}

// setAside gives a segment whose head can't be read another name.
func (q *Queue) setAside(s *segment, err error) error {
	q.stats.Damaged++
	q.notes = append(q.notes, func() {
		q.log.Error().AnErr("error", err).Str("segment", s.name()).
			Str("kept_as", s.name()+asideSuffix).
			Msg("a segment of the queue has no valid header: its records are lost, the file is kept")
	})
	return q.fs.Rename(s.name(), s.name()+asideSuffix)
}

// findEnd goes through a segment that an earlier process didn't seal, and seals it.
func (q *Queue) findEnd(s *segment, f File) error {
	size, err := f.Size()
	if err != nil {
		return fmt.Errorf("segment %s: %w", s.name(), err)
	}
	w := newWalker(f, s.seed, size)
	end, how := w.walk(s.data(), s.first)
	s.end = end
	if s.end.off < s.low.off { // a loss of power left less than was committed
		s.end = s.low
	}
	if size > s.end.off {
		q.tail(s, f, how)
	}
	s.sealed = true
	s.file = f
	q.writeMark(s)
	s.file = nil
	return nil
}

// tail ends the file of a segment where its last frame ends, or keeps it whole if it can't be read any further.
func (q *Queue) tail(s *segment, f File, how ending) {
	if how == unreadable {
		s.damaged = true
		q.stats.Damaged++
		q.notes = append(q.notes, func() {
			q.log.Error().Str("segment", s.name()).Str("kept_as", s.name()+asideSuffix).
				Msg("the end of a queue segment can't be read: an unknown number of records is lost, the file is kept")
		})
		return
	}
	_ = f.Truncate(s.end.off) // if it fails: the mark says where the segment ends
	if how == unfinished {
		q.notes = append(q.notes, func() {
			q.log.Warn().Str("segment", s.name()).Msg("the last write to the queue was not finished: it is cut off")
		})
	}
}
