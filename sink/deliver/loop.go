package deliver

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/firelane/firelane/budget"
	"github.com/firelane/firelane/buffer"
)

// minRequestBytes is the smallest limit to which requests shrink if the destination refuses them as too large, or if there
// is little memory.
const minRequestBytes = 64 << 10

// A loop is the state of one Run. Everything in it belongs to Run's goroutine.
type loop struct {
	o        *Output
	queue    *buffer.Queue
	deferred bool // queue is the deferred one
	gate     gate

	inflight  []*part          // attempts in progress
	waiting   []*part          // to be tried again, in no particular order
	ready     []*inflightChunk // with records that are not encoded, and no attempt that encodes them
	chunks    int              // chunks that are not committed
	taken     int              // chunks that were ever taken
	held      int              // bytes of memory that these chunks take
	share     *budget.Share    // what the output holds of the budget
	reserved  int              // bytes of memory for the chunk that is being fetched
	nextLarge int              // bytes of the batch that is next in the queue, if it is large; 0: it isn't, or is unknown
	token     bool             // the chunk that is being fetched has the token of large chunks
	careful   int              // chunks with suspects; while there are any, attempts are made one at a time

	attempts    chan attemptRequest
	results     chan *part // attempts that have ended
	workers     sync.WaitGroup
	workerCount int       // an idle worker stays for workerIdle: its stack has grown, and is reused
	allBusy     time.Time // when all workers were needed last, or one ended
	fetch       chan fetchRequest
	fetched     chan fetchResult
	fetching    bool
	cancelFetch context.CancelFunc // ends the wait for more records
	drained     bool               // no more chunks will come
	notUntil    time.Time          // fetch no chunk before this time

	passed     time.Time // when the last attempt passed
	maxBytes   int       // encoded size at which a request is sent; below the limit if the destination refused that as too large
	sizer      sizer
	rawPerBody ratio
	hurried    bool
	suspended  bool             // only what has begun goes on
	parked     []*inflightChunk // of which nothing has ended when the loop was suspended

	closing   <-chan struct{} // closed to begin the last round; nil in the loop of the output's queue
	lastRound bool            // each record is tried once more
	untried   int64           // how many of them have not been tried yet
}

func newLoop(o *Output, q *buffer.Queue, share *budget.Share) *loop {
	return &loop{
		o:        o,
		queue:    q,
		share:    share,
		gate:     newGate(o.limits.Workers, o.retry),
		attempts: make(chan attemptRequest, o.limits.Workers+maxStalled),
		results:  make(chan *part, o.limits.Workers+maxStalled),
		fetch:    make(chan fetchRequest, 1),
		fetched:  make(chan fetchResult, 1),
		maxBytes: o.limits.MaxBytes,
		sizer:    sizer{ceiling: o.limits.MaxBytes},
	}
}

func (l *loop) run(ctx context.Context) {
	l.workers.Go(l.fetchChunks)
	timer := time.NewTimer(0)
	defer timer.Stop()
	hurried, suspended := l.o.hurried, l.o.suspended
	for ctx.Err() == nil {
		now := time.Now()
		l.start(ctx, now)
		if l.suspended && len(l.inflight) == 0 && !l.hasBegun() {
			break
		}
		if l.drained && l.chunks == 0 || l.lastRound && l.untried <= 0 {
			break
		}
		timer.Reset(l.sleep(now))
		select {
		case p := <-l.results:
			l.end(p)
		case f := <-l.fetched:
			l.take(f)
		case <-hurried:
			hurried = nil
			l.hurry()
		case <-suspended:
			suspended = nil
			l.suspend()
		case <-l.closing:
			l.beginLastRound()
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	l.stop()
}

// start begins as many attempts as may begin now: first with the parts that are due to be tried again, then with new ones.
// While the gate is closed, new parts come first: they are the better probes, since a part that has failed may have failed
// because of its records.
func (l *loop) start(ctx context.Context, now time.Time) {
	for (l.careful == 0 || len(l.inflight) == 0) && l.gate.room(len(l.inflight), l.stalled(now), now) {
		p := l.choose(now)
		if p == nil && !l.o.limits.Ordered && l.deferEarly(now) {
			continue
		}
		if p == nil {
			l.requestChunk(ctx, now)
			break
		}
		l.prepare(p, now)
		p.place = l.freePlace()
		l.inflight = append(l.inflight, p)
		if l.workerCount < len(l.inflight) {
			l.workerCount++
			l.workers.Go(func() { l.makeAttempts(ctx) })
		}
		l.attempts <- attemptRequest{p, p.limit}
	}
	l.endIdleWorker(now)
	if l.gate.state != GateOpen && len(l.ready) == 0 {
		l.requestChunk(ctx, now)
	}
	if l.gate.state != GateOpen && now.Before(l.gate.until) {
		for _, c := range l.ready {
			l.freeLarge(c)
		}
	}
	l.charge()
	l.publish()
}

// choose returns the part to attempt now; nil if there is none.
func (l *loop) choose(now time.Time) (p *part) {
	if l.o.limits.Ordered {
		return l.inOrder(now)
	}
	fresh := len(l.ready) > 0 && l.mayEncode()
	if l.gate.state == GateOpen || !fresh {
		p = l.due(now)
	}
	if p == nil && fresh {
		p = l.fresh()
	}
	return p
}

// fresh returns a part for the next records that have not been encoded; nil if there is no memory for them.
func (l *loop) fresh() *part {
	c := l.ready[0]
	if c.freed && !l.load(c) {
		return nil
	}
	l.ready = append(l.ready[:0], l.ready[1:]...)
	return l.newPart(c)
}

// prepare notes in p what is known when its attempt begins.
func (l *loop) prepare(p *part, now time.Time) {
	l.o.mu.Lock()
	f := l.o.flow
	l.o.mu.Unlock()
	p.started = now
	p.flows = f.flows()
	p.toDefer = l.deferred || p.rounds >= deferAfter-1 && f.passes(now) && !l.o.limits.Ordered
	p.over = l.deferred && l.queue.Stats().Bytes > l.o.deferred.limit
	p.last = l.lastRound
	p.others = !p.failed.IsZero() && (l.passed.After(p.failed) || f.last.After(p.failed))
	p.poison = p.whole && p.others && p.retries > halveAfter && p.req.Len() == 1
}

// An attemptRequest is one attempt to be made.
type attemptRequest struct {
	part     *part
	maxBytes int
}

// freePlace returns the first place in the queue's file of attempts that no attempt in progress has.
func (l *loop) freePlace() (place int) {
	for slices.ContainsFunc(l.inflight, func(p *part) bool { return p.place == place }) {
		place++
	}
	return place
}

// workerIdle is how long more workers than are needed stay.
const workerIdle = 30 * time.Second

// endIdleWorker ends a worker, but for the last, if not all have been needed for workerIdle.
func (l *loop) endIdleWorker(now time.Time) {
	switch {
	case l.workerCount <= max(1, len(l.inflight)):
		l.allBusy = now
	case now.Sub(l.allBusy) >= workerIdle:
		l.attempts <- attemptRequest{}
		l.workerCount--
		l.allBusy = now
	}
}

// makeAttempts makes one attempt for each request, until one has no part.
func (l *loop) makeAttempts(ctx context.Context) {
	for r := range l.attempts {
		if r.part == nil {
			return
		}
		l.o.attempt(ctx, r.part, r.maxBytes)
		l.results <- r.part
	}
}

// due removes the part that has been due for the longest time from the waiting ones, and returns it; nil if none is due.
func (l *loop) due(now time.Time) *part {
	var first *part
	for _, p := range l.waiting {
		if !p.due.After(now) && (first == nil || p.due.Before(first.due)) {
			first = p
		}
	}
	return l.resume(first, now)
}

// resume removes a part from the waiting ones, and returns it; nil if it is nil, or there is no memory for its chunk.
func (l *loop) resume(p *part, now time.Time) *part {
	if p == nil {
		return nil
	}
	if p.chunk.freed && !l.load(p.chunk) {
		p.due = now.Add(largeRetry)
		return nil
	}
	l.waiting = without(l.waiting, p)
	return p
}

// stalled returns how many attempts have taken so long that they no longer count as in progress.
func (l *loop) stalled(now time.Time) int {
	n := 0
	for _, p := range l.inflight {
		if now.Sub(p.started) >= stallAfter {
			n++
		}
	}
	return n
}

// maxSleep is the longest that Run sleeps.
const maxSleep = time.Hour

// sleep returns how long Run has nothing to do, unless an event arrives.
func (l *loop) sleep(now time.Time) time.Duration {
	d := maxSleep
	at := func(t time.Time) {
		if w := t.Sub(now); w > 0 {
			d = min(d, w)
		}
	}
	for _, p := range l.waiting {
		at(p.due)
	}
	for _, p := range l.inflight {
		at(p.started.Add(stallAfter))
	}
	at(l.gate.until)
	at(l.notUntil)
	if l.workerCount > 1 {
		at(l.allBusy.Add(workerIdle))
	}
	return d
}

// hurry ends all waits, and shortens those to come.
func (l *loop) hurry() {
	now := time.Now()
	l.hurried = true
	l.gate.hurry(now)
	for _, p := range l.waiting {
		p.due = now
	}
	if l.fetching {
		l.cancelFetch()
	}
}

// stop waits for the attempts in progress, and returns unfinished chunks to the queue.
func (l *loop) stop() {
	if l.fetching {
		l.cancelFetch()
	}
	close(l.fetch)
	close(l.attempts)
	l.workers.Wait()
	if l.fetching {
		l.take(<-l.fetched)
	}
	for len(l.inflight) > 0 {
		l.end(<-l.results)
	}
	for _, c := range l.unfinished() {
		l.o.release(l.queue, c)
		l.returnToken(c)
	}
	l.ready, l.waiting, l.parked, l.held = nil, nil, nil, 0
	l.charge()
	l.share.Close()
	l.publish()
}

// unfinished returns the chunks that are not committed.
func (l *loop) unfinished() []*inflightChunk {
	all := append(slices.Clone(l.ready), l.parked...)
	for _, p := range l.waiting {
		if !slices.Contains(all, p.chunk) {
			all = append(all, p.chunk)
		}
	}
	return all
}

// publish copies the loop's state to the statistics.
func (l *loop) publish() {
	if l.deferred {
		return
	}
	waiting := 0
	for _, p := range l.waiting {
		waiting += p.req.Len()
	}
	o := l.o
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stats.Waiting, o.stats.InFlight = int64(waiting), len(l.inflight)
	o.stats.Gate, o.stats.Concurrency = l.gate.state, l.gate.limit
	if l.gate.state != GateOpen {
		o.stats.Concurrency = 1
	}
}
