package pace

import (
	"math/bits"
	"sync/atomic"
	"time"
)

const (
	// maxPause is the longest time between two reads of a connection, or between a first byte and its read; a pause
	// below minPause is not worth a wake-up of its own.
	maxPause = 40 * time.Millisecond
	minPause = time.Millisecond
	// maxPauseBytes is the most that a connection should bring between two reads: one read takes it.
	maxPauseBytes = ReadSize - 2<<10
	// socketBytes is what a socket holds by Linux's default (net.core.wmem_default), each write with what the kernel adds
	// to it. A client that fills it blocks, so it must be read before.
	socketBytes = 212992
	// steadyBytes is what a connection must be expected to bring within its pause for the clock to wake it.
	steadyBytes = 1 << 10
	// rateTime is the shortest time over which a connection's rate is measured.
	rateTime = 20 * time.Millisecond
)

// A rate is how fast a connection has brought bytes recently, and how long it may be left alone accordingly. It belongs to
// the goroutine that reads, except for the atomic fields.
type rate struct {
	steady bool      // more will have come after the pause
	begun  time.Time // when measuring began
	bytes  int       // read since begun
	events int       // in these bytes

	stopped    atomic.Bool // never pause: the client waits for answers
	pauseNanos atomic.Int64
}

// pause is how long the connection may be left alone.
func (r *rate) pause() time.Duration { return time.Duration(r.pauseNanos.Load()) }

// stop ends pausing for good.
func (r *rate) stop() {
	r.stopped.Store(true)
	r.pauseNanos.Store(0)
}

// measure sets the pause from what has come since the last measurement, if that was rateTime ago or more.
func (r *rate) measure() {
	if r.stopped.Load() {
		r.steady = false
		return
	}
	now := time.Now()
	elapsed := now.Sub(r.begun)
	if elapsed < rateTime {
		return
	}
	d := maxPause
	if r.bytes > 0 {
		want := pauseBytes(r.bytes / max(r.events, 1))
		d = min(maxPause, time.Duration(int64(want)*int64(elapsed)/int64(r.bytes)))
	}
	if d < minPause {
		d = 0
	}
	r.steady = d > 0 && int64(r.bytes)*int64(d) >= steadyBytes*int64(elapsed)
	r.pauseNanos.Store(int64(d))
	r.begun, r.bytes, r.events = now, 0, 0
}

// pauseBytes is what a connection should bring between two reads, if its events have size bytes and each is a write: half
// of what the socket holds of them. For each write the kernel allocates a power of two of bytes, which includes 320 of its
// own, and 256 more.
func pauseBytes(size int) int {
	size = max(size, 1)
	kept := 256 + 1<<bits.Len(uint(size+320-1))
	return min(socketBytes/kept*size/2, maxPauseBytes)
}
