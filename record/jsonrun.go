package record

import (
	"bytes"
	"math/bits"
	"slices"
)

// A memberRun is the state of writing up to fewMembers members of a map as JSON. In most members both key and value are
// short strings: appendStrings writes those, as many as follow one another; append does the rest.
type memberRun struct {
	n        int    // members that the map says it has
	base     int    // where the first one begins in the output
	count    int    // members of which the key is written
	value    bool   // set by appendStrings: the last key is written, its value isn't
	stop     byte   // appendStrings stops at a key that contains this byte
	seen     uint64 // a bit for each key so far, see keyBit
	suspects uint64 // a bit for each member whose key may be a duplicate or one to omit
	at       [fewMembers]place
}

// A place is where a member is written. It ends, with a comma, where the next one begins.
type place struct {
	start uint32 // from memberRun.base on
	key   uint32 // length of the key as written, from the quote to the colon; 0: the member must be dropped
}

const (
	// maxRun is the longest input, in bytes, whose places certainly fit uint32: a byte becomes six at most.
	maxRun = 1 << 28
	// maxKey is the longest key that appendStrings takes, a fixstr's.
	maxKey = 31
	// maxRoom is how much room is made in advance, in bytes. A longer string makes room for itself.
	maxRoom = 64 << 10
	// runRoom is the room in bytes that strings need beside their own length: for quotes, some escapes, and whole vectors.
	runRoom = 256
)

// append appends r.n members, from b on, whose values are nested depth deep, and a comma after each.
func (r *memberRun) append(dst, b []byte, dots bool, depth int) (out, rest []byte) {
	r.stop = '"'
	if dots {
		r.stop = '.'
	}
	for r.count < r.n && len(b) > 0 {
		dst = slices.Grow(dst, min(len(b), maxRoom)+runRoom)
		if dst, b = appendStrings(dst, b, r); !r.value {
			if r.count == r.n || len(b) == 0 {
				break
			}
			start := len(dst)
			if dst, b = appendKey(dst, b, dots); len(dst) == start {
				break
			}
			r.suspects |= 1 << r.count
			expectKey(r, dst[start+1:len(dst)-2])
			r.at[r.count] = place{uint32(start - r.base), uint32(len(dst) - start)}
			r.count++
		}
		dst, b = appendValue(dst, b, dots, depth)
	}
	return dst, b
}

// keyFactor spreads a key's length and last two bytes over the highest bits of a 32-bit product.
const keyFactor = 0x2c1b3c6d

// keyBit is the bit in seen of a key of 1 to maxKey bytes. For a key of one byte, its header is the last byte but one.
func keyBit[K string | []byte](key K) uint64 {
	n := uint32(len(key))
	last := 0xa0 | n
	if n > 1 {
		last = uint32(key[n-2])
	}
	return 1 << ((last | uint32(key[n-1])<<8 | n<<16) * keyFactor >> 26)
}

// expect marks the keys that opt omits as seen, so that members with them become suspects.
func (r *memberRun) expect(opt *JSONOptions) {
	if opt == nil {
		return
	}
	for _, key := range opt.Omit {
		expectKey(r, key)
	}
}

// expectKey marks key as seen, so that a later member with it becomes a suspect.
func expectKey[K string | []byte](r *memberRun, key K) {
	if len(key) > 0 && len(key) <= maxKey { // appendStrings takes no other
		r.seen |= keyBit(key)
	}
}

// dropUnwanted checks the suspects, and removes the members that opt omits and those with the same key as a later one. gone reports
// whether there were any.
func (r *memberRun) dropUnwanted(dst []byte, opt *JSONOptions, depth int) (out []byte, gone bool) {
	at := r.at[:r.count]
	for left := r.suspects; left != 0; left &= left - 1 {
		i := bits.TrailingZeros64(left)
		key := r.key(dst, i)
		if opt.unwanted(key) {
			at[i].key, gone = 0, true
			continue
		}
		for j := range at[:i] {
			if at[j].key == at[i].key && string(r.key(dst, j)) == string(key) {
				at[j].key, gone = 0, true
				break
			}
		}
	}
	if gone {
		dst = dropMembers(dst, len(at), depth, func(i int) (start int, stays bool) { return r.base + int(at[i].start), at[i].key > 0 })
	}
	return dst, gone
}

// key is the key of member i as it is written.
func (r *memberRun) key(dst []byte, i int) []byte {
	p := r.at[i]
	return dst[r.base+int(p.start):][:p.key]
}

// maxMoved is how many bytes dropMembers moves in a map that is inside another one. Nested maps would otherwise move what is
// inside them once for each level.
const maxMoved = 64 << 10

// dropMembers removes from the end of dst those of the n members there that don't stay. In a nested map, if more than maxMoved
// bytes would have to be moved, it overwrites them with blanks.
func dropMembers(dst []byte, n, depth int, member func(i int) (start int, stays bool)) []byte {
	end, _ := member(0)
	blank := depth > 1 && len(dst)-end > maxMoved
	for i := range n {
		next := len(dst)
		if i+1 < n {
			next, _ = member(i + 1)
		}
		start, stays := member(i)
		switch {
		case !stays:
		case blank:
			for ; end < start; end++ {
				dst[end] = ' '
			}
			end = next
		default:
			end += copy(dst[end:], dst[start:next])
		}
	}
	return dst[:end]
}

// appendStringsGo is appendStrings without assembly. It sets r.value only where the value isn't a string.
func appendStringsGo(dst, b []byte, r *memberRun) (out, rest []byte) {
	r.value = false
	for r.count < r.n && len(b) > 1 {
		n := int(b[0]) - 0xa0
		if n < 1 || n > maxKey || n >= len(b) || cap(dst)-len(dst) < runRoom {
			break
		}
		start, key := len(dst), b[1:1+n]
		if out = dst[:start+n+len(`"":`)]; copyPlain(out[start+1:], key) < n || r.stop == '.' && bytes.IndexByte(key, '.') >= 0 {
			break
		}
		out[start], out[start+1+n], out[start+2+n] = '"', '"', ':'
		dst, b = out, b[1+n:]
		bit := keyBit(key)
		if r.seen&bit != 0 {
			r.suspects |= 1 << r.count
		}
		r.seen |= bit
		r.at[r.count] = place{uint32(start - r.base), uint32(n + len(`"":`))}
		r.count++
		value, rest, err := Str(b)
		if err != nil {
			r.value = true
			break
		}
		dst, b = appendQuoted(dst, value, ','), rest
	}
	return dst, b
}
