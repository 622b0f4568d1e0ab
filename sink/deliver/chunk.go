package deliver

import (
	"math/bits"
	"time"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

// An inflightChunk is a chunk that was taken from the queue: records that end together, by one Commit. It belongs to the
// goroutine of Run, but for the reading position, which belongs to the attempt that encodes.
type inflightChunk struct {
	from *buffer.Chunk
	raw  int  // bytes of its batches
	cost int  // bytes of memory that it holds
	late bool // its records waited for an attempt, not for company: there is a backlog
	left int  // records that have not ended

	// The reading position.
	reader  record.BatchReader
	batch   int         // the next batch to read
	read    int         // records read
	rec     sink.Record // the current record
	carried bool        // the current record has not been encoded yet
	more    bool        // there may be more records to encode
}

// minChunkCost is the least memory in bytes that the queue takes for a chunk; it grows by powers of two.
const minChunkCost = 64 << 10

// lateAfter is how long after the linger records have to be taken to count as a backlog.
const lateAfter = 20 * time.Millisecond

func chunkCost(raw int) int { return max(minChunkCost, 1<<bits.Len(uint(max(raw, 1)-1))) }

func (c *inflightChunk) reset(from *buffer.Chunk, linger time.Duration) {
	raw := 0
	for _, b := range from.Batches {
		raw += len(b)
	}
	c.rec.NextBatch()
	*c = inflightChunk{
		from:   from,
		raw:    raw,
		cost:   chunkCost(raw),
		late:   time.Since(from.Appended) > linger+lateAfter,
		left:   from.Records,
		reader: c.reader,
		rec:    c.rec,
		more:   true,
	}
	c.reader.Reset(nil)
}

// next reads the next record into c.rec. It stops at the number of records that the queue says there are, so that none
// gets an identity that belongs to another chunk.
func (c *inflightChunk) next() bool {
	if c.carried {
		c.carried = false
		return true
	}
	for c.read < c.from.Records {
		if c.reader.Next(&c.rec.Event) {
			c.rec.ID = record.ID{Queue: c.from.Queue, Pos: c.from.First + uint64(c.read)}
			c.read++
			return true
		}
		if c.reader.Err() != nil || c.batch == len(c.from.Batches) {
			break
		}
		c.reader.Reset(c.from.Batches[c.batch])
		c.batch++
	}
	c.more = false
	return false
}

// encoded is how many records have been read and need not be read again.
func (c *inflightChunk) encoded() int {
	if c.carried {
		return c.read - 1
	}
	return c.read
}

// each calls f with the records at the offsets in pos, which ascend. Their bodies are whole.
func (c *inflightChunk) each(pos []uint32, f func(i int, r *sink.Record)) {
	var (
		reader record.BatchReader
		rec    sink.Record
		n, i   int
	)
	for _, b := range c.from.Batches {
		reader.Reset(b)
		for i < len(pos) && n < c.from.Records && reader.Next(&rec.Event) {
			if int(pos[i]) == n {
				rec.ID = record.ID{Queue: c.from.Queue, Pos: c.from.First + uint64(n)}
				rec.Whole()
				f(i, &rec)
				i++
			}
			n++
		}
	}
}

// A ratio is the size of records in the queue for their size in a request, so that a chunk fills one request.
type ratio struct{ raw, body float64 }

// learn takes in what p encoded.
func (r *ratio) learn(c *inflightChunk, p *part) {
	if p.out.items == 0 || c.from.Records == 0 {
		return
	}
	const memory = 0.75 // the weight of what was learned before
	r.raw = memory*r.raw + float64(c.raw)*float64(p.out.items)/float64(c.from.Records)
	r.body = memory*r.body + float64(p.out.bytes)
}

// of is how many bytes of the queue fill a request of body bytes.
func (r *ratio) of(body int) int {
	if r.body == 0 {
		return body
	}
	return min(max(int(float64(body)*r.raw/r.body), body/8), body)
}
