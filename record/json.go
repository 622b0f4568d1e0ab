package record

import (
	"encoding/hex"
	"math"
	"strconv"
	"time"
)

// AppendJSON appends the value at the start of b as JSON, on one line. It is always valid JSON, whatever b is:
//
//   - str and bin are strings, in which bytes that aren't UTF-8 become U+FFFD;
//   - NaN and the infinities are null, other numbers are written as encoding/json does, but a whole float as 1.0;
//   - an EventTime or a Timestamp of the years 0 to 9999 is its time, "2006-01-02T15:04:05.000000000Z";
//   - another ext is "ext(TYPE):DATA", the type in decimal and the data in hexadecimal;
//   - a key that isn't a string is its text as above, and a map or array as a key is "msgpack:BYTES" in hexadecimal;
//   - of several members with the same key, as it is written, the last one stays;
//   - a value that is malformed or nested deeper than MaxDepth is null; a malformed one also ends the maps and arrays it is in.
//
// Like every function here that appends JSON, it may write to dst's capacity after what it returns.
func AppendJSON(dst, b []byte) []byte {
	dst, _ = appendValue(dst, b, false, 0)
	return dst[:len(dst)-1] // the comma
}

// AppendText appends the value at the start of b as text: the content of a str or bin, and other values as the JSON
// that AppendJSON writes, without quotes. Nothing is appended where b is malformed at its start, or is a map or array that
// becomes more than MaxJSON.
func AppendText(dst, b []byte) []byte {
	if len(b) == 0 {
		return dst
	}
	switch KindOf(b[0]) {
	case KindStr, KindBin:
		s, _, _ := Str(b)
		return append(dst, s...)
	case KindMap, KindArray:
		if whole := (Event{Body: b}); !whole.FitsJSON(MaxJSON) {
			return dst
		}
		return AppendJSON(dst, b)
	}
	dst, _, _ = appendScalar(dst, b)
	return dst
}

// appendValue appends the value at the start of b, which is nested depth deep, and a comma. It returns what follows:
// nothing where b is malformed, so that everything around it ends too.
func appendValue(dst, b []byte, dots bool, depth int) (out, rest []byte) {
	if head, end := shortStr(b); end > 0 {
		return appendQuoted(dst, b[head:end], ','), b[end:]
	}
	if len(b) == 0 {
		return append(dst, "null,"...), nil
	}
	switch kind := KindOf(b[0]); kind {
	case KindStr, KindBin:
		if s, rest, err := Str(b); err == nil {
			return appendQuoted(dst, s, ','), rest
		}
	case KindMap, KindArray:
		return appendContainer(dst, b, kind, dots, depth)
	case KindExt:
		if out, rest, ok := appendExt(append(dst, '"'), b); ok {
			return append(out, '"', ','), rest
		}
	default:
		if out, rest, ok := appendPlain(dst, b); ok {
			return append(out, ','), rest
		}
	}
	return append(dst, "null,"...), nil
}

func appendContainer(dst, b []byte, kind Kind, dots bool, depth int) (out, rest []byte) {
	if depth >= MaxDepth {
		rest, _ = Skip(b)
		return append(dst, "null,"...), rest
	}
	if kind == KindMap {
		n, rest, err := MapHeader(b)
		if err != nil {
			return append(dst, "null,"...), nil
		}
		dst, rest = appendMembers(append(dst, '{'), rest, n, nil, dots, depth+1)
		return append(dst, '}', ','), rest
	}
	n, rest, err := ArrayHeader(b)
	if err != nil {
		return append(dst, "null,"...), nil
	}
	dst = append(dst, '[')
	start := len(dst)
	for ; n > 0 && len(rest) > 0; n-- {
		dst, rest = appendValue(dst, rest, dots, depth+1)
	}
	return append(withoutComma(dst, start), ']', ','), rest
}

// withoutComma takes away the comma after the last of the values that begin at dst[start], if there are any.
func withoutComma(dst []byte, start int) []byte {
	if len(dst) > start {
		return dst[:len(dst)-1]
	}
	return dst
}

// appendScalar appends the text of a value that is neither a string nor a container, and returns what follows. Where
// the value is malformed, ok is false and dst unchanged.
func appendScalar(dst, b []byte) (out, rest []byte, ok bool) {
	switch KindOf(b[0]) {
	case KindNil:
		return append(dst, "null"...), b[1:], true
	case KindBool:
		return strconv.AppendBool(dst, b[0] == 0xc3), b[1:], true
	case KindInt:
		u, negative, rest, err := integer(b)
		if err != nil {
			return dst, nil, false
		}
		if negative {
			return strconv.AppendInt(dst, int64(u), 10), rest, true
		}
		return strconv.AppendUint(dst, u, 10), rest, true
	case KindFloat:
		v, rest, err := Float(b)
		if err != nil {
			return dst, nil, false
		}
		width := 64
		if b[0] == 0xca {
			width = 32
		}
		return appendFloat(dst, v, width), rest, true
	case KindExt:
		return appendExt(dst, b)
	}
	return dst, nil, false
}

// appendPlain is appendScalar for a value of JSON. A float that is whole gets .0: an index's first document would else map the
// field as an integer, and 0.25 would become 0.
func appendPlain(dst, b []byte) (out, rest []byte, ok bool) {
	out, rest, ok = appendScalar(dst, b)
	if ok && KindOf(b[0]) == KindFloat && wholeNumber(out[len(dst):]) {
		out = append(out, ".0"...)
	}
	return out, rest, ok
}

// wholeNumber reports whether text is an integer.
func wholeNumber(text []byte) bool {
	for _, c := range text {
		if c != '-' && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// appendFloat appends v as encoding/json does, which is as ECMAScript does: fixed, unless very large or small.
func appendFloat(dst []byte, v float64, width int) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(dst, "null"...)
	}
	format := byte('f')
	if a := math.Abs(v); a != 0 {
		if width == 64 && (a < 1e-6 || a >= 1e21) || width == 32 && (float32(a) < 1e-6 || float32(a) >= 1e21) {
			format = 'e'
		}
	}
	dst = strconv.AppendFloat(dst, v, format, -1, width)
	if n := len(dst); format == 'e' && n >= 4 && string(dst[n-4:n-1]) == "e-0" { // e-09 is written e-9
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}

// firstSec and lastSec are the first and the last second, since the epoch, that RFC 3339 can write: years 0 to 9999.
const (
	firstSec = -62_167_219_200
	lastSec  = 253_402_300_799
)

// appendExt appends the text of an ext.
func appendExt(dst, b []byte) (out, rest []byte, ok bool) {
	if sec, nsec, rest, err := extTime(b); err == nil && sec >= firstSec && sec <= lastSec {
		if sec >= 0 && sec <= math.MaxUint32 {
			return AppendTimeISO(dst, Time{uint32(sec), nsec}, 9), rest, true
		}
		return time.Unix(sec, int64(nsec)).UTC().AppendFormat(dst, "2006-01-02T15:04:05.000000000Z"), rest, true
	}
	end, err := Check(b)
	if err != nil {
		return dst, nil, false
	}
	head := 1 // the header up to the type
	if c := b[0]; c <= 0xc9 {
		head += 1 << lengthBytes[c-0xc0]
	}
	dst = append(dst, "ext("...)
	dst = strconv.AppendInt(dst, int64(int8(b[head])), 10)
	dst = append(dst, "):"...)
	return hex.AppendEncode(dst, b[head+1:end]), b[end:], true
}
