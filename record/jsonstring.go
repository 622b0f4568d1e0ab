package record

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf8"
)

// replaced stands for a byte that isn't UTF-8.
const replaced = "\ufffd"

// AppendJSONString appends s as a JSON string, quotes included. A byte that isn't UTF-8 becomes U+FFFD, as in
// encoding/json; U+2028 and U+2029, which some readers take for the end of a line, are escaped.
func AppendJSONString(dst, s []byte) []byte {
	dst = appendQuoted(dst, s, 0)
	return dst[:len(dst)-1]
}

// appendQuoted appends s as a JSON string, and the byte after. Most strings are copied as they are.
func appendQuoted(dst, s []byte, after byte) []byte {
	start := len(dst)
	dst = slices.Grow(dst, len(s)+escapeRoom)
	out := dst[:start+len(s)+3]
	out[start] = '"'
	if n := copyPlain(out[start+1:], s); n < len(s) {
		return append(appendEscaped(out[:start+1+n], s[n:]), '"', after)
	}
	out[len(out)-2], out[len(out)-1] = '"', after
	return out
}

// copyPlain copies s to dst, which is at least as long, up to some point before the first byte that may need an escape. It
// returns how many bytes it copied.
func copyPlain(dst, s []byte) int {
	dst = dst[:len(s)]
	if len(s) < 8 {
		return copyShort(dst, s)
	}
	i := 0
	for ; i <= len(s)-32; i += 32 {
		from, to := s[i:i+32], dst[i:i+32]
		a, b := binary.LittleEndian.Uint64(from), binary.LittleEndian.Uint64(from[8:])
		c, d := binary.LittleEndian.Uint64(from[16:]), binary.LittleEndian.Uint64(from[24:])
		if special(a)|special(b)|special(c)|special(d) != 0 {
			break
		}
		binary.LittleEndian.PutUint64(to, a)
		binary.LittleEndian.PutUint64(to[8:], b)
		binary.LittleEndian.PutUint64(to[16:], c)
		binary.LittleEndian.PutUint64(to[24:], d)
	}
	for ; i <= len(s)-8; i += 8 {
		w := binary.LittleEndian.Uint64(s[i:])
		if special(w) != 0 {
			return i
		}
		binary.LittleEndian.PutUint64(dst[i:], w)
	}
	w := binary.LittleEndian.Uint64(s[len(s)-8:]) // the last eight bytes, of which some may be copied already
	if special(w) != 0 {
		return i
	}
	binary.LittleEndian.PutUint64(dst[len(s)-8:], w)
	return len(s)
}

// copyShort is copyPlain for fewer than eight bytes.
func copyShort(dst, s []byte) int {
	if len(s) >= 4 {
		v, w := binary.LittleEndian.Uint32(s), binary.LittleEndian.Uint32(s[len(s)-4:])
		if special(uint64(v)|uint64(w)<<32) != 0 {
			return 0
		}
		binary.LittleEndian.PutUint32(dst, v)
		binary.LittleEndian.PutUint32(dst[len(s)-4:], w)
		return len(s)
	}
	for i, c := range s {
		if c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return i
		}
		dst[i] = c
	}
	return len(s)
}

// appendEscaped appends the content of a JSON string, eight bytes at a time up to one that has to be escaped.
func appendEscaped(dst, s []byte) []byte {
	dst = slices.Grow(dst, len(s)+escapeRoom)
	out, j := dst[:cap(dst)], len(dst)
	text := false // s[i:] is known to be UTF-8 with nothing beyond ASCII to escape
	for i := 0; ; {
		var w, m uint64
		n := 8
		for ; i <= len(s)-8; i, j = i+8, j+8 {
			w = binary.LittleEndian.Uint64(s[i:])
			binary.LittleEndian.PutUint64(out[j:], w)
			if m = special(w); m != 0 {
				break
			}
		}
		if m == 0 {
			if i >= len(s) {
				return out[:j]
			}
			w, n = lastBytes(s, i), len(s)-i
			binary.LittleEndian.PutUint64(out[j:], w)
			m = special(w)
		}
		if m != 0 && text {
			m = escaped(w)
		}
		if m == 0 {
			i, j = i+n, j+n
			continue
		}
		n = bits.TrailingZeros64(m) >> 3
		i, j = i+n, j+n
		c := s[i]
		if c >= utf8.RuneSelf {
			if text = cleanText(s[i:]); !text {
				return appendRepaired(out[:j], s[i:])
			}
			continue
		}
		i++
		if c == '"' || c == '\\' {
			out[j], out[j+1] = '\\', c
			j += 2
		} else {
			j = len(appendEscape(out[:j], c)) // in place: there is room
		}
		if len(out)-j < len(s)-i+escapeRoom {
			out = slices.Grow(out[:j], len(s)-i+escapeRoom)
			out = out[:cap(out)]
		}
	}
}

// escapeRoom is room for a whole word after the last byte, or for what encloses a string.
const escapeRoom = 8

// lastBytes is s[i:], which is fewer than eight bytes, as a word that is filled up with spaces.
func lastBytes(s []byte, i int) (w uint64) {
	n := len(s) - i
	switch {
	case len(s) >= 8:
		w = binary.LittleEndian.Uint64(s[len(s)-8:]) >> (64 - 8*n)
	case n >= 4:
		w = uint64(binary.LittleEndian.Uint32(s[i:])) | uint64(binary.LittleEndian.Uint32(s[len(s)-4:]))<<(8*n-32)
	default:
		w = uint64(s[i]) | uint64(s[i+n/2])<<(n/2*8) | uint64(s[len(s)-1])<<(8*n-8)
	}
	return w | ones*' '<<(8*n)
}

// cleanText reports whether s is UTF-8 without the separators that appendRepaired escapes. It may be false for other text.
func cleanText(s []byte) bool {
	return utf8.Valid(s) && !bytes.Contains(s, []byte("\xe2\x80"))
}

// appendRepaired is appendEscaped for any bytes, character by character.
func appendRepaired(dst, s []byte) []byte {
	for len(s) > 0 {
		if c := s[0]; c < utf8.RuneSelf {
			dst = appendEscape(dst, c)
			s = s[1:]
		} else {
			dst, s = appendRunes(dst, s)
		}
		n := plainPrefix(s)
		dst, s = append(dst, s[:n]...), s[n:]
	}
	return dst
}

// appendEscape appends the escape of a quote, a backslash or a control character.
func appendEscape(dst []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	if e := escapes[c]; e != 0 {
		return append(dst, '\\', e)
	}
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// escapes are the bytes after the backslash in short escapes, by the byte that is escaped.
var escapes = [256]byte{'"': '"', '\\': '\\', '\n': 'n', '\t': 't', '\r': 'r', '\b': 'b', '\f': 'f'}

// appendRunes appends the characters beyond ASCII at the start of s, and returns what follows them.
func appendRunes(dst, s []byte) (out, rest []byte) {
	n := 0 // s[:n] goes out as it is
	for n < len(s) && s[n] >= utf8.RuneSelf {
		r, size := utf8.DecodeRune(s[n:])
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(append(dst, s[:n]...), replaced...)
			s, n = s[n+size:], 0
		case r == '\u2028' || r == '\u2029':
			dst = append(append(dst, s[:n]...), `\u202`...)
			dst = append(dst, byte('0'+r&15))
			s, n = s[n+size:], 0
		default:
			n += size
		}
	}
	return append(dst, s[:n]...), s[n:]
}

// plainPrefix is how many bytes at the start of s are ASCII that a JSON string holds unescaped.
func plainPrefix(s []byte) int {
	i := 0
	for ; len(s)-i >= 8; i += 8 {
		if m := special(binary.LittleEndian.Uint64(s[i:])); m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for ; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			break
		}
	}
	return i
}

// special sets the highest bit of the bytes of w that a JSON string can't hold unescaped, or that aren't ASCII.
// Above the lowest byte that it marks it may mark others falsely, since a subtraction borrows from the next byte.
// Flipping the bit 2 puts the quote right after the control characters, so that one comparison finds both.
func special(w uint64) uint64 {
	return (w | ((w ^ ones*2) - ones*0x21) | ((w ^ ones*'\\') - ones)) & (ones * 0x80)
}

// escaped sets the highest bit of exactly the bytes of w that are a control character, a quote or a backslash: with the
// highest bits cleared no sum carries into the next byte.
func escaped(w uint64) uint64 {
	x := w &^ (ones * 0x80)
	fine := ((x ^ ones*2) + ones*(0x80-0x21)) & ((x ^ ones*'\\') + ones*0x7f)
	return ^(fine | w) & (ones * 0x80)
}

// ones is 1 in each of the eight bytes of a word.
const ones = 0x0101010101010101
