package input

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Limits of an OwnLog.
const (
	maxLogWaiting = 128 << 10 // bytes of lines that wait for one reader; more are counted, and left out
	maxLogLine    = 16 << 10  // bytes of a line; a longer one is counted, and left out
)

// An OwnLog gives the lines of the router's own log to the inputs that make events of them. The log writes to it, besides to its own
// destination. It is safe for concurrent use, and never blocks. The zero value has no readers.
type OwnLog struct {
	readers atomic.Int32 // so that a log that nobody reads costs nothing
	mu      sync.Mutex
	list    []*LogReader
}

// Write takes one line: a JSON object and a newline. It never fails.
func (l *OwnLog) Write(line []byte) (int, error) {
	if l.readers.Load() == 0 {
		return len(line), nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.list {
		r.add(line)
	}
	return len(line), nil
}

// Follow returns a reader of the lines that are written from now on.
func (l *OwnLog) Follow() *LogReader {
	r := &LogReader{log: l, wake: make(chan struct{}, 1)}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, r)
	l.readers.Add(1)
	return r
}

// A LogReader reads an OwnLog. It is used by one goroutine, apart from Close.
type LogReader struct {
	log  *OwnLog
	wake chan struct{}

	mu     sync.Mutex
	lines  []byte
	missed int
}

func (r *LogReader) add(line []byte) {
	r.mu.Lock()
	if len(line) > maxLogLine || len(r.lines)+len(line) > maxLogWaiting {
		r.missed++
	} else {
		r.lines = append(r.lines, line...)
	}
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Wake has a value when there are lines, or some were left out.
func (r *LogReader) Wake() <-chan struct{} { return r.wake }

// Take returns the lines that wait, and how many were left out since the last call. spare is memory for the next ones.
func (r *LogReader) Take(spare []byte) (lines []byte, missed int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines, missed = r.lines, r.missed
	r.lines, r.missed = spare[:0], 0
	return lines, missed
}

// Close ends reading. It may be called more than once.
func (r *LogReader) Close() {
	l := r.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := slices.Index(l.list, r); n >= 0 {
		l.list = slices.Delete(l.list, n, n+1)
		l.readers.Add(-1)
	}
}
