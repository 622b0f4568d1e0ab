package record

import (
	"encoding/binary"
	"strconv"
)

// An offsetError is an error with the offset in the input, in bytes, at which it occurred.
type offsetError struct {
	err    error
	offset int
}

func (e *offsetError) Error() string { return e.err.Error() + " at byte " + strconv.Itoa(e.offset) }
func (e *offsetError) Unwrap() error { return e.err }

// Check returns the length in bytes of the first value in b, or ErrShort, ErrInvalid or ErrDepth where it isn't well-formed.
// It reads every header and no content of a string.
func Check(b []byte) (n int, err error) {
	end, err := walk(b, 0, 1, 0)
	if err != nil {
		return 0, err
	}
	return int(end), nil
}

// Skip returns what follows the first value in b. Its errors are those of Check.
func Skip(b []byte) (rest []byte, err error) {
	end, err := walk(b, 0, 1, 0)
	if err != nil {
		return nil, err
	}
	return b[end:], nil
}

// walk returns the end of the n values that begin at b[i], which are nested depth deep. Between two values i may be past
// the end of b, by the length of one value at most, which is noticed before the next one is read.
func walk(b []byte, i uint64, n uint64, depth int) (end uint64, err error) {
	for ; n > 0; n-- {
		if i >= uint64(len(b)) {
			return 0, ErrShort
		}
		c := b[i]
		if c&0xe0 == 0xa0 { // fixstr: the most frequent value, so it costs one addition
			i += uint64(c) - 0x9f
			continue
		}
		if c == 0xd9 && i+1 < uint64(len(b)) { // str8, as most longer strings are
			i += 2 + uint64(b[i+1])
			continue
		}
		if size := sizes[c]; size < sizeVaries {
			i += uint64(size)
			continue
		}
		head, size, count, err := long(b[i:])
		if err != nil {
			return 0, errorAt(err, i)
		}
		if c < 0xa0 || c >= 0xdc { // a map or an array
			if depth >= MaxDepth {
				return 0, errorAt(ErrDepth, i)
			}
			if i, err = walk(b, i+head, count, depth+1); err != nil {
				return 0, err
			}
			continue
		}
		i += head + size
	}
	if i > uint64(len(b)) {
		return 0, ErrShort
	}
	return i, nil
}

// long reads the header at the start of b, which isn't empty, of a value whose length isn't in sizes: head bytes of
// header, then size bytes of content or count values.
func long(b []byte) (head, size, count uint64, err error) {
	switch c := b[0]; {
	case c < 0x90: // fixmap
		return 1, 0, uint64(c&0x0f) * 2, nil
	case c < 0xa0: // fixarray
		return 1, 0, uint64(c & 0x0f), nil
	case c == 0xc1:
		return 0, 0, 0, ErrInvalid
	default:
		head = uint64(1) << lengthBytes[c-0xc0]
		if uint64(len(b)) <= head {
			return 0, 0, 0, ErrShort
		}
		switch head {
		case 1:
			size = uint64(b[1])
		case 2:
			size = uint64(binary.BigEndian.Uint16(b[1:]))
		default:
			size = uint64(binary.BigEndian.Uint32(b[1:]))
		}
		head++
		switch {
		case c >= 0xde: // map
			return head, 0, size * 2, nil
		case c >= 0xdc: // array
			return head, 0, size, nil
		case c >= 0xc7 && c <= 0xc9: // ext: its type is one byte more
			return head, size + 1, 0, nil
		}
		return head, size, 0, nil
	}
}

// errorAt adds the offset to an error that isn't ErrShort.
func errorAt(err error, offset uint64) error {
	if err == ErrShort {
		return err
	}
	return &offsetError{err, int(offset)}
}

// sizeVaries in sizes means that the first byte doesn't determine the length.
const sizeVaries = 0xff

// sizes are the lengths in bytes of values, by their first byte.
var sizes = sizeTable()

func sizeTable() (t [256]uint8) {
	for c := range t {
		switch {
		case c < 0x80 || c >= 0xe0 || c == 0xc0 || c == 0xc2 || c == 0xc3: // fixint, nil, false, true
			t[c] = 1
		case c >= 0xa0 && c < 0xc0: // fixstr
			t[c] = uint8(1 + c&0x1f)
		case c == 0xca: // float32
			t[c] = 5
		case c == 0xcb: // float64
			t[c] = 9
		case c >= 0xcc && c <= 0xcf: // uint8 to uint64
			t[c] = 1 + 1<<(c-0xcc)
		case c >= 0xd0 && c <= 0xd3: // int8 to int64
			t[c] = 1 + 1<<(c-0xd0)
		case c >= 0xd4 && c <= 0xd8: // fixext1 to fixext16
			t[c] = 2 + 1<<(c-0xd4)
		default:
			t[c] = sizeVaries
		}
	}
	return t
}

// lengthBytes are, for the first bytes 0xc0 to 0xdf, the binary logarithm of how many bytes the length takes in the header.
var lengthBytes = [32]uint8{
	0xc4 - 0xc0: 0, 0xc5 - 0xc0: 1, 0xc6 - 0xc0: 2, // bin
	0xc7 - 0xc0: 0, 0xc8 - 0xc0: 1, 0xc9 - 0xc0: 2, // ext
	0xd9 - 0xc0: 0, 0xda - 0xc0: 1, 0xdb - 0xc0: 2, // str
	0xdc - 0xc0: 1, 0xdd - 0xc0: 2, // array
	0xde - 0xc0: 1, 0xdf - 0xc0: 2, // map
}
