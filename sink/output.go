package sink

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/firelane/firelane/buffer"
	"github.com/rs/zerolog"
)

// OutputConfig is what an Output is made of.
type OutputConfig struct {
	Name        string // for logs and the dead letter
	Queue       *buffer.Queue
	Destination Destination
	Limits      Limits // zero values mean the loop's own defaults
	Retry       Retry
	Dead        DeadLetter // nil: the log
	Log         zerolog.Logger
}

// An Output takes chunks from its queue and delivers their records to its destination, until each has ended: delivered,
// or in the dead letter.
//
// One goroutine, Run, owns all state and decides what is attempted when; each attempt is a goroutine of its own that
// encodes, sends and sorts the reply (attempt). What must be tried again waits in Run's list while other chunks go on.
// The memory of everything that was taken from the queue is bounded by maxHeld: when so much waits, no more is taken,
// and the queue fills.
type Output struct {
	name   string
	queue  *buffer.Queue
	dest   Destination
	tailer Tailer // dest, where it is one
	dead   DeadLetter
	limits Limits
	retry  Retry
	log    zerolog.Logger

	stackOnce atomic.Bool // a panic's stack has been written

	panicLog, deadLog, failLog, credsLog, someLog quiet

	hurryOnce sync.Once
	hurried   chan struct{}

	mu    sync.Mutex
	stats Stats
	ended int64 // records that have ended in chunks that are not committed
}

// NewOutput makes an Output. Run does the work.
func NewOutput(c OutputConfig) *Output {
	o := &Output{
		name: c.Name, queue: c.Queue, dest: c.Destination, dead: c.Dead, limits: c.Limits.withDefaults(), retry: c.Retry, log: c.Log,
		panicLog: quiet{every: repeatEvery}, deadLog: quiet{every: repeatEvery}, failLog: quiet{every: repeatEvery},
		credsLog: quiet{every: repeatCredentials}, someLog: quiet{every: repeatEvery},
		hurried: make(chan struct{}),
	}
	o.tailer, _ = c.Destination.(Tailer)
	if o.dead == nil {
		o.dead = NewDeadLog(c.Log)
	}
	o.stats.Concurrency = 1
	return o
}

// How often a line that repeats is logged.
const (
	repeatEvery       = 10 * time.Second
	repeatCredentials = time.Minute
)

// Run delivers until the queue is drained and everything has ended, or until ctx ends. Then it waits for the attempts
// under way, which ctx ends too, puts what has not ended back into the queue, and closes the destination. It is
// called once.
func (o *Output) Run(ctx context.Context) {
	newLoop(o).run(ctx)
	if err := o.dest.Close(); err != nil {
		o.log.Warn().Err(err).Msg("closing the destination failed")
	}
}

// Hurry ends all back-offs: what waits is tried at once, first records wait for no company, and waits are short from
// now on. Records are still taken. For the beginning of a stop.
func (o *Output) Hurry() { o.hurryOnce.Do(func() { close(o.hurried) }) }

// Drain hurries, and lets Run return when the queue is empty and everything has ended.
func (o *Output) Drain() {
	o.Hurry()
	o.queue.Drain()
}
