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

// A batch of the deferred queue is a record.Batch, and after it, all numbers little-endian,
//
//	for each record: 10 identity, 8 position, 2 refusals, 4 waited, 4 uptime
//	4 number of records
//	1 version, 1
const (
	deferredVersion = 1
	deferredTail    = 4 + 1
	markSize        = 10 + 8 + 2 + 4 + 4
)

// A deferredWriter builds such a batch.
type deferredWriter struct {
	batch record.Batch
	marks []byte
}

func (w *deferredWriter) add(m mark, r *sink.Record) {
	le := binary.LittleEndian
	w.marks = le.AppendUint64(append(w.marks, m.id.Queue[:]...), m.id.Pos)
	w.marks = le.AppendUint32(le.AppendUint32(le.AppendUint16(w.marks, m.refused), m.waited), m.at)
	w.batch.AddEvent(&r.Event)
}

func (w *deferredWriter) records() int { return w.batch.Records() }

func (w *deferredWriter) len() int { return w.batch.Len() + len(w.marks) + deferredTail }

// bytes returns the batch, valid until the next add.
func (w *deferredWriter) bytes() []byte {
	b := append(w.batch.Bytes(), w.marks...) // for a large record there is mostly room
	return append(binary.LittleEndian.AppendUint32(b, uint32(w.records())), deferredVersion)
}

func (w *deferredWriter) reset() {
	w.marks = w.marks[:0]
	w.batch.Reset()
}

// readMarks appends the marks of a deferred batch to marks, and returns its records; false if it can't be read.
func readMarks(marks []mark, b []byte) ([]mark, []byte, bool) {
	le := binary.LittleEndian
	end := len(b) - deferredTail
	if end < 0 || b[end+4] != deferredVersion {
		return marks, nil, false
	}
	n := int64(le.Uint32(b[end:]))
	if int64(end) < n*markSize {
		return marks, nil, false
	}
	begin := end - int(n)*markSize
	for m := b[begin:end]; len(m) > 0; m = m[markSize:] {
		id := record.ID{Queue: [10]byte(m), Pos: le.Uint64(m[10:])}
		marks = append(marks, mark{id, le.Uint16(m[18:]), le.Uint32(m[20:]), le.Uint32(m[24:])})
	}
	return marks, b[:begin:begin], true
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
