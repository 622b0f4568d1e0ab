// Package wire appends messages in the wire format of Protocol Buffers (protobuf.dev, "Encoding"), field by field, without
// generated code: destinations write records straight into their request's body.
package wire

import "encoding/binary"

// The wire types.
const (
	typeVarint  = 0
	typeFixed64 = 1
	typeLen     = 2
)

// AppendVarint appends a field of type uint64, int64, bool or enum.
func AppendVarint(dst []byte, field int, v uint64) []byte {
	return binary.AppendUvarint(appendTag(dst, field, typeVarint), v)
}

// AppendFixed64 appends a field of type fixed64 or double, as its bits.
func AppendFixed64(dst []byte, field int, v uint64) []byte {
	return binary.LittleEndian.AppendUint64(appendTag(dst, field, typeFixed64), v)
}

// AppendString appends a field of type string. The caller sees to it that s is UTF-8.
func AppendString(dst []byte, field int, s string) []byte {
	dst = binary.AppendUvarint(appendTag(dst, field, typeLen), uint64(len(s)))
	return append(dst, s...)
}

// AppendBytes appends a field of type bytes, or a message or string whose bytes are b.
func AppendBytes(dst []byte, field int, b []byte) []byte {
	dst = binary.AppendUvarint(appendTag(dst, field, typeLen), uint64(len(b)))
	return append(dst, b...)
}

// AppendHeader appends the header of a field of n bytes, which the caller appends.
func AppendHeader(dst []byte, field, n int) []byte {
	return binary.AppendUvarint(appendTag(dst, field, typeLen), uint64(n))
}

// Open begins a field whose length isn't known yet: a message or a string. What is appended to out is its content, until
// Close is called with start.
func Open(dst []byte, field int) (out []byte, start int) {
	dst = append(appendTag(dst, field, typeLen), 0)
	return dst, len(dst)
}

// Close ends the field that Open began, and returns dst with its length filled in.
func Close(dst []byte, start int) []byte {
	n := len(dst) - start
	if n < 0x80 { // Open has left room for one byte
		dst[start-1] = byte(n)
		return dst
	}
	var head [binary.MaxVarintLen64]byte
	size := binary.PutUvarint(head[:], uint64(n))
	dst = append(dst, head[1:size]...)
	copy(dst[start+size-1:], dst[start:start+n])
	copy(dst[start-1:], head[:size])
	return dst
}

func appendTag(dst []byte, field, kind int) []byte {
	return binary.AppendUvarint(dst, uint64(field)<<3|uint64(kind))
}

// Next reads the field at the start of b: its number, its value if that is a number, and its content if that has a length.
// ok is false if b is empty or malformed.
func Next(b []byte) (field int, value uint64, content, rest []byte, ok bool) {
	tag, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, 0, nil, nil, false
	}
	b = b[n:]
	switch tag & 7 {
	case typeVarint:
		value, n = binary.Uvarint(b)
		if n <= 0 {
			return 0, 0, nil, nil, false
		}
		return int(tag >> 3), value, nil, b[n:], true
	case typeFixed64:
		if len(b) < 8 {
			return 0, 0, nil, nil, false
		}
		return int(tag >> 3), binary.LittleEndian.Uint64(b), nil, b[8:], true
	case typeLen:
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return 0, 0, nil, nil, false
		}
		end := n + int(size)
		return int(tag >> 3), 0, b[n:end:end], b[end:], true
	}
	return 0, 0, nil, nil, false
}
