// Package deliver is the delivery loop that all destinations share: it takes chunks from an output's queue, and has the
// destination encode and send their records until each has ended: it is delivered, or in the dead letter.
package deliver

import (
	"cmp"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/budget"
	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dead"
	"github.com/firelane/firelane/sink/report"
)

// Config configures an Output.
type Config struct {
	Name        string // for logs and the dead letter
	Queue       *buffer.Queue
	Destination sink.Destination
	Limits      sink.Limits // zero values mean the loop's defaults
	Retry       sink.Retry
	Dead        dead.Letter
	Memory      *Memory // shared by all Outputs of a process; nil: the Output's own
	Log         zerolog.Logger
	Lines       *zerolog.Logger // Log without a limit on lines that repeat, for those that have their own; nil: Log
	Service     func() string   // what lines call the destination; nil: that
	Turn        Turn
	// Final means that the queue is not delivered from again: deferred records that are refused after Drain are given up.
	Final bool
	// Before is an Output of the same queue whose Run has returned after Suspend; the new one goes on where it has ended, with its
	// counts. nil: there is none.
	Before *Output
}

// An Output delivers the records of its queue to its destination.
//
// One goroutine, Run, owns all state and decides what is attempted, and when. Workers make the attempts: they encode, send
// and sort the reply (attempt). Parts that must be tried again wait in Run's list while other chunks go on. Memory bounds
// everything taken from the queue: when too much is waiting, no more is taken, and the queue fills. Items that are refused
// again and again are deferred (deferred.go): a second loop of the same kind delivers them.
type Output struct {
	name   string
	queue  *buffer.Queue
	dest   sink.Destination
	keyer  sink.Keyer // dest, or nil if it groups nothing by key
	tails  bool       // dest encodes tails separately
	dead   dead.Letter
	limits sink.Limits
	retry  sink.Retry
	final  bool // see Config
	memory *Memory
	share  *budget.Share // of memory's budget; made by New, so that no other output takes its floor
	log    zerolog.Logger
	report *report.Reporter
	turn   Turn

	settled time.Time // settleTime after the start: from then on a death may cost a record

	stackLogged atomic.Bool // of a panic

	hurryOnce sync.Once
	hurried   chan struct{}

	suspendOnce sync.Once
	suspended   chan struct{}

	made     time.Time
	deferred deferred

	mu    sync.Mutex
	stats Stats
	flow  flow
	ended int64 // records that have ended, but for deferred ones, in uncommitted chunks
}

// New makes an Output, and opens its deferred queue if an earlier process left records there. Run does the work.
func New(c Config) *Output {
	o := &Output{
		name: c.Name, queue: c.Queue, dest: c.Destination, dead: c.Dead, limits: c.Limits.WithDefaults(), retry: c.Retry, final: c.Final, log: c.Log, turn: c.Turn,
		memory: c.Memory, hurried: make(chan struct{}), suspended: make(chan struct{}), settled: time.Now().Add(settleTime), made: time.Now(),
		deferred: deferred{closing: make(chan struct{})},
	}
	if o.memory == nil {
		o.memory = NewMemory(budget.New(ownBudget))
	}
	o.share = o.memory.budget.Share(minShare)
	o.report = report.New(*cmp.Or(c.Lines, &c.Log), c.Service, o.backlog)
	o.keyer, _ = c.Destination.(sink.Keyer)
	if t, ok := c.Destination.(sink.TailReader); ok {
		o.tails = t.ReadsTails()
	}
	o.stats.Concurrency = 1
	if c.Before != nil {
		o.report.GoOnAfter(c.Before.report)
		o.goOnAfter(c.Before)
	}
	if o.deferred.queue == nil && o.queue.HasSub(deferredName) {
		o.openDeferred()
	}
	return o
}

// Run delivers until the queue is drained and every record has ended or is deferred, or until ctx ends. Then it waits for the
// attempts in progress (which have the same ctx), returns unfinished chunks to the queue, and closes the destination. It is
// called once.
func (o *Output) Run(ctx context.Context) {
	if died := o.queue.Interrupted([10]byte{}, 0, 0); len(died) > 0 {
		o.log.Info().Int("attempts", len(died)).Msg("the router was killed or crashed while it delivered records: they are delivered again in small requests")
	}
	deferredCtx, cancel := context.WithCancel(ctx)
	o.startDeferred(deferredCtx)
	newLoop(o, o.queue, o.share).run(ctx)
	o.endDeferred(cancel)
	o.report.Close()
	if err := o.dest.Close(); err != nil {
		o.log.Warn().Err(err).Msg("closing the destination failed")
	}
}

// Hurry is called when a stop begins. It ends all back-offs, so that waiting records are tried at once; from then on
// back-offs are short, and requests don't wait for more records. The queue still accepts records.
func (o *Output) Hurry() { o.hurryOnce.Do(func() { close(o.hurried) }) }

// Drain hurries, and has Run return when the queue is empty and every record has ended.
func (o *Output) Drain() {
	o.Hurry()
	o.queue.Drain()
}
