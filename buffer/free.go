package buffer

import (
	"errors"
	"fmt"
	"time"
)

// A chunk whose records wait for a long time, such as for a file that is to be complete, needn't stay in memory: Free gives its
// memory back, and Load reads it again. It stays in flight.

var errChunkDamaged = errors.New("it can't be read as it was written")

// Free gives a chunk's memory back: its Batches are gone until Load. The chunk is still in flight, and must be committed or
// released. A chunk whose segment is dropped to make room is dropped with it, if it is freed.
func (q *Queue) Free(c *Chunk) {
	q.mu.Lock()
	defer q.unlock()
	if c.state != inFlight {
		return
	}
	q.reclaim(c)
	if c.seg.gone {
		c.state = dropped
		q.dropChunk(c)
	}
}

// Load reads the Batches of a chunk that was freed. ErrDropped: it was dropped to make room, and has been counted as such. Any
// other error means that the file is damaged: the file will be set aside, and the chunk, which the caller must end as usual, has
// no Batches.
func (q *Queue) Load(c *Chunk) error {
	q.mu.Lock()
	s := c.seg
	if c.state != inFlight || c.mem != nil {
		defer q.unlock()
		return q.loaded(c)
	}
	if s.file == nil {
		f, err := q.fs.Open(s.name(), false)
		if err != nil {
			defer q.unlock()
			return q.unloadable(c, err)
		}
		s.file = f
	}
	s.busy++ // the file stays open, and what is read doesn't change
	r := run{seg: s, file: s.file, from: c.from, end: c.to}
	q.unlock()

	m := q.chunks.get(r.end.off - r.from.off)
	n, err := r.file.ReadAt(m.buf, r.from.off)
	r.parse(m, m.buf[:n])

	q.mu.Lock()
	defer q.unlock()
	s.busy--
	if s.gone {
		q.closeFile(s)
	}
	switch {
	case c.state != inFlight:
		q.chunks.put(m)
		return q.loaded(c)
	case r.damage != "" || r.to != c.to:
		q.chunks.put(m)
		return q.unloadable(c, errors.Join(errChunkDamaged, err))
	}
	c.mem, c.Batches = m, m.batches
	return nil
}

// loaded returns the reply of Load for a chunk that needn't, or can't, be read.
func (q *Queue) loaded(c *Chunk) error {
	switch c.state {
	case inFlight:
		return nil
	case dropped:
		return ErrDropped
	}
	return errors.New("load a chunk that is no longer in flight")
}

// unloadable notes that a chunk's file is damaged.
func (q *Queue) unloadable(c *Chunk, err error) error {
	s := c.seg
	q.stats.DiskErrors++
	if !s.damaged {
		s.damaged = true
		q.stats.Damaged++
		q.logDamaged(s, c.to.minus(c.from), "can't be read again", err)
	}
	return fmt.Errorf("read segment %s again: %w", s.name(), err)
}

// Ended says that n more records of a chunk have reached their end, while others of the chunk have not. Stats counts them as
// Ended until the chunk is committed. It returns false if the chunk was dropped to make room: all of its records that had not
// ended before have been counted as dropped.
func (q *Queue) Ended(c *Chunk, n int) bool {
	q.mu.Lock()
	defer q.unlock()
	if c.state != inFlight {
		return false
	}
	c.ended += n
	q.stats.Ended += int64(n)
	return true
}

// Progress says that the destination has taken something of the queue that can't be committed yet: the queue isn't Stalled.
func (q *Queue) Progress() {
	q.mu.Lock()
	defer q.unlock()
	q.fullSince.Store(0)
	q.progress = time.Since(q.born)
}

// reclaim takes a chunk's memory back.
func (q *Queue) reclaim(c *Chunk) {
	c.Batches = nil
	if c.mem != nil {
		q.chunks.put(c.mem)
		c.mem = nil
	}
}

// dropChunk counts what had not ended of a chunk as dropped to make room, and the rest as committed.
func (q *Queue) dropChunk(c *Chunk) {
	t := c.to.minus(c.from)
	t.records -= q.commitEnded(c)
	q.drop(t, &q.stats.DroppedNoRoom)
}

// commitEnded counts the records of a chunk that had ended as committed, since its others are dropped, and returns how many they are.
func (q *Queue) commitEnded(c *Chunk) int64 {
	ended := int64(c.ended)
	c.ended = 0
	q.stats.Ended -= ended
	q.stats.Records -= ended
	q.stats.Committed += ended
	return ended
}
