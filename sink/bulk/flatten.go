package bulk

import "github.com/firelane/firelane/record"

// appendFlat is AppendJSONMembers with nested maps flattened: {"a":{"b":1}} becomes "a_b":1. Arrays stay as they are. Of
// two fields that get the same name only the last is written.
func appendFlat(dst, body []byte, separator string, opt *record.JSONOptions) []byte {
	// The flat map is appended to dst, and then its JSON, which is moved to the start of the map.
	start := len(dst)
	n := countFlat(body)
	dst = record.AppendMapHeader(dst, n)
	dst = appendFlatFields(dst, nil, body, separator)
	flat := dst[start:]
	end := len(dst)
	dst = record.AppendJSONMembers(dst, flat, opt)
	n = copy(dst[start:], dst[end:])
	return dst[:start+n]
}

// countFlat returns the number of fields that appendFlatFields appends.
func countFlat(body []byte) int {
	n := 0
	for f := record.FieldsOf(body); f.Next(); {
		if v := f.Value(); record.KindOf(v[0]) == record.KindMap {
			n += countFlat(v)
		} else {
			n++
		}
	}
	return n
}

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
