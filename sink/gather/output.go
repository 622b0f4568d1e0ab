package gather

import (
	"cmp"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/budget"
	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dead"
	"github.com/firelane/firelane/sink/deliver"
	"github.com/firelane/firelane/sink/report"
)

// Config configures an Output.
type Config struct {
	Name    string // for logs and the dead letter
	Queue   *buffer.Queue
	Store   Store
	Retry   sink.Retry
	Dead    dead.Letter
	Memory  *Memory // shared by all Outputs of a process; nil: the Output's own
	Log     zerolog.Logger
	Lines   *zerolog.Logger // Log without a limit on lines that repeat, for those that have their own; nil: Log
	Service func() string   // what lines call the destination; nil: that
	// Before is an Output of the same queue whose Run has returned after its ctx had ended; the new one goes on where it has ended,
	// with its counts. nil: there is none.
	Before *Output
}

// An Output gathers the records of its queue into objects of its store.
//
// One goroutine, Run, owns all state. It takes chunks from the queue and scans them once: for each record it notes in which
// object it goes, and then gives the chunk's memory back (scan.go). Another goroutine makes jobs: it reads an object's chunks
// again, encodes the object's records and writes them (send.go). An object that is open is sent in advance, part by part; it is
// finished when it has its size or its time is over. The notes beside the queue say which objects are finished, since a chunk is
// committed only when each object with records of it is (notes.go).
type Output struct {
	name   string
	queue  *buffer.Queue
	store  Store
	limits Limits
	retry  sink.Retry
	dead   dead.Letter
	memory *Memory
	share  *budget.Share
	log    zerolog.Logger
	report *report.Reporter

	chunkBytes, bodyBytes int // the constants, but in tests

	stackLogged atomic.Bool // of a panic

	hurryOnce sync.Once
	hurried   chan struct{}

	mu    sync.Mutex
	stats deliver.Stats // but for what the queue counts
}

// New makes an Output. Run does the work.
func New(c Config) *Output {
	o := &Output{
		name: c.Name, queue: c.Queue, store: c.Store, limits: c.Store.Limits(), retry: c.Retry, dead: c.Dead, memory: c.Memory, log: c.Log,
		hurried: make(chan struct{}), chunkBytes: chunkBytes, bodyBytes: bodyBytes,
	}
	if o.memory == nil {
		o.memory = NewMemory(budget.New(budget.Default))
	}
	o.share = o.memory.budget.Share(minShare)
	o.report = report.New(*cmp.Or(c.Lines, &c.Log), c.Service, o.backlog)
	o.stats.Concurrency = 1
	if c.Before != nil {
		o.report.GoOnAfter(c.Before.report)
		o.goOnAfter(c.Before)
	}
	return o
}

// goOnAfter takes over the counts of b, and has the queue return again what b has released.
func (o *Output) goOnAfter(b *Output) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &o.stats
	*s = b.stats
	s.Waiting, s.InFlight, s.Concurrency, s.Gate, s.LastError, s.LastErrorAt = 0, 0, 1, deliver.GateOpen, "", time.Time{}
	s.Again += o.queue.Stats().Ended // in chunks that are returned again
	o.queue.Rewind()
	o.queue.SetDown(time.Time{})
}

// Suspend returns false: what is being sent needn't be waited for, since the next Output begins the object again, under the
// same name.
func (o *Output) Suspend() bool { return false }

// Run gathers until the queue is drained and every record has an outcome, or until ctx ends. Then it ends the job in progress,
// removes what the store holds of unfinished objects, for at most abortTime, returns unfinished chunks to the queue, and closes
// the store. It is called once.
func (o *Output) Run(ctx context.Context) {
	newLoop(o).run(ctx)
	o.report.Close()
	if err := o.store.Close(); err != nil {
		o.log.Warn().Err(err).Msg("closing the destination failed")
	}
}

// Hurry is called when a stop begins. It finishes all objects, and ends all back-offs. The queue still accepts records; from
// then on objects are finished soon after their first record.
func (o *Output) Hurry() { o.hurryOnce.Do(func() { close(o.hurried) }) }

// Drain hurries, and has Run return when the queue is empty and every record has an outcome.
func (o *Output) Drain() {
	o.Hurry()
	o.queue.Drain()
}

// Refuse writes ev, which is not in the queue, to the dead letter if it is too large to be sent, and reports whether it is.
func (o *Output) Refuse(ev *record.Event) bool {
	_, err := deliver.Room(ev)
	if err == nil {
		return false
	}
	o.bury(&dead.Record{Type: deliver.TooLarge, Reason: err.Error()}, &sink.Record{Event: *ev}, 0)
	return true
}

// maxLoggedReason is how much of an error the statistics keep, in bytes.
const maxLoggedReason = 512

// bury puts a record into the dead letter. If its whole object was refused, whole is how many records that has; else it is 0.
func (o *Output) bury(d *dead.Record, r *sink.Record, whole int) {
	r.Whole()
	d.Time, d.Output, d.Record = time.Now(), o.name, r
	o.report.DeadLetter(d, o.dead.Put(d), whole)
}

// backlog is what the log says of what waits.
func (o *Output) backlog() report.Backlog {
	s := o.Stats()
	return report.Backlog{Records: s.Buffered, Bytes: s.Queue.Bytes, Limit: s.Queue.Limit, Oldest: s.Queue.Oldest, Delivered: s.Delivered}
}

// Inspect calls see with a consistent snapshot, and blocks the queue and the accounts until see returns.
func (o *Output) Inspect(see func(deliver.Stats)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.stats
	o.queue.Inspect(func(q buffer.Stats) {
		s.Queue = q
		s.Buffered = q.Records - q.Ended
		see(s)
	})
}

// Stats returns the snapshot that Inspect shows.
func (o *Output) Stats() (s deliver.Stats) {
	o.Inspect(func(now deliver.Stats) { s = now })
	return s
}
