package deliver

import (
	"time"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/sink"
)

// A part is the records of a chunk that one request carries: the unit of attempts and of waits between them. It belongs to
// Run's goroutine or, while an attempt is in progress, to the worker.
type part struct {
	chunk   *inflightChunk
	req     sink.Request
	pos     []uint32      // each item's record, as an offset in the chunk
	refused []uint16      // how often each item was refused; empty if none was counted
	dead    []refusedItem // to be written to the dead letter
	key     []byte        // memory for a Keyer

	retries int       // attempts after which items were left to be tried again
	rounds  int       // of these, how many were refused item by item
	atOnce  int       // how often in a row what was left was sent again at once
	stale   bool      // the items must be encoded again
	full    int       // bytes of the body that was given back meanwhile; 0: it is there
	whole   bool      // the last attempt failed as a whole
	failed  time.Time // when it failed as a whole for the first time
	due     time.Time // when it may be tried again

	place    int            // of the attempt in progress, in the queue's file of attempts
	noted    buffer.Attempt // what is noted there
	until    int            // offset in the chunk at which an attempt that encodes stops
	fatal    bool           // the next record has killed the process: it is given up, not attempted
	endTurn  func()         // ends the turn of a careful attempt
	innocent *time.Timer    // calls endTurn if the attempt takes long

	// What the loop knew when the attempt began.
	flows   bool // flow.flows: the destination takes records
	over    bool // the deferred queue is over its limit
	last    bool // the attempt is one of the last round
	toDefer bool // items that are refused are deferred
	others  bool // others passed since it failed as a whole for the first time
	poison  bool // a single item that has made every request fail, while others passed

	encoding bool // the next attempt encodes the next records of the chunk
	limit    int  // encoded size in bytes at which its request is full; 0 for the rest of another part
	held     int  // bytes of memory that it takes, approximately
	started  time.Time
	out      outcome // of the last attempt
}

// An outcome is the result of one attempt. Counts are of records unless they say otherwise.
type outcome struct {
	reply      sink.Reply
	sent       bool
	bytes      int // sent
	items      int // sent
	resent     int // items that had been sent before
	delivered  int
	dead       int
	givenUp    int           // of the dead ones: they were refused for now, too often or for too long
	took       time.Duration // the destination's Send
	deferred   int
	left       int            // items left to be tried again, before they were deferred
	again      sink.ItemReply // the reply to the first of them
	target     string         // its target; "": not known
	fresh      bool           // the records were tried for the first time
	unreadable int            // in the chunk, but can't be read
	lost       int            // neither left to be tried again nor ended: a bug of the loop
	split      bool
	panicked   bool
	stopped    bool // the attempt failed because the router is stopping, which says nothing about the destination
}

// ended returns how many records the attempt ended.
func (out *outcome) ended() int { return out.delivered + out.dead + out.unreadable + out.deferred }

// cost returns the bytes of memory that a part takes.
func (p *part) cost() int {
	return cap(p.req.Body) + 8*cap(p.req.Ends) + 4*cap(p.req.KeyOf) + 4*cap(p.pos) + 2*cap(p.refused)
}

// clear empties the part and keeps its memory.
func (p *part) clear() {
	p.req.Reset()
	*p = part{req: p.req, pos: p.pos[:0], refused: p.refused[:0], dead: p.dead[:0], key: p.key}
}

// add adds the item at the end of grown, which is the body with that item.
func (p *part) add(grown []byte, pos uint32) {
	p.req.Body = grown
	p.req.Ends = append(p.req.Ends, len(grown))
	p.pos = append(p.pos, pos)
}

// dropKey removes the key of an item that was not added.
func (p *part) dropKey() {
	if n := len(p.req.Ends); len(p.req.KeyOf) > n {
		p.req.KeyOf = p.req.KeyOf[:n]
	}
}

// countRefusal counts a refusal of item i, and returns how many there were.
func (p *part) countRefusal(i int) int {
	if len(p.refused) < p.req.Len() {
		p.refused = p.refused[:0]
		for k := range p.req.Len() {
			p.refused = append(p.refused, p.chunk.mark(p.pos[k], 0).refused)
		}
	}
	if p.refused[i] < 1<<16-1 {
		p.refused[i]++
	}
	return int(p.refused[i])
}

// refusals returns how many refusals of item i were counted.
func (p *part) refusals(i int) uint16 {
	if len(p.refused) == 0 {
		return p.chunk.mark(p.pos[i], 0).refused
	}
	return p.refused[i]
}

// move makes item i item k, where k ≤ i and all items before i have been sorted. If k < i, no item has been moved to
// index i-1 yet, so that Ends[i-1] is still where item i starts.
func (p *part) move(k, i int) {
	if k == i {
		return
	}
	start, end, w := p.req.Ends[i-1], p.req.Ends[i], 0
	if k > 0 {
		w = p.req.Ends[k-1]
	}
	copy(p.req.Body[w:], p.req.Body[start:end])
	p.req.Ends[k] = w + end - start
	p.pos[k] = p.pos[i]
	if len(p.req.KeyOf) > 0 {
		p.req.KeyOf[k] = p.req.KeyOf[i]
	}
	if len(p.refused) > 0 {
		p.refused[k] = p.refused[i]
	}
}

// truncate keeps the first n items only.
func (p *part) truncate(n int) {
	end := 0
	if n > 0 {
		end = p.req.Ends[n-1]
	}
	p.req.Body, p.req.Ends, p.pos = p.req.Body[:end], p.req.Ends[:n], p.pos[:n]
	p.dropKey()
	if len(p.refused) > n {
		p.refused = p.refused[:n]
	}
}

// copyItems makes p a copy of q with the items [from, to).
func (p *part) copyItems(q *part, from, to int) {
	p.clear()
	p.chunk, p.retries, p.rounds, p.atOnce, p.stale, p.whole, p.due, p.failed = q.chunk, q.retries, q.rounds, q.atOnce, q.stale, q.whole, q.due, q.failed
	start := 0
	if from > 0 {
		start = q.req.Ends[from-1]
	}
	p.req.Body = append(p.req.Body, q.req.Body[start:q.req.Ends[to-1]]...)
	for i := from; i < to; i++ {
		p.req.Ends = append(p.req.Ends, q.req.Ends[i]-start)
		if len(q.req.KeyOf) > 0 {
			p.req.AddKey(q.req.Keys[q.req.KeyOf[i]])
		}
	}
	p.pos = append(p.pos, q.pos[from:to]...)
	if len(q.refused) > 0 {
		p.refused = append(p.refused, q.refused[from:to]...)
	}
}

// largest returns the size in bytes of the largest item.
func (p *part) largest() int {
	n := 0
	for i := range p.req.Len() {
		n = max(n, len(p.req.Item(i)))
	}
	return n
}

// middle returns the number of items in about the first half of the body, from 1 to Len-1.
func (p *part) middle() int {
	half := len(p.req.Body) / 2
	for i, e := range p.req.Ends {
		if e >= half {
			return min(max(i, 1), p.req.Len()-1)
		}
	}
	return 1
}

// without removes p from parts. It doesn't keep their order.
func without(parts []*part, p *part) []*part {
	for i := range parts {
		if parts[i] == p {
			last := len(parts) - 1
			parts[i], parts[last] = parts[last], nil
			return parts[:last]
		}
	}
	return parts
}
