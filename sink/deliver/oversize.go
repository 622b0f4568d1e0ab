package deliver

import (
	"errors"
	"slices"
	"time"

	"github.com/firelane/firelane/buffer"
)

// A batch with a record of several MiB is a large chunk: it takes more memory than every output may have. So it has memory only
// while its records are attempted. Before that, the output takes what the chunk and its request need from the budget or, where
// that has no room, the one token of the process: then it takes the memory nevertheless. What fails gives all of it back, and is
// read again and encoded again for the next attempt. So large records that outputs can't deliver take no memory, and those of all
// outputs together take what the budget has room for, and one more.

const (
	// largeChunk is the size in bytes in the queue from which on a batch is a large chunk.
	largeChunk = minShare
	// largeRetry is how long an output waits before it tries again to get memory for a large chunk.
	largeRetry = 50 * time.Millisecond
	// maxFreed is how many large chunks without memory an output has, before it takes no other.
	maxFreed = 8
)

// largeCost returns the memory in bytes for a large chunk of raw bytes and for a request of its largest record.
func largeCost(raw int) int { return chunkCost(raw) + raw + itemRoom }

// takeLarge takes n bytes for a large chunk, and reports whether it could, and whether it took the token.
func (l *loop) takeLarge(n int) (token, ok bool) {
	l.charge()
	if l.share.Take(n) {
		return false, true
	}
	select {
	case l.o.memory.token <- struct{}{}:
		l.share.Add(n)
		return true, true
	default:
		return false, false
	}
}

// requestLarge takes memory for the large batch that is next in the queue, and reports whether it could: while the gate is
// closed, not before a probe may be sent.
func (l *loop) requestLarge(now time.Time) (raw int) {
	if !l.gate.room(len(l.inflight), l.stalled(now), now) || len(l.ready) > 0 || l.freed() >= maxFreed {
		return 0
	}
	token, ok := l.takeLarge(largeCost(l.nextLarge))
	if !ok {
		l.notUntil = now.Add(largeRetry)
		return 0
	}
	l.token, l.reserved = token, largeCost(l.nextLarge)
	return l.nextLarge
}

// freed returns how many parts wait without memory.
func (l *loop) freed() (n int) {
	for _, p := range l.waiting {
		if p.chunk.freed {
			n++
		}
	}
	return n
}

// takeLargeChunk begins to account for a chunk that requestLarge was for. What came may be another batch, if the large one was
// dropped meanwhile.
func (l *loop) takeLargeChunk(c *inflightChunk) {
	c.token, l.token, l.nextLarge = l.token, false, 0
	if c.large = c.raw > largeChunk; c.large {
		c.cost = largeCost(c.raw)
	} else {
		l.returnToken(c)
	}
}

// returnToken gives back the chunk's token, if it has it.
func (l *loop) returnToken(c *inflightChunk) {
	if c.token {
		c.token = false
		<-l.o.memory.token
	}
}

// attempting reports whether a worker has the chunk: what it has read of it is the worker's then.
func (l *loop) attempting(c *inflightChunk) bool {
	return slices.ContainsFunc(l.inflight, func(p *part) bool { return p.chunk == c })
}

// freeLarge gives back the memory of a large chunk, unless it is being attempted. It is called after each attempt.
func (l *loop) freeLarge(c *inflightChunk) {
	if !c.large || c.freed || l.attempting(c) {
		return
	}
	c.freed = true
	l.held -= c.cost
	l.o.free(l.queue, c)
	c.dropReferences()
	l.returnToken(c)
}

// dropBody gives back the body of a part that waits, if it is of a large chunk and large itself. It is encoded again.
func (l *loop) dropBody(p *part) {
	if n := len(p.req.Body); p.chunk.large && n > largeChunk {
		p.full, p.stale = n, true
		l.o.memory.returnBody(p)
	}
}

// takeBody gives p an empty body that has room for n bytes.
func (m *Memory) takeBody(p *part, n int) {
	if cap(p.req.Body) >= n {
		return
	}
	if b, ok := m.bodies.Get().(*[]byte); ok && cap(*b) >= n {
		p.req.Body = (*b)[:0]
		return
	}
	p.req.Body = make([]byte, 0, n)
}

// returnBody takes back p's body, and keeps it for takeBody if it is large.
func (m *Memory) returnBody(p *part) {
	body := p.req.Body
	if p.req.Body = nil; cap(body) > largeChunk {
		m.bodies.Put(&body)
	}
}

// load gets the memory of a large chunk back, and reads it again. false: there is no memory yet, or nothing to be read.
func (l *loop) load(c *inflightChunk) bool {
	token, ok := l.takeLarge(c.cost)
	if !ok {
		l.notUntil = time.Now().Add(largeRetry)
		return false
	}
	c.token = token
	if err := l.queue.Load(c.from); err != nil {
		l.lose(c, err)
		return false
	}
	l.held += c.cost
	c.freed = false
	c.reread()
	return true
}

// lose gives up a chunk that can't be loaded any more: the queue has dropped it to make room, or its file is damaged.
func (l *loop) lose(c *inflightChunk, err error) {
	for i := 0; i < len(l.waiting); {
		if p := l.waiting[i]; p.chunk == c {
			l.waiting = without(l.waiting, p)
		} else {
			i++
		}
	}
	l.ready = slices.DeleteFunc(l.ready, func(o *inflightChunk) bool { return o == c })
	if !errors.Is(err, buffer.ErrDropped) {
		l.o.log.Error().Err(err).Int("records", c.left).Msg("records that waited to be sent again can't be read any more: they are dropped")
		l.o.commitUnreadable(l.queue, c)
	}
	l.endChunk(c)
}

// endChunk forgets a chunk that is committed.
func (l *loop) endChunk(c *inflightChunk) {
	l.chunks--
	if !c.freed {
		l.held -= c.cost
	}
	if len(c.suspects) > 0 {
		c.suspects = nil
		l.careful--
	}
	l.returnToken(c)
	if c.large {
		c.dropReferences()
	}
	l.o.memory.reuseChunk(c)
}
