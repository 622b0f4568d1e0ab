package deliver

import (
	"context"
	"sync"
	"time"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/sink/dead"
)

// How the record that kills the process is found.
//
// The queue notes on disk which records are being attempted (buffer.Attempt). After a death, the chunks with those records are
// delivered carefully: one attempt at a time, of all outputs together. The records of an attempt that one process died in go
// in groups of carefulBytes; if a process dies in a group, too, its records go one by one; and a record that was attempted
// alone at two deaths in a row goes to the dead letter. A large record is alone in its request from the beginning, so that two
// deaths are enough to find it; small ones share a request with thousands, and it takes four.
//
// A kill from outside costs no more than some smaller requests. For a record to be given up, such kills would have to hit the
// attempt of that record alone twice in a row, each within innocentAfter of its start: a record that kills by its size does so
// at once, while a destination that hangs may take a minute. A process that dies at every start for another reason dies in
// its first attempt, the same one each time; so an attempt in which a death would cost a record waits until the process
// has run for settleTime.

const (
	// carefulBytes is the size in the queue, in bytes, of a group of records that is attempted carefully.
	carefulBytes = 64 << 10
	// innocentAfter is how long an attempt lasts before a death is no longer blamed on its records.
	innocentAfter = 5 * time.Second
	// settleTime is how long the process must have run before an attempt that would cost a record if the process died in it.
	settleTime = 5 * time.Second
	// fatalDeaths is how often in a row the process must die in the attempt of a record alone before the record is given up.
	fatalDeaths = 2
)

// A Turn lets only one of a process's outputs make a careful attempt at a time, so that a death is blamed on the records of
// the right one. nil: there are no other outputs.
type Turn chan struct{}

// NewTurn makes a Turn.
func NewTurn() Turn { return make(Turn, 1) }

// suspicion returns the smallest attempt with the record at pos that an earlier process died in; nil if there is none.
func (c *inflightChunk) suspicion(pos uint64) (found *buffer.Attempt) {
	for i := range c.suspects {
		if a := &c.suspects[i]; pos >= a.First && pos-a.First < uint64(a.Records) && (found == nil || a.Records < found.Records) {
			found = a
		}
	}
	return found
}

// group returns which of the next records of a chunk with suspects are attempted together, and whether they are a single
// record that is fatal, and is given up instead.
func (c *inflightChunk) group() (a buffer.Attempt, fatal bool) {
	next := *c // a copy reads ahead
	a = buffer.Attempt{Queue: c.from.Queue, First: c.from.First + uint64(c.encoded()), Deaths: 1}
	for size := 0; next.next(); a.Records++ {
		s := next.suspicion(c.from.First + uint64(next.read-1))
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

// announce notes on disk what p is about to attempt, and decides how many records an attempt that encodes takes. Only for that
// attempt does it read the chunk's reading position, which belongs to it.
func (o *Output) announce(ctx context.Context, p *part) {
	c := p.chunk
	a := buffer.Attempt{Queue: c.from.Queue, Deaths: 1}
	careful := p.encoding && len(c.suspects) > 0
	switch {
	case !p.encoding:
		a.First, a.Records = c.from.First+uint64(p.pos[0]), int(p.pos[len(p.pos)-1]-p.pos[0])+1
	case careful:
		a, p.fatal = c.group()
	}
	if p.encoding && a.Records == 0 { // not careful, or the batch can't be read: all that is left
		a.First, a.Records = c.from.First+uint64(c.encoded()), c.from.Records-c.encoded()
	}
	if p.encoding {
		p.until = c.encoded() + a.Records
	}
	if careful {
		if a.Records == 1 && a.Deaths > 1 && !p.fatal {
			o.settle(ctx)
		}
		o.takeTurn(ctx, p)
	} else if a.Records == 1 {
		a.Deaths = 0 // where records are rare each is alone in its request: a death proves nothing yet
	}
	p.noted = a
	o.queueOf(p.chunk).Attempting(p.place, a)
}

// settle waits until the process has run for settleTime.
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
	place, q := p.place, o.queueOf(p.chunk)
	p.endTurn = sync.OnceFunc(func() {
		q.Attempting(place, buffer.Attempt{})
		if o.turn != nil {
			<-o.turn
		}
	})
	p.innocent = time.AfterFunc(innocentAfter, p.endTurn)
}

// conclude notes on disk that p's attempt has ended.
func (o *Output) conclude(p *part) {
	if p.endTurn == nil {
		o.queueOf(p.chunk).Attempting(p.place, buffer.Attempt{})
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
		o.queueOf(p.chunk).Attempting(p.place, a)
	}
}

// giveUpFatal gives up the next record of p's chunk.
func (o *Output) giveUpFatal(p *part) {
	c := p.chunk
	if c.next() {
		p.out.dead++
		o.put(&dead.Record{Type: "fatal", Reason: "the router was killed or crashed while it delivered this record alone, twice in a row"}, &c.rec, 0)
	}
	c.more = c.more && c.read < c.from.Records
}
