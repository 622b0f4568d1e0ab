package deliver

import (
	"encoding/binary"

	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

// A mark is what a deferred record has besides the event.
type mark struct {
	id      record.ID
	refused uint16 // how often it was refused, as far as that counts against the Retry_Limit
	waited  uint32 // for how many seconds it had been deferred when it was appended
	at      uint32 // the router's uptime then, in seconds
}

// A batch of the deferred queue, all numbers little-endian:
//
//	0  1  version, 1
//	1  4  number of records
//	5     for each record: 10 identity, 8 position, 2 refusals, 4 waited, 4 uptime
//	      then the records, a record.Batch
const (
	deferredVersion = 1
	deferredHead    = 5
	markSize        = 10 + 8 + 2 + 4 + 4
)

// A deferredWriter builds such a batch.
type deferredWriter struct {
	marks []byte
	batch record.Batch
	whole []byte // what bytes returned
}

func (w *deferredWriter) add(m mark, r *sink.Record) {
	le := binary.LittleEndian
	w.marks = le.AppendUint64(append(w.marks, m.id.Queue[:]...), m.id.Pos)
	w.marks = le.AppendUint32(le.AppendUint32(le.AppendUint16(w.marks, m.refused), m.waited), m.at)
	w.batch.AddEvent(&r.Event)
}

func (w *deferredWriter) records() int { return w.batch.Records() }

func (w *deferredWriter) len() int { return len(w.marks) + w.batch.Len() }

func (w *deferredWriter) bytes() []byte {
	w.whole = binary.LittleEndian.AppendUint32(append(w.whole[:0], deferredVersion), uint32(w.records()))
	w.whole = append(append(w.whole, w.marks...), w.batch.Bytes()...)
	return w.whole
}

func (w *deferredWriter) reset() {
	w.marks = w.marks[:0]
	w.batch.Reset()
}

// readMarks appends the marks of a deferred batch to marks, and returns its records; false if it can't be read.
func readMarks(marks []mark, b []byte) ([]mark, []byte, bool) {
	le := binary.LittleEndian
	if len(b) < deferredHead || b[0] != deferredVersion {
		return marks, nil, false
	}
	n := int64(le.Uint32(b[1:]))
	if b = b[deferredHead:]; int64(len(b)) < n*markSize {
		return marks, nil, false
	}
	for range n {
		m := mark{id: record.ID{Queue: [10]byte(b), Pos: le.Uint64(b[10:])}, refused: le.Uint16(b[18:]), waited: le.Uint32(b[20:]), at: le.Uint32(b[24:])}
		marks, b = append(marks, m), b[markSize:]
	}
	return marks, b, true
}

// unmark reads the marks of a chunk of deferred records, and leaves the records in its batches. If one of the batches can't be
// read, it and what follows is cut off, and counts as unreadable.
func (c *inflightChunk) unmark() {
	c.marks = make([]mark, 0, c.from.Records)
	for i, b := range c.from.Batches {
		marks, records, ok := readMarks(c.marks, b)
		if !ok || len(marks) > c.from.Records {
			c.from.Batches = c.from.Batches[:i]
			return
		}
		c.marks, c.from.Batches[i] = marks, records
	}
}

// idOf returns the id of the record at this offset.
func (c *inflightChunk) idOf(n int) record.ID {
	if c.marks != nil {
		return c.marks[n].id
	}
	return record.ID{Queue: c.from.Queue, Pos: c.from.First + uint64(n)}
}

// mark returns the mark of the record at offset pos, as it would be appended at this uptime.
func (c *inflightChunk) mark(pos, uptime uint32) mark {
	if c.marks == nil {
		return mark{at: uptime}
	}
	m := c.marks[pos]
	if c.from.Appended.IsZero() { // by an earlier process, whose uptime says nothing here
		m.at = 0
	}
	m.waited += uptime - min(m.at, uptime)
	m.at = uptime
	return m
}
