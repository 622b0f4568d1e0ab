package buffer

import (
	"time"

	"github.com/rs/zerolog"
)

const (
	// roomAgain is the part of its limit below which a queue that was full has room again. Otherwise it would be full, and not full,
	// with each segment that is freed.
	roomAgain = 0.75
	// fullEvery is for how long after the line that a queue has room again the line that it is full is left out: a queue that is full
	// again and again would fill the log.
	fullEvery = time.Minute
)

// fullness is the time in which a queue is full: from the first Append that finds no room until the queue has room again.
type fullness struct {
	full   bool
	logged bool // that the queue is full, so that it will be logged when it no longer is
	since  time.Time
	was    Stats     // at that time
	ended  time.Time // when the line that there is room again was written last
}

// beginFull says that there is no room.
func (q *Queue) beginFull() {
	if f := &q.fullness; !f.full {
		f.full, f.logged, f.since, f.was = true, false, time.Now(), q.stats
	}
}

// mayLogFull reports whether a line may say that the queue is full, and remembers that it did.
func (q *Queue) mayLogFull() bool {
	f := &q.fullness
	f.logged = f.logged || f.ended.IsZero() || time.Since(f.ended) >= fullEvery
	return f.logged
}

// endFull logs that a queue that was full has room again, if it has.
func (q *Queue) endFull() {
	f := &q.fullness
	if !f.full || q.failing || len(q.waiters) > 0 || q.stats.Records > 0 && float64(q.size) > roomAgain*float64(q.stats.Limit) {
		return
	}
	if f.full = false; !f.logged {
		return
	}
	f.ended = time.Now()
	lasted, now, was := f.ended.Sub(f.since), q.stats, f.was
	dropped := now.DroppedNoRoom - was.DroppedNoRoom
	// Not "dropped": alarms on that word count the lines about the losses themselves.
	text := "the queue has room again; nothing was lost while it was full"
	if dropped > 0 {
		text = "the queue has room again; records were lost while it was full"
	}
	q.logLater(zerolog.InfoLevel, func(e *zerolog.Event) {
		e.Float64("full_s", lasted.Round(100*time.Millisecond).Seconds()).Int64("delivered", now.Committed-was.Committed).
			Int64("dropped", dropped).Int64("waits", now.Waits-was.Waits).Int64("records", now.Records).
			Int64("queue_bytes", now.Bytes).Int64("limit_bytes", now.Limit).Msg(text)
	})
}

// Overfill lets Append exceed the limit instead of waiting, until Rewind: for a queue that gets no more than what is on its way.
func (q *Queue) Overfill() {
	q.mu.Lock()
	defer q.unlock()
	q.overfull = true
	q.wakeWaiter()
}
