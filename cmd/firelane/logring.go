package main

import (
	"io"
	"sync"
	"time"
)

const (
	// maxPendingLog is how many bytes of the log may wait to be written. What comes beyond them is counted, not kept.
	maxPendingLog = 256 << 10
	// logCloseTime is how long Close waits for whoever reads the log.
	logCloseTime = time.Second
)

// A logRing writes the log in a goroutine of its own, so that a reader of stderr that stands still or has gone away holds
// up nothing else: neither records nor a stop. It is safe for concurrent use.
type logRing struct {
	out    io.Writer
	notice func(lines int) []byte // the line that says how many lines are missing at its place

	wake   chan struct{}
	done   chan struct{} // closed when all that was taken before Close is written
	mu     sync.Mutex
	lines  []byte // to be written next
	missed int    // lines that had no room after those
	closed bool
}

func newLogRing(out io.Writer, notice func(lines int) []byte) *logRing {
	r := &logRing{out: out, notice: notice, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go r.run()
	return r
}

// Write takes whole lines, or counts them as one that is missing. It neither blocks nor fails.
func (r *logRing) Write(line []byte) (int, error) {
	r.mu.Lock()
	if r.closed || r.missed > 0 || len(r.lines)+len(line) > maxPendingLog {
		r.missed++ // once one is missing, the next ones are as well: what is written is in order
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
			_, _ = r.out.Write(lines) // a reader that has gone away gets nothing, and there is no other place
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
