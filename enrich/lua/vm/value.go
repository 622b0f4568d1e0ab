package vm

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unsafe"
)

// A Kind is the type of a Value.
type Kind uint8

// The kinds. KindNull is flb_null: Fluent Bit's light userdata that stands for null.
const (
	KindNil Kind = iota
	KindBool
	KindNumber
	KindString
	KindTable
	KindFunction
	KindThread
	KindNull
	kindFile // an open file, if the script may have one
	kindCell // a local variable that a function has captured; never a script's value
)

var kindNames = [...]string{"nil", "boolean", "number", "string", "table", "function", "thread", "userdata", "userdata", "cell"}

func (k Kind) String() string { return kindNames[min(k, kindCell)] }

// A Value is a value of Lua. The zero Value is nil. Nothing is boxed: a number is in n, a string is its length in n and its
// bytes at p, and everything else is the object at p.
type Value struct {
	p unsafe.Pointer
	n uint64
	k Kind

	borrowed bool  // p is a part of something larger: a table that keeps the value copies it
	noted    uint8 // of a number: the length of its note, which is at p
}

// Nil, True and False are these values, and Null is flb_null.
var (
	Nil   = Value{}
	True  = Value{k: KindBool, n: 1}
	False = Value{k: KindBool}
	Null  = Value{k: KindNull}
)

// A cell is a local variable that lives as long as the functions that captured it.
type cell struct{ v Value }

// Number returns f as a value.
func Number(f float64) Value { return Value{k: KindNumber, n: math.Float64bits(f)} }

// Bool returns b as a value.
func Bool(b bool) Value {
	if b {
		return True
	}
	return False
}

// String returns s as a value, without a copy.
func String(s string) Value {
	return Value{k: KindString, n: uint64(len(s)), p: unsafe.Pointer(unsafe.StringData(s))}
}

// Borrow returns s, a part of a larger string, as a value.
func Borrow(s string) Value {
	v := String(s)
	v.borrowed = true
	return v
}

// NotedNumber returns a number with a note of at most 255 bytes, which may be a part of something larger: it is the
// number's original encoding, and is copied with the number. Results of computing with the number have no note.
func NotedNumber(f float64, note []byte) Value {
	return Value{k: KindNumber, n: math.Float64bits(f), p: unsafe.Pointer(unsafe.SliceData(note)), borrowed: true, noted: uint8(len(note))}
}

// Note returns a number's note, nil if it has none. Nobody may write to it.
func (v Value) Note() []byte {
	if v.k != KindNumber || v.noted == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(v.p), int(v.noted))
}

// own returns v with its bytes copied if they are a part of something larger, so that they don't keep that in memory.
func (v Value) own() Value {
	switch {
	case !v.borrowed:
		return v
	case v.k == KindNumber:
		v = NotedNumber(v.num(), slices.Clone(v.Note()))
		v.borrowed = false
		return v
	}
	return String(strings.Clone(v.str()))
}

// size returns how many bytes own copies.
func (v Value) size() int {
	if v.k == KindNumber {
		return int(v.noted)
	}
	return int(v.n)
}

// TableValue returns t as a value.
func TableValue(t *Table) Value { return Value{k: KindTable, p: unsafe.Pointer(t)} }

func functionValue(f *Function) Value { return Value{k: KindFunction, p: unsafe.Pointer(f)} }
func threadValue(t *Thread) Value     { return Value{k: KindThread, p: unsafe.Pointer(t)} }
func cellValue(c *cell) Value         { return Value{k: kindCell, p: unsafe.Pointer(c)} }

// Kind is the type of v.
func (v Value) Kind() Kind { return v.k }

// IsNil reports whether v is nil.
func (v Value) IsNil() bool { return v.k == KindNil }

// True reports whether v counts as true: anything but nil and false.
func (v Value) True() bool { return v.k > KindBool || v.n != 0 }

// Float is the number v, or 0.
func (v Value) Float() float64 {
	if v.k != KindNumber {
		return 0
	}
	return math.Float64frombits(v.n)
}

func (v Value) num() float64 { return math.Float64frombits(v.n) }

// Text is the string v, or "".
func (v Value) Text() string {
	if v.k != KindString {
		return ""
	}
	return v.str()
}

func (v Value) str() string { return unsafe.String((*byte)(v.p), int(v.n)) }

// Table is the table v, or nil.
func (v Value) Table() *Table {
	if v.k != KindTable {
		return nil
	}
	return (*Table)(v.p)
}

func fileValue(f *file) Value { return Value{k: kindFile, p: unsafe.Pointer(f)} }

func (v Value) file() *file         { return (*file)(v.p) }
func (v Value) function() *Function { return (*Function)(v.p) }
func (v Value) thread() *Thread     { return (*Thread)(v.p) }
func (v Value) cell() *cell         { return (*cell)(v.p) }

// ToNumber converts a number, or a string that is one.
func (v Value) ToNumber() (f float64, ok bool) {
	switch v.k {
	case KindNumber:
		return v.num(), true
	case KindString:
		return parseNumber(v.str())
	}
	return 0, false
}

// rawEqual compares without metamethods.
func rawEqual(a, b Value) bool {
	if a.k != b.k {
		return false
	}
	switch a.k {
	case KindNumber:
		return a.num() == b.num()
	case KindString:
		return a.n == b.n && (a.p == b.p || a.str() == b.str())
	}
	return a.p == b.p && a.n == b.n
}

// toInt converts a float to an integer as C does, but clamped to the range of int64, and 0 for NaN.
func toInt(f float64) int64 {
	switch {
	case f != f:
		return 0
	case f >= math.MaxInt64:
		return math.MaxInt64
	case f <= math.MinInt64:
		return math.MinInt64
	}
	return int64(f)
}

// numberDigits is the number of digits of a number as text, LUAI_NUMFFORMAT's %.14g.
const numberDigits = 14

// appendNumber appends f as tostring does.
func appendNumber(dst []byte, f float64) []byte {
	if i := int64(f); float64(i) == f && i > -1e14 && i < 1e14 && (i != 0 || !math.Signbit(f)) {
		return strconv.AppendInt(dst, i, 10)
	}
	switch {
	case math.IsInf(f, 1):
		return append(dst, "inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-inf"...)
	case f != f:
		return append(dst, "nan"...)
	}
	return strconv.AppendFloat(dst, f, 'g', numberDigits, 64)
}

// parseNumber reads a number as the lexer and tonumber do: decimal or hexadecimal, with blanks around it.
func parseNumber(s string) (f float64, ok bool) {
	for len(s) > 0 && isSpace(s[0]) {
		s = s[1:]
	}
	for len(s) > 0 && isSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	switch strings.ToLower(strings.TrimLeft(s[:min(len(s), 9)], "+-")) {
	case "inf", "infinity", "nan": // as in LuaJIT
		f, err := strconv.ParseFloat(s, 64)
		return f, err == nil
	}
	digits := s
	if len(digits) > 0 && (digits[0] == '-' || digits[0] == '+') {
		digits = digits[1:]
	}
	hex := len(digits) > 2 && digits[0] == '0' && digits[1]|0x20 == 'x'
	exponent := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9' || c == '+' || c == '-' || c == '.':
		case hex && (c|0x20 >= 'a' && c|0x20 <= 'f' || c|0x20 == 'x'):
		case hex && c|0x20 == 'p':
			exponent = true
		case !hex && c|0x20 == 'e':
		default:
			return 0, false
		}
	}
	if hex && !exponent {
		s += "p0"
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(f, 0) { // out of range is infinity
		return 0, false
	}
	return f, true
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isAlpha(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isAlnum(c byte) bool { return isAlpha(c) || isDigit(c) }
func isHex(c byte) bool   { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }
