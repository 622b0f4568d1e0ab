package buffer

import (
	"cmp"
	"errors"
	"hash/crc32"
	"io/fs"
	"math/bits"
	"slices"
	"sync/atomic"
	"syscall"
)

// opened counts the queues that were opened: a queue's serial number is where it comes when several are locked.
var opened atomic.Uint64

// A Fan appends batches to several queues at once. What they all have room for is written once, to a file that has a name in
// each queue's folder; each queue reads, commits and removes it as if it were its own.
//
// A queue takes part while it has room and no Append waits for it. When one no longer does, the file ends, and the others go
// on with a new one. It takes part again when the next file begins, if it has room for a whole one.
type Fan struct {
	queues []*Queue // in the order in which they are locked

	unfit atomic.Bool // the queues' folders can't have files in common

	// Guarded by the locks of all queues.
	members []*Queue   // the queues that have the file that is being written; nil: there is none
	segs    []*segment // of members, whose active segments these are
}

// NewFan returns a Fan of queues, of which at most 64 take part. A queue may be in other Fans, too.
func NewFan(queues []*Queue) *Fan {
	f := &Fan{queues: slices.Clone(queues[:min(len(queues), maxSlots)])}
	slices.SortFunc(f.queues, func(a, b *Queue) int { return cmp.Compare(a.serial, b.serial) })
	return f
}

// A Likeness is what queues should have alike to be in one Fan.
type Likeness struct {
	disk uint64
	room int // of a segment, as the logarithm: a small limit would make all files small
}

// Likeness returns the queue's; false if it can have no files in common with others, since it is in memory. It takes no lock: a route
// is made while others wait, and a disk that hangs must not hold them up.
func (q *Queue) Likeness() (l Likeness, ok bool) {
	return *q.likeness.Load(), q.stats.Durable
}

// noteLikeness is called where the limits change.
func (q *Queue) noteLikeness() {
	l := Likeness{room: bits.Len64(uint64(q.mostRoom()))}
	if d, onDisk := q.lock.(*disk); onDisk {
		l.disk = d.device
	}
	q.likeness.Store(&l)
}

// Append appends one batch of records to each queue that can take it at once and can share a file with another one, and calls
// accepted for it, as Queue.Append does. To the others it must be appended by itself.
func (f *Fan) Append(batch []byte, records int, accepted func(*Queue)) {
	f.AppendTo(nil, batch, records, accepted)
}

// AppendTo is Append to those of the queues for which wants returns true, with the locks of all held; nil: all of them.
func (f *Fan) AppendTo(wants func(*Queue) bool, batch []byte, records int, accepted func(*Queue)) {
	if len(batch) == 0 || records <= 0 || len(batch) > MaxBatch || records > MaxBatch || f.unfit.Load() {
		return
	}
	h := frame{length: uint32(len(batch)), records: uint32(records), sum: crc32.Checksum(batch, castagnoli)}
	for _, q := range f.queues {
		q.mu.Lock()
	}
	defer unlockAll(f.queues)
	if !f.fits(h.size(), wants) && !f.begin(h.size(), wants) {
		return
	}
	h.pos = f.segs[0].end.pos
	if f.write(h, batch) != nil {
		f.end() // each queue tries by itself, and says what is wrong
		return
	}
	for _, q := range f.members {
		q.noSpace = false
		q.appended(h)
		accepted(q)
	}
}

// fits reports whether a frame of this size can be appended to the file that is being written.
func (f *Fan) fits(size int64, wants func(*Queue) bool) bool {
	if len(f.members) == 0 {
		return false
	}
	drained := f.segs[0].end.off >= recycleAt
	for n, q := range f.members {
		s := f.segs[n]
		if wants != nil && !wants(q) || q.active != s || q.isFull(s, size) || !q.takes(max(0, s.end.off+size-s.size())) {
			return false
		}
		drained = drained && q.stats.Records == 0
	}
	return !drained // it is removed, so that it never reaches the disk
}

// takes reports whether an Append needn't wait if the files grow by so many bytes.
func (q *Queue) takes(grows int64) bool {
	if len(q.waiters) > 0 || q.failing || q.isClosed() {
		return false
	}
	for grows > q.left() && !q.overfull {
		if !q.giveUpSpare() {
			return false
		}
	}
	return true
}

// left is how many bytes the queue's files may grow by.
func (q *Queue) left() int64 { return q.stats.Limit - q.size - q.spareSize }

// begin begins a new file, for a frame of this size and more, and reports whether two queues at least have it.
func (f *Fan) begin(size int64, wants func(*Queue) bool) bool {
	f.end()
	room, most := int64(0), int64(maxSegmentSize)
	for _, q := range f.queues {
		room, most = max(room, q.room()), min(most, q.mostRoom())
	}
	room = min(room, most) // what the longest queue needs, which has the most files open, but a segment of no queue is too large
	need := max(room, int64(dataAt+len(f.queues)*slotSize)+size)
	for _, q := range f.queues {
		if (wants == nil || wants(q)) && (q.takes(need) || q.dropsFor(need)) {
			f.members = append(f.members, q)
		}
	}
	if len(f.members) < 2 {
		f.end()
		return false
	}
	for _, q := range f.members {
		for q.dropsFor(need) && need > q.left() && len(q.segs) > 0 {
			q.dropOldest()
		}
	}
	if f.create(room) != nil {
		f.end()
		return false
	}
	return true
}

// dropsFor reports whether the queue drops its oldest records so that its files can grow by so many bytes: if it has dropped some already
// since it was full. Else queues that are all full would have no file in common any more, and take the disk of all.
func (q *Queue) dropsFor(grows int64) bool {
	return q.full == DropOldest && q.fullness.full && grows <= q.stats.Limit && len(q.waiters) == 0 && !q.failing && !q.isClosed() && !q.overfull
}

// mostRoom is how much a segment holds at most: in a full queue.
func (q *Queue) mostRoom() int64 {
	return max(q.segSize, min(q.maxSegSize, q.stats.Limit/segmentsPerLimit))
}

// end ends the file that is being written, for all who have it.
func (f *Fan) end() {
	for n, q := range f.members[:len(f.segs)] {
		if q.active == f.segs[n] {
			q.seal()
		}
	}
	f.members, f.segs = nil, nil
}

// create makes the members' segments, and the file.
func (f *Fan) create(room int64) error {
	var made []*segment
	users := new(atomic.Int32)
	users.Store(int32(len(f.members)))
	for slot, q := range f.members {
		for q.number++; q.number%maxSlots != uint64(slot); q.number++ {
		}
		s := &segment{number: q.number, id: q.id, slots: len(f.members), users: users, begin: q.next, room: room}
		s.low = place{off: s.data()}
		s.read, s.end = s.low, s.low
		made = append(made, s)
	}
	head := made[0].header()
	for _, s := range made[1:] {
		s.seed = made[0].seed
		s.putOwn(head)
	}
	if err := f.createFile(made, head); err != nil {
		return err
	}
	f.segs = made
	for n, q := range f.members {
		q.seal() // not before: where no file can be made each queue goes on with the one that it has
		q.active = made[n]
		q.segs = append(q.segs, made[n])
		q.size += made[n].size()
	}
	return nil
}

// createFile makes the segments' file, of a spare of one of the members or a new one, and gives it a name in each folder. Where
// that fails, there is none.
func (f *Fan) createFile(segs []*segment, head []byte) (err error) {
	first := max(0, slices.IndexFunc(f.members, func(q *Queue) bool { return len(q.spares) > 0 }))
	defer func() {
		for n, s := range segs {
			if err != nil && s.file != nil {
				_ = f.members[n].fs.Remove(s.name())
				f.members[n].closeFile(s)
			}
		}
	}()
	if err = f.members[first].makeFile(segs[first], head); err != nil {
		return err
	}
	if err = segs[first].fitSpare(int64(len(head))); err != nil {
		return err
	}
	for n, q := range f.members {
		s := segs[n]
		s.written = segs[first].written
		if n == first {
			continue
		}
		if err = f.members[first].fs.Link(segs[first].name(), q.fs, s.name()); err != nil {
			f.unfit.Store(!isFull(err) && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.EMFILE))
			return err
		}
		if s.file, err = q.fs.Open(s.name(), false); err != nil {
			_ = q.fs.Remove(s.name())
			return err
		}
	}
	return nil
}

// write writes one frame, as Queue.write does. It does so as the member with the least room, so that no other gets more zeros
// ahead than its limit allows.
func (f *Fan) write(h frame, batch []byte) error {
	n := 0
	for o, q := range f.members {
		if q.left() < f.members[n].left() {
			n = o
		}
	}
	q, s := f.members[n], f.segs[n]
	err := q.writeFrame(s, h, batch)
	if err == nil && slices.ContainsFunc(f.members, func(q *Queue) bool { return q.sync }) {
		err = s.file.Sync()
	}
	if err != nil {
		q.cutOff(s, h)
	}
	for o, other := range f.members {
		other.setWritten(f.segs[o], s.written)
	}
	return err
}

// unlockAll unlocks the queues, and then does what may take long.
func unlockAll(queues []*Queue) {
	var busy []*Queue
	for _, q := range queues {
		if len(q.notes)+len(q.garbage) > 0 {
			busy = append(busy, q)
		}
		q.mu.Unlock()
	}
	for _, q := range busy {
		q.mu.Lock()
		q.unlock()
	}
}
