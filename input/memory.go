package input

import (
	"context"
	"errors"
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	maxLent     = 12 << 20         // bytes of buffers that are lent at one time
	maxUnqueued = 8 << 20          // bytes of events of unfinished messages
	lendTimeout = 30 * time.Second // for a buffer to be returned by another connection

	reservedFiles = 256 // descriptors that connections leave to the queue and the outputs, or half of all where there are few
)

// ErrNoMemory is returned by Borrow where the other connections returned too little in 30 s.
var ErrNoMemory = errors.New("no memory left for large events")

// Memory caps what the connections of all inputs of a process hold beyond the read buffer that each of them has, and how
// many there are. It is safe for concurrent use.
type Memory struct {
	left     *semaphore.Weighted // of maxLent
	pools    [33]sync.Pool       // of *[]byte, by the logarithm of the length
	unqueued atomic.Int64
	conns    atomic.Int64
	maxConns int
}

// NewMemory makes one. Connections may have the descriptors that the process is allowed to open, but for a reserve.
func NewMemory() *Memory {
	return &Memory{left: semaphore.NewWeighted(maxLent), maxConns: maxConns()}
}

func maxConns() int {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return math.MaxInt32
	}
	n := int(min(l.Cur, math.MaxInt32))
	return max(n-reservedFiles, n/2)
}

// MaxConns is how many connections all inputs together may have.
func (m *Memory) MaxConns() int { return m.maxConns }

// AddConn notes that a connection was accepted, and reports whether it may stay. One that may is ended with RemoveConn.
func (m *Memory) AddConn() bool {
	if m.conns.Add(1) > int64(m.maxConns) {
		m.conns.Add(-1)
		return false
	}
	return true
}

// RemoveConn notes that a connection has ended.
func (m *Memory) RemoveConn() { m.conns.Add(-1) }

// Borrow lends a buffer of n bytes, a power of two of at most 8 MiB. It waits up to 30 s for others to return theirs;
// after that the error is ErrNoMemory.
func (m *Memory) Borrow(n int) ([]byte, error) {
	if !m.left.TryAcquire(int64(n)) {
		ctx, cancel := context.WithTimeout(context.Background(), lendTimeout)
		defer cancel()
		if err := m.left.Acquire(ctx, int64(n)); err != nil {
			return nil, ErrNoMemory
		}
	}
	if p, ok := m.pools[bits.Len(uint(n))].Get().(*[]byte); ok {
		return *p, nil
	}
	return make([]byte, n), nil
}

// Return takes back a buffer that Borrow has lent.
func (m *Memory) Return(b []byte) {
	m.pools[bits.Len(uint(len(b)))].Put(&b)
	m.left.Release(int64(len(b)))
}

// AddUnqueued adds n bytes, which may be negative, to the sum of what is held of unfinished messages. over says that the
// sum exceeds the budget, 8 MiB: whoever added should flush what it holds.
func (m *Memory) AddUnqueued(n int) (over bool) { return m.unqueued.Add(int64(n)) > maxUnqueued }
