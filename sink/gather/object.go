package gather

import (
	"math"
	"time"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/record"
)

// A heldChunk is a chunk that was taken from the queue and is not committed. Its memory is freed, except while it is scanned or
// its records are sent.
type heldChunk struct {
	from  *buffer.Chunk
	seq   uint64 // ascends in the order of the queue
	raw   int    // bytes of its batches
	left  int    // records that have not ended
	whole int    // records that can be read
}

// A run is the records of one object that are in one chunk: those with the object's key among the records [from, to).
type run struct {
	chunk    *heldChunk
	from, to int
	n        int // how many they are
	raw      int // bytes of them in the queue
}

// A place is where the next record of an object is searched: in which of its runs, at which record of the chunk.
type place struct{ run, record int }

// An object is the records that become one Object. It belongs to Run's goroutine, except for the fields below the line while
// a job has it.
type object struct {
	key    string
	queue  [10]byte  // the identity of its records' queue: all have the same
	runs   []run     // those that a job has don't change; others may be added
	raw    int       // bytes of its records in the queue
	due    time.Time // when it is to be finished
	closed bool      // no more records are added: it is to be finished

	tried    int // raw when a job began that could save nothing
	failures int // in a row
	refusals int // of its Finish, by a store that was reached
	// ---
	dest  Object // nil until the first of its records is sent
	saved place  // all before it is at the store
	inRun int    // how many of the object's records come before that in its run
	sent  int    // about how many bytes of its records in the queue that is
	bad   bool   // some of its records can't be encoded
}

// first returns the id of the object's first record.
func (o *object) first() record.ID {
	r := &o.runs[0]
	return record.ID{Queue: o.queue, Pos: r.chunk.from.First + uint64(r.from)}
}

// seq returns where the object begins in the order of the queue.
func (o *object) seq() (chunk uint64, record int) { return o.runs[0].chunk.seq, o.runs[0].from }

// older reports whether o's first record comes before that of p.
func (o *object) older(p *object) bool {
	a, i := o.seq()
	b, k := p.seq()
	return a < b || a == b && i < k
}

// add adds a record of a chunk that is being scanned.
func (o *object) add(c *heldChunk, i, raw int) {
	o.raw += raw
	if n := len(o.runs); n > 0 && o.runs[n-1].chunk == c {
		r := &o.runs[n-1]
		r.n, r.to, r.raw = r.n+1, i+1, r.raw+raw
		return
	}
	o.runs = append(o.runs, run{chunk: c, from: i, to: i + 1, n: 1, raw: raw})
}

// unsent returns about how many bytes of the object's records in the queue have yet to be sent in advance.
func (o *object) unsent() int { return o.raw - max(o.sent, o.tried) }

// single reports whether all records of the run's range are the object's.
func (r *run) single() bool { return r.n == r.to-r.from }

// cut ends the object at a place, before which n records of the run there are its own, and returns the rest as another object;
// nil if nothing is left.
func (o *object) cut(at place, n int) *object {
	if at.run >= len(o.runs) {
		return nil
	}
	rest := &object{key: o.key, queue: o.queue, due: o.due, closed: o.closed}
	rest.runs = append(rest.runs, o.runs[at.run:]...)
	first := &rest.runs[0]
	if whole := first.n; n > 0 && whole > 0 {
		raw := int(int64(first.raw) * int64(n) / int64(whole))
		last := run{chunk: first.chunk, from: first.from, to: at.record, n: n, raw: raw}
		first.from, first.n, first.raw = at.record, whole-n, first.raw-raw
		o.runs = append(o.runs[:at.run:at.run], last)
	} else {
		o.runs = o.runs[:at.run:at.run]
	}
	if first.n == 0 {
		rest.runs = rest.runs[1:]
	}
	for i := range rest.runs {
		rest.raw += rest.runs[i].raw
	}
	o.raw -= rest.raw
	if len(rest.runs) == 0 {
		return nil
	}
	return rest
}

// A ratio is a moving average of the size of objects over the size of their records in the queue.
type ratio struct{ raw, stored float64 }

// of returns about how many bytes raw bytes of the queue take in an object.
func (r *ratio) of(raw int) int64 {
	if r.raw == 0 {
		return int64(raw)
	}
	return int64(math.Ceil(float64(raw) * r.stored / r.raw))
}

func (r *ratio) add(raw int, stored int64) {
	const decay = 0.75 // the weight of what was measured before
	r.raw = decay*r.raw + float64(raw)
	r.stored = decay*r.stored + float64(stored)
}
