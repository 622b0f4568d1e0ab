package buffer

import (
	"bytes"
	"encoding/binary"
)

// An ending is what stands behind the last frame of a segment that wasn't sealed.
type ending int

const (
	clean   ending = iota // nothing
	torn                  // what a write left that was never finished
	damaged               // what was a frame
)

// ending sorts what follows the last frame, which ends at off, in a file that isn't padded.
func (w *walker) ending(off int64) ending {
	b := w.bytes(off, frameHeader)
	switch {
	case off >= w.size:
		return clean
	case len(b) < frameHeader && off+int64(len(b)) < w.size: // it can't be read
		return damaged
	case len(b) < frameHeader, [frameHeader]byte(b) == [frameHeader]byte{}: // a loss of power leaves holes
		return torn
	}
	if h, ok := parseFrame(b, w.seed); ok && off+h.size() > w.size {
		return torn
	}
	return damaged
}

// paddedEnding does so in a padded file, where zeros or bytes of a former life stand behind what was written. It returns
// where the last whole frame ends: one before the last, where of that only the beginning was written, and what makes its
// batch up to its length was there before.
//
// A write is a frame and the end frame behind it, and begins over the end frame of the write before. So what stands
// there is
//
//	the end frame                 the last write was finished
//	a header, the end frame's end the next one had begun; the last is whole
//	a header of this place        a frame was whole here, and its header is damaged
//	anything else                 the last write was cut: in its batch, if that hasn't its CRC, or in the end frame
func (w *walker) paddedEnding(end, last place) (place, ending) {
	b := bytes.Clone(w.bytes(end.off, frameHeader))
	var none [frameHeader]byte
	putEndFrame(none[:], end.pos, w.seed)
	switch {
	case bytes.Equal(b, none[:]):
		return end, clean
	case w.begun(b, none, end.off):
		return end, torn
	case w.isDamaged(b, end.pos):
		return end, damaged
	}
	if h, ok := w.header(last.off); ok && !w.intact(last.off, h) {
		return last, torn
	}
	return end, torn
}

// putEndFrame writes what stands behind the last frame in a padded file.
func putEndFrame(b []byte, pos uint64, seed uint32) { frame{pos: pos}.put(b, seed) }

// begun says that b, at off, is the beginning of a header over the end frame. What has all of the header but for its CRC,
// and its batch too, was whole.
func (w *walker) begun(b []byte, none [frameHeader]byte, off int64) bool {
	const crcAt = frameHeader - 4
	if len(b) < frameHeader {
		return false
	}
	h, ok := parseFrame(b, w.seed)
	if ok || [crcAt]byte(b) == [crcAt]byte(none[:]) {
		return true // a header that nothing is behind, or the end frame, damaged
	}
	var header [frameHeader]byte
	h.put(header[:], w.seed)
	n := crcAt
	for n < frameHeader && b[n] == header[n] {
		n++
	}
	if !bytes.Equal(b[n:], none[n:]) {
		return false
	}
	return h.length == 0 || off+h.size() > w.size || !w.intact(off, h)
}

// isDamaged says that b was the header of the frame at position pos: it still says so, or would have its CRC if it did.
// The beginning of an end frame does so too, but has neither length nor records.
func (w *walker) isDamaged(b []byte, pos uint64) bool {
	if len(b) < frameHeader || binary.LittleEndian.Uint64(b) == 0 {
		return false
	}
	if binary.LittleEndian.Uint64(b[8:]) == pos {
		return true
	}
	repaired := bytes.Clone(b)
	binary.LittleEndian.PutUint64(repaired[8:], pos)
	_, ok := parseFrame(repaired, w.seed)
	return ok
}

// maxGap is how far a frame's position may be from what is looked for.
const maxGap = 1 << 40

// candidate is the first offset in b where a header could begin whose position is pos or later, by the cheapest sign
// there is; -1 if there is none.
func candidate(b []byte, pos uint64) int {
	if pos >= maxGap {
		pos >>= 40
		for i := 0; i+frameHeader <= len(b); i++ {
			if top := binary.LittleEndian.Uint64(b[i+8:]) >> 40; top == pos || top == pos+1 {
				return i
			}
		}
		return -1
	}
	// The three highest bytes of a position are zeros or, where it is about to be, the lowest of them is one.
	for i := 0; i+frameHeader <= len(b); i++ {
		k := bytes.IndexByte(b[i+15:len(b)-8], 0)
		if k < 0 {
			return -1
		}
		i += k
		if b[i+14] == 0 && b[i+13] <= 1 && b[i+3] <= MaxBatch>>24 {
			return i
		}
	}
	return -1
}
