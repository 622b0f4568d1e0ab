package buffer

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/firelane/firelane/record"
)

const (
	magic         = "FIRELANE"
	version       = 2
	sharedVersion = 3 // of a file that several queues have
	headerSize    = 64
	markAt        = 64
	markSize      = 40
	copyAt        = 128
	dataAt        = 192 // where the first frame begins, or the first slot
	slotSize      = 64
	placeIn       = markSize // where a slot says what the file's records are in the queue
	placeSize     = 18
	maxSlots      = 64 // of a shared file
	segSuffix     = ".seg"
	asideSuffix   = ".damaged"
	spareSuffix   = ".spare"

	maxNumberBits = 62 // of a segment: a file with a larger number is not one
)

// A segment is one file of the queue. Everything in it is guarded by the queue's mutex, but for what the file says of
// itself, which doesn't change.
type segment struct {
	number uint64
	id     [10]byte
	first  uint64        // position of its first record
	seed   uint32        // its header's CRC, with which the others begin
	slots  int           // how many queues have, or had, the file; 0: only this one ever did
	begin  uint64        // which of the queue's positions first is: in a shared file they differ
	placed bool          // what the file says of that is intact
	users  *atomic.Int32 // of a file that a Fan has made: how many queues still need it

	file File // nil while it needn't be open

	// Each of these is an offset and the position that begins there.
	end  place // of the last whole frame
	read place // taken up to here
	low  place // committed up to here

	room    int64 // up to which frames are appended, but for the first, which may be longer
	written int64 // the file's size, where it is longer than end

	out    []*Chunk // taken and not yet below low, in order
	stamps []stamp  // when what is in it was appended, for what was appended by this process

	released tally // taken, and put back for a later Open

	sealed  bool // nothing will be appended any more
	damaged bool // it is set aside when it is committed
	busy    int  // how many calls of Next and Load read from it, without the mutex
	gone    bool // removed from the queue
	stub    bool // all committed and cut to its header, while an older one is not
}

// data is where the first frame begins.
func (s *segment) data() int64 { return dataAt + int64(s.slots)*slotSize }

// slot is where in a shared file the queue's own slot is.
func (s *segment) slot() int { return int(s.number % maxSlots) }

// mark is where the file says how far the queue has committed the segment.
func (s *segment) mark() int64 {
	if s.slots == 0 {
		return markAt
	}
	return dataAt + int64(s.slot())*slotSize
}

// own is which of the queue's positions a position in the file is.
func (s *segment) own(pos uint64) uint64 { return s.begin + pos - s.first }

// A place in a segment.
type place struct {
	off int64
	pos uint64
}

// A tally is a number of records and their bytes, frame headers included.
type tally struct{ records, bytes int64 }

func (p place) minus(o place) tally { return tally{int64(p.pos - o.pos), p.off - o.off} }

func (t *tally) add(o tally) { t.records += o.records; t.bytes += o.bytes }

// A stamp says that what begins at off was appended at this time or later.
type stamp struct {
	off int64
	at  time.Time
}

func segmentName(number uint64) string { return fmt.Sprintf("%016x%s", number, segSuffix) }

// segmentNumber is the number in a segment's name; aside says that it was set aside as damaged.
func segmentNumber(name string) (number uint64, aside, ok bool) {
	name, aside = strings.CutSuffix(name, asideSuffix)
	digits, ok := strings.CutSuffix(name, segSuffix)
	if !ok || len(digits) != 16 {
		return 0, false, false
	}
	number, err := strconv.ParseUint(digits, 16, maxNumberBits)
	return number, aside, err == nil
}

// versionSuffix follows the name of a segment that waits for a router which reads its version of the format.
func versionSuffix(v uint32) string { return fmt.Sprintf(".v%d", v) }

// cutVersionSuffix splits the name of a file that waits for its version into the segment's name and the version.
func cutVersionSuffix(name string) (segment string, v uint32, ok bool) {
	segment, digits, ok := strings.Cut(name, segSuffix+".v")
	n, err := strconv.ParseUint(digits, 10, 32)
	segment += segSuffix
	_, _, isSegment := segmentNumber(segment)
	return segment, uint32(n), ok && err == nil && isSegment
}

// otherVersion returns the version in a header of another format; false if it isn't a segment's header at all.
func otherVersion(head []byte) (v uint32, ok bool) {
	if len(head) < headerSize || string(head[:8]) != magic {
		return 0, false
	}
	v = binary.LittleEndian.Uint32(head[8:])
	return v, !isOwnVersion(v)
}

func isOwnVersion(v uint32) bool { return v == version || v == sharedVersion }

// spareName is what a segment's file is called when it is kept for another.
func spareName(number uint64) string { return fmt.Sprintf("%016x%s", number, spareSuffix) }

func isSpare(name string) bool {
	digits, ok := strings.CutSuffix(name, spareSuffix)
	_, _, number := segmentNumber(digits + segSuffix)
	return ok && number
}

func (s *segment) name() string { return segmentName(s.number) }

// size is what it takes of the limit.
func (s *segment) size() int64 {
	if s.stub {
		return s.data()
	}
	return max(s.end.off, s.written)
}

// done reports whether all of it is committed or lost.
func (s *segment) done() bool { return s.low.off == s.end.off }

// header is what is written when the segment is made: its head, and an end frame. It sets the seed.
func (s *segment) header() []byte {
	b := make([]byte, s.data()+frameHeader)
	le := binary.LittleEndian
	copy(b, magic)
	le.PutUint32(b[8:], version)
	if s.slots == 0 {
		copy(b[12:22], s.id[:])
		le.PutUint64(b[24:], s.number)
	} else {
		id := record.NewQueueIdentity()
		le.PutUint32(b[8:], sharedVersion)
		copy(b[12:22], id[:])
		le.PutUint16(b[22:], uint16(s.slots))
	}
	le.PutUint64(b[32:], s.first)
	_, _ = rand.Read(b[40:60]) // never fails
	s.seed = crc32.Checksum(b[:60], castagnoli)
	le.PutUint32(b[60:], s.seed)
	copy(b[copyAt:], b[:headerSize])
	s.putOwn(b)
	putEndFrame(b[s.data():], s.first, s.seed)
	return b
}

// putOwn writes into a head what it says for this queue alone.
func (s *segment) putOwn(b []byte) {
	b = b[s.mark():]
	s.putMark(b)
	if s.slots > 0 {
		b = b[placeIn:]
		binary.LittleEndian.PutUint64(b, s.begin)
		copy(b[8:placeSize], s.id[:])
		binary.LittleEndian.PutUint32(b[placeSize:], crc32.Update(s.seed, castagnoli, b[:placeSize]))
	}
}

// parseHeader reads a segment's head. It reports whether a copy of the header is intact and fits this segment's number, and
// whether both are.
func (s *segment) parseHeader(b []byte) (ok, both bool) {
	first := s.parseHeaderCopy(b)
	second := len(b) >= copyAt && s.parseHeaderCopy(b[copyAt:])
	return first || second, first && second
}

func (s *segment) parseHeaderCopy(b []byte) bool {
	le := binary.LittleEndian
	if len(b) < headerSize {
		return false
	}
	sum := crc32.Checksum(b[:60], castagnoli)
	if sum != le.Uint32(b[60:]) || string(b[:8]) != magic {
		return false
	}
	slots := int(le.Uint16(b[22:]))
	switch le.Uint32(b[8:]) {
	case version:
		if slots != 0 || le.Uint64(b[24:]) != s.number {
			return false
		}
	case sharedVersion:
		if slots > maxSlots || s.slot() >= slots {
			return false
		}
	default:
		return false
	}
	s.seed, s.slots = sum, slots
	copy(s.id[:], b[12:22])
	s.first = le.Uint64(b[32:])
	s.begin = s.first
	return true
}

// putMark writes how far the segment is committed, and where it ends if it is sealed.
func (s *segment) putMark(b []byte) {
	le := binary.LittleEndian
	end := place{}
	if s.sealed {
		end = s.end
	}
	le.PutUint64(b, uint64(s.low.off))
	le.PutUint64(b[8:], s.low.pos)
	le.PutUint64(b[16:], uint64(end.off))
	le.PutUint64(b[24:], end.pos)
	le.PutUint32(b[32:], 0)
	if s.damaged {
		b[32] = 1
	}
	le.PutUint32(b[36:], crc32.Update(s.seed, castagnoli, b[:36]))
}

// parseMark reads the mark, or in a shared file the slot; false if it is damaged. A damaged mark is as if nothing of the segment
// were committed.
func (s *segment) parseMark(b []byte) bool {
	le := binary.LittleEndian
	s.low = place{s.data(), s.first}
	s.placed = s.slots == 0 || s.parsePlace(b)
	if len(b) < markSize || crc32.Update(s.seed, castagnoli, b[:36]) != le.Uint32(b[36:]) {
		return false
	}
	s.low = place{int64(le.Uint64(b)), le.Uint64(b[8:])}
	s.end = place{int64(le.Uint64(b[16:])), le.Uint64(b[24:])}
	s.sealed = s.end.off != 0
	s.damaged = b[32] != 0
	return s.placed
}

// parsePlace reads from a slot what the file's records are in the queue. If that is damaged, they have the ids of the file.
func (s *segment) parsePlace(slot []byte) bool {
	if len(slot) < slotSize {
		return false
	}
	b := slot[placeIn:]
	if crc32.Update(s.seed, castagnoli, b[:placeSize]) != binary.LittleEndian.Uint32(b[placeSize:]) {
		return false
	}
	s.begin = binary.LittleEndian.Uint64(b)
	copy(s.id[:], b[8:placeSize])
	return true
}

// stampEnd notes when something was appended at the segment's end.
func (s *segment) stampEnd(now time.Time) { s.stamps = append(s.stamps, stamp{s.end.off, now}) }

// appended is when what begins at off was appended, or a little before; the zero time if another process did it.
// Stamps that are older than what is asked for are forgotten.
func (s *segment) appended(off int64) time.Time {
	for len(s.stamps) > 1 && s.stamps[1].off <= off {
		s.stamps = s.stamps[1:]
	}
	if len(s.stamps) == 0 {
		return time.Time{}
	}
	return s.stamps[0].at
}

// peekAppended is appended, but forgets no stamp.
func (s *segment) peekAppended(off int64) (at time.Time) {
	for n, st := range s.stamps {
		if n > 0 && st.off > off {
			break
		}
		at = st.at
	}
	return at
}

// advanceLow moves low over everything that is committed without a gap.
func (s *segment) advanceLow() (moved bool) {
	n := 0
	for n < len(s.out) && s.out[n].state == committed && s.out[n].from == s.low {
		s.low = s.out[n].to
		s.out[n] = nil
		n++
	}
	s.out = s.out[n:]
	return n > 0
}
