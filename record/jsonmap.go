package record

import (
	"bytes"
	"encoding/hex"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
)

// JSONOptions change what AppendJSONMembers writes. The zero value and nil change nothing.
type JSONOptions struct {
	// ReplaceDots writes _ for every dot in a key, at every level.
	ReplaceDots bool
	// Omit are keys of the outermost map whose members are omitted. They are compared as written, after ReplaceDots.
	Omit []string
}

// AppendJSONMembers appends the members of the map at the start of body as JSON, with commas between them and neither
// braces around nor a comma before them. Nothing is appended where there are none. Values and members with the same key are
// treated as in AppendJSON.
func AppendJSONMembers(dst, body []byte, opt *JSONOptions) []byte {
	n, rest, err := MapHeader(body)
	if err != nil {
		return dst
	}
	dst, _ = appendMembers(dst, rest, n, opt, opt != nil && opt.ReplaceDots, 1)
	return dst
}

// TryAppendJSONMembers is AppendJSONMembers for a map that is the same as written: it has at most fewMembers members, all with
// different keys, and none that opt omits. Otherwise nothing is appended, and ok is false.
func TryAppendJSONMembers(dst, body []byte, opt *JSONOptions) (out []byte, ok bool) {
	n, rest, err := MapHeader(body)
	if err != nil || n > fewMembers || len(rest) > maxRun {
		return dst, false
	}
	r := memberRun{n: n, base: len(dst)}
	r.expect(opt)
	dst, _ = r.append(dst, rest, opt != nil && opt.ReplaceDots, 1)
	if r.suspects != 0 {
		if _, gone := r.dropUnwanted(dst, opt, 1); gone {
			return dst[:r.base], false
		}
	}
	return withoutComma(dst, r.base), true
}

// fewMembers is the most members that a map may have for its keys to be compared one by one, without an index.
const fewMembers = 32

// appendMembers appends n members, from b on, of a map whose values are nested depth deep. opt is nil but for the outermost
// map.
func appendMembers(dst, b []byte, n int, opt *JSONOptions, dots bool, depth int) (out, rest []byte) {
	base := len(dst)
	if n > fewMembers || len(b) > maxRun {
		dst, b = appendManyMembers(dst, b, n, opt, dots, depth)
	} else {
		r := memberRun{n: n, base: base}
		r.expect(opt)
		dst, b = r.append(dst, b, dots, depth)
		if r.suspects != 0 {
			dst, _ = r.dropUnwanted(dst, opt, depth)
		}
	}
	return withoutComma(dst, base), b
}

// PlainKeys reports whether all keys of a map are plain names, as which no key of another type is written in JSON (as digits, true,
// null, a time, NaN).
func PlainKeys(body []byte) bool {
	for f := FieldsOf(body); f.Next(); {
		if !isPlainKey(f.Key()) {
			return false
		}
	}
	return true
}

// isPlainKey reports whether no key of another type can be encoded as this name (as digits, true, null, a time, NaN).
func isPlainKey(key []byte) bool {
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

// unwanted reports whether the member with a key, as written, is to be omitted.
func (opt *JSONOptions) unwanted(key []byte) bool {
	if opt == nil {
		return false
	}
	text := key[1 : len(key)-2] // without the quotes and the colon
	return slices.ContainsFunc(opt.Omit, func(o string) bool { return isText(text, o) })
}

// isText reports whether s is written as text.
func isText(text []byte, s string) bool {
	switch {
	case string(text) == s:
		return strings.IndexByte(s, '\\') < 0 // otherwise text is the escaped form of another string
	case len(s) > 0 && len(text) > len(s) && (text[0] == s[0] || text[0] == '\\' || text[0] == replaced[0]):
		var buf [64]byte
		return string(text) == string(appendEscaped(buf[:0], []byte(s))) // escaping lengthens
	}
	return false
}

func replaceDots(key []byte) {
	for i, c := range key {
		if c == '.' {
			key[i] = '_'
		}
	}
}

// appendKey appends the key at the start of b as a JSON string and a colon, and returns what follows. Nothing is appended
// where b is malformed.
func appendKey(dst, b []byte, dots bool) (out, rest []byte) {
	start := len(dst)
	switch kind := KindOf(b[0]); kind {
	case KindStr, KindBin:
		if head, end := shortStr(b); end > 0 {
			dst, b = appendQuoted(dst, b[head:end], ':'), b[end:]
			break
		}
		s, rest, err := Str(b)
		if err != nil {
			return dst, nil
		}
		dst, b = appendQuoted(dst, s, ':'), rest
	case KindMap, KindArray:
		n, err := Check(b)
		if err != nil {
			return dst, nil
		}
		dst = hex.AppendEncode(append(dst, `"msgpack:`...), b[:n])
		dst, b = append(dst, '"', ':'), b[n:]
	default:
		text, rest, ok := appendScalar(append(dst, '"'), b)
		if !ok {
			return dst, nil
		}
		dst, b = append(text, '"', ':'), rest
	}
	if dots {
		replaceDots(dst[start:])
	}
	return dst, b
}

// A memberIndex finds members of a large map by their key.
type memberIndex struct {
	members []member
	table   []uint32 // open addressing by hash; the place in members, plus one
}

// A member is one of a large map that has been written.
type member struct {
	start int    // where it begins in the output
	key   uint32 // length of the key as written, from the quote to the colon; 0: the member must be dropped
	hash  uint32 // of the key
}

// maxKeptMembers is the most members of an index that is kept for the next large map.
const maxKeptMembers = 1024

// indexes are idle memberIndexes, kept so that maps with more than fewMembers cost no allocation either.
var indexes = sync.Pool{New: func() any { return new(memberIndex) }}

// hashSeed keeps anyone from choosing keys that collide.
var hashSeed = maphash.MakeSeed()

// appendManyMembers is appendMembers for a map that may be large.
func appendManyMembers(dst, b []byte, n int, opt *JSONOptions, dots bool, depth int) (out, rest []byte) {
	x := indexes.Get().(*memberIndex)
	gone := false
	for n > 0 && len(b) > 0 {
		r := memberRun{n: min(n, fewMembers), base: len(dst)}
		if len(b) > maxRun {
			r.n = 1
		}
		dst, b = r.append(dst, b, dots, depth)
		if r.count < r.n { // malformed
			b = nil
		}
		for _, p := range r.at[:r.count] {
			start := r.base + int(p.start)
			switch {
			case opt.unwanted(dst[start:][:p.key]):
				x.members = append(x.members, member{start: start})
				gone = true
			case x.add(dst, start, int(p.key)):
				gone = true
			}
		}
		n -= r.n
	}
	if gone {
		dst = dropMembers(dst, len(x.members), depth, func(i int) (start int, stays bool) {
			return x.members[i].start, x.members[i].key > 0
		})
	}
	x.release()
	return dst, b
}

// add adds the member that begins at dst[start] with a key of size bytes, and reports whether it takes the place of an earlier one.
func (x *memberIndex) add(dst []byte, start, size int) (same bool) {
	if (len(x.members)+1)*2 > len(x.table) {
		x.grow()
	}
	key := dst[start : start+size]
	m := member{start, uint32(size), uint32(maphash.Bytes(hashSeed, key))}
	mask := uint32(len(x.table) - 1)
	i := m.hash & mask
	for ; x.table[i] != 0; i = (i + 1) & mask {
		s := &x.members[x.table[i]-1]
		if s.hash == m.hash && s.key == m.key && bytes.Equal(dst[s.start:s.start+int(s.key)], key) {
			s.key, same = 0, true
			break
		}
	}
	x.members = append(x.members, m)
	x.table[i] = uint32(len(x.members))
	return same
}

// grow doubles the table.
func (x *memberIndex) grow() {
	x.table = make([]uint32, max(8*fewMembers, 2*len(x.table)))
	mask := uint32(len(x.table) - 1)
	for n, m := range x.members {
		if m.key == 0 {
			continue
		}
		i := m.hash & mask
		for x.table[i] != 0 {
			i = (i + 1) & mask
		}
		x.table[i] = uint32(n + 1)
	}
}

// release keeps the index for the next large map, unless it has grown too large.
func (x *memberIndex) release() {
	if len(x.members) > maxKeptMembers {
		return
	}
	x.members = x.members[:0]
	clear(x.table)
	indexes.Put(x)
}
