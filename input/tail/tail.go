package tail

import (
	"container/list"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/parse"
	"github.com/firelane/firelane/parse/multiline"
)

const (
	maxFiles = 10_000    // files that are followed; more are left out, with a warning
	maxOpen  = 256       // files that are open at one time, or a quarter of the process's descriptors, if that is less
	readSize = 128 << 10 // bytes that are read of a file at once
	maxLine  = 8 << 20   // bytes of a line, whatever buffer_max_size says

	flushSize  = 256 << 10              // bytes of records after which they are queued
	flushTime  = 5 * time.Second        // for queueing what was read, when the input ends
	heldRetry  = 100 * time.Millisecond // until held events are flushed again
	checkTime  = 2 * time.Second        // interval of looks at every file, where folders are watched
	statTime   = 250 * time.Millisecond // where they are not
	rescanTime = 100 * time.Millisecond // least interval of searches for new files in watched folders
)

// Input follows files.
type Input struct {
	opts     Options
	log      zerolog.Logger
	memory   *input.Memory // nil: none
	liner    liner
	tagger   tagger
	store    *store // nil: offsets are not kept
	flushing time.Duration

	ctx    context.Context    // ends with Close
	cancel context.CancelFunc // ends Run

	files   map[fileID]*file
	byPath  map[string]*file    // the current file at each path
	ready   []*file             // those that may have more to read
	opened  *list.List          // open files, by their last use
	places  map[fileID]place    // of the store, until they are found again
	known   map[string][]fileID // the files that had a place at the start, by path, until the first search
	saving  []*file             // whose places are in the next commit
	aged    map[string]agedFile // files that ignore_older leaves out, by path
	early   map[fileID]early    // the files that existed when the input was made
	taken   []place             // of a pos_file of Fluentd
	lists   map[string]listing  // of folders with files that were renamed
	listed  int                 // names in them
	took    time.Duration       // how long the last search took
	buf     []byte
	recv    input.Receiver
	burster input.Burster // recv, if it is one
	maxOpen int
	dirty   bool // something was added since Flush returned nil
	blocked bool // a Flush waits, and another goroutine than the loop looks at files meanwhile
	full    bool // maxFiles is reached, and was logged
	wrote   bool // a failure of the store was logged
	watch   watcher

	reads atomic.Int64
	hurry atomic.Bool   // WaitIdle was called: nothing waits for more lines
	wake  chan struct{} // wakes the loop

	mu      sync.Mutex
	idle    chan struct{} // closed while everything that the files have is in the queue
	busy    bool
	asked   bool // WaitIdle was called: all files have to be checked once more
	started bool // Run was called
	ended   bool // it has returned
}

// New opens the file of offsets, and notes which files exist, and how long they are: what comes after that is new, although Run
// searches for files later. It reads none of them.
func New(opts *Options, d config.Dialect, env input.Env) (input.Input, error) {
	in := &Input{
		opts: *opts, log: env.Log, memory: env.Memory, flushing: env.FlushTime,
		files: map[fileID]*file{}, byPath: map[string]*file{}, opened: list.New(), places: map[fileID]place{}, aged: map[string]agedFile{},
		wake: make(chan struct{}, 1), idle: make(chan struct{}), busy: true, maxOpen: openLimit(),
	}
	if in.flushing == 0 {
		in.flushing = flushTime
	}
	in.opts.Path, in.opts.Exclude = cleaned(opts.Path), cleaned(opts.Exclude)
	in.tagger, _ = newTagger(opts, d, env.DefaultTag()) // Warnings reports the error
	if err := in.setLiner(d, env); err != nil {
		return nil, fmt.Errorf("tail: %w", err)
	}
	if err := in.openStore(env); err != nil {
		return nil, fmt.Errorf("tail: the file of offsets: %w", err)
	}
	in.noteEarly()
	in.ctx, in.cancel = context.WithCancel(context.Background())
	return in, nil
}

// openLimit is how many files may be open.
func openLimit() int {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil || l.Cur/4 > maxOpen {
		return maxOpen
	}
	return max(int(l.Cur/4), 1)
}

func (in *Input) setLiner(d config.Dialect, env input.Env) (err error) {
	o := &in.opts
	l := &in.liner
	*l = liner{dialect: d, key: o.Key, pathKey: o.PathKey, offsetKey: o.OffsetKey, unmatched: o.Unmatched}
	for _, key := range []string{o.PathKey, o.OffsetKey} {
		if key != "" {
			l.extra++
		}
	}
	if in.memory != nil {
		l.more = func(n int) { in.memory.AddUnqueued(n) }
	}
	penv := parse.Env{Parsers: env.Parsers, Log: env.Log}
	switch {
	case d == config.Fluentd:
		if l.parser, err = o.Parse.Parser(false); err != nil {
			return err
		}
		l.key = "unmatched_line"
		o.SkipLong = true
		first, err := o.Parse.First()
		if err != nil {
			return err
		}
		if first != nil {
			l.join([]*multiline.Parser{multiline.FirstText(first, o.FluentdFlush)})
		}
	case len(o.Multiline) > 0:
		parsers, err := multiline.FindAll("multiline.parser", o.Multiline, multiline.Env{Env: penv, Multiline: env.Multiline})
		if err != nil {
			return err
		}
		l.join(parsers)
	case o.Joined:
		first, err := parse.Find(o.FirstLine, penv)
		if err != nil {
			return err
		}
		l.join([]*multiline.Parser{multiline.FirstLine(first, o.JoinFlush)})
	case o.Parser != "":
		l.parser, err = parse.Find(o.Parser, penv)
	}
	return err
}

// openStore opens the file of offsets: that of the configuration, or one beside the queue.
func (in *Input) openStore(env input.Env) error {
	path := in.opts.DB
	if path == "" {
		if env.StateDir == "" {
			return nil
		}
		path = filepath.Join(env.StateDir, "tail-"+fileName(env.ID)+".offsets")
	}
	s, taken, other, err := openOffsets(path, env.ID)
	if err != nil && in.opts.DB == "" {
		in.log.Warn().Err(err).Msg("offsets can't be kept: after a restart files are read as new ones; want a writable folder, or db")
		return nil
	}
	if err != nil {
		return err
	}
	if other != "" {
		in.log.Warn().Str("db", path).Str("used", other).Int("taken_over", len(taken)).
			Msg("the file of offsets belongs to another program or input: it is left alone, and another one is used")
	}
	in.store, in.taken = s, taken
	in.places, in.known = maps.Clone(s.places), map[string][]fileID{}
	for _, p := range taken {
		in.known[p.path] = append(in.known[p.path], p.id)
	}
	for id, p := range in.places {
		in.known[p.path] = append(in.known[p.path], id)
	}
	return nil
}

// Reads implements input.ReadCounter.
func (in *Input) Reads() int64 { return in.reads.Load() }

// Run follows files until ctx ends or Close is called. What was read is queued then, within a few seconds; what is not is read
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
	if in.liner.parser == nil && in.liner.set == nil { // a parser may take long for a line, and no record need come of it: a reload would wait
		in.burster, _ = in.recv.(input.Burster)
	}
	in.liner.setReceiver(in.recv)
	if in.opts.Inotify {
		in.watch = newWatcher(in.log)
	}
	defer in.watch.close()
	err := in.follow(ctx)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// closeAll closes all files. Nothing reads them any more.
func (in *Input) closeAll() {
	in.mu.Lock()
	in.ended = true
	in.mu.Unlock()
	for _, f := range in.files {
		f.close()
	}
	in.closeStore()
	in.setBuffer(0)
	in.liner.count(-in.liner.held)
}

func (in *Input) closeStore() {
	if in.store != nil {
		_ = in.store.close()
	}
}

// WaitIdle waits until all that the files hold is in the queue, also what no notification has announced yet. From its call on, lines don't
// wait for others.
func (in *Input) WaitIdle(ctx context.Context) error {
	in.hurry.Store(true)
	in.mu.Lock()
	if !in.ended {
		in.asked = true
		in.become(false)
	}
	idle := in.idle
	in.mu.Unlock()
	in.wakeUp()
	select {
	case <-idle:
		return nil
	case <-in.ctx.Done():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (in *Input) wakeUp() {
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

// setIdle notes whether everything that was found is in the queue. If WaitIdle was called, there may be more: look says that all files
// have to be checked first.
func (in *Input) setIdle(idle bool) (look bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	look, in.asked = in.asked, false
	in.become(idle && !look)
	return look
}

// notIdle notes that something was read.
func (in *Input) notIdle() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.become(false)
}

func (in *Input) become(idle bool) {
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
		in.closeStore()
	}
	return nil
}
