package put

import (
	"bytes"
	"encoding/binary"
)

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// digits are the two digits of Base64 that stand for each number of twelve bits, the first one in the lower byte. With them
// encoding takes half as long as with encoding/base64, which writes one digit at a time.
var digits = func() (t [1 << 12]uint16) {
	for i := range t {
		t[i] = uint16(alphabet[i>>6]) | uint16(alphabet[i&63])<<8
	}
	return t
}()

// appendBase64 appends src in Base64, with padding (RFC 4648, section 4).
func appendBase64(dst, src []byte) []byte {
	n := (len(src) + 2) / 3 * 4
	start := len(dst)
	if cap(dst)-start < n {
		dst = append(dst, make([]byte, n)...)
	} else {
		dst = dst[:start+n]
	}
	out := dst[start:]
	for len(src) >= 8 && len(out) >= 8 { // six bytes become eight digits
		v := binary.BigEndian.Uint64(src)
		binary.LittleEndian.PutUint64(out, uint64(digits[v>>52])|uint64(digits[v>>40&0xfff])<<16|uint64(digits[v>>28&0xfff])<<32|uint64(digits[v>>16&0xfff])<<48)
		src, out = src[6:], out[8:]
	}
	for len(src) >= 3 {
		v := uint32(src[0])<<16 | uint32(src[1])<<8 | uint32(src[2])
		binary.LittleEndian.PutUint32(out, uint32(digits[v>>12])|uint32(digits[v&0xfff])<<16)
		src, out = src[3:], out[4:]
	}
	switch len(src) {
	case 1:
		binary.LittleEndian.PutUint16(out, digits[uint(src[0])<<4])
		out[2], out[3] = '=', '='
	case 2:
		v := uint(src[0])<<8 | uint(src[1])
		binary.LittleEndian.PutUint16(out, digits[v>>4])
		out[2], out[3] = alphabet[v&15<<2], '='
	}
	return dst
}

const (
	// maxEnd is how much of a record's end is remembered, in bytes: more than what a container's records share as a rule.
	maxEnd = 1 << 10
	// minEnd is the least in bytes that is worth remembering.
	minEnd = 24
	// maxMisses is how many records may end in another way than the one before until a call's others aren't compared.
	maxMisses = 16
)

// A base64Encoder appends the records of one call in Base64. What many records share, such as their container's name, is at their end
// (sink.Record.Tail), so the end of a record is compared with what an earlier one ended in, whose digits are copied. In Base64 three
// bytes become four digits: the same end has the same digits only in records whose lengths differ by a multiple of three, so there are
// three to remember.
type base64Encoder struct{ ends [3]end }

// An end is what records of a call have ended in so far.
type end struct {
	data, text []byte // text is data in Base64
	misses     int    // records that didn't end in data
}

func (e *base64Encoder) reset() {
	for i := range e.ends {
		e.ends[i] = end{data: e.ends[i].data[:0], text: e.ends[i].text[:0]}
	}
}

func (e *base64Encoder) append(dst, src []byte) []byte {
	known := &e.ends[len(src)%3]
	if n := len(src) - len(known.data); n >= 0 && n < len(src) && bytes.Equal(src[n:], known.data) {
		return append(appendBase64(dst, src[:n]), known.text...)
	}
	start := len(dst)
	dst = appendBase64(dst, src)
	if known.misses < maxMisses {
		known.misses++
		known.learn(src, dst[start:])
	}
	return dst
}

// learn remembers the part of src's end that known has, too, or as much of it as may be remembered if that is next to nothing. text is
// src in Base64.
func (known *end) learn(src, text []byte) {
	n := 0
	for n < min(len(src), len(known.data)) && src[len(src)-1-n] == known.data[len(known.data)-1-n] {
		n++
	}
	if n < minEnd {
		n = min(len(src), maxEnd)
	}
	n -= (n - len(src)%3 + 3) % 3 // so that what precedes it is a multiple of three
	known.data = append(known.data[:0], src[len(src)-n:]...)
	known.text = append(known.text[:0], text[len(text)-(n+2)/3*4:]...)
}
