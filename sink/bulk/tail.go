package bulk

import (
	"slices"

	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

// readsTails reports whether the options allow encoding tails apart. They don't if the id is computed from the document,
// and so depends on the order of its members, or if members are flattened or renamed, which may make a member of the body
// and one of the tail the same.
func (e *encoder) readsTails() bool {
	return e.flatten == "" && !e.json[keepTime].ReplaceDots && !e.generateID
}

// encodeTail encodes r's Tail, unless it is the last record's. If the Tail can't be encoded apart, r is made whole.
func (e *encoder) encodeTail(r *sink.Record) {
	r.EncodeTail(e.appendTail)
}

// appendTail appends the members of a tail as JSON. ok is true if each document is then the same as that of the whole
// record, except for the order of its members: if no option concerns a key of the tail, and every key is a plain name, so
// that it can't equal another key of the document. (The body has no equal text key, and a key of another type isn't
// encoded as a plain name.)
func (e *encoder) appendTail(dst, tail []byte) (out []byte, ok bool) {
	if !e.readsTails() || !record.PlainKeys(tail) {
		return dst, false
	}
	n := 0
	for f := record.FieldsOf(tail); f.Next(); n++ {
		if e.reads(f.Key()) {
			return dst, false
		}
	}
	return record.AppendJSONMembers(dst, tail, nil), n > 0
}

// reads reports whether the member key must be in the body: it is omitted from documents, or may be the document's time.
// (Accessors and templates search body and tail.)
func (e *encoder) reads(key []byte) bool {
	is := func(name string) bool { return name == string(key) }
	return is(e.stamp.source) || slices.ContainsFunc(e.json[omitTime].Omit, is)
}
