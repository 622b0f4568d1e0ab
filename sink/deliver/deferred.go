package deliver

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/sink"
)

// Some records are refused for now, item by item, for as long as somebody doesn't repair something: late ones for an index
// that is read-only, those of an index that these credentials may not write, those that an ingest pipeline fails on. A
// chunk is held until its last record ends, so a few of them would hold all memory. They are deferred: appended to a queue
// of their own, in the folder of the output's queue, with their ids, and thereby end in their chunk. A second loop delivers
// from there, one request at a time.
//
// A record is first appended to the deferred queue, and then committed where it was: a kill in between sends it twice,
// under the same id, and never loses it.
const (
	deferredName = "deferred"
	// deferAfter is how often a record is refused before it is deferred; earlier if memory is short.
	deferAfter = 3
	// deferredShare: deferred records may take 1/deferredShare of the queue's limit, in addition to it.
	deferredShare = 4
	// maxDeferred is how long a record may be deferred, while the destination takes others. Then it goes to the dead letter.
	// Time in which the router doesn't run doesn't count.
	maxDeferred = 24 * time.Hour
	// deferredChunk is how many bytes of deferred records are sent in one request, and deferredBatch how many are written at
	// once; a larger record is alone.
	deferredChunk = 256 << 10
	deferredBatch = 64 << 10
	// deferredPace is the ceiling of the wait between two requests if there are more deferred records than one request
	// takes, so that each is tried every few minutes.
	deferredPace = time.Second
	// lastRound is how long a stop waits at most while each deferred record is tried once more.
	lastRound = 3 * time.Second
)

// deferred is an output's deferred queue. It is opened with the first record for it, or at the start if it holds some.
type deferred struct {
	opening sync.Mutex
	queue   *buffer.Queue // nil: not open; set under Output.mu
	limit   int64         // bytes
	loop    sync.WaitGroup
	ctx     context.Context
	closing chan struct{} // closed to have the loop try each record once more, and end
	kept    bool          // after Run: the queue is open, for the next Output

	ended int64 // records that have ended, in chunks that are not committed; under Output.mu

	// How many records were appended from the output's queue, and again from this one. Under this queue's lock.
	added, returned int64
}

// openDeferred opens the deferred queue. If it can't be opened, the queue stays nil.
func (o *Output) openDeferred() {
	limit := o.queue.Stats().Limit / deferredShare
	q, err := o.queue.Sub(deferredName, 2*limit) // its files may be larger than what they hold
	if err != nil {
		o.log.Error().Err(err).Msg("the queue of deferred records can't be opened: records that are refused for now stay in memory; make the queue's folder writable")
		return
	}
	o.mu.Lock()
	o.deferred.queue, o.deferred.limit = q, limit
	o.mu.Unlock()
}

// startDeferred begins to deliver from the deferred queue, until ctx ends.
func (o *Output) startDeferred(ctx context.Context) {
	d := &o.deferred
	d.ctx = ctx
	if d.queue == nil {
		return
	}
	l := newLoop(o, d.queue, o.memory.budget.Share(minShare))
	l.deferred, l.gate.max, l.closing = true, 1, d.closing
	d.loop.Go(func() { l.run(ctx) })
}

// deferredQueue returns the deferred queue, and opens it the first time; nil if it can't be opened.
func (o *Output) deferredQueue() *buffer.Queue {
	d := &o.deferred
	d.opening.Lock()
	defer d.opening.Unlock()
	if d.queue == nil {
		o.openDeferred()
		o.startDeferred(d.ctx)
	}
	return d.queue
}

// endDeferred ends the loop of the deferred queue: at once if ctx has ended, else after each record was tried once more.
// cancel ends the context of that loop.
func (o *Output) endDeferred(cancel context.CancelFunc) {
	d := &o.deferred
	if d.kept = o.isSuspended(); !d.kept {
		close(d.closing)
	}
	over := time.AfterFunc(lastRound, cancel)
	d.loop.Wait()
	over.Stop()
	cancel()
	if d.queue == nil || d.kept {
		return
	}
	if err := d.queue.Close(); err != nil {
		o.log.Warn().Err(err).Msg("closing the queue of deferred records failed")
	}
	o.queue.RemoveSub(deferredName)
}

// deferItems appends the items that are left in p to the deferred queue, and thereby ends them. Those that can't be
// appended stay in p.
func (o *Output) deferItems(p *part) {
	q := o.deferredQueue()
	if q == nil || !o.roomToDefer(p, q) {
		return
	}
	var b deferredWriter
	since, done, failed := o.uptime(), 0, error(nil)
	flush := func() {
		if n := b.records(); n > 0 && failed == nil {
			if failed = o.appendDeferred(p, q, &b); failed == nil {
				done += n
			}
		}
		b.reset()
	}
	p.chunk.each(p.pos, func(i int, r *sink.Record) {
		m := p.chunk.mark(p.pos[i], since)
		m.id, m.refused = r.ID, p.refusals(i)
		if b.add(m, r); b.len() >= deferredBatch {
			flush()
		}
	})
	flush()
	for i := done; i < p.req.Len(); i++ {
		p.move(i-done, i)
	}
	p.truncate(p.req.Len() - done)
	p.out.deferred = done
	if failed != nil {
		o.log.Error().Err(failed).Msg("records that are refused for now can't be deferred: they stay in memory, and are tried again from there; free disk space")
	}
	if e := &p.out.again; done > 0 && p.chunk.marks == nil {
		o.log.Warn().Int("records", done).Str("target", p.out.target).Int("status", e.Status).Str("type", e.Type).Str("reason", e.Reason).
			Int64("deferred_bytes", q.Stats().Bytes).Int64("limit_bytes", o.deferred.limit).
			Msg("records are refused again and again: they are deferred, and sent again later")
	}
}

// roomToDefer reports whether the items of p may be appended to the deferred queue. Records that come from it may always
// return. Those of the output's queue may exceed the limit by a quarter, but only while records pass: as many then go to the
// dead letter (overLimit). If none pass this is an outage, and they wait where they are.
func (o *Output) roomToDefer(p *part, q *buffer.Queue) bool {
	limit := o.deferred.limit
	if p.flows {
		limit += limit / 4
	}
	return p.chunk.marks != nil || q.Stats().Bytes+int64(len(p.req.Body)) <= limit
}

// appendDeferred appends one batch without waiting: if there is no room now, p waits.
func (o *Output) appendDeferred(p *part, q *buffer.Queue, b *deferredWriter) error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return q.Append(ctx, b.bytes(), b.records(), func() {
		if p.chunk.marks == nil {
			o.deferred.added += int64(b.records())
		} else {
			o.deferred.returned += int64(b.records())
		}
	})
}

func (o *Output) targetOfFirst(p *part) (target string) {
	if t, ok := o.dest.(sink.Targeter); ok {
		return o.targetOf(p, t, p.req.Item(0))
	}
	if len(p.req.KeyOf) > 0 {
		return string(p.req.Keys[p.req.KeyOf[0]])
	}
	return ""
}

// uptime returns the seconds since the Output was made. It is used instead of the time of day, which may jump.
func (o *Output) uptime() uint32 { return uint32(time.Since(o.made) / time.Second) }

// overLimit returns why item i, which was refused for now, is given up; "" if it isn't. counted says whether its refusals
// count against the Retry_Limit.
func (o *Output) overLimit(p *part, i int, item *sink.ItemReply, counted bool) string {
	refusal := isRefusal(item.Status)
	if counted && refusal && (!item.Busy || p.flows) && p.countRefusal(i) > o.retry.Limit {
		return fmt.Sprintf("given up after %d refusals (retry_limit)", o.retry.Limit+1)
	}
	if p.chunk.marks == nil || !refusedByItem(&p.out.reply) || !p.flows && !o.final {
		return ""
	}
	if o.final && p.last {
		return "refused again"
	}
	if m := p.chunk.mark(p.pos[i], o.uptime()); time.Duration(m.waited)*time.Second > maxDeferred {
		return fmt.Sprintf("given up after it was refused for %v", maxDeferred)
	}
	if refusal && p.over {
		return fmt.Sprintf("given up: more than %d bytes of deferred records wait", o.deferred.limit)
	}
	return ""
}

// refusedByItem reports whether r refuses single items for now: the destination was reached and judged them.
func refusedByItem(r *sink.Reply) bool {
	return r.Verdict == sink.Done && r.Cause != sink.Unreached && r.Split == sink.No && !r.SendsAtOnce()
}
