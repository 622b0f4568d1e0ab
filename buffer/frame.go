package buffer

import (
	"encoding/binary"
	"hash/crc32"
	"io"
)

const frameHeader = 24

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A frame is the header of one batch in a segment.
type frame struct {
	length  uint32
	records uint32
	pos     uint64 // of the first record
	sum     uint32 // of the batch
}

// put writes the header into b. The seed is the segment's.
func (h frame) put(b []byte, seed uint32) {
	le := binary.LittleEndian
	le.PutUint32(b, h.length)
	le.PutUint32(b[4:], h.records)
	le.PutUint64(b[8:], h.pos)
	le.PutUint32(b[16:], h.sum)
	le.PutUint32(b[20:], crc32.Update(seed, castagnoli, b[:20]))
}

// parseFrame reads a header, false if its CRC doesn't fit the segment. b has at least frameHeader bytes.
func parseFrame(b []byte, seed uint32) (h frame, ok bool) {
	le := binary.LittleEndian
	h = frame{le.Uint32(b), le.Uint32(b[4:]), le.Uint64(b[8:]), le.Uint32(b[16:])}
	return h, crc32.Update(seed, castagnoli, b[:20]) == le.Uint32(b[20:])
}

// size is the frame's whole length in the file.
func (h frame) size() int64 { return frameHeader + int64(h.length) }

// putEndFrame writes the end frame, which follows the last frame of each write: a header without a batch, whose position
// is that of the next record.
func putEndFrame(b []byte, pos uint64, seed uint32) { frame{pos: pos}.put(b, seed) }

// A walker reads the frames of a segment on disk through a small window in memory, to find where the segment ends, and
// where it goes on after damage.
type walker struct {
	f      io.ReaderAt
	seed   uint32
	size   int64 // of the file
	buf    []byte
	off    int64 // of buf in the file
	failed bool  // a read failed
}

const walkerWindow = 256 << 10

func newWalker(f io.ReaderAt, seed uint32, size int64) *walker {
	return &walker{f: f, seed: seed, size: size, buf: make([]byte, 0, min(walkerWindow, max(size, frameHeader)))}
}

// bytes returns the n bytes at off, valid until the next call; fewer where the file ends or can't be read. n is at most
// the window.
func (w *walker) bytes(off, n int64) []byte {
	n = min(n, w.size-off)
	if n <= 0 {
		return nil
	}
	if off < w.off || off+n > w.off+int64(len(w.buf)) {
		want := min(int64(cap(w.buf)), w.size-off)
		k, _ := w.f.ReadAt(w.buf[:want], off)
		w.off, w.buf = off, w.buf[:k]
		w.failed = w.failed || int64(k) < want
	}
	from := off - w.off
	return w.buf[min(from, int64(len(w.buf))):min(from+n, int64(len(w.buf)))]
}

// header returns the frame header or end frame at off, false if there is none.
func (w *walker) header(off int64) (h frame, ok bool) {
	b := w.bytes(off, frameHeader)
	if len(b) < frameHeader {
		return h, false
	}
	return parseFrame(b, w.seed)
}

// intact reports whether the batch of the frame at off has its CRC.
func (w *walker) intact(off int64, h frame) bool {
	sum := uint32(0)
	for at, end := off+frameHeader, off+h.size(); at < end; {
		b := w.bytes(at, min(end-at, int64(cap(w.buf))))
		if len(b) == 0 {
			return false
		}
		sum = crc32.Update(sum, castagnoli, b)
		at += int64(len(b))
	}
	return sum == h.sum
}

// find searches from off for an intact frame, or an end frame, whose position is pos or later.
func (w *walker) find(off int64, pos uint64) (at int64, h frame, ok bool) {
	for off+frameHeader <= w.size {
		b := w.bytes(off, frameHeader)
		if len(b) < frameHeader {
			return 0, h, false
		}
		b = w.buf[off-w.off:]
		i := candidate(b, pos)
		if i < 0 {
			off += int64(len(b)) - frameHeader + 1
			continue
		}
		off += int64(i)
		if h, ok = w.header(off); ok && h.pos-pos < maxGap && w.intact(off, h) {
			return off, h, true
		}
		off++
	}
	return 0, h, false
}
