package ruby

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/firelane/firelane/record"
)

// A kind is the type of a value.
type kind uint8

const (
	kNil kind = iota
	kBool
	kInt
	kFloat
	kStr
	kSym
	kArray
	kHash
	kTime
	kRegexp
	kRange
	kMatch // what =~ and match return: the groups are those of the Machine
	kOther // an ext, or an integer that exceeds int64
)

// A value is a Ruby value. It is immutable: what it points to doesn't change.
type value struct {
	kind kind
	utc  bool  // kTime: in UTC, else in local time
	excl bool  // kRange: the end is excluded
	open bool  // kRange: without an end
	n    int64 // kBool: 0 or 1; kInt; kTime: nanoseconds since the epoch; kRange: its beginning
	end  int64 // kRange
	f    float64
	b    []byte // kStr, kSym: the text; kArray, kHash, kOther: MessagePack
	re   *regex
}

func str(b []byte) value       { return value{kind: kStr, b: b} }
func integer(n int64) value    { return value{kind: kInt, n: n} }
func float(f float64) value    { return value{kind: kFloat, f: f} }
func array(b []byte) value     { return value{kind: kArray, b: b} }
func hash(b []byte) value      { return value{kind: kHash, b: b} }
func moment(t time.Time) value { return value{kind: kTime, n: t.UnixNano()} }
func (v value) isText() bool   { return v.kind == kStr || v.kind == kSym }
func (v value) truthy() bool   { return v.kind != kNil && (v.kind != kBool || v.n != 0) }
func (v value) isNumber() bool { return v.kind == kInt || v.kind == kFloat }
func (v value) float() float64 { // of a number
	if v.kind == kInt {
		return float64(v.n)
	}
	return v.f
}

func boolean(b bool) value {
	v := value{kind: kBool}
	if b {
		v.n = 1
	}
	return v
}

// at is the time of a kTime.
func (v value) at() time.Time {
	t := time.Unix(0, v.n)
	if v.utc {
		return t.UTC()
	}
	return t
}

// class is the name of the value's class.
func (v value) class() string {
	switch v.kind {
	case kBool:
		if v.n != 0 {
			return "TrueClass"
		}
		return "FalseClass"
	case kNil:
		return "NilClass"
	case kFloat:
		return "Float"
	case kStr:
		return "String"
	case kSym:
		return "Symbol"
	case kArray:
		return "Array"
	case kHash:
		return "Hash"
	case kTime:
		return "Time"
	case kRegexp:
		return "Regexp"
	case kRange:
		return "Range"
	case kMatch:
		return "MatchData"
	}
	return "Integer"
}

// isA reports whether the value is of a class.
func (v value) isA(class string) bool {
	switch class {
	case "Object", "BasicObject":
		return true
	case "Numeric", "Comparable":
		return v.isNumber() || v.kind == kOther || class == "Comparable" && (v.kind == kStr || v.kind == kTime)
	case "Enumerable":
		return v.kind == kArray || v.kind == kHash || v.kind == kRange
	}
	return v.class() == class
}

// read returns the value of MessagePack. It may alias b.
func read(b []byte) value {
	switch record.KindOf(b[0]) {
	case record.KindNil:
		return value{}
	case record.KindBool:
		return boolean(b[0] == 0xc3)
	case record.KindInt:
		if n, _, err := record.Int(b); err == nil {
			return integer(n)
		}
	case record.KindFloat:
		if f, _, err := record.Float(b); err == nil {
			return float(f)
		}
	case record.KindStr, record.KindBin:
		s, _ := record.Text(b)
		return str(s)
	case record.KindArray:
		return array(b)
	case record.KindMap:
		return hash(b)
	}
	return value{kind: kOther, b: b}
}

// appendValue appends a value as MessagePack.
func appendValue(dst []byte, v value) []byte {
	switch v.kind {
	case kNil:
		return record.AppendNil(dst)
	case kBool:
		return record.AppendBool(dst, v.n != 0)
	case kInt:
		return record.AppendInt(dst, v.n)
	case kFloat:
		return record.AppendFloat(dst, v.f)
	case kStr, kSym:
		return record.AppendStrBytes(dst, v.b)
	case kArray, kHash, kOther:
		return append(dst, v.b...)
	}
	return record.AppendStrBytes(dst, appendText(nil, v))
}

// appendText appends to_s of a value; of an array and a hash JSON.
func appendText(dst []byte, v value) []byte {
	switch v.kind {
	case kBool:
		return strconv.AppendBool(dst, v.n != 0)
	case kInt:
		return strconv.AppendInt(dst, v.n, 10)
	case kFloat:
		return appendFloat(dst, v.f)
	case kStr, kSym:
		return append(dst, v.b...)
	case kArray, kHash, kOther:
		return record.AppendText(dst, v.b)
	case kTime:
		if v.utc {
			return v.at().AppendFormat(dst, "2006-01-02 15:04:05 UTC")
		}
		return v.at().AppendFormat(dst, "2006-01-02 15:04:05 -0700")
	case kRegexp:
		return append(append(append(dst, '/'), v.re.source...), '/')
	case kRange:
		dst = append(strconv.AppendInt(dst, v.n, 10), ".."...)
		if v.excl {
			dst = append(dst, '.')
		}
		if !v.open {
			dst = strconv.AppendInt(dst, v.end, 10)
		}
	}
	return dst
}

// appendFloat appends a float as Ruby writes it: 1.0, 1.0e+20.
func appendFloat(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 0):
		if f < 0 {
			dst = append(dst, '-')
		}
		return append(dst, "Infinity"...)
	}
	start, format := len(dst), byte('f')
	if a := math.Abs(f); a != 0 && (a >= 1e16 || a < 1e-4) {
		format = 'e'
	}
	dst = strconv.AppendFloat(dst, f, format, -1, 64)
	if text := dst[start:]; bytes.IndexByte(text, '.') < 0 {
		if e := bytes.IndexByte(text, 'e'); e >= 0 {
			exponent := string(text[e:])
			return append(append(dst[:start+e], ".0"...), exponent...)
		}
		dst = append(dst, ".0"...)
	}
	return dst
}

// cost returns how many further steps an operation on the value counts, since it may read all of the value.
func (v value) cost() int {
	switch v.kind {
	case kStr:
		return len(v.b) / 256
	case kArray, kHash:
		return sizeOf(v) / 16
	}
	return 0
}

// equal is Ruby's ==.
func (v value) equal(w value) bool {
	if v.isNumber() && w.isNumber() {
		return v.kind == kInt && w.kind == kInt && v.n == w.n || (v.kind == kFloat || w.kind == kFloat) && v.float() == w.float()
	}
	if v.kind != w.kind {
		return false
	}
	switch v.kind {
	case kNil:
		return true
	case kBool, kTime:
		return v.n == w.n
	case kStr, kSym, kOther:
		return bytes.Equal(v.b, w.b)
	case kRange:
		return v.n == w.n && v.end == w.end && v.excl == w.excl && v.open == w.open
	case kRegexp:
		return v.re.source == w.re.source && v.re.flags == w.re.flags
	case kArray:
		return equalArrays(v, w)
	case kHash:
		return equalHashes(v, w)
	}
	return false
}

func equalArrays(v, w value) bool {
	a, b := elementsOf(v.b), elementsOf(w.b)
	if a.left != b.left {
		return false
	}
	for a.next() && b.next() {
		if !read(a.value).equal(read(b.value)) {
			return false
		}
	}
	return true
}

// maxCompared is the number of members up to which hashes are compared regardless of order. Larger hashes are equal only if their
// bytes are.
const maxCompared = 1000

func equalHashes(v, w value) bool {
	if n := sizeOf(v); n != sizeOf(w) || n > maxCompared {
		return bytes.Equal(v.b, w.b)
	}
	for f := record.FieldsOf(v.b); f.Next(); {
		other, ok := record.Find(w.b, string(f.Key()))
		if !ok || !read(f.Value()).equal(read(other)) {
			return false
		}
	}
	return true
}

// compare is Ruby's <=>; ok is false if the values can't be compared.
func (v value) compare(w value) (n int, ok bool) {
	switch {
	case v.kind == kInt && w.kind == kInt:
		return cmp.Compare(v.n, w.n), true
	case v.isNumber() && w.isNumber():
		return cmp.Compare(v.float(), w.float()), !math.IsNaN(v.float()) && !math.IsNaN(w.float())
	case v.kind != w.kind:
		return 0, false
	case v.isText():
		return bytes.Compare(v.b, w.b), true
	case v.kind == kTime:
		return cmp.Compare(v.n, w.n), true
	case v.kind == kArray:
		return compareArrays(v, w)
	}
	return 0, v.equal(w)
}

func compareArrays(v, w value) (n int, ok bool) {
	a, b := elementsOf(v.b), elementsOf(w.b)
	for a.next() && b.next() {
		if n, ok := read(a.value).compare(read(b.value)); n != 0 || !ok {
			return n, ok
		}
	}
	return cmp.Compare(sizeOf(v), sizeOf(w)), true
}

// elements iterates over the elements of an array.
type elements struct {
	rest, value []byte
	left        int
}

func elementsOf(b []byte) elements {
	n, rest, _ := record.ArrayHeader(b)
	return elements{rest: rest, left: n}
}

func (e *elements) next() bool {
	if e.left <= 0 {
		return false
	}
	e.left--
	n, err := record.Check(e.rest)
	if err != nil {
		e.left = 0
		return false
	}
	e.value, e.rest = e.rest[:n:n], e.rest[n:]
	return true
}

// sizeOf is the number of elements of an array, or of members of a hash.
func sizeOf(v value) int {
	n, _, err := record.ArrayHeader(v.b)
	if v.kind == kHash {
		n, _, err = record.MapHeader(v.b)
	}
	if err != nil {
		return 0
	}
	return n
}

// noMethod is the error of a method that the value doesn't have.
func noMethod(name string, v value) error {
	of := "an instance of " + v.class()
	if v.kind == kNil {
		of = "nil"
	}
	return &Error{"NoMethodError", fmt.Sprintf("undefined method '%s' for %s", name, of)}
}

// typeError is the error of a value that has the wrong type.
func typeError(v value, want string) error {
	return &Error{"TypeError", fmt.Sprintf("no implicit conversion of %s into %s", v.class(), want)}
}
