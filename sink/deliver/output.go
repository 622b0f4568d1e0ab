// Package deliver is the delivery loop that every destination shares: it takes chunks from an output's queue, has their
// records encoded and sent, and sees each of them end, delivered or in the dead letter.
package deliver

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dead"
)

// Config is what an Output is made of.
type Config struct {
	Name        string // for logs and the dead letter
	Queue       *buffer.Queue
	Destination sink.Destination
	Limits      sink.Limits // zero values mean the loop's own defaults
	Retry       sink.Retry
	Dead        dead.Letter
	Log         zerolog.Logger
}

// An Output takes chunks from its queue and delivers their records to its destination, until each has ended: delivered,
// or in the dead letter.
//
// One goroutine, Run, owns all state and decides what is attempted when. Attempts are made by workers, which encode, send
// and sort the reply (attempt). What must be tried again waits in Run's list while other chunks go on. The memory of
// everything that was taken from the queue is bounded by maxHeld: when so much waits, no more is taken, and the queue
// fills.
type Output struct {
	name   string
	queue  *buffer.Queue
	dest   sink.Destination
	keyer  sink.Keyer // dest, where it is one
	tails  bool       // dest reads tails
	dead   dead.Letter
	limits sink.Limits
	retry  sink.Retry
	log    zerolog.Logger

	stackLogged atomic.Bool // the stack of a panic was logged

	hurryOnce sync.Once
	hurried   chan struct{}

	mu    sync.Mutex
	stats Stats
	ended int64 // records that have ended in chunks that are not committed
}

// New makes an Output. Run does the work.
func New(c Config) *Output {
	o := &Output{
		name: c.Name, queue: c.Queue, dest: c.Destination, dead: c.Dead, limits: c.Limits.WithDefaults(), retry: c.Retry, log: c.Log,
		hurried: make(chan struct{}),
	}
	o.keyer, _ = c.Destination.(sink.Keyer)
	if t, ok := c.Destination.(sink.TailReader); ok {
		o.tails = t.ReadsTails()
	}
	o.stats.Concurrency = 1
	return o
}

// Run delivers until the queue is drained and everything has ended, or until ctx ends. Then it waits for the attempts in
// progress, which ctx ends too, returns what has not ended to the queue, and closes the destination. It is called once.
func (o *Output) Run(ctx context.Context) {
	newLoop(o).run(ctx)
	if err := o.dest.Close(); err != nil {
		o.log.Warn().Err(err).Msg("closing the destination failed")
	}
}

// Hurry ends all back-offs: what waits is tried at once, first records wait for no company, and waits are short from
// now on. Records are still taken. It is for the beginning of a stop.
func (o *Output) Hurry() { o.hurryOnce.Do(func() { close(o.hurried) }) }

// Drain hurries, and lets Run return when the queue is empty and everything has ended.
func (o *Output) Drain() {
	o.Hurry()
	o.queue.Drain()
}
