package buffer

import (
	"bytes"
	"encoding/binary"
)

// An ending says how the frames of a segment that wasn't sealed end.
type ending int

const (
	finished   ending = iota // with an end frame: the last write was finished
	unfinished               // the last write was not finished, and is cut off
	unreadable               // what comes after can't be read
)

// walk follows the frames from off, where position pos is expected, and returns where the last one ends.
//
// Each write is a frame and an end frame, and begins over the end frame of the write before. So where frames end without
// an end frame the process was killed in a write: in the header of a frame, in its batch (which then lacks its CRC), or in
// the end frame after it. Everything before the last finished write's end frame has been there as a whole: what doesn't
// fit is damage, and found again at the next frame or end frame.
func (w *walker) walk(off int64, pos uint64) (end place, how ending) {
	var last frame
	lastOff := int64(-1)
	for {
		h, ok := w.header(off)
		if !ok || h.pos != pos {
			at, next, found := w.find(off, pos)
			if !found {
				break
			}
			off, h = at, next
		}
		if h.length == 0 {
			return place{off, h.pos}, finished
		}
		// A header with its CRC says what is lost with a damaged batch: that is found out when it is read.
		last, lastOff = h, off
		off, pos = off+h.size(), h.pos+uint64(h.records)
	}
	switch {
	case w.failed:
		return place{off, pos}, unreadable
	case lastOff >= 0 && !w.intact(lastOff, last):
		return place{lastOff, last.pos}, unfinished
	}
	return place{off, pos}, unfinished
}

// maxGap is how far a frame's position may be after the one that is searched for.
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
