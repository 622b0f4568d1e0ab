package record

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// replaced stands for a byte that isn't UTF-8.
const replaced = "\ufffd"

// AppendJSONString appends s as a JSON string, quotes included. A byte that isn't UTF-8 becomes U+FFFD, as in
// encoding/json; U+2028 and U+2029, which some readers take for the end of a line, are escaped.
func AppendJSONString(dst, s []byte) []byte {
	return append(appendEscaped(append(dst, '"'), s), '"')
}

func appendEscaped(dst, s []byte) []byte {
	n := plainPrefix(s)
	dst = append(dst, s[:n]...)
	for n < len(s) {
		s = s[n:]
		if c := s[0]; c < utf8.RuneSelf {
			dst = appendEscape(dst, c)
			s = s[1:]
		} else {
			dst, s = appendRunes(dst, s)
		}
		n = plainPrefix(s)
		dst = append(dst, s[:n]...)
	}
	return dst
}

// appendEscape appends the escape of a quote, a backslash or a control character.
func appendEscape(dst []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\t':
		return append(dst, '\\', 't')
	case '\r':
		return append(dst, '\\', 'r')
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	}
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

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

// special sets the highest bit of the bytes of w that can't stand for themselves in a JSON string, or aren't ASCII.
// Above the lowest byte that it marks it may mark others falsely: a subtraction borrows from the next byte.
func special(w uint64) uint64 {
	return (w | (w - ones*' ') | ((w ^ ones*'"') - ones) | ((w ^ ones*'\\') - ones)) & (ones * 0x80)
}

// ones is 1 in each of the eight bytes of a word.
const ones = 0x0101010101010101
