package deliver

import (
	"context"
	"sync"
	"time"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/sink/dead"
)

// Which record kills the process?
//
// The queue keeps on disk what is being attempted (buffer.Attempt). What an earlier process died in, and what else is in the
// same chunk, is delivered carefully: by one attempt at a time, of this output and of all others. What it died in once goes in
// groups of carefulBytes; a group in which it died, too, goes record by record; and a record in which it died alone, twice
// in a row, goes to the dead letter. A large record is alone in its request from the beginning, so that two deaths are
// enough for it; of small ones thousands share a request, and it takes four.
//
// A kill by somebody else costs no more than some smaller requests. It would have to hit the same record, alone, twice to
// condemn it, and only in the first innocentAfter of an attempt: what kills by its size does so at once, while a
// destination that hangs may take a minute. A process that dies at its start for another reason dies in its first attempt,
// the same one each time: so the attempt that may condemn a record waits until the process has lived for a while.

const (
	// carefulBytes is the size in the queue, in bytes, of a group of records that is attempted carefully.
	carefulBytes = 64 << 10
	// innocentAfter is how long an attempt may take before its records are held to be harmless.
	innocentAfter = 5 * time.Second
	// settleTime is how long the process must have run before an attempt that may condemn a record.
	settleTime = 5 * time.Second
	// fatalDeaths is how often in a row the process must die in the attempt of a record alone to condemn it.
	fatalDeaths = 2
)

// Turn is what all outputs of a process share: only one of them makes a careful attempt at a time, so that none of its records
// is taken for another one's. nil: there are no others.
type Turn chan struct{}

// NewTurn makes a Turn.
func NewTurn() Turn { return make(Turn, 1) }

// suspicion returns the attempt in which the record at pos was when the process died, the smallest one; nil if there is none.
func (c *inflightChunk) suspicion(pos uint64) (found *buffer.Attempt) {
	for i := range c.suspects {
		if a := &c.suspects[i]; pos >= a.First && pos-a.First < uint64(a.Records) && (found == nil || a.Records < found.Records) {
			found = a
		}
	}
	return found
}

// group returns how many of the next records of a suspected chunk are attempted together, as an attempt, and whether that is
// one record that is condemned.
func (c *inflightChunk) group() (a buffer.Attempt, condemned bool) {
	next := *c // a copy reads ahead
	a = buffer.Attempt{Queue: c.from.Queue, First: c.from.First + uint64(c.encoded()), Deaths: 1}
	for size := 0; next.next(); a.Records++ {
		s := next.suspicion(next.rec.ID.Pos)
		alone := s != nil && (s.Records == 1 || s.Deaths > 1)
		size += len(next.rec.Body) + len(next.rec.Tail)
		if a.Records > 0 && (alone || size > carefulBytes) {
			break
		}
		switch {
		case alone && s.Records > 1:
			a.Records = 1
			return a, false
		case alone:
			a.Records, a.Deaths = 1, s.Deaths+1
			return a, s.Deaths >= fatalDeaths
		case s != nil:
			a.Deaths = s.Deaths + 1
		}
	}
	if a.Records <= 1 { // an attempt of one counts its own deaths only
		a.Deaths = 1
	}
	return a, false
}

// announce notes on disk what p is about to attempt, and decides how many records an attempt that encodes takes. Of the chunk
// it reads only what belongs to the attempt that encodes, if p isn't that.
func (o *Output) announce(ctx context.Context, p *part) {
	c := p.chunk
	a := buffer.Attempt{Queue: c.from.Queue, Deaths: 1}
	careful := p.encoding && len(c.suspects) > 0
	switch {
	case !p.encoding:
		a.First, a.Records = c.from.First+uint64(p.pos[0]), int(p.pos[len(p.pos)-1]-p.pos[0])+1
	case careful:
		a, p.condemned = c.group()
	}
	if p.encoding && a.Records == 0 { // not careful, or the batch can't be read: all that is left
		a.First, a.Records = c.from.First+uint64(c.encoded()), c.from.Records-c.encoded()
	}
	if p.encoding {
		p.until = c.encoded() + a.Records
	}
	if careful {
		if a.Records == 1 && a.Deaths > 1 && !p.condemned {
			o.settle(ctx)
		}
		o.takeTurn(ctx, p)
	} else if a.Records == 1 {
		a.Deaths = 0 // where records are rare each is alone: that is no evidence yet
	}
	p.noted = a
	o.queue.Attempting(p.place, a)
}

// settle waits until the process has run for a while.
func (o *Output) settle(ctx context.Context) {
	t := time.NewTimer(time.Until(o.settled))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// takeTurn waits until no other output makes a careful attempt.
func (o *Output) takeTurn(ctx context.Context, p *part) {
	if o.turn != nil {
		select {
		case o.turn <- struct{}{}:
		case <-ctx.Done():
			return
		}
	}
	place := p.place
	p.endTurn = sync.OnceFunc(func() {
		o.queue.Attempting(place, buffer.Attempt{})
		if o.turn != nil {
			<-o.turn
		}
	})
	p.innocent = time.AfterFunc(innocentAfter, p.endTurn)
}

// conclude notes on disk that p's attempt has ended.
func (o *Output) conclude(p *part) {
	if p.endTurn == nil {
		o.queue.Attempting(p.place, buffer.Attempt{})
		return
	}
	p.innocent.Stop()
	p.endTurn()
	p.endTurn, p.innocent = nil, nil
}

// announceAlone notes that a large record is the only one in p's attempt.
func (o *Output) announceAlone(p *part, pos uint32) {
	a := buffer.Attempt{Queue: p.chunk.from.Queue, First: p.chunk.from.First + uint64(pos), Records: 1, Deaths: 1}
	if a.First != p.noted.First || p.noted.Records != 1 || p.noted.Deaths == 0 {
		p.noted = a
		o.queue.Attempting(p.place, a)
	}
}

// condemn gives up the next record of p's chunk.
func (o *Output) condemn(p *part) {
	c := p.chunk
	if c.next() {
		o.deadLetter(p, &dead.Record{Type: "fatal", Reason: "the router was killed or crashed each time that it delivered this record alone, twice in a row"}, &c.rec)
	}
	c.more = c.more && c.read < c.from.Records
}
