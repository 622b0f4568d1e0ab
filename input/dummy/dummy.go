package dummy

import (
	"cmp"
	"context"
	"errors"
	"math"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/record"
)

const (
	// pace is the shortest time between two flushes: what is due meanwhile is made together.
	pace = 10 * time.Millisecond
	// maxBatch is how many bytes of events are flushed together, about.
	maxBatch = 128 << 10
	// maxDebt is for how long a full queue may delay ticks; those that were due before are left out.
	maxDebt = time.Second
	// flushTime is how long events may wait for a full queue after a stop.
	flushTime = 5 * time.Second
)

// An Input makes events.
type Input struct {
	tag      []byte
	records  [][]byte
	together bool          // all records at each tick, and not the next one
	interval time.Duration // between two ticks
	copies   int           // of a tick
	ticks    int           // left; negative: without end
	atOnce   bool
	counter  string // field; "": none

	start, base time.Time // the time of events at base
	fixed       bool
	flushTime   time.Duration

	n     int    // events that were made in turn
	body  []byte // of an event with a counter
	added int    // bytes since the last flush

	due    func(ctx context.Context, since time.Time, done int) int // waits, and says how many ticks are due
	closed context.CancelFunc
	ctx    context.Context // ends at Close
}

// New makes the input.
func New(o *Options, d config.Dialect, env input.Env) (input.Input, error) {
	in := &Input{
		tag: []byte(cmp.Or(o.Tag, env.DefaultTag())), interval: o.interval(d), fixed: o.Fixed, atOnce: o.AtOnce, ticks: -1,
		flushTime: cmp.Or(env.FlushTime, flushTime),
	}
	in.due = in.wait
	in.ctx, in.closed = context.WithCancel(context.Background())
	var err error
	if d == config.Fluentd {
		in.copies, in.counter = o.Size, o.Counter
		if o.Rate == 0 {
			in.ticks = 0
		}
		in.records, err = objects(o.Sample, true)
		return in, err
	}
	in.together, in.copies = true, min(max(o.Copies, 0), maxCopies)
	if o.Samples > 0 {
		in.ticks = o.Samples
	}
	if in.records, err = objects(o.Dummy, false); err != nil {
		in.records, err = objects(`{"message":"dummy"}`, false)
	}
	if o.StartSec >= 0 || o.StartNsec >= 0 {
		in.start = time.Unix(min(max(o.StartSec, 0), math.MaxUint32), min(max(o.StartNsec, 0), 999_999_999))
	}
	return in, err
}

// Run makes events until ctx ends.
func (in *Input) Run(ctx context.Context, receiver func() input.Receiver) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(in.ctx, cancel)
	defer stop()
	flushing, abandon := context.WithCancel(in.ctx)
	defer abandon()
	late := context.AfterFunc(ctx, func() { time.AfterFunc(in.flushTime, abandon) }) // what was made may still be queued
	defer late()
	in.base = time.Now()
	if in.start.IsZero() {
		in.start = in.base
	}
	recv, since, done := receiver(), in.base, 0
	if in.atOnce {
		since = since.Add(-in.interval)
	}
	for in.ticks != 0 {
		n := in.due(ctx, since, done)
		if n == 0 {
			break
		}
		if left := n - max(int(maxDebt/in.interval), 1); left > 0 {
			done, n = done+left, n-left
		}
		for range n {
			if in.ticks == 0 || ctx.Err() != nil {
				break
			}
			if err := in.tick(flushing, recv); err != nil {
				return nil // the stop came first
			}
			done++
			in.ticks = max(in.ticks-1, -1)
		}
		if err := in.flush(flushing, recv); err != nil {
			return nil
		}
	}
	<-ctx.Done()
	return nil
}

// wait waits until ticks are due that are not done since, and returns how many; 0 if ctx ends.
func (in *Input) wait(ctx context.Context, since time.Time, done int) int {
	next := max(time.Until(since.Add(time.Duration(done+1)*in.interval)), min(in.interval, pace))
	if in.atOnce && done == 0 {
		next = 0
	}
	timer := time.NewTimer(next)
	defer timer.Stop()
	select {
	case <-timer.C:
		return max(int(time.Since(since)/in.interval)-done, 1)
	case <-ctx.Done():
		return 0
	}
}

// tick adds the events of a tick, and flushes when they are many.
func (in *Input) tick(ctx context.Context, recv input.Receiver) error {
	at := in.time()
	for range in.copies {
		if in.together {
			for _, r := range in.records {
				recv.Add(in.tag, at, r)
				in.added += len(r) + eventCost
			}
		} else {
			r := in.next()
			recv.Add(in.tag, at, r)
			in.added += len(r) + eventCost
		}
		if in.added >= maxBatch {
			if err := in.flush(ctx, recv); err != nil {
				return err
			}
		}
	}
	return nil
}

// eventCost is how many bytes an event takes in a batch besides its record.
const eventCost = 16

// next is the next record in turn.
func (in *Input) next() []byte {
	r := in.records[in.n%len(in.records)]
	if in.counter != "" {
		n, members, err := record.MapHeader(r)
		if err == nil { // it is a map
			in.body = append(record.AppendMapHeader(in.body[:0], n+1), members...)
			in.body = record.AppendInt(record.AppendStr(in.body, in.counter), int64(in.n))
			r = in.body
		}
	}
	in.n++
	return r
}

func (in *Input) flush(ctx context.Context, recv input.Receiver) error {
	in.added = 0
	if err := recv.Flush(ctx); !errors.Is(err, input.ErrHeld) {
		return err
	}
	return nil
}

// time is that of an event now.
func (in *Input) time() record.Time {
	at := in.start
	if !in.fixed {
		at = at.Add(time.Since(in.base))
	}
	return record.Time{Sec: uint32(at.Unix()), Nsec: uint32(at.Nanosecond())}
}

// WaitIdle returns at once: events that aren't made yet needn't be waited for.
func (in *Input) WaitIdle(ctx context.Context) error { return ctx.Err() }

// Close ends Run.
func (in *Input) Close() error {
	in.closed()
	return nil
}
