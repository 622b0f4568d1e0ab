package bulk

import (
	"bytes"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/firelane/firelane/record"
)

// maxTails is how many tails the JSON is kept of. There is one for each set of constant fields in the configuration, and
// in what the queue holds from before.
const maxTails = 16

// tails are the tails that are written, each with its members as JSON: made once, and copied behind the members of every
// record that has the tail.
type tails struct {
	grow sync.Mutex
	all  atomic.Pointer[[]writtenTail] // never changed, but replaced by a longer one
}

type writtenTail struct{ tail, json []byte }

// json is what is kept for a tail, nil for nothing.
func (t *tails) json(tail []byte) []byte {
	if all := t.all.Load(); all != nil {
		for i := range *all {
			if w := &(*all)[i]; bytes.Equal(w.tail, tail) {
				return w.json
			}
		}
	}
	return nil
}

// add keeps the JSON of a tail, and reports whether there was room for it.
func (t *tails) add(tail []byte) bool {
	t.grow.Lock()
	defer t.grow.Unlock()
	if t.json(tail) != nil { // another worker has been faster
		return true
	}
	var all []writtenTail
	if old := t.all.Load(); old != nil {
		all = slices.Clone(*old)
	}
	if len(all) >= maxTails {
		return false
	}
	all = append(all, writtenTail{bytes.Clone(tail), record.AppendJSONMembers(nil, tail, nil)})
	t.all.Store(&all)
	return true
}

// append appends the members of a tail that was added.
func (t *tails) append(dst, tail []byte) []byte { return append(dst, t.json(tail)...) }

// takesTail says whether documents of records with this tail are, but for their members' being put together from two
// pieces, what they are of whole bodies. That is where nothing that was configured is about one of the tail's keys, and
// none of them can be the same as another key of the document: a body has no such text as a key, and a key that is no
// text isn't written as a plain name.
func (e *encoder) takesTail(tail []byte) bool {
	if e.tails.json(tail) != nil {
		return true
	}
	if e.flatten != "" || e.json[0].ReplaceDots {
		return false
	}
	var keys []string
	for f := record.FieldsOf(tail); f.Next(); {
		key := string(f.Key())
		if !isPlain(key) || e.reads(key) || slices.Contains(keys, key) {
			return false
		}
		keys = append(keys, key)
	}
	return len(keys) > 0 && e.tails.add(tail)
}

// reads says whether the member key of a record has a meaning to the encoder, or may be left out.
func (e *encoder) reads(key string) bool {
	for _, path := range [][]string{e.idPath, e.routing, e.target} {
		if len(path) > 0 && path[0] == key {
			return true
		}
	}
	return key == e.stamp.source || slices.Contains(e.json[1].Omit, key) || e.names.read(key)
}

// isPlain says whether a key is a name that no key of another type is written as: digits, true, null, a time, a NaN.
func isPlain(key string) bool {
	for i := range len(key) {
		switch c := key[i]; {
		case c == '_', c|0x20 >= 'a' && c|0x20 <= 'z', c >= '0' && c <= '9' && i > 0:
		default:
			return false
		}
	}
	return key != "" && key != "true" && key != "false" && key != "null"
}
