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
	base  []byte // readSize bytes; nil while a conn's window is at rest
	buf   []byte // base, or a larger buffer, borrowed; or at rest its beginning
	lent  bool   // buf is borrowed
	r, w  int    // buf[r:w] is unused
	limit int    // largest buffer
	rest  *rest  // nil where base belongs to the window for good

	discarded uint64 // bytes that were in the buffer before buf[0]
	skim      skim   // of the first unused value, where it is long and incomplete
}

// errTooLarge is the error of a value that needs a larger window than the limit.
var errTooLarge = errors.New("too large")

// unused is what has been read and not yet used.
func (w *window) unused() []byte { return w.buf[w.r:w.w] }

// fill reads more, once. The window grows where it is full and shrinks where it is empty.
func (w *window) fill() error {
	w.compact()
	n, err := w.read()
	w.w += n
	if n > 0 {
		return nil // the next Read returns the error again
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// compact moves what is unused to the start of the smallest buffer that it fits into.
func (w *window) compact() {
	if w.r > 0 {
		w.discarded += uint64(w.r)
		w.w = copy(w.buf, w.buf[w.r:w.w])
		w.r = 0
		w.release()
	}
	if w.w == 0 {
		w.shrink()
	}
}

// read reads to the end of what is unused.
func (w *window) read() (int, error) {
	if w.rest != nil {
		return w.rest.read(w)
	}
	if err := w.makeRoom(); err != nil {
		return 0, err
	}
	return w.src.Read(w.free())
}

// makeRoom grows the window if it is full.
func (w *window) makeRoom() error {
	if w.w < len(w.buf) {
		return nil
	}
	return w.grow()
}

// free returns the part of the buffer that is read into next.
func (w *window) free() []byte {
	end := len(w.buf)
	if w.lent { // what follows the value should fit into base again
		end = min(end, max(w.need(), w.w+len(w.base)/2))
	}
	return w.buf[w.w:end]
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
	w.buf, w.lent = buf, true
	return nil
}

// release returns to the base buffer if what is unused fits into it.
func (w *window) release() {
	if !w.lent || len(w.unused()) > len(w.base)/2 {
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
	if w.returnBuffer() {
		w.buf = w.base
	}
	w.r, w.w = 0, 0
}

// returnBuffer returns a borrowed buffer, if there is one.
func (w *window) returnBuffer() bool {
	if !w.lent {
		return false
	}
	w.lent = false
	w.share.Return(w.buf)
	return true
}
