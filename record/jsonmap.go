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
	// Omit are keys of the outermost map that are left out, as they would be written (after ReplaceDots).
	Omit []string
}

// AppendJSONMembers appends the members of the map at the start of body as JSON, with commas between them and neither
// braces around nor a comma before them. Nothing is appended where there are none. Values are written, and members with
// the same key are told, as in AppendJSON.
func AppendJSONMembers(dst, body []byte, opt *JSONOptions) []byte {
	n, rest, err := MapHeader(body)
	if err != nil {
		return dst
	}
	if opt == nil {
		opt = &JSONOptions{}
	}
	dst, _ = appendMembers(dst, rest, n, opt.Omit, opt.ReplaceDots, 1)
	return dst
}

// A member is one that has been written, with a comma behind it: up to where the next one begins.
type member struct {
	start int    // where it begins in the output
	key   uint32 // length of the key as written, from the quote to the colon; 0: another one has taken its place
	hash  uint32 // of the key, in a large map
}

// fewMembers is how many members a map may have to be looked through one by one for the same key.
const fewMembers = 32

// appendMembers appends n members, from b on, of a map whose values are nested depth deep.
func appendMembers(dst, b []byte, n int, omit []string, dots bool, depth int) (out, rest []byte) {
	if n > fewMembers {
		return appendManyMembers(dst, b, n, omit, dots, depth)
	}
	var seen [fewMembers]member
	count, same := 0, false
	var lengths uint64 // a bit for each length, modulo 64, that a key had so far
	base := len(dst)
	for ; n > 0 && len(b) > 0; n-- {
		start, size := len(dst), 0
		if dst, b, size = appendMember(dst, b, dots, depth); size == 0 {
			break
		}
		key := dst[start : start+size]
		if len(omit) > 0 && omits(omit, key) {
			dst = dst[:start]
			continue
		}
		length := uint64(1) << (size & 63)
		if lengths&length != 0 && replaces(dst, seen[:count], key) {
			same = true
		}
		lengths |= length
		seen[count] = member{start: start, key: uint32(size)}
		count++
	}
	if same {
		dst = dropReplaced(dst, seen[:count])
	}
	return withoutComma(dst, base), b
}

// replaces finds the member with the same key, marks it as replaced, and reports whether there was one.
func replaces(dst []byte, seen []member, key []byte) bool {
	for i := range seen {
		if s := &seen[i]; int(s.key) == len(key) && bytes.Equal(dst[s.start:s.start+len(key)], key) {
			s.key = 0
			return true
		}
	}
	return false
}

// dropReplaced closes the gaps that members leave whose place another one has taken.
func dropReplaced(dst []byte, members []member) []byte {
	end := members[0].start
	for i, m := range members {
		next := len(dst)
		if i+1 < len(members) {
			next = members[i+1].start
		}
		if m.key > 0 {
			end += copy(dst[end:], dst[m.start:next])
		}
	}
	return dst[:end]
}

// omits reports whether key, as written, is among the keys to leave out.
func omits(omit []string, key []byte) bool {
	text := key[1 : len(key)-2] // without the quotes and the colon
	for _, o := range omit {
		switch {
		case string(text) == o:
			if strings.IndexByte(o, '\\') < 0 { // else the escape of another key looks like o
				return true
			}
		case len(o) > 0 && len(text) > len(o) && (text[0] == o[0] || text[0] == '\\' || text[0] == replaced[0]):
			var buf [64]byte
			if string(text) == string(appendEscaped(buf[:0], []byte(o))) { // escaping makes longer
				return true
			}
		}
	}
	return false
}

// appendMember appends the key at the start of b, the value behind it, and a comma. It returns what follows them and the
// length of the key as written, up to and with the colon; 0: it is malformed, and nothing was appended.
func appendMember(dst, b []byte, dots bool, depth int) (out, rest []byte, size int) {
	start := len(dst)
	if head, end := shortStr(b); end > 0 {
		key, rest := b[head:end], b[end:]
		if head, end := shortStr(rest); end > 0 {
			if out, size := appendPair(dst, key, rest[head:end]); size > 0 {
				if dots {
					replaceDots(out[start : start+size])
				}
				return out, rest[end:], size
			}
		}
	}
	if dst, b = appendKey(dst, b, dots); len(dst) == start {
		return dst, nil, 0
	}
	size = len(dst) - start
	dst, b = appendValue(dst, b, dots, depth)
	return dst, b, size
}

// appendPair is appendMember for two strings, which most members are. It doesn't take a key with something to escape:
// size is then 0.
func appendPair(dst, key, value []byte) (out []byte, size int) {
	start, size := len(dst), len(key)+len(`"":`)
	dst = slices.Grow(dst, size+len(value)+escapeRoom)
	out = dst[:start+size+len(value)+len(`"",`)]
	out[start] = '"'
	if copyPlain(out[start+1:], key) < len(key) {
		return dst, 0
	}
	from := start + size + 1
	out[from-3], out[from-2], out[from-1] = '"', ':', '"'
	if n := copyPlain(out[from:], value); n < len(value) {
		return append(appendEscaped(out[:from+n], value[n:]), '"', ','), size
	}
	out[len(out)-2], out[len(out)-1] = '"', ','
	return out, size
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

// maxKeptMembers is how many members an index may have had to be kept for the next large map.
const maxKeptMembers = 1024

// indexes are idle memberIndexes, kept so that maps with more than fewMembers cost no allocation either.
var indexes = sync.Pool{New: func() any { return new(memberIndex) }}

// hashSeed keeps anyone from choosing keys that collide.
var hashSeed = maphash.MakeSeed()

// appendManyMembers is appendMembers for a map that may be large.
func appendManyMembers(dst, b []byte, n int, omit []string, dots bool, depth int) (out, rest []byte) {
	x := indexes.Get().(*memberIndex)
	same := false
	base := len(dst)
	for ; n > 0 && len(b) > 0; n-- {
		start, size := len(dst), 0
		if dst, b, size = appendMember(dst, b, dots, depth); size == 0 {
			break
		}
		if len(omit) > 0 && omits(omit, dst[start:start+size]) {
			dst = dst[:start]
			continue
		}
		if x.add(dst, start, size) {
			same = true
		}
	}
	if same {
		dst = dropReplaced(dst, x.members)
	}
	x.release()
	return withoutComma(dst, base), b
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

// release gives the index back for the next map.
func (x *memberIndex) release() {
	if len(x.members) > maxKeptMembers {
		return
	}
	x.members = x.members[:0]
	clear(x.table)
	indexes.Put(x)
}
