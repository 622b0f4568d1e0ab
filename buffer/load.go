package buffer

import (
	"errors"
	"fmt"
)

// A LargeError is NextUpTo's: the next batch has more bytes than the caller wants to take.
type LargeError struct{ Bytes int64 }

func (e *LargeError) Error() string { return fmt.Sprintf("the next batch has %d bytes", e.Bytes) }

// errDropped is the error of a Load of what has been dropped for newer records.
var errDropped = errors.New("the segment has been dropped")

// Free gives a chunk's memory back until Load. The chunk stays taken.
func (q *Queue) Free(c *Chunk) {
	q.mu.Lock()
	defer q.unlock()
	q.freeMemory(c)
}

func (q *Queue) freeMemory(c *Chunk) {
	c.Batches = nil
	if c.mem != nil {
		q.chunks.put(c.mem)
		c.mem = nil
	}
}

// Load reads the batches of a chunk again that has no memory. After an error it still has none, and only Lose is left.
func (q *Queue) Load(c *Chunk) error {
	q.mu.Lock()
	s := c.seg
	switch {
	case c.state != inFlight || c.mem != nil || q.shut:
		q.unlock()
		return errors.New("the chunk is not one that was freed")
	case s.gone:
		q.unlock()
		return errDropped
	case s.file == nil:
		f, err := q.fs.Open(s.name(), false)
		if err != nil {
			q.unlock()
			return fmt.Errorf("open segment %s: %w", s.name(), err)
		}
		s.file = f
	}
	s.busy++
	size := c.to.off - c.from.off
	r := run{seg: s, file: s.file, from: c.from, end: c.to, most: size}
	q.unlock()

	m := q.fill(&r, q.chunks.get(size))

	q.mu.Lock()
	defer q.unlock()
	if s.busy--; s.gone {
		q.closeFile(s)
	}
	if r.damage != "" || r.to != c.to { // it was whole when it was taken
		q.stats.DiskErrors++
		q.chunks.put(m)
		return errors.Join(fmt.Errorf("segment %s can't be read again: %s", s.name(), r.damage), r.err)
	}
	c.Batches, c.mem = m.batches, m
	return nil
}

// Lose is Commit for a chunk that can't be loaded any more: records of it count as dropped, the others have reached their end.
func (q *Queue) Lose(c *Chunk, records int) {
	q.mu.Lock()
	defer q.unlock()
	gone := c.seg.gone
	if !q.finish(c, committed) {
		return
	}
	t := c.to.minus(c.from)
	q.stats.Committed += t.records - int64(records)
	q.stats.Records -= t.records
	q.stats.Bytes -= t.bytes
	if gone {
		q.stats.DroppedNoRoom += int64(records)
	} else {
		q.stats.DroppedDamaged += int64(records)
	}
	q.updateCommitted(c.seg)
}
