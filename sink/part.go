package sink

import (
	"bytes"
	"math/bits"
	"time"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/record"
)

// A load is a chunk on its way: the records that were taken from the queue and end together, by one Commit. It belongs
// to the goroutine of Run, but for the reading position, which belongs to the attempt that encodes.
type load struct {
	chunk *buffer.Chunk
	raw   int  // bytes of its batches
	cost  int  // bytes of memory that it holds
	late  bool // its records waited for an attempt, not for company: there is a backlog
	left  int  // records that have not ended

	// How far it has been encoded.
	reader  record.BatchReader
	batch   int    // the next batch to read
	read    int    // records read
	rec     Record // the record at hand
	carried bool   // the record at hand has not been encoded yet
	more    bool   // there may be more records to encode

	// What is known of the tails of its records.
	tail    []byte // the last one that the destination was asked about
	takes   bool   // what it said
	written []byte // what it wrote of it
	whole   []byte // memory for bodies that are made whole
}

// minChunkCost is what the queue's memory for a chunk is at least; it grows by powers of two.
const minChunkCost = 64 << 10

// lateAfter is how long after the linger records have to be taken to count as a backlog.
const lateAfter = 20 * time.Millisecond

// maxKeptBody is the capacity in bytes of the memory for a whole body, or a tail, that is kept for the next record.
const maxKeptBody = 64 << 10

// kept is memory for the next body, nil where there is too much of it.
func kept(b []byte) []byte {
	if cap(b) > maxKeptBody {
		return nil
	}
	return b[:0]
}

func chunkCost(raw int) int { return max(minChunkCost, 1<<bits.Len(uint(max(raw, 1)-1))) }

func (l *load) reset(c *buffer.Chunk, linger time.Duration) {
	raw := 0
	for _, b := range c.Batches {
		raw += len(b)
	}
	*l = load{
		chunk:  c,
		raw:    raw,
		cost:   chunkCost(raw),
		late:   time.Since(c.Appended) > linger+lateAfter,
		left:   c.Records,
		reader: l.reader,
		more:   true,
		whole:  l.whole,
		// A tail that is longer than others isn't held for them.
		written: kept(l.written),
	}
	l.reader.Reset(nil)
}

// next reads the next record into l.rec. It stops at what the chunk says it has, so that no record gets an identity
// that belongs to another chunk.
func (l *load) next() bool {
	if l.carried {
		l.carried = false
		return true
	}
	for l.read < l.chunk.Records {
		if l.reader.Next(&l.rec.Event) {
			l.rec.ID = record.ID{Queue: l.chunk.Queue, Pos: l.chunk.First + uint64(l.read)}
			l.read++
			return true
		}
		if l.reader.Err() != nil || l.batch == len(l.chunk.Batches) {
			break
		}
		l.reader.Reset(l.chunk.Batches[l.batch])
		l.batch++
	}
	l.more = false
	return false
}

// fold makes the body of the record at hand whole, unless the destination takes its tail.
func (l *load) fold(t Tailer) {
	tail := l.rec.Tail
	if len(tail) == 0 {
		return
	}
	if !bytes.Equal(tail, l.tail) {
		l.tail, l.takes = tail, false
		if t != nil {
			l.written, l.takes = t.AppendTail(l.written[:0], tail)
		}
	}
	if l.takes {
		l.rec.Written = l.written
		return
	}
	l.whole = kept(l.rec.Fold(l.whole))
}

// each calls f with the records at the offsets in pos, which ascend. Their bodies are whole.
func (l *load) each(pos []uint32, f func(i int, r *Record)) {
	var (
		reader record.BatchReader
		rec    Record
		whole  []byte
		n, i   int
	)
	for _, b := range l.chunk.Batches {
		reader.Reset(b)
		for i < len(pos) && n < l.chunk.Records && reader.Next(&rec.Event) {
			if int(pos[i]) == n {
				rec.ID = record.ID{Queue: l.chunk.Queue, Pos: l.chunk.First + uint64(n)}
				whole = rec.Fold(whole)
				f(i, &rec)
				i++
			}
			n++
		}
	}
}

// A part is one request's worth of a load: the unit that is attempted, and that waits to be attempted again. It belongs
// to the goroutine of Run, and to the attempt while that is under way.
type part struct {
	load    *load
	req     Request
	pos     []uint32 // each item's record, as an offset in the chunk
	refused []uint16 // how often each item was refused; empty where nothing counts
	dead    []condemned

	retries   int       // attempts that left something to be tried again
	reencodes int       // in a row
	stale     bool      // the items must be encoded afresh
	whole     bool      // the last attempt failed as a whole
	failed    time.Time // when it failed as a whole for the first time
	due       time.Time // not before

	encoding bool // the attempt under way encodes the next records of the load
	held     int  // bytes of memory that it holds, about
	started  time.Time
	out      outcome // what the attempt came to
}

// An outcome is what one attempt came to, for the accounts.
type outcome struct {
	reply     Reply
	sent      bool
	bytes     int // sent
	items     int // sent
	resent    int // of them, not for the first time
	delivered int
	dead      int
	damaged   int // records that could not be read
	split     bool
	panicked  bool
	stopped   bool // the router is being stopped: says nothing about the destination
}

// cost is the bytes of memory that a part holds.
func (p *part) cost() int {
	return cap(p.req.Body) + 8*cap(p.req.Ends) + 4*cap(p.pos) + 2*cap(p.refused)
}

// clear empties the part and keeps its memory.
func (p *part) clear() {
	*p = part{req: Request{Body: p.req.Body[:0], Ends: p.req.Ends[:0]}, pos: p.pos[:0], refused: p.refused[:0], dead: p.dead[:0]}
}

// copyItems makes p the items [from, to) of q.
func (p *part) copyItems(q *part, from, to int) {
	p.clear()
	p.load, p.retries, p.reencodes, p.stale, p.whole, p.due, p.failed = q.load, q.retries, q.reencodes, q.stale, q.whole, q.due, q.failed
	start := 0
	if from > 0 {
		start = q.req.Ends[from-1]
	}
	p.req.Body = append(p.req.Body, q.req.Body[start:q.req.Ends[to-1]]...)
	for _, e := range q.req.Ends[from:to] {
		p.req.Ends = append(p.req.Ends, e-start)
	}
	p.pos = append(p.pos, q.pos[from:to]...)
	if len(q.refused) > 0 {
		p.refused = append(p.refused, q.refused[from:to]...)
	}
}

// largest is the size in bytes of the largest item.
func (p *part) largest() int {
	n := 0
	for i := range p.req.Len() {
		n = max(n, len(p.req.Item(i)))
	}
	return n
}

// middle is the number of items that come nearest to half of the body, from 1 to Len-1.
func (p *part) middle() int {
	half := len(p.req.Body) / 2
	for i, e := range p.req.Ends {
		if e >= half {
			return min(max(i, 1), p.req.Len()-1)
		}
	}
	return 1
}

// A ratio is what records take in the queue for what they take in a request, so that a chunk fills one request.
type ratio struct{ raw, body float64 }

// learn takes in what p encoded.
func (r *ratio) learn(l *load, p *part) {
	if p.out.items == 0 || l.chunk.Records == 0 {
		return
	}
	const memory = 0.75 // the weight of what was learnt before
	r.raw = memory*r.raw + float64(l.raw)*float64(p.out.items)/float64(l.chunk.Records)
	r.body = memory*r.body + float64(p.out.bytes)
}

// of is how many bytes of the queue fill a request of body bytes.
func (r *ratio) of(body int) int {
	if r.body == 0 {
		return body
	}
	return min(max(int(float64(body)*r.raw/r.body), body/8), body)
}
