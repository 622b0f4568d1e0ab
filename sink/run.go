package sink

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/firelane/firelane/buffer"
)

const (
	// maxHeld is the memory in bytes that an output's chunks and encoded bodies take together. Beyond it no chunk is
	// taken from the queue; one chunk is always allowed, however large.
	maxHeld = 12 << 20
	// minRequestBytes is the smallest size that a destination which refuses requests as too large is believed to mean.
	minRequestBytes = 64 << 10
	// maxSpare is how many parts are kept for their memory.
	maxSpare = 4
	// queueErrorWait is how long to wait after the queue failed to give a chunk.
	queueErrorWait = time.Second
)

// A loop is the state of one Run. Everything in it belongs to Run's goroutine.
type loop struct {
	o    *Output
	gate gate

	flying  []*part // attempts under way
	waiting []*part // to be tried again, in no order
	ready   []*load // not encoded to their ends, and no attempt under way
	loads   int     // that are not committed
	held    int     // bytes that they hold

	results  chan *part // attempts that have ended
	workers  sync.WaitGroup
	fetch    chan fetchRequest
	fetched  chan fetchResult
	fetching bool
	unfetch  context.CancelFunc // ends the wait for company
	drained  bool               // no more chunks will come
	notUntil time.Time          // no fetch before

	maxBytes   int // size of a request; less than the limit where the destination has refused it
	rawPerBody ratio
	hurried    bool

	spareParts []*part
	spareLoads []*load
}

type fetchRequest struct {
	ctx      context.Context
	maxBytes int
	linger   time.Duration
}

type fetchResult struct {
	chunk *buffer.Chunk
	err   error
}

func newLoop(o *Output) *loop {
	return &loop{
		o:        o,
		gate:     newGate(o.limits.Workers, o.retry),
		results:  make(chan *part, o.limits.Workers),
		fetch:    make(chan fetchRequest, 1),
		fetched:  make(chan fetchResult, 1),
		maxBytes: o.limits.MaxBytes,
	}
}

func (l *loop) run(ctx context.Context) {
	l.workers.Go(l.fetchChunks)
	timer := time.NewTimer(0)
	defer timer.Stop()
	hurried := l.o.hurried
	for ctx.Err() == nil {
		now := time.Now()
		l.start(ctx, now)
		if l.drained && l.loads == 0 {
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
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	l.stop()
}

// fetchChunks takes chunks from the queue, one for each request.
func (l *loop) fetchChunks() {
	for r := range l.fetch {
		c, err := l.o.queue.Next(r.ctx, r.maxBytes, r.linger)
		l.fetched <- fetchResult{c, err}
	}
}

// start begins whatever may begin now: first what is due to be tried again, then what is new.
func (l *loop) start(ctx context.Context, now time.Time) {
	for l.gate.room(len(l.flying), l.stalled(now), now) {
		p := l.due(now)
		if p == nil && len(l.ready) > 0 {
			p = l.newPart(l.ready[0])
			l.ready = append(l.ready[:0], l.ready[1:]...)
		}
		if p == nil {
			l.want(ctx, now)
			break
		}
		p.started = now
		l.flying = append(l.flying, p)
		maxBytes := l.maxBytes
		l.workers.Go(func() {
			l.o.attempt(ctx, p, maxBytes)
			l.results <- p
		})
	}
	l.show()
}

// want asks for another chunk, if there is memory for it.
func (l *loop) want(ctx context.Context, now time.Time) {
	if l.fetching || l.drained || now.Before(l.notUntil) {
		return
	}
	ask := l.rawPerBody.of(l.maxBytes)
	if l.loads > 0 && l.memory()+chunkCost(ask)+l.maxBytes > maxHeld {
		return
	}
	r := fetchRequest{maxBytes: ask, linger: l.o.limits.Linger}
	if l.hurried {
		r.linger = Immediately
	}
	r.ctx, l.unfetch = context.WithCancel(ctx)
	l.fetching = true
	l.fetch <- r
}

// memory is what everything that was taken from the queue holds.
func (l *loop) memory() int {
	n := l.held
	for _, p := range l.flying {
		n += p.held
	}
	for _, p := range l.waiting {
		n += p.held
	}
	return n
}

// take receives a chunk.
func (l *loop) take(f fetchResult) {
	l.fetching = false
	l.unfetch()
	switch {
	case f.err == nil:
		ld := &load{}
		if n := len(l.spareLoads); n > 0 {
			ld, l.spareLoads = l.spareLoads[n-1], l.spareLoads[:n-1]
		}
		ld.reset(f.chunk, l.o.limits.Linger)
		l.loads++
		l.held += ld.cost
		l.ready = append(l.ready, ld)
	case errors.Is(f.err, buffer.ErrClosed):
		l.drained = true
	case !errors.Is(f.err, context.Canceled):
		l.o.log.Error().Err(f.err).Msg("taking records from the queue failed")
		l.notUntil = time.Now().Add(queueErrorWait)
	}
}

// end deals with an attempt that has ended: the gate, the accounts, and what is left of the part.
func (l *loop) end(p *part) {
	now := time.Now()
	l.flying = without(l.flying, p)
	ld := p.load
	ld.left -= l.o.account(p, now)
	if p.encoding {
		p.encoding = false
		l.rawPerBody.learn(ld, p)
		if ld.more {
			l.ready = append(l.ready, ld)
		}
	}
	if !p.out.stopped {
		l.judge(p, now)
	}
	switch {
	case p.out.split:
		l.split(p, now)
	case p.req.Len() > 0:
		l.again(p, now)
	default:
		l.spare(p)
	}
	if ld.left == 0 {
		l.o.commit(ld)
		l.loads--
		l.held -= ld.cost
		ld.chunk = nil
		if len(l.spareLoads) < maxSpare {
			l.spareLoads = append(l.spareLoads, ld)
		}
	}
}

// judge moves the gate by what an attempt says about the destination.
func (l *loop) judge(p *part, now time.Time) {
	r := &p.out.reply
	switch {
	case !p.out.sent || r.Reencode || p.out.split:
		return
	case r.Throttled:
		l.fail(GateThrottled, r, now)
	case r.Unauthorised:
		l.fail(GateUnauthorised, r, now)
	case r.Verdict == Again && r.Err != nil:
		l.fail(GateFailing, r, now)
	default:
		if n := l.gate.pass(p.load.late); n > 0 {
			l.recovered(n, now)
		}
	}
}

func (l *loop) fail(state GateState, r *Reply, now time.Time) {
	l.gate.fail(state, r.RetryAfter, now)
	log := &l.o.failLog
	msg := "the destination doesn't take records: they wait"
	switch state {
	case GateThrottled:
		msg = "the destination asks for less: one request at a time"
	case GateUnauthorised:
		msg = "the destination refuses the credentials: records wait"
		log = &l.o.credsLog
	}
	if log.allow() {
		l.o.log.Warn().Err(r.Err).Int("status", r.Status).Int("failures", l.gate.failures).
			Dur("next_attempt", l.gate.until.Sub(now)).Int64("unsaid", log.unsaid()).Msg(msg)
	}
}

// recovered is called when an attempt passes after n that failed as a whole. What failed with them is due now. What
// has failed more often than that fails for a reason of its own, and goes on waiting.
func (l *loop) recovered(n int, now time.Time) {
	for _, p := range l.waiting {
		if p.whole && p.retries <= n {
			p.due = now
		}
	}
	l.o.log.Info().Int("failures", n).Msg("the destination takes records again")
}

// again puts what is left of a part into the list of those that wait.
func (l *loop) again(p *part, now time.Time) {
	r := &p.out.reply
	p.whole = r.Verdict == Again && r.Err != nil
	p.due = now
	switch {
	case p.out.stopped:
	case r.Reencode && p.reencodes < maxReencodes:
		p.reencodes++
		p.stale = true
	default:
		p.stale = r.Reencode
		p.reencodes = 0
		p.due = now.Add(l.gate.wait(p.retries, r.RetryAfter))
		p.retries++
	}
	if len(p.req.Body) < cap(p.req.Body)/4 {
		small := &part{}
		small.copyItems(p, 0, p.req.Len())
		l.spare(p)
		p = small
	}
	l.wait(p)
}

func (l *loop) wait(p *part) {
	p.held = p.cost()
	l.waiting = append(l.waiting, p)
}

// split halves a part that was too large, and remembers what size was: unless one item made it so, no larger request
// is tried again, and what waits is cut to size.
func (l *loop) split(p *part, now time.Time) {
	size := len(p.req.Body)
	if half := max(size/2, minRequestBytes); p.largest() <= size/2 && half < l.maxBytes {
		l.maxBytes = half
		l.o.log.Info().Int("refused", size).Int("from_now_on", half).Msg("the destination takes no request of this size: requests become smaller")
	}
	p.due = now
	l.halve(p)
	for i := 0; i < len(l.waiting); {
		if q := l.waiting[i]; len(q.req.Body) > 2*l.maxBytes && q.req.Len() > 1 {
			l.waiting = without(l.waiting, q)
			l.halve(q)
		} else {
			i++
		}
	}
}

// halve makes two parts of one, and lets them wait.
func (l *loop) halve(p *part) {
	m := p.middle()
	first, second := &part{}, &part{}
	first.copyItems(p, 0, m)
	second.copyItems(p, m, p.req.Len())
	l.spare(p)
	l.wait(first)
	l.wait(second)
}

// due takes the part out of the list that has been due for the longest time, nil if none is.
func (l *loop) due(now time.Time) *part {
	var first *part
	for _, p := range l.waiting {
		if !p.due.After(now) && (first == nil || p.due.Before(first.due)) {
			first = p
		}
	}
	if first != nil {
		l.waiting = without(l.waiting, first)
	}
	return first
}

// stalled counts the attempts that have taken so long that they don't count.
func (l *loop) stalled(now time.Time) int {
	n := 0
	for _, p := range l.flying {
		if now.Sub(p.started) >= stallAfter {
			n++
		}
	}
	return n
}

// idle is the longest that Run sleeps.
const idle = time.Hour

// sleep is how long until something may begin by the clock alone.
func (l *loop) sleep(now time.Time) time.Duration {
	d := idle
	at := func(t time.Time) {
		if w := t.Sub(now); w > 0 {
			d = min(d, w)
		}
	}
	for _, p := range l.waiting {
		at(p.due)
	}
	for _, p := range l.flying {
		at(p.started.Add(stallAfter))
	}
	at(l.gate.until)
	at(l.notUntil)
	return d
}

// hurry ends all waiting, now and from now on.
func (l *loop) hurry() {
	now := time.Now()
	l.hurried = true
	l.gate.hurry(now)
	for _, p := range l.waiting {
		p.due = now
	}
	if l.fetching {
		l.unfetch()
	}
}

// stop waits for the attempts under way, and puts back what has not ended.
func (l *loop) stop() {
	if l.fetching {
		l.unfetch()
	}
	close(l.fetch)
	l.workers.Wait()
	if l.fetching {
		l.take(<-l.fetched)
	}
	for len(l.flying) > 0 {
		l.end(<-l.results)
	}
	for _, ld := range l.unfinished() {
		l.o.queue.Release(ld.chunk)
	}
	l.ready, l.waiting = nil, nil
	l.show()
}

// unfinished is every load that has not been committed.
func (l *loop) unfinished() []*load {
	var loads []*load
	seen := map[*load]bool{}
	add := func(ld *load) {
		if !seen[ld] {
			seen[ld] = true
			loads = append(loads, ld)
		}
	}
	for _, ld := range l.ready {
		add(ld)
	}
	for _, p := range l.waiting {
		add(p.load)
	}
	return loads
}

// show copies the loop's state to the statistics.
func (l *loop) show() {
	waiting := 0
	for _, p := range l.waiting {
		waiting += p.req.Len()
	}
	o := l.o
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stats.Waiting, o.stats.InFlight = int64(waiting), len(l.flying)
	o.stats.Gate, o.stats.Concurrency = l.gate.state, l.gate.limit
	if l.gate.state != GateOpen {
		o.stats.Concurrency = 1
	}
}
