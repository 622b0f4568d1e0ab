package systemd

import (
	"cmp"
	"container/list"
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/systemd/journal"
)

const (
	maxFiles = 4096 // journal files; more are left out, with a warning
	maxOpen  = 16   // of these, open at one time

	flushSize = 256 << 10              // bytes of records after which they are queued
	flushTime = 5 * time.Second        // for queueing what was read, when the input ends
	heldRetry = 100 * time.Millisecond // until held events are flushed again

	checkTime = 250 * time.Millisecond // interval of looks at files that are written
	quietTime = 2 * time.Second        // at those that have not grown for quietAfter
	scanTime  = 5 * time.Second        // of searches for files, if no folder has changed

	quietAfter = time.Minute
)

// Input reads the files of a journal.
type Input struct {
	opts      Options
	log       zerolog.Logger
	id, tag   string
	memory    *input.Memory // nil: none
	charged   int           // bytes that are charged to it
	maker     *maker
	positions *positions // nil: positions are not kept
	flushing  time.Duration
	fromTail  bool // of the files that the first search finds
	roots     []string

	ctx    context.Context    // ends with Close
	cancel context.CancelFunc // ends Run

	sources map[journal.ID]*source
	byFile  map[fileID]*source
	decoder journal.Decoder
	opened  *list.List           // open files, by their last use
	logged  map[string]bool      // files that can't be read, which was logged
	folders map[string]time.Time // when they were changed
	again   bool                 // search for files at the next look
	full    bool                 // maxFiles is reached, and was logged
	missing bool                 // that there is no folder was logged
	wrote   bool                 // a failure of positions was logged

	recv  input.Receiver
	ident input.Identifier // recv, nil if it isn't one
	size  int              // bytes that were added since the last flush
	dirty bool             // something was added since Flush returned nil

	hurry atomic.Bool   // WaitIdle was called: only what there is now is read
	wake  chan struct{} // wakes the loop

	mu      sync.Mutex
	idle    chan struct{} // closed while everything that the files have is in the queue
	busy    bool
	started bool // Run was called
}

// New opens the file of positions, and returns at once; Run searches for journal files.
func New(opts *Options, d config.Dialect, env input.Env) (input.Input, error) {
	in := &Input{
		opts: *opts, log: env.Log, id: env.ID, tag: cmp.Or(opts.Tag, env.DefaultTag()), memory: env.Memory,
		flushing: cmp.Or(env.FlushTime, flushTime), fromTail: opts.FromTail || d == config.Fluentd && !opts.FromHead,
		sources: map[journal.ID]*source{}, byFile: map[fileID]*source{}, opened: list.New(), logged: map[string]bool{},
		wake: make(chan struct{}, 1), idle: make(chan struct{}), busy: true,
	}
	if d == config.Fluentd {
		in.opts.MaxEntries = maxEntries
	}
	in.roots = rootsOf(opts.Path)
	var err error
	if in.maker, err = newMaker(opts, d, in.tag); err != nil {
		return nil, fmt.Errorf("systemd: %w", err)
	}
	if err := in.openPositions(env); err != nil {
		return nil, fmt.Errorf("systemd: the file of positions: %w", err)
	}
	in.ctx, in.cancel = context.WithCancel(context.Background())
	return in, nil
}

// maxEntries is how many entries are read before they are queued, where no option says so.
const maxEntries = 5000

// openPositions opens the file of positions: that of the configuration, or one beside the queue.
func (in *Input) openPositions(env input.Env) error {
	path := in.opts.db()
	if path == "" {
		if env.StateDir == "" {
			return nil
		}
		path = filepath.Join(env.StateDir, "journal-"+fileName(env.ID)+".positions")
	}
	p, other, err := openPositions(path, env.ID)
	if err != nil && in.opts.db() == "" {
		in.log.Warn().Err(err).Msg("positions in the journal can't be kept: after a restart it is read as at the first start; want a writable folder, or db")
		return nil
	}
	if err != nil {
		return err
	}
	if other != "" {
		in.log.Warn().Str("db", path).Str("used", other).
			Msg("the file of positions belongs to another program or input: it is left alone, and another one is used")
	}
	in.positions = p
	return nil
}

// Run reads the journal until ctx ends or Close is called. What was read is queued then, within a few seconds; what is not is read
// again by the next run.
func (in *Input) Run(ctx context.Context, receiver func() input.Receiver) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(in.ctx, cancel)()
	defer in.closeAll()
	in.mu.Lock()
	in.started = true
	in.mu.Unlock()
	if in.ctx.Err() != nil {
		return nil
	}
	in.recv = receiver()
	in.ident, _ = in.recv.(input.Identifier)
	err := in.follow(ctx)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// closeAll closes all files. Nothing reads them any more.
func (in *Input) closeAll() {
	for _, s := range in.sources {
		in.close(s)
	}
	in.closePositions()
	in.charge(0)
}

func (in *Input) closePositions() {
	if in.positions != nil {
		_ = in.positions.close()
	}
}

// charge charges so many bytes to the memory of inputs, instead of those before.
func (in *Input) charge(n int) {
	if in.memory != nil {
		in.memory.Charge(n - in.charged)
	}
	in.charged = n
}

// chargeAll charges what the input has in memory.
func (in *Input) chargeAll() {
	n := in.maker.memory() + in.decoder.Memory()
	for e := in.opened.Front(); e != nil; e = e.Next() {
		n += e.Value.(*source).file.Memory()
	}
	in.charge(n)
}

// WaitIdle waits until all that the files hold now is in the queue. From its call on, nothing is read that is written later: a
// journal has no end.
func (in *Input) WaitIdle(ctx context.Context) error {
	in.mu.Lock()
	if !in.hurry.Load() && !in.busy {
		in.idle, in.busy = make(chan struct{}), true // until the files have been checked once more
	}
	in.hurry.Store(true)
	idle := in.idle
	in.mu.Unlock()
	select {
	case in.wake <- struct{}{}:
	default:
	}
	select {
	case <-idle:
		return nil
	case <-in.ctx.Done():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// setIdle notes whether everything is in the queue. last says that the files have been checked since WaitIdle was called.
func (in *Input) setIdle(idle, last bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	idle = idle && (last || !in.hurry.Load())
	switch {
	case idle && in.busy:
		close(in.idle)
	case !idle && !in.busy:
		in.idle = make(chan struct{})
	}
	in.busy = !idle
}

// Close ends Run.
func (in *Input) Close() error {
	in.cancel()
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.started { // otherwise Run closes it
		in.closePositions()
	}
	return nil
}
