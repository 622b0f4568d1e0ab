package aws

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/firelane/firelane/record"
)

// CBOR is the Content-Type of a call in CBOR (RFC 8949), the way in which AWS's SDK for Java has called Kinesis since 2016: a JSON
// request's members and names, with data as bytes in place of Base64. The answer is in CBOR, too.
const CBOR = "application/x-amz-cbor-1.1"

func isCBOR(h http.Header) bool {
	return strings.HasPrefix(h.Get("Content-Type"), CBOR)
}

// Limits of an answer in CBOR. They are far above what is needed: it has one entry for each of at most 500 records.
const (
	maxDepth   = 16     // lists, maps and tags in one another
	maxMembers = 10_000 // of a list or a map
)

var (
	errNotCBOR   = errors.New("it isn't CBOR of the kind that answers have")
	errLongCBOR  = errors.New("a list in its CBOR is too long")
	errDeepCBOR  = errors.New("its CBOR is nested too deep")
	errShortCBOR = errors.New("its CBOR breaks off")
)

// The types of a value in CBOR, which are the upper three bits of its first byte.
const (
	cborUint = iota
	cborNegative
	cborBytes
	cborText
	cborList
	cborMap
	cborTag
	cborOther
)

// The lower five bits of a value's first byte say how many bytes the argument has, or are the argument.
const (
	cborIn8        = 24 // the next byte; 25, 26 and 27: the next 2, 4 and 8 bytes
	cborIn64       = 27
	cborIndefinite = 31 // a string, list or map that ends with a break
)

// The values of the type cborOther.
const (
	cborFalse = 20
	cborTrue  = 21
	cborBreak = 0xff // the whole byte
)

// CBORToJSON appends the first value in CBOR of p, an answer, to dst as JSON, which is at most six times as long as p. Bytes become
// Base64; floating-point numbers, which answers don't have, become null. After an error the JSON is incomplete.
func CBORToJSON(dst, p []byte) ([]byte, error) {
	dst, _, err := appendCBOR(dst, p, 0)
	return dst, err
}

func appendCBOR(dst, p []byte, depth int) (out, rest []byte, err error) {
	if depth > maxDepth {
		return dst, p, errDeepCBOR
	}
	kind, n, indefinite, p, err := cborHead(p)
	if err != nil {
		return dst, p, err
	}
	switch kind {
	case cborUint:
		return strconv.AppendUint(dst, n, 10), p, nil
	case cborNegative:
		if n > math.MaxInt64 {
			return dst, p, errNotCBOR
		}
		return strconv.AppendInt(dst, -1-int64(n), 10), p, nil
	case cborBytes, cborText:
		text, p, err := cborString(kind, n, indefinite, p)
		if kind == cborText {
			return record.AppendJSONString(dst, text), p, err
		}
		return append(base64.StdEncoding.AppendEncode(append(dst, '"'), text), '"'), p, err
	case cborList, cborMap:
		return appendCBORMembers(dst, p, kind, n, indefinite, depth)
	case cborTag:
		return appendCBOR(dst, p, depth+1)
	}
	switch n {
	case cborFalse:
		dst = append(dst, "false"...)
	case cborTrue:
		dst = append(dst, "true"...)
	default:
		dst = append(dst, "null"...)
	}
	return dst, p, nil
}

// appendCBORMembers appends a list or a map of n members.
func appendCBORMembers(dst, p []byte, kind byte, n uint64, indefinite bool, depth int) (out, rest []byte, err error) {
	brackets := "[]"
	if kind == cborMap {
		brackets = "{}"
	}
	dst = append(dst, brackets[0])
	for i := uint64(0); indefinite || i < n; i++ {
		if indefinite && len(p) > 0 && p[0] == cborBreak {
			p = p[1:]
			break
		}
		if i == maxMembers {
			return dst, p, errLongCBOR
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		if kind == cborMap {
			if len(p) > 0 && p[0]>>5 != cborText {
				return dst, p, errNotCBOR
			}
			if dst, p, err = appendCBOR(dst, p, depth+1); err != nil {
				return dst, p, err
			}
			dst = append(dst, ':')
		}
		if dst, p, err = appendCBOR(dst, p, depth+1); err != nil {
			return dst, p, err
		}
	}
	return append(dst, brackets[1]), p, nil
}

// cborHead reads the type of the first value of p and its argument.
func cborHead(p []byte) (kind byte, n uint64, indefinite bool, rest []byte, err error) {
	if len(p) == 0 {
		return 0, 0, false, p, errShortCBOR
	}
	kind, short, p := p[0]>>5, p[0]&31, p[1:]
	switch {
	case short < cborIn8:
		return kind, uint64(short), false, p, nil
	case short == cborIndefinite && cborBytes <= kind && kind <= cborMap:
		return kind, 0, true, p, nil
	case short > cborIn64:
		return 0, 0, false, p, errNotCBOR
	}
	size := 1 << (short - cborIn8)
	if len(p) < size {
		return 0, 0, false, p, errShortCBOR
	}
	var wide [8]byte
	copy(wide[8-size:], p[:size])
	n = binary.BigEndian.Uint64(wide[:])
	if kind == cborOther && short > cborIn8 {
		n = 0 // floating point: none of the values that are known
	}
	return kind, n, false, p[size:], nil
}

// cborString reads n bytes, or the parts of a string of indefinite length.
func cborString(kind byte, n uint64, indefinite bool, p []byte) (text, rest []byte, err error) {
	if !indefinite {
		if n > uint64(len(p)) {
			return nil, p, errShortCBOR
		}
		return p[:n], p[n:], nil
	}
	for len(p) > 0 && p[0] != cborBreak {
		k, n, nested, after, err := cborHead(p)
		if err != nil {
			return nil, p, err
		}
		if k != kind || nested || n > uint64(len(after)) {
			return nil, p, errNotCBOR
		}
		text, p = append(text, after[:n]...), after[n:]
	}
	if len(p) == 0 {
		return nil, p, errShortCBOR
	}
	return text, p[1:], nil
}

// isCBORMap reports whether an answer is in CBOR, by its first byte: JSON begins with { or white space.
func isCBORMap(answer []byte) bool { return len(answer) > 0 && answer[0]>>5 == cborMap }

// noneFailedCBOR is noneFailed for an answer in CBOR, in which the byte 0 follows the member's name.
func noneFailedCBOR(answer []byte, member string) bool {
	return isCBORMap(answer) && bytes.Contains(answer, append([]byte(member), 0)) && !bytes.Contains(answer, []byte("ErrorCode"))
}
