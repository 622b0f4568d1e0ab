package bulk

import (
	"slices"

	"github.com/firelane/firelane/record"
)

// appendTail appends the members of a tail as they stand behind those of every record that has it. It takes one only if
// documents are then, but for their members' being put together from two pieces, what they are of whole bodies. That is
// where nothing that was configured is about one of the tail's keys, and none of them can be the same as another key of
// the document: a body has no such text as a key, and a key that is no text isn't written as a plain name. An id that is
// made of the document depends on the order of its members, which should be that of the record.
func (e *encoder) appendTail(dst, tail []byte) (out []byte, ok bool) {
	if !e.readsAnyTail() {
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

// readsAnyTail says whether there are tails that appendTail takes.
func (e *encoder) readsAnyTail() bool {
	return e.flatten == "" && !e.json[0].ReplaceDots && !e.generateID
}

// readsTails says whether appendTail takes what a container's records share: not where an index, an id or a routing is made
// of a member, which may be one of those.
func (e *encoder) readsTails() bool {
	return e.readsAnyTail() && len(e.idPath)+len(e.routing)+len(e.target) == 0
}

// reads says whether the member key of a record has a meaning to the encoder, or may be left out.
func (e *encoder) reads(key []byte) bool {
	is := func(name string) bool { return name == string(key) }
	return len(e.idPath) > 0 && is(e.idPath[0]) || len(e.routing) > 0 && is(e.routing[0]) || len(e.target) > 0 && is(e.target[0]) ||
		is(e.stamp.source) || slices.ContainsFunc(e.json[1].Omit, is) || e.names.read(string(key))
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
