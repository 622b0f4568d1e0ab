package deliver

import (
	"math/bits"
	"time"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

// An inflightChunk is a chunk taken from the queue: records that one Commit removes together, when all have ended. It
// belongs to Run's goroutine, except for the reading position, which belongs to the attempt that encodes.
type inflightChunk struct {
	from     *buffer.Chunk
	number   int              // of the chunks in the order of the queue
	raw      int              // bytes of its batches
	cost     int              // bytes of memory that it takes
	large    bool             // it has more bytes than every output may have: see oversize.go
	ended    int              // records that the queue knows to have ended
	freed    bool             // its memory is given back until the next attempt
	token    bool             // it has the token of large chunks
	late     bool             // its records waited longer than the linger: there is a backlog
	left     int              // records that have not ended
	suspects []buffer.Attempt // attempts of its records that an earlier process died in; nil when all have been attempted again

	marks []mark // of each record, if these are deferred ones, else nil

	// The reading position.
	reader  record.BatchReader
	batch   int         // the next batch to read
	read    int         // records read
	rec     sink.Record // the current record
	carried bool        // the current record has not been encoded yet
	more    bool        // there may be more records to encode
}

// minChunkCost is the least memory in bytes that the queue allocates for a chunk; larger ones get a power of two.
const minChunkCost = 4 << 10

// lateAfter is how much longer than the linger a record must have waited in the queue to show that there is a backlog.
const lateAfter = 20 * time.Millisecond

// chunkCost returns the bytes of memory that the queue allocates for raw bytes.
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

// dropReferences drops what refers to the memory of the chunk's batches.
func (c *inflightChunk) dropReferences() {
	c.reader.Reset(nil)
	c.rec.NextBatch()
	c.rec.Event = record.Event{}
}

// reread begins again with the chunk's batches, which have been loaded again, and goes on where it was.
func (c *inflightChunk) reread() {
	if c.marks != nil {
		c.unmark()
	}
	encoded := c.encoded()
	c.batch, c.read, c.carried = 0, 0, false
	for c.read < encoded && c.next() {
	}
}

// next reads the next record into c.rec. It reads no more records than the queue counted, so that none gets an id
// from the range of another chunk.
func (c *inflightChunk) next() bool {
	if c.carried {
		c.carried = false
		return true
	}
	for c.read < c.from.Records {
		if c.reader.Next(&c.rec.Event) {
			c.identify(&c.rec, c.read)
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

// identify sets the id of the nth record: its Origin, if it has one, or else its place in the queue.
func (c *inflightChunk) identify(r *sink.Record, n int) {
	if r.Origin != nil {
		r.ID = *r.Origin
	} else {
		r.ID = c.idOf(n)
	}
}

// rest returns about how many bytes of the chunk have not been encoded.
func (c *inflightChunk) rest() int {
	return int(int64(c.raw) * int64(c.from.Records-c.encoded()) / int64(c.from.Records))
}

// encoded returns how many records have been encoded.
func (c *inflightChunk) encoded() int {
	if c.carried {
		return c.read - 1
	}
	return c.read
}

// each calls f with each record whose offset is in pos, which is ascending. Their bodies are whole.
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
				c.identify(&rec, n)
				rec.Whole()
				f(i, &rec)
				i++
			}
			n++
		}
	}
}

// A ratio is a moving average of the size of records in the queue over their size in a request. Chunks are sized by it, so
// that each fills one request.
type ratio struct{ raw, body float64 }

// add adds the records that p encoded to the average.
func (r *ratio) add(c *inflightChunk, p *part) {
	if p.out.items == 0 || c.from.Records == 0 {
		return
	}
	const decay = 0.75 // the weight of earlier requests
	r.raw = decay*r.raw + float64(c.raw)*float64(p.out.items)/float64(c.from.Records)
	r.body = decay*r.body + float64(p.out.bytes)
}

// bodyOf returns about how many bytes of a request raw bytes of the queue become.
func (r *ratio) bodyOf(raw int) int {
	if r.raw == 0 {
		return 2 * raw
	}
	return int(float64(raw)*r.body/r.raw) * 9 / 8
}

// of returns how many bytes of the queue fill a request of body bytes.
func (r *ratio) of(body int) int {
	if r.body == 0 {
		return body
	}
	return min(max(int(float64(body)*r.raw/r.body), body/8), body)
}
