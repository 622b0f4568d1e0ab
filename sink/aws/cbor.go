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

// CBOR is the header of a call in CBOR (RFC 8949), the way in which AWS's SDK for Java has called Kinesis since 2016: a JSON request's
// members and names, with data as bytes in place of Base64. The answer is in CBOR, too.
var CBOR = map[string]string{"Content-Type": "application/x-amz-cbor-1.1"}

// A NotCBORError means that an endpoint that has never answered in CBOR failed a call in CBOR, and did so in another way than a
// service that can read it. Nothing of the call is stored, unless the connection broke.
type NotCBORError struct{ Err error }

func (e *NotCBORError) Error() string { return "not answered in CBOR: " + e.Err.Error() }
func (e *NotCBORError) Unwrap() error { return e.Err }

func isCBOR(h http.Header) bool {
	return strings.HasPrefix(h.Get("Content-Type"), "application/x-amz-cbor-1.1")
}

// maxDepth is how deep lists, maps and tags of an answer in CBOR may be in each other.
const maxDepth = 16

var (
	errNotCBOR   = errors.New("it isn't CBOR")
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
	cborIndefinite = 31 // a text, list or map that ends with a break
)

// The values of the type cborOther.
const (
	cborFalse = 20
	cborTrue  = 21
	cborBreak = 0xff // the whole byte
)

// CBORToJSON appends the first value in CBOR of p, an answer, to dst as JSON, which is at most six times as long. Bytes become Base64;
// what a service's answer doesn't have (null, undefined, floating point) becomes null. Where p isn't CBOR the JSON is incomplete.
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

// noneFailedCBOR is noneFailed for an answer in CBOR, in which the number 0 is a byte.
func noneFailedCBOR(answer []byte, member string) bool {
	return len(answer) > 0 && answer[0]>>5 == cborMap && bytes.Contains(answer, append([]byte(member), 0)) && !bytes.Contains(answer, []byte("ErrorCode"))
}
