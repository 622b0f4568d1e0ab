package forward

import (
	"errors"
	"io"
	"math/bits"

	"github.com/firelane/firelane/input"
)

// A window is the part of a stream that has been read and not yet used. Slices of it are valid until the next fill.
type window struct {
	src   io.Reader
	share *input.Share
	hurry func() // called by share when buf must be returned soon
	base  []byte // readSize bytes, the window's own
	buf   []byte // base, or a larger buffer, borrowed
	r, w  int    // buf[r:w] is unused
	limit int    // largest buffer

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
		w.release()
	}
	switch w.w {
	case 0:
		w.shrink()
	case len(w.buf):
		if err := w.grow(); err != nil {
			return err
		}
	}
	end := len(w.buf)
	if w.borrowed() { // what follows the value should fit into base again
		end = min(end, max(w.need(), w.w+len(w.base)/2))
	}
	n, err := w.src.Read(w.buf[w.w:end])
	w.w += n
	if n > 0 {
		return nil // the next Read returns the error again
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// need is how many bytes the first unused value has at least, as far as that is known.
func (w *window) need() int {
	if s := &w.skim; s.begun && s.format == packFormat && !w.mayBeComplete() {
		return s.pos + s.left
	}
	return 0
}

// grow borrows a larger buffer: for all of the value at once, where its length is known.
func (w *window) grow() error {
	largest := 1 << bits.Len(uint(w.limit-1))
	need := max(w.need(), 2*len(w.buf))
	if need > max(largest, len(w.base)) {
		return errTooLarge
	}
	need = 1 << bits.Len(uint(need-1))
	if need <= cap(w.buf) { // buf is part of a larger buffer
		w.buf = w.buf[:need]
		return nil
	}
	buf, err := w.share.Borrow(need, w.hurry)
	if err != nil {
		return err
	}
	copy(buf, w.buf[:w.w])
	w.returnBuffer()
	w.buf = buf
	return nil
}

// release returns to the base buffer if what is unused fits into it.
func (w *window) release() {
	if !w.borrowed() || len(w.unused()) > len(w.base)/2 {
		return
	}
	w.discarded += uint64(w.r)
	w.w = copy(w.base, w.buf[w.r:w.w])
	w.r = 0
	w.returnBuffer()
	w.buf = w.base
}

// shrink returns to the base buffer. The window must be empty.
func (w *window) shrink() {
	w.returnBuffer()
	w.buf, w.r, w.w = w.base, 0, 0
}

func (w *window) borrowed() bool { return len(w.buf) > len(w.base) }

func (w *window) returnBuffer() {
	if w.borrowed() {
		w.share.Return(w.buf)
	}
}
