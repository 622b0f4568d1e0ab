package gather

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/deliver"
)

const (
	// hurriedAge is how long after its first record an object is finished once a stop has begun.
	hurriedAge = 500 * time.Millisecond
	// recoveredAge is how long after its first record was read an object is finished whose records an earlier process left.
	recoveredAge = 2 * time.Second
	// minLateAge is how long an object stays open whose records are older than their slice of time allows.
	minLateAge = 10 * time.Second
	// minLinger and maxLinger bound how long a chunk waits for more records: lingerShare of the time that objects take.
	minLinger   = 100 * time.Millisecond
	maxLinger   = time.Minute
	lingerShare = 600
	// maxOpen is how many objects are open at once, maxRuns how many runs they have, maxClosed how many objects wait to be
	// finished before no more chunks are taken, and maxHeld the part of the queue that open objects may hold: beyond these
	// the oldest object is finished early.
	maxOpen   = 256
	maxRuns   = 60_000
	maxClosed = 64
	maxHeld   = 0.5
	// abortTime is how long Run may take to remove unfinished objects from the store when ctx has ended.
	abortTime = time.Second
	// checkRoomEvery is how often it is checked whether a queue that is getting full needs room.
	checkRoomEvery = time.Second
	// queueErrorWait is how long to wait after the queue failed to return a chunk.
	queueErrorWait = time.Second
	// maxSleep is the longest that Run sleeps.
	maxSleep = time.Hour
)

// A loop is the state of one Run. Everything in it belongs to Run's goroutine.
type loop struct {
	o     *Output
	gate  gate
	notes *notes

	seq       uint64       // of the last chunk
	identity  [10]byte     // of that chunk
	scanned   uint64       // the position after it
	chunks    []*heldChunk // not committed, in order
	heldBytes int          // of their batches
	open      map[string]*object
	closed    []*object // to be finished, in the order of their first records as far as they have the same key
	runs      int       // of all objects
	lastRaw   int       // bytes of the chunk that was scanned last
	ratio     ratio
	reader    chunkReader
	key       []byte
	abandoned []begun // of an earlier process, to be removed from the store

	jobs    chan *job
	results chan *job
	job     *job // in progress

	fetch       chan fetchRequest
	fetched     chan fetchResult
	fetching    bool
	cancelFetch context.CancelFunc
	notUntil    time.Time // fetch no chunk before this time
	drained     bool
	hurried     bool

	workers sync.WaitGroup
}

type fetchRequest struct {
	ctx    context.Context
	linger time.Duration
}

type fetchResult struct {
	chunk *buffer.Chunk
	err   error
}

func newLoop(o *Output) *loop {
	return &loop{
		o: o, gate: gate{retry: o.retry}, open: make(map[string]*object),
		jobs: make(chan *job, 1), results: make(chan *job, 1), fetch: make(chan fetchRequest, 1), fetched: make(chan fetchResult, 1),
	}
}

func (l *loop) run(ctx context.Context) {
	l.notes, l.abandoned = readNotes(l.o)
	l.workers.Go(l.fetchChunks)
	l.workers.Go(func() { newSender(l.o, l.notes).work(ctx, l.jobs, l.results) })
	timer := time.NewTimer(0)
	defer timer.Stop()
	hurried := l.o.hurried
	for ctx.Err() == nil {
		now := time.Now()
		l.closeDue(now)
		l.relieve(now)
		l.startJob(now)
		l.requestChunk(ctx, now)
		if l.drained && len(l.chunks) == 0 && l.job == nil && (len(l.abandoned) == 0 || l.gate.failures > 0) {
			break
		}
		l.publish()
		timer.Reset(l.sleep(now))
		select {
		case j := <-l.results:
			l.endJob(j)
		case f := <-l.fetched:
			l.take(f)
		case <-hurried:
			hurried = nil
			l.hurry()
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	l.stop(ctx)
}

// fetchChunks takes chunks from the queue, one for each request.
func (l *loop) fetchChunks() {
	for r := range l.fetch {
		c, err := l.o.queue.Next(r.ctx, l.o.chunkBytes, r.linger)
		l.fetched <- fetchResult{c, err}
	}
}

// requestChunk requests another chunk from the queue, unless too many objects wait to be finished.
func (l *loop) requestChunk(ctx context.Context, now time.Time) {
	if l.fetching || l.drained || now.Before(l.notUntil) || len(l.closed) >= maxClosed {
		return
	}
	if l.job != nil && l.lastRaw > largeBody {
		return // two large chunks would be in memory
	}
	r := fetchRequest{linger: min(max(l.o.limits.MaxAge/lingerShare, minLinger), maxLinger)}
	if l.hurried {
		r.linger = sink.Immediately
	}
	r.ctx, l.cancelFetch = context.WithCancel(ctx)
	l.fetching = true
	l.fetch <- r
}

// take handles the queue's reply to requestChunk.
func (l *loop) take(f fetchResult) {
	l.fetching = false
	l.cancelFetch()
	now := time.Now()
	switch {
	case f.err == nil:
		l.scan(f.chunk, now)
	case errors.Is(f.err, buffer.ErrClosed):
		l.drained = true
	case errors.Is(f.err, context.Canceled), errors.Is(f.err, context.DeadlineExceeded):
	default:
		l.o.log.Error().Err(f.err).Msg("taking records from the queue failed")
		l.notUntil = now.Add(queueErrorWait)
	}
}

// closeDue closes the objects that are due, and all of them if no more records will come.
func (l *loop) closeDue(now time.Time) {
	for _, o := range l.open {
		if l.drained || !o.due.After(now) {
			l.closeObject(o)
		}
	}
}

func (l *loop) closeObject(o *object) {
	delete(l.open, o.key)
	o.closed = true
	l.closed = append(l.closed, o)
}

func (l *loop) closeAll(now time.Time) {
	for _, o := range l.open {
		o.due = now
	}
	l.closeDue(now)
}

// relieve closes the oldest object as long as open objects hold too much.
func (l *loop) relieve(now time.Time) {
	for len(l.open) > 0 {
		oldest := l.oldestOpen()
		crowded := len(l.open) > maxOpen || l.runs > maxRuns
		if !crowded && (!l.holdsTooMuch() || l.closedBefore(oldest)) {
			return
		}
		l.closeObject(oldest)
		if l.runs > maxRuns && len(l.closed) >= maxClosed {
			return // no more chunks are taken until some are finished
		}
	}
}

func (l *loop) oldestOpen() (oldest *object) {
	for _, o := range l.open {
		if oldest == nil || o.older(oldest) {
			oldest = o
		}
	}
	return oldest
}

// holdsTooMuch reports whether the queue has less room than it needs for what comes while objects are sent.
func (l *loop) holdsTooMuch() bool {
	s := l.o.queue.Stats()
	return s.Waiting > 0 || float64(l.heldBytes) > maxHeld*float64(s.Limit)
}

// closedBefore reports whether an object that is to be finished is older than o.
func (l *loop) closedBefore(o *object) bool {
	for _, c := range l.closed {
		if c.older(o) {
			return true
		}
	}
	return l.job != nil && l.job.finish && l.job.object != nil && l.job.object.older(o)
}

// hurry finishes all objects, and shortens the waits to come.
func (l *loop) hurry() {
	now := time.Now()
	l.hurried = true
	l.gate.hurry(now)
	l.closeAll(now)
	if l.fetching {
		l.cancelFetch()
	}
}

// sleep returns how long Run has nothing to do, unless an event arrives.
func (l *loop) sleep(now time.Time) time.Duration {
	d := maxSleep
	at := func(t time.Time) {
		if w := t.Sub(now); w > 0 {
			d = min(d, w)
		}
	}
	for _, o := range l.open {
		at(o.due)
	}
	if len(l.open) > 0 && float64(l.heldBytes) > maxHeld/2*float64(l.o.queue.Stats().Limit) {
		at(now.Add(checkRoomEvery))
	}
	at(l.gate.until)
	at(l.notUntil)
	return d
}

// stop waits for what is in progress, and returns chunks that are not committed to the queue.
func (l *loop) stop(ctx context.Context) {
	if l.fetching {
		l.cancelFetch()
	}
	close(l.fetch)
	close(l.jobs)
	if l.job != nil {
		l.endJob(<-l.results)
	}
	l.workers.Wait()
	if l.fetching {
		if f := <-l.fetched; f.err == nil {
			l.o.queue.Release(f.chunk)
		}
	}
	l.abort(ctx)
	for _, c := range l.chunks {
		l.o.queue.Release(c.from)
	}
	l.notes.close(l.o.queue.Stats().Records == 0)
	l.o.share.Close()
	l.publish()
}

// abort removes what is at the store of objects that are not finished.
func (l *loop) abort(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTime)
	defer cancel()
	for _, o := range l.open {
		l.closed = append(l.closed, o)
	}
	for _, o := range l.closed {
		if o.dest != nil && ctx.Err() == nil {
			l.o.abort(ctx, o.dest)
		}
	}
}

// publish copies the loop's state to the statistics.
func (l *loop) publish() {
	waiting := 0
	for _, o := range l.closed {
		if o.failures > 0 {
			for i := range o.runs {
				waiting += o.runs[i].n
			}
		}
	}
	o := l.o
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stats.Waiting, o.stats.InFlight, o.stats.Gate = int64(waiting), 0, l.gate.state
	if l.job != nil {
		o.stats.InFlight = 1
	}
}

// A gate says when the next job may begin. It closes when one fails.
type gate struct {
	retry interface{ Wait(n int) time.Duration }

	state    deliver.GateState
	failures int // in a row
	until    time.Time
	hurried  bool
}

const (
	// maxRetryAfter is the longest Retry-After that is honoured.
	maxRetryAfter = 5 * time.Minute
	// hurriedBackoff is the ceiling of every wait once a stop has begun.
	hurriedBackoff = 500 * time.Millisecond
)

func (g *gate) fail(state deliver.GateState, retryAfter time.Duration, now time.Time) {
	d := max(g.retry.Wait(g.failures), min(retryAfter, maxRetryAfter))
	if g.hurried {
		d = min(d, hurriedBackoff)
	}
	g.state, g.until = state, now.Add(d)
	g.failures++
}

// pass opens the gate, and returns how many jobs in a row had failed.
func (g *gate) pass() (failures int) {
	failures = g.failures
	g.failures, g.state, g.until = 0, deliver.GateOpen, time.Time{}
	return failures
}

func (g *gate) hurry(now time.Time) {
	g.hurried = true
	g.until = now
}
