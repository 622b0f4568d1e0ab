package forward

import (
	"context"
	"errors"
	"io"
	"math/bits"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// A window is the part of a stream that has been read and not yet used. Slices of it are valid until the next fill.
type window struct {
	src    io.Reader
	lender *lender
	base   []byte // readSize bytes, the window's own
	buf    []byte // base, or a larger buffer from the lender
	r, w   int    // buf[r:w] is unused
	limit  int    // largest buffer
}

// errTooLarge says that a value needs a larger window than there may be.
var errTooLarge = errors.New("too large")

// errCrowded says that the lender had nothing left for too long.
var errCrowded = errors.New("no memory left for large events")

// unused is what has been read and not yet used.
func (w *window) unused() []byte { return w.buf[w.r:w.w] }

// fill reads more, once. The window grows where it is full and shrinks where it is empty.
func (w *window) fill() error {
	if w.r > 0 {
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
	buf, err := w.lender.borrow(2 * len(w.buf))
	if err != nil {
		return err
	}
	copy(buf, w.buf[:w.w])
	w.giveBack()
	w.buf = buf
	return nil
}

// shrink returns to the base buffer. The window must be empty.
func (w *window) shrink() {
	w.giveBack()
	w.buf, w.r, w.w = w.base, 0, 0
}

func (w *window) giveBack() {
	if len(w.buf) > len(w.base) {
		w.lender.giveBack(w.buf)
	}
}

// Memory is what connections may hold beyond the buffer that each of them has. Servers of one process share one, so
// that the process has one cap.
type Memory struct {
	lender *lender
	held   atomic.Int64
}

// NewMemory makes one.
func NewMemory() *Memory { return &Memory{lender: newLender(maxLent)} }

// A lender owns the large buffers, so that there is a cap on their sum.
type lender struct {
	left  *semaphore.Weighted
	pools [33]sync.Pool // of *[]byte, by the logarithm of the length
}

func newLender(sum int64) *lender { return &lender{left: semaphore.NewWeighted(sum)} }

// borrow gives a buffer of n bytes, a power of two. It waits for one at most stallTime.
func (l *lender) borrow(n int) ([]byte, error) {
	if !l.left.TryAcquire(int64(n)) {
		ctx, cancel := context.WithTimeout(context.Background(), stallTime)
		defer cancel()
		if err := l.left.Acquire(ctx, int64(n)); err != nil {
			return nil, errCrowded
		}
	}
	if p, ok := l.pools[bits.Len(uint(n))].Get().(*[]byte); ok {
		return *p, nil
	}
	return make([]byte, n), nil
}

func (l *lender) giveBack(b []byte) {
	l.pools[bits.Len(uint(len(b)))].Put(&b)
	l.left.Release(int64(len(b)))
}
