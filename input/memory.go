package input

import (
	"errors"
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/firelane/firelane/budget"
)

const (
	floor = 6 << 20 // bytes that inputs always have, whatever outputs take

	maxLent      = 4 << 20 // bytes that are lent at one time, without the large buffer
	maxInputLent = 2 << 20 // of these, to the connections of one input
	maxSmall     = 1 << 20 // of these, to one connection
	largeSize    = 8 << 20 // bytes of the large buffer, which is lent to one connection at a time

	largeTime   = 3 * time.Second  // how long a connection may have it while others wait
	largeRetry  = time.Second      // after that, the interval of checks whether others wait
	maxUnqueued = 6 << 20          // bytes of events of unfinished messages
	lendTimeout = 30 * time.Second // for a buffer to be returned by another connection

	maxUnsent  = 1 << 20 // bytes of acks that clients have not read
	maxReading = 3 << 20 // bytes of read buffers: a connection has one while it reads, and in the middle of a message
	maxGzip    = 1 << 20 // bytes of decompressors
	maxZstd    = 9 << 20 // the same, for zstd: as much as one takes

	reservedFiles = 256 // descriptors that connections leave to the queue and the outputs, or half of all where there are few
)

// ErrNoMemory is returned by Borrow and Turn.Take if the other connections returned too little in 30 s.
var ErrNoMemory = errors.New("other connections held the memory for too long")

// Memory limits the memory of the connections of all inputs of a process, and their number. It is safe for concurrent use.
type Memory struct {
	share    *budget.Share // of the process's memory
	lent     atomic.Int64  // of maxLent
	pools    [33]sync.Pool // of *[]byte, by the logarithm of the length
	unqueued atomic.Int64
	unsent   atomic.Int64  // of maxUnsent
	large    chan struct{} // holds a value while the large buffer is lent
	waiting  atomic.Int64  // connections that wait for it
	buffer   []byte        // the large buffer while it is lent
	conns    atomic.Int64
	maxConns int

	Reading, Gzip, Zstd *Line
	buffers             sync.Pool // of *[BufferSize]byte

	mu    sync.Mutex
	loan  int         // goes up each time that the large buffer is lent or returned
	timer *time.Timer // for the borrower of the large buffer
}

// NewMemory returns a Memory that is charged to b, for as many connections as the process may open file descriptors, less a
// reserve.
func NewMemory(b *budget.Budget) *Memory {
	share := b.Share(floor)
	return &Memory{
		share: share, large: make(chan struct{}, 1), maxConns: maxConns(),
		Reading: newLine(share, maxReading), Gzip: newLine(share, maxGzip), Zstd: newLine(share, maxZstd),
	}
}

// BufferSize is the size in bytes of a read buffer.
const BufferSize = 32 << 10

// Buffer returns a read buffer. The caller has a Turn for it.
func (m *Memory) Buffer() []byte {
	if b, ok := m.buffers.Get().(*[BufferSize]byte); ok {
		return b[:]
	}
	return make([]byte, BufferSize)
}

// ReturnBuffer takes back what Buffer returned.
func (m *Memory) ReturnBuffer(b []byte) { m.buffers.Put((*[BufferSize]byte)(b)) }

// Take charges n bytes for something other than events, such as a TLS connection. It returns false if there is no room for them.
func (m *Memory) Take(n int) bool { return m.share.Take(n) }

// Release returns n bytes that Take took.
func (m *Memory) Release(n int) { m.share.Add(-n) }

func maxConns() int {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return math.MaxInt32
	}
	n := int(min(l.Cur, math.MaxInt32))
	return max(n-reservedFiles, n/2)
}

// MaxConns returns how many connections all inputs together may have.
func (m *Memory) MaxConns() int { return m.maxConns }

// AddConn counts a connection and reports whether it may stay. If so, the caller calls RemoveConn at its end.
func (m *Memory) AddConn() bool {
	if m.conns.Add(1) > int64(m.maxConns) {
		m.conns.Add(-1)
		return false
	}
	return true
}

// RemoveConn is called at the end of a connection that AddConn allowed.
func (m *Memory) RemoveConn() { m.conns.Add(-1) }

// A Share is the part of a Memory that the connections of one input may use.
type Share struct {
	m    *Memory
	lent atomic.Int64 // of maxInputLent
}

// Share returns the share of an input.
func (m *Memory) Share() *Share { return &Share{m: m} }

// Borrow lends a buffer of n bytes, a power of two of at most 8 MiB. Up to 1 MiB it comes from what all inputs share, if
// enough is left. Otherwise it is a part of the one large buffer, for which Borrow waits up to 30 s; the error is then
// ErrNoMemory. The holder of the large buffer never waits for more memory. If others wait after 3 s, hurry, which must not
// block, asks the holder to return it.
func (s *Share) Borrow(n int, hurry func()) ([]byte, error) {
	m := s.m
	if n <= maxSmall && take(&s.lent, n, maxInputLent) {
		if take(&m.lent, n, maxLent) {
			m.share.Add(n)
			if p, ok := m.pools[bits.Len(uint(n))].Get().(*[]byte); ok {
				return *p, nil
			}
			return make([]byte, n), nil
		}
		s.lent.Add(int64(-n))
	}
	return m.borrowLarge(n, hurry)
}

// Return takes back a buffer that Borrow has lent.
func (s *Share) Return(b []byte) {
	if cap(b) == largeSize {
		s.m.returnLarge()
		return
	}
	s.m.pools[bits.Len(uint(len(b)))].Put(&b)
	s.m.share.Add(-len(b))
	s.m.lent.Add(int64(-len(b)))
	s.lent.Add(int64(-len(b)))
}

// take adds n to sum, unless it would exceed limit.
func take(sum *atomic.Int64, n, limit int) bool {
	if sum.Add(int64(n)) <= int64(limit) {
		return true
	}
	sum.Add(int64(-n))
	return false
}

func (m *Memory) borrowLarge(n int, hurry func()) ([]byte, error) {
	select {
	case m.large <- struct{}{}:
	default:
		timeout := time.NewTimer(lendTimeout)
		defer timeout.Stop()
		m.waiting.Add(1)
		defer m.waiting.Add(-1)
		select {
		case m.large <- struct{}{}: // in the order of arrival
		case <-timeout.C:
			return nil, ErrNoMemory
		}
	}
	m.share.Add(largeSize)
	m.mu.Lock()
	m.loan++
	loan := m.loan
	m.timer = time.AfterFunc(largeTime, func() { m.hurry(loan, hurry) })
	m.mu.Unlock()
	if p, ok := m.pools[bits.Len(largeSize)].Get().(*[]byte); ok {
		m.buffer = *p
	} else {
		m.buffer = make([]byte, largeSize)
	}
	return m.buffer[:n], nil
}

// hurry asks the holder of the large buffer to return it, as soon as others wait.
func (m *Memory) hurry(loan int, tell func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.loan != loan: // returned
	case m.waiting.Load() > 0:
		tell()
	default:
		m.timer.Reset(largeRetry)
	}
}

func (m *Memory) returnLarge() {
	m.mu.Lock()
	m.loan++
	m.timer.Stop()
	m.mu.Unlock()
	b := m.buffer
	m.pools[bits.Len(largeSize)].Put(&b)
	m.buffer = nil
	m.share.Add(-largeSize)
	<-m.large
}

// Charge adds n bytes, which may be negative, of what an input has for as long as it runs: buffers, and not events.
func (m *Memory) Charge(n int) { m.share.Add(n) }

// TakeUnsent takes n bytes for acks that a client has not read. It returns false if too many wait for clients already.
func (m *Memory) TakeUnsent(n int) bool {
	if !take(&m.unsent, n, maxUnsent) {
		return false
	}
	m.share.Add(n)
	return true
}

// ReturnUnsent returns n bytes that TakeUnsent took.
func (m *Memory) ReturnUnsent(n int) {
	m.share.Add(-n)
	m.unsent.Add(int64(-n))
}

// AddUnqueued adds n bytes, which may be negative, to the sum of what is held of unfinished messages. over says that the
// sum exceeds 6 MiB: whoever added should flush what it holds.
func (m *Memory) AddUnqueued(n int) (over bool) {
	m.share.Add(n)
	return m.unqueued.Add(int64(n)) > maxUnqueued
}

// TakeUnqueued is AddUnqueued for events that can be refused: it adds n only if the sum stays within 6 MiB, or nothing else is
// held.
func (m *Memory) TakeUnqueued(n int) bool {
	for {
		sum := m.unqueued.Load()
		if sum > 0 && sum+int64(n) > maxUnqueued {
			return false
		}
		if m.unqueued.CompareAndSwap(sum, sum+int64(n)) {
			m.share.Add(n)
			return true
		}
	}
}
