package gather

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dead"
	"github.com/firelane/firelane/sink/deliver"
)

// A job is what the sender does at once: it sends what it can of an object and, if it is to be finished or has its size, finishes
// it; or it removes what an earlier process left. While it is in progress it owns the object's fields for jobs.
type job struct {
	object *object
	runs   []run // the object's when the job began
	finish bool  // the object is closed
	of     int   // bytes of its records in the queue when the job began
	remove *begun

	// The outcome.
	reply    sink.Reply
	stopped  bool // ctx ended, which says nothing about the store
	finished bool // the object ends at end
	end      place
	endRun   int      // how many records of the run at end are the object's
	counts   []counts // of the finished object, by run
	name     string
	size     int64
	raw      int  // about how many bytes of the queue that was sent of
	moved    bool // something was saved
	givenUp  bool // the object was refused too often
	took     time.Duration
	bytes    int // written
}

// counts says what became of records.
type counts struct {
	delivered, dead, unreadable int
	givenUp                     int // of the dead ones
}

func (c counts) ended() int { return c.delivered + c.dead + c.unreadable }

// A sender does the jobs of an Output, one at a time.
type sender struct {
	o      *Output
	notes  *notes
	reader chunkReader
	body   []byte
	key    []byte
}

func newSender(o *Output, n *notes) *sender { return &sender{o: o, notes: n} }

func (s *sender) work(ctx context.Context, jobs <-chan *job, results chan<- *job) {
	for j := range jobs {
		entered := s.o.memory.enter(ctx)
		begin := time.Now()
		switch {
		case !entered:
			j.reply = sink.Reply{Verdict: sink.Again, Err: ctx.Err()}
		case j.remove != nil:
			j.reply = s.attempt("removing an unfinished object", func() sink.Reply {
				return s.o.store.Abandon(ctx, j.remove.Name, j.remove.Token)
			})
			s.o.memory.leave()
		default:
			s.o.share.Add(s.o.limits.Memory + bodyBytes + chunkBytes)
			s.send(ctx, j)
			s.o.share.Add(-s.o.limits.Memory - bodyBytes - chunkBytes)
			s.o.memory.leave()
		}
		j.took = time.Since(begin)
		j.stopped = ctx.Err() != nil && j.reply.Verdict == sink.Again
		results <- j
	}
}

// attempt makes a call of the store. A panic counts as a failure to be tried again.
func (s *sender) attempt(doing string, call func() sink.Reply) (r sink.Reply) {
	defer func() {
		if v := recover(); v != nil {
			s.o.panicked(doing, v)
			r = sink.Reply{Verdict: sink.Again, Err: fmt.Errorf("%s: panic: %v", doing, v)}
		}
	}()
	return call()
}

// panicked logs a panic of the store, the first one with its stack.
func (o *Output) panicked(doing string, v any) {
	o.mu.Lock()
	o.stats.Panics++
	o.mu.Unlock()
	e := o.log.Error().Str("panic", fmt.Sprint(v)).Str("while", doing)
	if o.stackLogged.CompareAndSwap(false, true) {
		e = e.Bytes("stack", debug.Stack())
	}
	e.Msg("the destination's code panicked; please report this bug")
}

func (o *Output) abort(ctx context.Context, dest Object) {
	defer func() {
		if v := recover(); v != nil {
			o.panicked("removing an unfinished object", v)
		}
	}()
	dest.Abort(ctx)
}

// send sends an object from where it is saved.
func (s *sender) send(ctx context.Context, j *job) {
	o := j.object
	if o.saved == (place{}) {
		o.bad = false
	}
	p := progress{at: o.saved, inRun: o.inRun, full: s.isFull(o)}
	s.body = s.body[:0]
	for p.at.run < len(j.runs) && !p.full && !p.stop {
		s.sendRun(ctx, j, &p)
	}
	if len(s.body) > 0 && !p.stop {
		s.write(ctx, j, &p)
	}
	if cap(s.body) > 2*bodyBytes {
		s.body = nil
	}
	if j.reply.Verdict == sink.Done && (p.full || j.finish) {
		s.finish(ctx, j, &p)
	}
	r := &j.reply
	j.givenUp = r.Verdict == sink.Again && s.givesUp(o, r)
	if r.Verdict == sink.Never || j.givenUp {
		s.o.abort(ctx, o.dest)
		r.Verdict = sink.Never
		s.settle(j, &p)
	}
	if o.dest == nil {
		return
	}
	if j.size, j.raw = o.dest.Size(), o.sent+p.raw; !j.finished && !o.dest.Saved() {
		o.dest.Rewind()
	}
	if errors.Is(j.reply.Err, ErrGone) {
		s.o.abort(ctx, o.dest)
		o.dest, o.saved, o.inRun, o.sent = nil, place{}, 0, 0
	}
}

func (s *sender) isFull(o *object) bool {
	return o.dest != nil && o.dest.Size() >= s.o.limits.ObjectBytes
}

// givesUp reports whether the user's limit of retries ends an object that the store refuses, and says so in the reply.
func (s *sender) givesUp(o *object, r *sink.Reply) bool {
	if r.Cause != sink.Answered || s.o.retry.Limit < 0 {
		return false
	}
	if o.refusals++; o.refusals <= s.o.retry.Limit {
		return false
	}
	r.Err = fmt.Errorf("given up after %d retries: %w", s.o.retry.Limit, r.Err)
	return true
}

// A progress is how far a job is.
type progress struct {
	at    place
	inRun int  // how many of the object's records come before at in its run
	raw   int  // about how many bytes in the queue were encoded since the object was saved
	full  bool // the object has its size
	stop  bool // a Write failed, or what is left isn't enough for a part of an open object
}

// worthwhile reports whether another part can be made of the records from p on.
func (s *sender) worthwhile(j *job, p *progress) bool {
	raw := 0
	for i := p.at.run; i < len(j.runs); i++ {
		raw += j.runs[i].raw
	}
	o := j.object
	if o.sent == 0 {
		return true
	}
	return int64(raw)*o.dest.Size()/int64(max(o.sent, 1)) > int64(s.o.limits.PartBytes)
}

// write writes the body, and notes what is saved; false if no more is to be written.
func (s *sender) write(ctx context.Context, j *job, p *progress) bool {
	o := j.object
	j.reply = s.attempt("writing an object", func() sink.Reply { return o.dest.Write(ctx, s.body) })
	if j.reply.Verdict != sink.Done {
		p.stop = true
		return false
	}
	j.bytes += len(s.body)
	s.body = s.body[:0]
	p.full = s.isFull(o)
	if o.dest.Saved() {
		o.saved, o.inRun, j.moved = p.at, p.inRun, true
		o.sent += p.raw
		p.raw = 0
		s.o.queue.Progress()
		p.stop = !j.finish && !p.full && !s.worthwhile(j, p)
	}
	return !p.full && !p.stop
}

// sendRun encodes and writes the records of the run at p.
func (s *sender) sendRun(ctx context.Context, j *job, p *progress) {
	now, n := p.at.run, j.runs[p.at.run].n
	more, large := true, false
	s.each(j, p.at, func(i int, rec *sink.Record) bool {
		if j.object.dest == nil {
			s.create(j.object, rec)
		}
		p.raw += len(rec.Body) + len(rec.Tail) + entryBytes
		if s.append(rec) != nil {
			j.object.bad = true
		}
		p.inRun++
		whole := p.inRun == n
		if p.at.record = i + 1; whole {
			p.at, p.inRun = place{run: p.at.run + 1}, 0
		}
		if len(s.body) >= largeBody {
			large = true // it is written when the chunk's memory is free
			return false
		}
		more = len(s.body) < s.o.bodyBytes || s.write(ctx, j, p)
		return more && !whole
	})
	if large {
		s.write(ctx, j, p)
		return
	}
	if more && p.at.run == now { // the chunk can't be read, or was dropped
		p.at, p.inRun = place{run: now + 1}, 0
	}
}

// create begins the object whose first record is r.
func (s *sender) create(o *object, r *sink.Record) {
	first := r.ID
	start := Start{Note: func(name, token string) error { return s.notes.begin(first, name, token) }}
	if s.o.limits.Indexed {
		start.Index = s.notes.index(first)
	}
	r.Whole()
	o.dest = s.o.store.Create(r, start)
}

// append appends an encoded record to s.body. An error leaves that unchanged.
func (s *sender) append(r *sink.Record) (err error) {
	defer func() {
		if v := recover(); v != nil {
			s.o.panicked("encoding", v)
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	room, err := deliver.Room(&r.Event)
	if err != nil {
		return err
	}
	if n := len(s.body); room > cap(s.body)-n { // at once: growing would take twice as much
		s.body = append(make([]byte, 0, n+room), s.body...)
	}
	r.Whole()
	grown, err := s.o.store.Append(s.body, r)
	if err == nil {
		s.body = grown
	}
	return err
}

// each calls f with the object's records of one run from a place on, until f returns false. A run whose chunk can't be read has
// none.
func (s *sender) each(j *job, at place, f func(i int, r *sink.Record) bool) {
	r := &j.runs[at.run]
	c := r.chunk.from
	if err := s.o.queue.Load(c); err != nil {
		j.object.bad = j.object.bad || !errors.Is(err, buffer.ErrDropped)
		return
	}
	defer s.o.queue.Free(c)
	from := max(at.record, r.from)
	single := r.single()
	s.reader.reset(c)
	defer s.reader.reset(nil)
	for s.reader.read < r.to && s.reader.next() {
		i, rec := s.reader.read-1, &s.reader.rec
		if i < from || !single && !s.isOf(j.object, rec) {
			continue
		}
		if !f(i, rec) {
			return
		}
	}
}

// isOf reports whether a record has the object's key.
func (s *sender) isOf(o *object, r *sink.Record) bool {
	s.key = s.o.keyOf(s.key[:0], r)
	return string(s.key) == o.key
}

// finish finishes an object at p.
func (s *sender) finish(ctx context.Context, j *job, p *progress) {
	o := j.object
	if o.dest != nil && (o.dest.Size() > 0 || !o.dest.Saved()) {
		j.name = o.dest.Name()
		j.reply = s.attempt("finishing an object", func() sink.Reply { return o.dest.Finish(ctx) })
		if j.reply.Verdict == sink.Again {
			if o.dest.Saved() {
				o.saved, o.inRun = p.at, p.inRun
			}
			return
		}
	}
	if j.reply.Verdict == sink.Done {
		s.settle(j, p)
	}
}

// settle ends the object at p and counts what became of its records. Those that could not be encoded go to the dead letter; all of
// them if the store refused the object.
func (s *sender) settle(j *job, p *progress) {
	j.finished, j.end, j.endRun = true, p.at, p.inRun
	total := 0
	for i := 0; i <= j.end.run && i < len(j.runs); i++ {
		n := j.runs[i].n
		if i == j.end.run {
			n = j.endRun
		}
		if n == 0 {
			break
		}
		total += n
		j.counts = append(j.counts, counts{delivered: n})
	}
	refused := 0
	if j.reply.Verdict == sink.Never {
		refused = total
	}
	for i, c := range j.counts {
		if refused > 0 || j.object.bad {
			j.counts[i] = s.buryRun(j, i, c.delivered, refused)
		}
	}
}

// buryRun writes records of a run to the dead letter, and counts its n records. If the store refused the object, refused is how many
// records it has; else it is 0.
func (s *sender) buryRun(j *job, i, n, refused int) (c counts) {
	s.each(j, place{run: i}, func(_ int, r *sink.Record) bool {
		d := &dead.Record{Target: j.name, Type: "encoding"}
		s.body = s.body[:0]
		err := s.append(r)
		switch {
		case err != nil:
			d.Reason = "encoding: " + err.Error()
		case refused > 0:
			d.Type, d.Status, d.Reason = "", j.reply.Status, j.reply.Err.Error()
		}
		if err != nil || refused > 0 {
			s.o.bury(d, r, refused)
			c.dead++
		} else {
			c.delivered++
		}
		return c.dead+c.delivered < n
	})
	c.unreadable = n - c.dead - c.delivered
	return c
}
