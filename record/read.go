package record

import (
	"encoding/binary"
	"math"
)

// MapHeader reads the header of a map: n pairs should follow in rest, which isn't checked. The error is ErrShort, or
// ErrType where b begins with something else.
func MapHeader(b []byte) (n int, rest []byte, err error) {
	if len(b) > 0 && b[0]&0xf0 == 0x80 {
		return int(b[0] & 0x0f), b[1:], nil
	}
	return container(b, KindMap, 2)
}

// ArrayHeader reads the header of an array: n values should follow in rest, which isn't checked. The error is ErrShort, or
// ErrType where b begins with something else.
func ArrayHeader(b []byte) (n int, rest []byte, err error) {
	if len(b) > 0 && b[0]&0xf0 == 0x90 {
		return int(b[0] & 0x0f), b[1:], nil
	}
	return container(b, KindArray, 1)
}

// container reads the header of a map or array, each element of which is of width values.
func container(b []byte, want Kind, width uint64) (n int, rest []byte, err error) {
	if len(b) == 0 {
		return 0, nil, ErrShort
	}
	if KindOf(b[0]) != want {
		return 0, nil, ErrType
	}
	head, _, count, err := long(b)
	if err != nil {
		return 0, nil, err
	}
	return int(count / width), b[head:], nil
}

// Str reads a str or bin: its content, which aliases b, and what follows. The error is ErrShort or ErrType.
func Str(b []byte) (s, rest []byte, err error) {
	if head, end := shortStr(b); end > 0 {
		return b[head:end:end], b[end:], nil
	}
	if len(b) == 0 {
		return nil, nil, ErrShort
	}
	if k := KindOf(b[0]); k != KindStr && k != KindBin {
		return nil, nil, ErrType
	}
	if b[0]&0xe0 == 0xa0 {
		return nil, nil, ErrShort
	}
	head, size, _, err := long(b)
	end := head + size
	if err != nil || end > uint64(len(b)) {
		return nil, nil, ErrShort
	}
	return b[head:end:end], b[end:], nil
}

// shortStr finds the content of a fixstr or str8, b[head:end], which most strings are. It is small enough to be inlined;
// both are 0 for anything else.
func shortStr(b []byte) (head, end int) {
	if len(b) > 0 {
		if b[0] == 0xd9 && len(b) > 1 {
			head, end = 2, 2+int(b[1])
		} else if n := int(b[0]) - 0xa0; uint(n) < 32 {
			head, end = 1, 1+n
		}
		if end > len(b) {
			return 0, 0
		}
	}
	return head, end
}

// Text returns the content of a str or bin, which aliases value.
func Text(value []byte) (s []byte, ok bool) {
	s, _, err := Str(value)
	return s, err == nil
}

// Int reads an integer that fits int64. The error is ErrRange for a larger one, ErrShort or ErrType.
func Int(b []byte) (v int64, rest []byte, err error) {
	u, negative, rest, err := integer(b)
	if err == nil && !negative && u > math.MaxInt64 {
		return 0, nil, ErrRange
	}
	return int64(u), rest, err
}

// Float reads a float, or an integer as a float. The error is ErrShort or ErrType.
func Float(b []byte) (v float64, rest []byte, err error) {
	if len(b) == 0 {
		return 0, nil, ErrShort
	}
	switch c := b[0]; {
	case KindOf(c) == KindInt:
		u, negative, rest, err := integer(b)
		if negative {
			return float64(int64(u)), rest, err
		}
		return float64(u), rest, err
	case c == 0xca && len(b) >= 5:
		return float64(math.Float32frombits(binary.BigEndian.Uint32(b[1:]))), b[5:], nil
	case c == 0xcb && len(b) >= 9:
		return math.Float64frombits(binary.BigEndian.Uint64(b[1:])), b[9:], nil
	case c == 0xca || c == 0xcb:
		return 0, nil, ErrShort
	}
	return 0, nil, ErrType
}

// Bool reads a bool. The error is ErrShort or ErrType.
func Bool(b []byte) (v bool, rest []byte, err error) {
	if len(b) == 0 {
		return false, nil, ErrShort
	}
	if b[0] != 0xc2 && b[0] != 0xc3 {
		return false, nil, ErrType
	}
	return b[0] == 0xc3, b[1:], nil
}

// integer reads an integer: u is its two's complement where it is negative.
func integer(b []byte) (u uint64, negative bool, rest []byte, err error) {
	if len(b) == 0 {
		return 0, false, nil, ErrShort
	}
	c := b[0]
	switch {
	case c < 0x80:
		return uint64(c), false, b[1:], nil
	case c >= 0xe0:
		return uint64(int64(int8(c))), true, b[1:], nil
	case c < 0xcc || c > 0xd3:
		return 0, false, nil, ErrType
	}
	size := int(sizes[c])
	if len(b) < size {
		return 0, false, nil, ErrShort
	}
	var v int64
	switch c {
	case 0xcc:
		v = int64(b[1])
	case 0xcd:
		v = int64(binary.BigEndian.Uint16(b[1:]))
	case 0xce:
		v = int64(binary.BigEndian.Uint32(b[1:]))
	case 0xcf:
		return binary.BigEndian.Uint64(b[1:]), false, b[size:], nil
	case 0xd0:
		v = int64(int8(b[1]))
	case 0xd1:
		v = int64(int16(binary.BigEndian.Uint16(b[1:])))
	case 0xd2:
		v = int64(int32(binary.BigEndian.Uint32(b[1:])))
	default:
		v = int64(binary.BigEndian.Uint64(b[1:]))
	}
	return uint64(v), v < 0, b[size:], nil
}
