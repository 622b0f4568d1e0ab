package forward

import (
	"encoding/binary"

	"github.com/firelane/firelane/record"
)

// valueSize is the length in bytes of the first value of b, however deep it is nested. It is for skipping a record that is
// nested deeper than record.Check accepts. Its errors are record.ErrShort and record.ErrInvalid.
func valueSize(b []byte) (int, error) {
	pos := 0
	for left := 1; left > 0; left-- {
		head, body, values, err := valueHeader(b[pos:])
		if err != nil {
			return 0, err
		}
		if body > len(b)-pos-head {
			return 0, record.ErrShort
		}
		pos += head + body
		left += values
		if left > len(b) { // each takes a byte at least
			return 0, record.ErrShort
		}
	}
	return pos, nil
}

// valueHeader reads the header of the value that b begins with: how many bytes it has itself, how many bytes follow it,
// and how many values. Its errors are those of valueSize.
func valueHeader(b []byte) (head, body, values int, err error) {
	if len(b) == 0 {
		return 0, 0, 0, record.ErrShort
	}
	c := b[0]
	switch {
	case c < 0x80 || c >= 0xe0:
		return 1, 0, 0, nil
	case c < 0x90:
		return 1, 0, 2 * int(c&15), nil
	case c < 0xa0:
		return 1, 0, int(c & 15), nil
	case c < 0xc0:
		return 1, int(c & 31), 0, nil
	}
	f := forms[c-0xc0]
	if f.width < 0 {
		return 0, 0, 0, record.ErrInvalid
	}
	if len(b) < 1+f.width {
		return 0, 0, 0, record.ErrShort
	}
	var n int
	switch f.width {
	case 1:
		n = int(b[1])
	case 2:
		n = int(binary.BigEndian.Uint16(b[1:]))
	case 4:
		n = int(binary.BigEndian.Uint32(b[1:]))
	}
	return 1 + f.width, f.fixed + n*f.bytes, n * f.values, nil
}

// A form describes what follows a first byte from 0xc0 to 0xdf: a count, which is width bytes long; fixed bytes; and as many
// times as the count, bytes bytes and values values.
type form struct{ width, fixed, bytes, values int }

var forms = [32]form{
	{}, {width: -1}, {}, {}, // nil, invalid, false, true
	{1, 0, 1, 0}, {2, 0, 1, 0}, {4, 0, 1, 0}, // bin
	{1, 1, 1, 0}, {2, 1, 1, 0}, {4, 1, 1, 0}, // ext
	{fixed: 4}, {fixed: 8}, // floats
	{fixed: 1}, {fixed: 2}, {fixed: 4}, {fixed: 8}, // uints
	{fixed: 1}, {fixed: 2}, {fixed: 4}, {fixed: 8}, // ints
	{fixed: 2}, {fixed: 3}, {fixed: 5}, {fixed: 9}, {fixed: 17}, // fixext
	{1, 0, 1, 0}, {2, 0, 1, 0}, {4, 0, 1, 0}, // str
	{2, 0, 0, 1}, {4, 0, 0, 1}, // array
	{2, 0, 0, 2}, {4, 0, 0, 2}, // map
}
