package bulk

import (
	"fmt"
	"slices"

	"github.com/firelane/firelane/record"
)

var errFlat = fmt.Errorf("flattened, the record has more than %d bytes", record.MaxJSON)

// appendFlat is AppendJSONMembers with nested maps flattened: {"a":{"b":1}} becomes "a_b":1. Arrays stay as they are. Of
// two fields that get the same name only the last is written.
func appendFlat(dst, body []byte, separator string, opt *record.JSONOptions) ([]byte, error) {
	// The flat map is appended to dst, and then its JSON, which is moved to the start of the map.
	start := len(dst)
	n, size := countFlat(body, 0, len(separator))
	if size > record.MaxJSON {
		return dst, errFlat
	}
	dst = record.AppendMapHeader(slices.Grow(dst, size), n)
	dst = appendFlatFields(dst, nil, body, separator)
	flat := dst[start:]
	if whole := (record.Event{Body: flat}); !whole.FitsJSON(record.MaxJSON) {
		return dst[:start], errFlat
	}
	end := len(dst)
	dst = record.AppendJSONMembers(dst, flat, opt)
	n = copy(dst[start:], dst[end:])
	return dst[:start+n], nil
}

// countFlat returns how many fields appendFlatFields appends, and at most how many bytes. prefix and separator are lengths. A
// map's name is repeated for each of its fields.
func countFlat(body []byte, prefix, separator int) (n, size int) {
	for f := record.FieldsOf(body); f.Next(); {
		name := prefix + 2*len(f.RawKey()) + maxScalar
		if text := f.Key(); text != nil {
			name = prefix + len(text)
		}
		if v := f.Value(); record.KindOf(v[0]) == record.KindMap {
			more, bytes := countFlat(v, name+separator, separator)
			n, size = n+more, size+bytes
		} else {
			n, size = n+1, size+5+name+len(v)
		}
		if size > record.MaxJSON {
			break // a name of 8 MiB may have a million fields
		}
	}
	return n, size
}

// maxScalar is the most bytes of a number or a time as text, and of what is written around any other key that isn't a string.
const maxScalar = 32

// appendFlatFields appends the fields of body, with prefix before their names. record.MaxDepth bounds the recursion.
func appendFlatFields(dst, prefix, body []byte, separator string) []byte {
	for f := record.FieldsOf(body); f.Next(); {
		name := record.AppendText(prefix[:len(prefix):len(prefix)], f.RawKey())
		if v := f.Value(); record.KindOf(v[0]) == record.KindMap {
			dst = appendFlatFields(dst, append(name, separator...), v, separator)
		} else {
			dst = record.AppendStrBytes(dst, name)
			dst = append(dst, v...)
		}
	}
	return dst
}
