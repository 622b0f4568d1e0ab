package put

import (
	"encoding/binary"
	"strings"
)

// What a body in CBOR consists of (RFC 8949, section 3): maps and lists without a length, as the SDK for Java writes them, and texts
// and bytes with one.
const (
	cborBytes = 0x40 // with the length in the lower five bits
	cborText  = 0x60
	cborMap   = 0xbf
	cborList  = 0x9f
	cborBreak = 0xff // ends a map or a list

	// In the lower five bits, a length of more than 23 that follows in one, two or four bytes.
	cborLen8, cborLen16, cborLen32 = 24, 25, 26
)

// The names of members, as text in CBOR.
var (
	cborRecords = appendCBORText(nil, "Records")
	cborData    = appendCBORText(nil, "Data")
	cborKey     = appendCBORText(nil, "PartitionKey")
)

// beginCBOR appends the beginning of a body: {"Records": [
func beginCBOR(dst []byte) []byte {
	return append(append(append(dst, cborMap), cborRecords...), cborList)
}

// appendCBOR appends a record: {"Data": …, "PartitionKey": "…"}, without the key if it is nil
func appendCBOR(dst []byte, r *Record) []byte {
	dst = append(append(dst, cborMap), cborData...)
	dst = append(appendCBORHead(dst, cborBytes, len(r.Data)), r.Data...)
	if r.Key != nil {
		dst = append(dst, cborKey...)
		dst = append(appendCBORHead(dst, cborText, len(r.Key)), r.Key...)
	}
	return append(dst, cborBreak)
}

// endCBOR appends the end of a body: ], "StreamName": "logs"}
func endCBOR(dst []byte, field, stream string) []byte {
	dst = appendCBORText(append(dst, cborBreak), field)
	return append(appendCBORText(dst, strings.ToValidUTF8(stream, "\ufffd")), cborBreak)
}

func appendCBORText(dst []byte, text string) []byte {
	return append(appendCBORHead(dst, cborText, len(text)), text...)
}

// appendCBORHead appends the type and the length of a value of n bytes, which is less than 4 GiB.
func appendCBORHead(dst []byte, kind byte, n int) []byte {
	switch {
	case n < cborLen8:
		return append(dst, kind|byte(n))
	case n < 1<<8:
		return append(dst, kind|cborLen8, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, kind|cborLen16), uint16(n))
	}
	return binary.BigEndian.AppendUint32(append(dst, kind|cborLen32), uint32(n))
}
