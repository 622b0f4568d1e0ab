package forward

import (
	"errors"
	"io"

	"github.com/firelane/firelane/input"
)

// A window is the part of a stream that has been read and not yet used. Slices of it are valid until the next fill.
type window struct {
	src    io.Reader
	memory *input.Memory
	base   []byte // readSize bytes, the window's own
	buf    []byte // base, or a larger buffer, borrowed
	r, w   int    // buf[r:w] is unused
	limit  int    // largest buffer

	discarded uint64 // bytes that were in the buffer before buf[0]
	skim      skim   // of the first unused value, where it is long and incomplete
}

// errTooLarge is the error of a value that needs a larger window than the limit.
var errTooLarge = errors.New("too large")

// unused is what has been read and not yet used.
func (w *window) unused() []byte { return w.buf[w.r:w.w] }

// fill reads more, once. The window grows where it is full and shrinks where it is empty.
func (w *window) fill() error {
	if w.r > 0 {
		w.discarded += uint64(w.r)
		w.w = copy(w.buf, w.buf[w.r:w.w])
		w.r = 0
	}
	switch w.w {
	case 0:
		w.shrink()
	case len(w.buf):
		if err := w.grow(); err != nil {
			return err
		}
	}
	n, err := w.src.Read(w.buf[w.w:])
	w.w += n
	if n > 0 {
		return nil // an error comes again
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

func (w *window) grow() error {
	if len(w.buf) >= w.limit {
		return errTooLarge
	}
	buf, err := w.memory.Borrow(2 * len(w.buf))
	if err != nil {
		return err
	}
	copy(buf, w.buf[:w.w])
	w.returnBuffer()
	w.buf = buf
	return nil
}

// shrink returns to the base buffer. The window must be empty.
func (w *window) shrink() {
	w.returnBuffer()
	w.buf, w.r, w.w = w.base, 0, 0
}

func (w *window) returnBuffer() {
	if len(w.buf) > len(w.base) {
		w.memory.Return(w.buf)
	}
}
