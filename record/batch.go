package record

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

const (
	pair   = 0x92 // the array header of two elements
	triple = 0x93 // of three
	bin32  = 0xc6
	// maxGroup is the length in bytes of a group's entries at which another group is begun, well under what bin32 holds.
	maxGroup = 1 << 30
	// entryHead is how many bytes of an entry come before its body, or before its origin.
	entryHead = 1 + eventTimeSize
	// originSize is the length in bytes of an origin.
	originSize = 2 + 16
)

// Batch builds a batch. The zero value is empty and ready.
type Batch struct {
	buf     []byte
	records int
	tag     int    // where the open group's tag begins
	tail    int    // where its tail begins, after the tag
	entries int    // where its entries begin; 0: no group is open
	last    []byte // the tail that was added last, which is the open group's
}

// Add appends an event without a Tail.
func (b *Batch) Add(tag string, t Time, body []byte) {
	b.AddEvent(&Event{Tag: tag, Time: t, Body: body})
}

// AddEvent appends one event, to the open group if that has the same tag and tail. A tag that is longer than MaxTag is
// truncated. Body and Tail are copied; the memory of the Tail must not change before the Batch is Reset, since the next
// event's Tail is compared with it.
func (b *Batch) AddEvent(ev *Event) {
	tag := ev.Tag
	if len(tag) > MaxTag {
		tag = tag[:MaxTag]
	}
	if b.entries == 0 || string(b.buf[b.tag:b.tail]) != tag || !bytes.Equal(b.last, ev.Tail) ||
		len(b.buf)-b.entries+entryHead+originSize+len(ev.Body) > maxGroup {
		b.begin(tag, ev.Tail)
	}
	if ev.Origin == nil {
		b.buf = AppendTime(append(b.buf, pair), ev.Time)
	} else {
		b.buf = AppendTime(append(b.buf, triple), ev.Time)
		b.buf = appendOrigin(b.buf, *ev.Origin)
	}
	b.buf = append(b.buf, ev.Body...)
	binary.BigEndian.PutUint32(b.buf[b.entries-4:], uint32(len(b.buf)-b.entries))
	b.records++
}

// begin opens a group.
func (b *Batch) begin(tag string, tail []byte) {
	head := byte(pair)
	if len(tail) > 0 {
		head = triple
	}
	b.buf = AppendStrHeader(append(b.buf, head), len(tag))
	b.tag = len(b.buf)
	b.buf = append(b.buf, tag...)
	b.tail = len(b.buf)
	b.buf = append(append(b.buf, tail...), bin32, 0, 0, 0, 0)
	b.entries = len(b.buf)
	b.last = tail
}

// Bytes is the batch. It is the builder's own memory, valid until the next Add or Reset.
func (b *Batch) Bytes() []byte { return b.buf }

// Records is the number of events added.
func (b *Batch) Records() int { return b.records }

// Len is the batch's length in bytes.
func (b *Batch) Len() int { return len(b.buf) }

// CopyOf makes b a copy of another batch.
func (b *Batch) CopyOf(o *Batch) {
	buf := append(b.buf[:0], o.buf...)
	*b = *o
	b.buf = buf
}

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() { *b = Batch{buf: b.buf[:0]} }

// keptTags is how many tags a BatchReader remembers.
const keptTags = 8

// BatchReader reads a batch, event by event. The zero value has nothing to read.
type BatchReader struct {
	rest    []byte // after the current group
	entries []byte // what is left of that group
	tag     string
	tail    []byte
	origin  ID               // of the event read last, if it has one
	tags    [keptTags]string // tags read before, indexed by a hash of their last bytes
	err     error
}

// ReadBatch begins to read batch, which must not change while its events are used.
func ReadBatch(batch []byte) BatchReader { return BatchReader{rest: batch} }

// Reset begins to read another batch. Tags that the reader remembers need no new allocation.
func (r *BatchReader) Reset(batch []byte) {
	r.rest, r.entries, r.tag, r.tail, r.err = batch, nil, "", nil, nil
}

// Next reads the next event into ev and reports whether there was one. ev.Body and ev.Tail alias the batch; ev.Tag is a
// string of its own, made once for a group.
func (r *BatchReader) Next(ev *Event) bool {
	for len(r.entries) == 0 {
		if len(r.rest) == 0 || r.err != nil {
			return false
		}
		if r.err = r.readGroup(); r.err != nil {
			return false
		}
	}
	e := r.entries
	if len(e) <= entryHead || e[0] != pair && e[0] != triple || e[1] != 0xd7 || e[2] != timeExtType {
		return r.fail("batch: entry", ErrType)
	}
	ev.Time = Time{binary.BigEndian.Uint32(e[3:]), binary.BigEndian.Uint32(e[7:])}
	body, ok := e[entryHead:], true
	if ev.Origin = nil; e[0] == triple {
		if r.origin, body, ok = cutOrigin(body); !ok {
			return r.fail("batch: entry's origin", ErrType)
		}
		ev.Origin = &r.origin
	}
	if ev.Time.Nsec >= nsecPerSec {
		return r.fail("batch: entry's time", ErrRange)
	}
	if KindOf(body[0]) != KindMap {
		return r.fail("batch: entry's body", ErrType)
	}
	n, err := Check(body)
	if err != nil {
		return r.fail("batch: entry's body", err)
	}
	ev.Tag, ev.Body, ev.Tail, r.entries = r.tag, body[:n:n], r.tail, body[n:]
	return true
}

// NextTag goes on to the next group of events, which have one tag, and returns it; it isn't ok after the last one.
func (r *BatchReader) NextTag() (tag string, ok bool) {
	if len(r.rest) == 0 || r.err != nil {
		return "", false
	}
	r.err = r.readGroup()
	return r.tag, r.err == nil
}

// appendOrigin appends the origin of an entry.
func appendOrigin(dst []byte, id ID) []byte {
	dst = append(append(dst, 0xc4, originSize-2), id.Queue[:]...)
	dst = binary.BigEndian.AppendUint16(dst, uint16(id.Pos>>32))
	return binary.BigEndian.AppendUint32(dst, uint32(id.Pos))
}

// cutOrigin cuts off the origin at the start of b. It isn't ok if there is none, or nothing after it.
func cutOrigin(b []byte) (id ID, rest []byte, ok bool) {
	if len(b) <= originSize || b[0] != 0xc4 || b[1] != originSize-2 {
		return id, b, false
	}
	id.Queue = [10]byte(b[2:])
	id.Pos = uint64(binary.BigEndian.Uint16(b[12:]))<<32 | uint64(binary.BigEndian.Uint32(b[14:]))
	return id, b[originSize:], true
}

// Err is why Next stopped before the end of the batch, nil if it reached the end.
func (r *BatchReader) Err() error { return r.err }

func (r *BatchReader) fail(what string, err error) bool {
	r.err = fmt.Errorf("%s: %w", what, err)
	r.entries = nil
	return false
}

// readGroup reads the head of the next group.
func (r *BatchReader) readGroup() error {
	head := r.rest[0]
	if head != pair && head != triple {
		return fmt.Errorf("batch: group: %w", ErrType)
	}
	tag, rest, err := Str(r.rest[1:])
	if err != nil {
		return fmt.Errorf("batch: tag: %w", err)
	}
	if len(tag) > MaxTag {
		return fmt.Errorf("batch: tag of %d bytes: %w", len(tag), ErrRange)
	}
	var tail []byte
	if head == triple {
		if tail, rest, err = cutMap(rest); err != nil {
			return fmt.Errorf("batch: tail: %w", err)
		}
	}
	if len(rest) == 0 || rest[0] != bin32 {
		return fmt.Errorf("batch: entries: %w", ErrType)
	}
	entries, rest, err := Str(rest)
	if err != nil {
		return fmt.Errorf("batch: entries: %w", err)
	}
	r.tag, r.tail, r.entries, r.rest = r.intern(tag), tail, entries, rest
	return nil
}

// cutMap cuts off the map at the start of b.
func cutMap(b []byte) (m, rest []byte, err error) {
	n, err := Check(b)
	if err == nil && KindOf(b[0]) != KindMap {
		err = ErrType
	}
	return b[:n:n], b[n:], err
}

// intern returns tag as a string: the one made before, unless another tag has replaced it in tags.
func (r *BatchReader) intern(tag []byte) string {
	h := uint32(len(tag))
	for _, c := range tag[max(0, len(tag)-8):] { // tags differ at their end: the container's id
		h = h*31 + uint32(c)
	}
	kept := &r.tags[h%keptTags]
	if *kept != string(tag) {
		*kept = string(tag)
	}
	return *kept
}
