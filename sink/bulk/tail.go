package bulk

import (
	"bytes"
	"slices"

	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

// readsTails says whether tails are read at all: an id that is made of the document depends on the order of its members,
// which should be that of the record, and members may be joined or renamed across both.
func (e *encoder) readsTails() bool {
	return e.flatten == "" && !e.json[0].ReplaceDots && !e.generateID
}

// encodeTail encodes r's Tail, or finds that it is the last record's. Where the Tail can't stand apart, r is made whole.
func (e *encoder) encodeTail(r *sink.Record) {
	if len(r.Tail) == 0 {
		return
	}
	s := &r.Shared
	if !bytes.Equal(r.Tail, s.Tail) {
		s.Tail = r.Tail
		s.Encoded, s.Apart = e.appendTail(s.Encoded[:0], r.Tail)
	}
	if !s.Apart {
		r.Whole()
	}
}

// appendTail appends the members of a tail as they stand after those of every record that has it. ok is false unless
// documents are then what they are of whole bodies, apart from their members' order: unless no option is about one of the
// tail's keys, and none of them can be the same as another key of the document. (The body has no such text as a key, and
// a key that is no text isn't written as a plain name.)
func (e *encoder) appendTail(dst, tail []byte) (out []byte, ok bool) {
	if !e.readsTails() {
		return dst, false
	}
	n := 0
	for f := record.FieldsOf(tail); f.Next(); n++ {
		if key := f.Key(); !isPlain(key) || e.reads(key) {
			return dst, false
		}
	}
	return record.AppendJSONMembers(dst, tail, nil), n > 0
}

// reads says whether the member key must be in the body: it is left out, or may be the document's time. (Accessors and
// templates look in both.)
func (e *encoder) reads(key []byte) bool {
	is := func(name string) bool { return name == string(key) }
	return is(e.stamp.source) || slices.ContainsFunc(e.json[1].Omit, is)
}

// isPlain says whether a key is a name that no key of another type is written as: digits, true, null, a time, a NaN.
func isPlain(key []byte) bool {
	for i, c := range key {
		switch {
		case c == '_', c|0x20 >= 'a' && c|0x20 <= 'z', c >= '0' && c <= '9' && i > 0:
		default:
			return false
		}
	}
	switch string(key) {
	case "", "true", "false", "null":
		return false
	}
	return true
}
