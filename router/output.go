package router

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/budget"
	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/router/repeat"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dead"
	"github.com/firelane/firelane/sink/deliver"
	"github.com/firelane/firelane/sink/gather"
)

// A deliverer is the loop that delivers from an output's queue: deliver.Output for a sink.Destination, gather.Output for a
// gather.Store.
type deliverer interface {
	Run(ctx context.Context)
	Hurry()
	Drain()
	Suspend() bool
	Refuse(ev *record.Event) bool
	Inspect(see func(deliver.Stats))
	Stats() deliver.Stats
}

// output is one output of the plan: a queue, and the loop that delivers from it.
type output struct {
	id      string   // what the log and the accounts call it
	name    string   // of its queue's folder and of its dead letter, made of identity
	is      identity // what it is, whatever its place in the configuration
	options *sink.OutputOptions
	dest    sink.Destination // nil for a store
	store   gather.Store     // nil for a destination
	lock    *buffer.Lock     // of the queue's folder, until the queue is opened; nil where there is none
	yields  bool             // the queue drops its oldest records when others would wait for it
	isNew   bool             // the folder was made by this start, or never used
	queue   *buffer.Queue
	fan     atomic.Pointer[fan] // where it is the first output of one; nil: it isn't
	loop    deliverer
	dead    dead.Letter
	file    *dead.File // of dead, nil for none
	deadTo  *output    // delivers its dead letters, nil for none
	log     zerolog.Logger
	tally   *tally       // guarded by the queue's lock
	lost    atomic.Int64 // records that a queue in memory held at the end
	taps    *taps        // of the process
	final   bool         // nothing will be delivered from the queue after Run

	config   any           // the options
	level    string        // of the log, if it has its own
	files    string        // what its certificates were when it was made
	reserved *budget.Share // memory of a queue in memory
	deadLost [2]int64      // what Lost of the file was of outputs before this one, on the same queue

	lines   *zerolog.Logger // log without the limit on lines that repeat
	service func() string   // what lines call the destination

	swap sync.RWMutex // guards loop while it is replaced
	end  context.CancelFunc
	done chan struct{} // closed when the loop's Run has returned

	heir    *output // replaces it in the next configuration; written while the gate is closed
	retiree *retiree
}

// DefaultDir is where queues and dead letters are kept unless the configuration says where.
const DefaultDir = "/var/lib/firelane"

// fluentBitFlush is Fluent Bit's default for Flush. With this value, whether it is written or not, the loop's own linger is
// used, which is shorter; any other value is obeyed.
const fluentBitFlush = time.Second

// newOutput makes the destination; openQueue comes later, after the sockets.
func (r *Router) newOutput(o config.Output) (*output, error) {
	log := r.partLog("output", o.ID, o.LogLevel)
	made, err := construct[any](o.Instance, r.plan.Dialect, r.sinkEnv(log))
	if err != nil {
		return nil, err
	}
	opts := o.Options.(sink.OutputOptioner).Output()
	out := &output{id: o.ID, is: r.identityOf(&o), options: opts, log: log, yields: opts.Queue().WhenFull == sink.Yield,
		tally: new(tally), taps: &r.taps, config: o.Options, files: filesOf(o.Options), level: o.LogLevel}
	out.lines, out.service = r.unlimited("output", o.ID), func() string { return service(&o, r.plan.Dialect) }
	switch part := made.(type) {
	case sink.Destination:
		out.dest = part
	case gather.Store:
		out.store = part
	default:
		return nil, fmt.Errorf("a %T is no output", made)
	}
	return out, nil
}

// service is what log lines call an output's destination: as it describes itself, but where that leaves open whether it is
// Elasticsearch or OpenSearch, by the name that the plugin has in the catalogue.
func service(o *config.Output, d config.Dialect) string {
	name, _, _ := strings.Cut(o.Plugin.Help, ",")
	one, ok := o.Options.(sink.Describer)
	if !ok {
		return name
	}
	if s := one.Describe(d, time.Now()).Service; !strings.Contains(s, name) {
		return s
	}
	return name
}

// sinkEnv is what the router gives to a destination.
func (r *Router) sinkEnv(log zerolog.Logger) sink.Env {
	return sink.Env{Log: log, Hostname: r.env.Hostname, Common: &r.common}
}

// eventsLog is the key of Router.events in logs.
const eventsLog = ""

// limited is log with a limit on lines that repeat.
func (r *Router) limited(key string, log zerolog.Logger) zerolog.Logger {
	l := &limitedLog{log, repeat.New(time.Now)}
	r.logs[key] = l
	return log.Hook(l.limiter)
}

// A limitedLog is a log and its limit.
type limitedLog struct {
	log     zerolog.Logger // without the limit
	limiter *repeat.Limiter
}

// queueDir is QueueDir of the output.
func (r *Router) queueDir(o *output) string { return QueueDir(r.plan, o.options) }

// QueueDir is the folder in which an output's queue has its own, "" for a queue in memory.
func QueueDir(plan *config.Plan, o *sink.OutputOptions) string {
	opts := o.Queue()
	switch {
	case opts.Memory:
		return ""
	case opts.Path != "":
		return strings.TrimSuffix(opts.Path, "*") // as Fluentd's path may end
	case plan.Service.StoragePath != "":
		return plan.Service.StoragePath
	}
	return DefaultDir
}

// lockQueue locks the folder of the output's queue. A folder that can't be made is openQueue's concern.
func (r *Router) lockQueue(o *output) error {
	dir := r.queueDir(o)
	if dir == "" {
		return nil
	}
	var err error
	if o.lock, err = buffer.LockFolder(dir, o.name); errors.Is(err, buffer.ErrLocked) {
		return fmt.Errorf("queue of %s: %w", o.id, err)
	}
	o.isNew = o.lock != nil && o.lock.About() == ""
	return nil
}

func (o *output) unlockQueue() {
	if o.lock != nil {
		if !o.isNew || o.lock.Remove() != nil { // nothing was written to it
			_ = o.lock.Close()
		}
		o.lock = nil
	}
}

// openQueue opens the output's queue and makes its loop.
func (r *Router) openQueue(o *output) error {
	q := r.queueOptions(o)
	if o.lock != nil {
		if err := o.lock.Describe(o.is.about()); err != nil {
			o.log.Warn().Err(err).Msg("the queue's description can't be written: if the output changes before its records are delivered, they may stay in the folder")
		}
		o.lock = nil
	}
	return r.openIn(o, q, q.Dir)
}

// queueOptions are the options of the output's queue.
func (r *Router) queueOptions(o *output) buffer.Options {
	opts, p := o.options.Queue(), r.process // of a queue that may outlive r
	q := buffer.Options{
		Dir: r.queueDir(o), Name: o.name, Limit: int64(opts.TotalLimit), Sync: r.plan.Service.Sync == "full", Lock: o.lock, Log: o.log,
		StalledAfter: r.env.stalledAfter, DiskFull: func() bool { return p.current.Load().makeRoomFor(o) },
	}
	if opts.WhenFull == sink.DropOldest {
		q.Full = buffer.DropOldest
	}
	return q
}

// openIn opens the queue that q describes, in memory if it can't be on disk, and makes the loop. The dead letter's folder is
// in queueDir.
func (r *Router) openIn(o *output, q buffer.Options, queueDir string) error {
	var err error
	q.Chunks = &r.memory.chunks
	if q.Dir != "" {
		o.queue, err = buffer.Open(q)
		if err != nil && !errors.Is(err, buffer.ErrLocked) {
			o.log.Warn().Err(err).
				Msg("no queue on disk: records wait in memory, bounded, and a kill loses them; want a writable folder in storage.path")
			q.Dir, queueDir = "", ""
		}
	}
	if q.Dir == "" {
		if q.Limit == 0 {
			o.reserved, q.Limit = r.memory.queueLimit(len(r.outputs))
		}
		o.queue, err = buffer.Open(q)
	}
	if err != nil {
		return fmt.Errorf("queue of %s: %w", o.id, err)
	}
	o.dead = r.deadLetter(o, queueDir)
	o.loop = r.newLoop(o, nil)
	return nil
}

// newLoop makes the loop that delivers from the output's queue, after another one, if before isn't nil.
func (r *Router) newLoop(o *output, before deliverer) deliverer {
	if o.store != nil {
		last, _ := before.(*gather.Output)
		return gather.New(gather.Config{
			Name: o.id, Queue: o.queue, Store: o.store, Retry: o.options.Retry(), Dead: o.dead, Memory: r.memory.gather, Log: o.log,
			Lines: o.lines, Service: o.service, Before: last,
		})
	}
	last, _ := before.(*deliver.Output)
	limits := o.options.Limits(o.dest.Limits())
	if f := r.plan.Service.Flush; f != fluentBitFlush && limits.Linger == 0 {
		limits.Linger = max(f, sink.Immediately)
	}
	return deliver.New(deliver.Config{
		Name: o.id, Queue: o.queue, Destination: o.dest, Limits: limits, Retry: o.options.Retry(), Dead: o.dead, Memory: r.memory.deliver,
		Log: o.log, Lines: o.lines, Service: o.service, Turn: r.turn, Final: o.final, Before: last,
	})
}

// loseMemory counts what a queue in memory still holds as dropped: it ends with the process.
func (o *output) loseMemory() {
	if !o.queue.Stats().Durable {
		o.lost.Store(o.stats().Buffered)
	}
}

// unhealthyAfter is how long an output may deliver nothing, with records waiting, before it counts as unhealthy.
const unhealthyAfter = time.Minute

// troubleOf says what is wrong with the output that has these statistics. An output that had nothing to deliver for an
// hour, and fails once, is not in trouble.
func troubleOf(id string, s *deliver.Stats, now time.Time) string {
	if s.Buffered == 0 || s.FailingSince.IsZero() || now.Sub(s.FailingSince) < unhealthyAfter {
		return ""
	}
	why := fmt.Sprintf("%s has delivered nothing for %v", id, now.Sub(s.FailingSince).Round(time.Second))
	if s.LastError != "" { // after a reload there was none yet
		why += ": " + s.LastError
	}
	return why
}

// deadLetter makes the dead letter, for the output's records that are refused for good: files beside the queue, unless the
// configuration says otherwise. With a queue in memory there is no such folder, and they go to the log.
func (r *Router) deadLetter(o *output, queueDir string) dead.Letter {
	dir := r.deadDir(o, queueDir)
	log := dead.NewLog(r.log.With().Str("output", o.id).Logger()) // which keeps every line
	var letter dead.Letter = log
	if o.options.DeadLetter != "log" && dir != "" {
		o.file = dead.NewFile(dir, o.name, o.deadLimit(queueDir), log, o.log)
		letter = o.file
	}
	if o.deadTo != nil && o.deadTo.queue != nil {
		letter = &deadQueue{o.deadTo, letter}
	}
	return &shownLetter{letter, r.process}
}

// deadLimit returns how many bytes the dead letter's files may have together: as many as the queue, unless the configuration
// says otherwise. 0: dead.DefaultLimit, if there is no queue on disk. A resend, whose queue is in memory while that of
// the router is on disk, must not remove what the router keeps.
func (o *output) deadLimit(queueDir string) int64 {
	s := o.queue.Stats()
	switch {
	case o.options.DeadLetterLimit > 0:
		return int64(o.options.DeadLetterLimit)
	case s.Durable:
		return s.Limit
	case queueDir != "":
		return buffer.MaxLimit
	}
	return 0
}

func (r *Router) deadDir(o *output, queueDir string) string {
	if o.options.DeadLetterPath != "" || queueDir == "" {
		return o.options.DeadLetterPath
	}
	return filepath.Join(queueDir, "dead")
}
