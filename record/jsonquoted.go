package record

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf8"
)

// quotedRoom is the room in bytes that a member of AppendJSONQuoted needs beside its text: \" four times, a colon, a comma.
const quotedRoom = 10

// AppendJSONQuoted appends the map at the start of body as a JSON string that has what AppendJSON writes, as
// AppendJSONString would make of that. It is faster where most members are strings without escapes. It takes no map that is
// large, malformed, or may have a key twice: ok is false then, and dst is unchanged.
func AppendJSONQuoted(dst, body []byte) (out []byte, ok bool) {
	n, b, err := MapHeader(body)
	if err != nil || n > fewMembers || len(b) > maxRoom {
		return dst, false
	}
	start, seen := len(dst), uint64(0)
	dst = append(dst, `"{`...)
	for i := range n {
		head, end := shortStr(b)
		if end <= head || end-head > maxKey {
			return dst[:start], false
		}
		key := b[head:end]
		if b = b[end:]; seen&keyBit(key) != 0 {
			return dst[:start], false
		}
		seen |= keyBit(key)
		dst = slices.Grow(dst, len(key)+len(b)+quotedRoom)
		if dst, ok = appendPlainQuoted(dst, key); !ok {
			return dst[:start], false
		}
		dst = append(dst, ':')
		if dst, b = appendQuotedValue(dst, b); i < n-1 {
			dst = append(dst, ',')
		}
	}
	return append(dst, `}"`...), true
}

// appendPlainQuoted appends \"s\", if s needs no escape. dst has room for that.
func appendPlainQuoted(dst, s []byte) (out []byte, ok bool) {
	start, end := len(dst), len(dst)+2+len(s)
	out = dst[:end+2]
	if copyPlain(out[start+2:end], s) < len(s) {
		return dst, false
	}
	out[start], out[start+1], out[end], out[end+1] = '\\', '"', '\\', '"'
	return out, true
}

// appendQuotedValue appends the value at the start of b as it is in a JSON string. dst has room for a string without escapes.
func appendQuotedValue(dst, b []byte) (out, rest []byte) {
	if s, rest, err := Str(b); err == nil {
		if out, ok := appendPlainQuoted(dst, s); ok {
			return out, rest
		}
		if out, ok := appendTwiceEscaped(dst, s); ok {
			return out, rest
		}
	}
	// The value is quoted after it is written, and moved to where it belongs, without the quotes around it.
	start := len(dst)
	dst, rest = appendValue(dst, b, false, 1)
	end := len(dst)
	dst = AppendJSONString(dst, dst[start:end-1])
	return dst[:start+copy(dst[start:], dst[end+1:len(dst)-1])], rest
}

// twiceRoom is the room in bytes that appendTwiceEscaped keeps beside what is left of the text: for an escape, and a word.
const twiceRoom = 16

// appendTwiceEscaped appends \"s\" with the escapes of a JSON string in a JSON string, if s is UTF-8 and has none but the usual
// ones: of quotes, backslashes, and the ends of lines.
func appendTwiceEscaped(dst, s []byte) (out []byte, ok bool) {
	out = append(dst, '\\', '"')
	j := len(out)
	for i := 0; i < len(s); {
		if cap(out)-j < len(s)-i+twiceRoom {
			out = slices.Grow(out[:j], len(s)-i+(len(s)-i)/4+4*twiceRoom)
		}
		out = out[:cap(out)]
		var m uint64
		for ; i <= len(s)-8; i, j = i+8, j+8 {
			w := binary.LittleEndian.Uint64(s[i:])
			binary.LittleEndian.PutUint64(out[j:], w)
			if m = special(w); m != 0 {
				n := bits.TrailingZeros64(m) / 8
				i, j = i+n, j+n
				break
			}
		}
		if m == 0 { // the last bytes, one at a time
			if i == len(s) {
				break
			}
			if c := s[i]; c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
				out[j] = c
				i, j = i+1, j+1
				continue
			}
		}
		read, wrote := escapeTwice(out[j:], s[i:])
		if read == 0 {
			return dst, false
		}
		i, j = i+read, j+wrote
	}
	return append(out[:j], '\\', '"'), true
}

// escapeTwice writes the character at the start of s, which isn't plain, to out. It reads nothing if there is no usual escape.
func escapeTwice(out, s []byte) (read, wrote int) {
	switch c := s[0]; {
	case c == '"':
		return 1, copy(out, `\\\"`)
	case c == '\\':
		return 1, copy(out, `\\\\`)
	case c == '\n':
		return 1, copy(out, `\\n`)
	case c == '\t':
		return 1, copy(out, `\\t`)
	case c == '\r':
		return 1, copy(out, `\\r`)
	case c >= utf8.RuneSelf:
		r, size := utf8.DecodeRune(s)
		if r == utf8.RuneError && size == 1 || r == '\u2028' || r == '\u2029' {
			return 0, 0
		}
		return size, copy(out, s[:size])
	}
	return 0, 0
}
