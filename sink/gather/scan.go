package gather

import (
	"fmt"
	"time"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

// entryBytes is about how many bytes a record takes in the queue besides its body.
const entryBytes = 16

// chunkReader reads the records of a chunk.
type chunkReader struct {
	from   *buffer.Chunk
	reader record.BatchReader
	batch  int // the next one
	read   int // records read
	rec    sink.Record
}

func (c *chunkReader) reset(from *buffer.Chunk) {
	c.rec.NextBatch()
	*c = chunkReader{from: from, reader: c.reader, rec: c.rec}
	c.reader.Reset(nil)
}

// next reads the next record into c.rec; false at the end, or where the chunk can't be read any further. It reads no more
// records than the queue counted.
func (c *chunkReader) next() bool {
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
	return false
}

// scan finds out in which object each record of a chunk goes, and frees the chunk.
func (l *loop) scan(from *buffer.Chunk, now time.Time) {
	l.seq++
	c := &heldChunk{from: from, seq: l.seq, left: from.Records}
	for _, b := range from.Batches {
		c.raw += len(b)
	}
	l.lastRaw = c.raw
	l.chunks = append(l.chunks, c)
	l.heldBytes += c.raw
	if from.Queue != l.identity {
		l.closeAll(now) // positions of different identities can't be compared
		l.identity = from.Queue
	}
	l.scanned = from.First + uint64(from.Records)
	earlier, skipped := l.notes.finished(from.Queue), 0
	r := &l.reader
	var last *object
	var lastKey []byte
	for r.reset(from); r.next(); {
		l.key = l.o.keyOf(l.key[:0], &r.rec)
		if earlier != nil && earlier.has(l.key, r.rec.ID.Pos) {
			skipped++
			continue
		}
		if last == nil || string(l.key) != string(lastKey) {
			last = l.openFor(l.key, &r.rec, now)
			lastKey = append(lastKey[:0], l.key...)
		}
		last.add(c, r.read-1, len(r.rec.Body)+len(r.rec.Tail)+entryBytes)
	}
	c.whole = r.read
	unreadable := from.Records - r.read
	if unreadable > 0 {
		l.o.log.Error().Err(r.reader.Err()).Int("records", unreadable).Msg("a batch in the queue can't be read: its records are dropped")
	}
	r.reset(nil)
	l.countRuns(c)
	l.o.queue.Free(from)
	l.end(c, counts{delivered: skipped, unreadable: unreadable}, now)
}

// countRuns counts the runs that were added for the chunk.
func (l *loop) countRuns(c *heldChunk) {
	for _, o := range l.open {
		if o.runs[len(o.runs)-1].chunk == c {
			l.runs++
		}
	}
}

// keyOf appends the key of a record: that of the store, and the slice of time if objects have one.
func (o *Output) keyOf(dst []byte, r *sink.Record) (out []byte) {
	defer func() {
		if v := recover(); v != nil {
			o.panicked("making a key", v)
			out = dst
		}
	}()
	out = o.store.Key(dst, r)
	if o.limits.Slice > 0 {
		out = fmt.Appendf(out, "\x00%d", o.sliceOf(r.Time))
	}
	return out
}

// sliceOf returns the number of the slice of time that t is in.
func (o *Output) sliceOf(t record.Time) int64 {
	return (int64(t.Sec) + int64(o.limits.SliceOffset/time.Second)) / max(1, int64(o.limits.Slice/time.Second))
}

// openFor returns the open object with that key, a new one if there is none.
func (l *loop) openFor(key []byte, r *sink.Record, now time.Time) *object {
	if o, ok := l.open[string(key)]; ok {
		return o
	}
	o := &object{key: string(key), queue: r.ID.Queue, due: l.dueOf(r, now)}
	l.open[o.key] = o
	return o
}

// dueOf returns when the object that begins with r, which was just taken from the queue, is to be finished.
func (l *loop) dueOf(r *sink.Record, now time.Time) time.Time {
	appended := l.reader.from.Appended
	lim := &l.o.limits
	switch {
	case l.hurried:
		return now.Add(hurriedAge)
	case appended.IsZero(): // of an earlier run: it has waited long enough
		return now.Add(recoveredAge)
	case lim.Slice > 0:
		end := time.Unix((l.o.sliceOf(r.Time)+1)*int64(lim.Slice/time.Second)-int64(lim.SliceOffset/time.Second), 0)
		if due := end.Add(lim.SliceWait); due.Sub(now) > minLateAge {
			return due
		}
		return now.Add(minLateAge)
	}
	return appended.Add(lim.MaxAge)
}
