package main

import (
	"io"
	"sync"
	"time"
)

const (
	// maxPendingLog is how many bytes of the log may wait to be written. Lines beyond that are counted and discarded.
	maxPendingLog = 256 << 10
	// logCloseTime is how long Close waits for the pending lines to be written.
	logCloseTime = time.Second
)

// A logRing writes the log in a goroutine of its own, so that a reader of stderr that stops reading, or goes away, delays
// neither records nor a stop. It is safe for concurrent use.
type logRing struct {
	out    io.Writer
	notice func(lines int) []byte // makes the line that replaces discarded lines

	wake   chan struct{}
	done   chan struct{} // closed when everything is written
	mu     sync.Mutex
	lines  []byte // to be written next
	missed int    // how many lines were discarded after those
	closed bool
}

func newLogRing(out io.Writer, notice func(lines int) []byte) *logRing {
	r := &logRing{out: out, notice: notice, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go r.run()
	return r
}

// Write accepts a line, or discards and counts it. It neither blocks nor fails.
func (r *logRing) Write(line []byte) (int, error) {
	r.mu.Lock()
	if r.closed || r.missed > 0 || len(r.lines)+len(line) > maxPendingLog {
		r.missed++ // once one is discarded, so are the next ones: the notice replaces all of them
	} else {
		r.lines = append(r.lines, line...)
	}
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
	return len(line), nil
}

// run writes until Close.
func (r *logRing) run() {
	defer close(r.done)
	var spare []byte
	for range r.wake {
		for {
			r.mu.Lock()
			lines, missed, closed := r.lines, r.missed, r.closed
			r.lines, r.missed = spare[:0], 0
			r.mu.Unlock()
			if missed > 0 {
				lines = append(lines, r.notice(missed)...)
			}
			if len(lines) == 0 {
				if closed {
					return
				}
				spare = lines
				break
			}
			_, _ = r.out.Write(lines) // there is nowhere to report an error
			spare = lines
		}
	}
}

// Close waits until everything is written, for at most logCloseTime. What is logged afterwards is not written.
func (r *logRing) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
	select {
	case <-r.done:
	case <-time.After(logCloseTime):
	}
}
