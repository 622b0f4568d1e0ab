package deliver

import (
	"math/bits"
	"sync"
	"time"

	"github.com/firelane/firelane/budget"
)

const (
	// minShare is the memory in bytes that each output always has: for a chunk and a request of minRequestBytes.
	minShare = 256 << 10
	// probeShare: while its destination fails, an output takes 1/probeShare of what it could have.
	probeShare = 4
	// ownBudget is the budget in bytes of an Output that shares none.
	ownBudget = 12 << 20
	// minBody is the least memory in bytes for a body.
	minBody = 16 << 10
	// bodySlack: a body has 1/bodySlack more memory than its request's limit, for the item that exceeds the limit.
	bodySlack = 16
)

// Memory is shared by the Outputs of a process: the budget of what they take from their queues, and the memory that is not
// in use, so that an Output which has nothing to do keeps none.
type Memory struct {
	budget *budget.Budget
	token  chan struct{} // holds a value while a large chunk has memory that the budget has no room for
	parts  [33]sync.Pool // of *part, by the logarithm of their requests' limit
	chunks sync.Pool     // of *inflightChunk
	bodies sync.Pool     // of *[]byte, of requests of large chunks
}

// NewMemory makes a Memory whose Outputs take what they need from b.
func NewMemory(b *budget.Budget) *Memory { return &Memory{budget: b, token: make(chan struct{}, 1)} }

// class returns the index in Memory.parts of parts whose requests have at most limit bytes.
func class(limit int) int { return bits.Len(uint(limit - 1)) }

// bodyCost returns the memory in bytes of a body that has at most limit bytes.
func bodyCost(limit int) int { return limit + limit/bodySlack }

// charge sets what the output holds of the budget.
func (l *loop) charge() { l.share.Set(l.memory()) }

// memory returns the bytes that chunks and parts take, and those that are reserved for the chunk that is being fetched.
func (l *loop) memory() int {
	n := l.held + l.reserved
	for _, p := range l.inflight {
		n += p.held
	}
	for _, p := range l.waiting {
		n += p.held
	}
	return n
}

// room returns how many more bytes the output may take now. While the gate is closed it only sends probes, and leaves most of
// the memory to others.
func (l *loop) room() int {
	l.charge()
	held, room := l.memory(), l.share.Room()
	if l.gate.state != GateOpen {
		return max(minShare, (held+room)/probeShare) - held
	}
	return room
}

// hasRoom reports whether there is memory for another chunk and a request of a quarter of the largest size.
func (l *loop) hasRoom() bool {
	body := max(l.maxBytes/4, minRequestBytes)
	return l.room() >= chunkCost(l.rawPerBody.of(body))+bodyCost(body)
}

// reserve takes memory for a chunk and a request, and returns the size of the chunk in bytes: the largest that there is memory
// for, up to what fills a request of l.maxBytes; 0 for none. While an attempt is in progress, which returns memory soon, it
// is that size or none: fewer requests cost less. A loop that has no chunk always gets a small one. Deferred records have one
// chunk at a time, a small one.
func (l *loop) reserve(now time.Time) (raw int) {
	room := l.room()
	busy := len(l.inflight) > l.stalled(now)
	body := l.maxBytes
	if l.deferred {
		if l.chunks > 0 {
			return 0
		}
		body = min(body, deferredChunk)
	}
	for ; ; body = max(body/2, minRequestBytes) {
		raw := l.rawPerBody.of(body)
		need := chunkCost(raw) + bodyCost(body)
		switch {
		case need <= room && l.share.Take(need):
		case busy:
			return 0
		case body > minRequestBytes:
			continue
		case l.chunks > 0:
			return 0
		}
		l.reserved = need
		return raw
	}
}

// mayEncode reports whether there is memory for a part of the first chunk in ready, or no other part. A large chunk has it.
func (l *loop) mayEncode() bool {
	return l.ready[0].large || len(l.inflight)+len(l.waiting) == 0 || l.room() >= bodyCost(minBody)
}

// newPart returns an empty part for the next records of a chunk. Its memory is what they need, as far as that is known.
func (l *loop) newPart(c *inflightChunk) *part {
	limit := l.maxBytes
	if c.large {
		limit = min(limit, largeChunk) // its largest record gets memory of its own
	}
	if need := max(l.rawPerBody.bodyOf(c.rest()), minBody); need < limit {
		limit = min(1<<class(need), limit)
	}
	for room := l.room(); limit > minBody && (bodyCost(limit) > room || !l.share.Take(bodyCost(limit))); {
		limit = max(limit/2, minBody)
	}
	p, ok := l.o.memory.parts[class(limit)].Get().(*part)
	if !ok {
		p = &part{}
	}
	if cap(p.req.Body) < limit {
		p.req.Body = make([]byte, 0, bodyCost(limit))
	}
	p.clear()
	p.chunk, p.encoding, p.limit = c, true, limit
	p.held = p.cost()
	return p
}

// reuse keeps a part for newPart, unless it takes more memory than its limit says.
func (l *loop) reuse(p *part) {
	if p.chunk.large {
		l.o.memory.returnBody(p)
	}
	if limit := p.limit; limit > 0 && cap(p.req.Body) <= 2*limit {
		p.clear()
		l.o.memory.parts[class(limit)].Put(p)
	}
}

// reuseChunk keeps an inflightChunk for newChunk.
func (m *Memory) reuseChunk(c *inflightChunk) {
	c.from = nil
	m.chunks.Put(c)
}

// newChunk returns an empty inflightChunk.
func (m *Memory) newChunk() *inflightChunk {
	if c, ok := m.chunks.Get().(*inflightChunk); ok {
		return c
	}
	return &inflightChunk{}
}
