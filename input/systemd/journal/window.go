package journal

import (
	"errors"
	"io"
)

const (
	nearSize = 32 << 10 // bytes that are read at once of what is new
	nearBack = 4 << 10  // of these, before what is asked for: an entry follows its data
	farSize  = 4 << 10  // bytes that are read at once of older data
)

// A window is a part of a file that was read.
type window struct {
	buf []byte
	at  int64
	n   int
}

func (w *window) has(at int64, n int) bool { return at >= w.at && at+int64(n) <= w.at+int64(w.n) }

// read returns the n bytes at an offset, which are valid until the next call.
func (w *window) read(r io.ReaderAt, at int64, n int) ([]byte, error) {
	if !w.has(at, n) {
		if err := w.fill(r, max(at-nearBack, 0), max(nearSize, n+nearBack)); err != nil {
			return nil, err
		}
	}
	return w.slice(at, n)
}

// readFar is read for a window that begins where it is asked to.
func (w *window) readFar(r io.ReaderAt, at int64, n int) ([]byte, error) {
	if !w.has(at, n) {
		if err := w.fill(r, at, max(farSize, n)); err != nil {
			return nil, err
		}
	}
	return w.slice(at, n)
}

func (w *window) slice(at int64, n int) ([]byte, error) {
	if !w.has(at, n) {
		return nil, damaged("an object at %d is beyond its end", at)
	}
	b := w.buf[at-w.at:]
	return b[:n:n], nil
}

// fill reads size bytes at an offset, or those that the file has.
func (w *window) fill(r io.ReaderAt, at int64, size int) error {
	if cap(w.buf) < size || cap(w.buf) > keptField && size <= keptField {
		w.buf = make([]byte, size)
	}
	n, err := r.ReadAt(w.buf[:size], at)
	w.at, w.n = at, n
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
