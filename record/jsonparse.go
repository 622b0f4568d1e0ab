package record

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// AppendFromJSON appends the MessagePack of the one JSON value that json is; it is as strict as encoding/json. Members
// keep their order, and those with the same key all stay. A number that is written with neither point nor exponent is an
// integer, or the str of its digits where no int64 or uint64 holds it; -0, and a number with point or exponent, is a
// float64, or the str of its digits where that would be infinite. Bytes of a string that aren't UTF-8 stay as they are.
//
// ErrSyntax means that json isn't JSON, ErrShort that it ends too early, ErrDepth that it is nested deeper than MaxDepth,
// ErrRange that it becomes more than MaxJSON bytes; dst is then returned unchanged.
func AppendFromJSON(dst, json []byte) (out []byte, err error) {
	out, rest, err := NextFromJSON(dst, json)
	if err == nil && len(rest) > 0 {
		return dst, ErrSyntax
	}
	return out, err
}

// NextFromJSON is AppendFromJSON for a sequence of JSON values: it converts the first one and returns what follows it
// and its white space. A number at the very end may be incomplete, which can't be noticed.
func NextFromJSON(dst, json []byte) (out, rest []byte, err error) {
	p := parser{json}
	out, i, err := p.value(dst, p.space(0), 0)
	if err != nil {
		return dst, nil, err
	}
	return out, json[p.space(i):], nil
}

// A parser converts JSON. Its methods take the position where to begin and return the one after what they converted.
type parser struct{ s []byte }

// space skips white space from i on.
func (p *parser) space(i int) int {
	for i < len(p.s) && p.s[i] <= ' ' && (p.s[i] == ' ' || p.s[i] == '\n' || p.s[i] == '\t' || p.s[i] == '\r') {
		i++
	}
	return i
}

// value converts the value at i, which is nested depth deep.
func (p *parser) value(dst []byte, i, depth int) (out []byte, end int, err error) {
	if i >= len(p.s) {
		return nil, 0, ErrShort
	}
	switch c := p.s[i]; c {
	case '"':
		return p.str(dst, i)
	case '{', '[':
		if depth >= MaxDepth {
			return nil, 0, ErrDepth
		}
		if c == '{' {
			return p.object(dst, i+1, depth+1)
		}
		return p.array(dst, i+1, depth+1)
	case 't':
		return p.literal(dst, i, "true", 0xc3)
	case 'f':
		return p.literal(dst, i, "false", 0xc2)
	case 'n':
		return p.literal(dst, i, "null", 0xc0)
	}
	return p.number(dst, i)
}

func (p *parser) literal(dst []byte, i int, word string, code byte) (out []byte, end int, err error) {
	s := p.s[i:]
	switch {
	case len(s) >= len(word) && string(s[:len(word)]) == word:
		return append(dst, code), i + len(word), nil
	case len(s) < len(word) && string(s) == word[:len(s)]:
		return nil, 0, ErrShort
	}
	return nil, 0, ErrSyntax
}

// object converts what follows a brace.
func (p *parser) object(dst []byte, i, depth int) (out []byte, end int, err error) {
	head := len(dst)
	dst = append(dst, 0)
	if i = p.space(i); i < len(p.s) && p.s[i] == '}' {
		return closeContainer(dst, head, 0, 0x80, 0xde), i + 1, nil
	}
	for n := 1; ; n++ {
		if i >= len(p.s) {
			return nil, 0, ErrShort
		}
		if p.s[i] != '"' {
			return nil, 0, ErrSyntax
		}
		if dst, i, err = p.str(dst, i); err != nil {
			return nil, 0, err
		}
		if i >= len(p.s) || p.s[i] != ':' {
			if i = p.space(i); i >= len(p.s) {
				return nil, 0, ErrShort
			}
			if p.s[i] != ':' {
				return nil, 0, ErrSyntax
			}
		}
		if dst, i, err = p.value(dst, p.space(i+1), depth); err != nil {
			return nil, 0, err
		}
		if i = p.space(i); i >= len(p.s) {
			return nil, 0, ErrShort
		}
		switch p.s[i] {
		case ',':
			i = p.space(i + 1)
		case '}':
			return closeContainer(dst, head, n, 0x80, 0xde), i + 1, nil
		default:
			return nil, 0, ErrSyntax
		}
	}
}

// array converts what follows a bracket.
func (p *parser) array(dst []byte, i, depth int) (out []byte, end int, err error) {
	head := len(dst)
	dst = append(dst, 0)
	if i = p.space(i); i < len(p.s) && p.s[i] == ']' {
		return closeContainer(dst, head, 0, 0x90, 0xdc), i + 1, nil
	}
	for n := 1; ; n++ {
		if dst, i, err = p.value(dst, p.space(i), depth); err != nil {
			return nil, 0, err
		}
		if i = p.space(i); i >= len(p.s) {
			return nil, 0, ErrShort
		}
		switch p.s[i] {
		case ',':
			i++
		case ']':
			return closeContainer(dst, head, n, 0x90, 0xdc), i + 1, nil
		default:
			return nil, 0, ErrSyntax
		}
	}
}

// closeContainer writes the header of a container of n elements that were appended after the one byte kept for it at
// dst[head]: fix is the code of the short form, long that of the form with 16 bits, after which comes that with 32.
func closeContainer(dst []byte, head, n int, fix, long byte) []byte {
	if n < 16 {
		dst[head] = fix | byte(n)
		return dst
	}
	extra := 2
	if n > 0xffff {
		extra = 4
	}
	end := len(dst)
	dst = append(dst, "0000"[:extra]...)
	copy(dst[head+1+extra:], dst[head+1:end])
	if extra == 2 {
		dst[head] = long
		binary.BigEndian.PutUint16(dst[head+1:], uint16(n))
	} else {
		dst[head] = long + 1
		binary.BigEndian.PutUint32(dst[head+1:], uint32(n))
	}
	return dst
}

// str converts the string whose opening quote is at i.
func (p *parser) str(dst []byte, i int) (out []byte, end int, err error) {
	i++
	n := quotePrefix(p.s[i:])
	end = i + n
	if end >= len(p.s) {
		return nil, 0, ErrShort
	}
	if p.s[end] == '"' {
		return AppendStrBytes(dst, p.s[i:end]), end + 1, nil
	}
	return p.escapedStr(dst, i, end)
}

// escapedStr converts a string whose content begins at i and has at end the first byte that is a backslash or an error.
func (p *parser) escapedStr(dst []byte, i, end int) (out []byte, after int, err error) {
	head := len(dst)
	dst = append(dst, 0, 0, 0, 0, 0) // room for the longest header
	dst = append(dst, p.s[i:end]...)
	for {
		if end >= len(p.s) {
			return nil, 0, ErrShort
		}
		switch p.s[end] {
		case '"':
			content := len(dst) - head - 5
			size := len(AppendStrHeader(dst[:head], content)) - head
			copy(dst[head+size:], dst[head+5:])
			return dst[:head+size+content], end + 1, nil
		case '\\':
			if dst, end, err = p.escape(dst, end+1); err != nil {
				return nil, 0, err
			}
		default: // a control character, which shells and printf write and Fluent Bit takes
			dst, end = append(dst, p.s[end]), end+1
		}
		n := quotePrefix(p.s[end:])
		dst = append(dst, p.s[end:end+n]...)
		end += n
	}
}

// escape appends the character whose escape goes on at i, after its backslash.
func (p *parser) escape(dst []byte, i int) (out []byte, end int, err error) {
	if i >= len(p.s) {
		return nil, 0, ErrShort
	}
	c := p.s[i]
	switch c {
	case '"', '\\', '/':
	case 'n':
		c = '\n'
	case 't':
		c = '\t'
	case 'r':
		c = '\r'
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'u':
		return p.unicode(dst, i+1)
	default:
		return nil, 0, ErrSyntax
	}
	return append(dst, c), i + 1, nil
}

// unicode appends the character whose four hexadecimal digits are at i. Half a pair of surrogates becomes U+FFFD.
func (p *parser) unicode(dst []byte, i int) (out []byte, end int, err error) {
	r, err := hex4(p.s[i:])
	if err != nil {
		return nil, 0, err
	}
	i += 4
	if utf16.IsSurrogate(r) {
		if s := p.s[i:]; len(s) >= 2 && s[0] == '\\' && s[1] == 'u' {
			low, err := hex4(s[2:])
			if err != nil {
				return nil, 0, err
			}
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return utf8.AppendRune(dst, pair), i + 6, nil
			}
		}
		r = utf8.RuneError
	}
	return utf8.AppendRune(dst, r), i, nil
}

func hex4(s []byte) (r rune, err error) {
	for i := range 4 {
		if i >= len(s) {
			return 0, ErrShort
		}
		c := s[i]
		switch {
		case c-'0' < 10:
			c -= '0'
		case c|0x20-'a' < 6:
			c = c | 0x20 - 'a' + 10
		default:
			return 0, ErrSyntax
		}
		r = r<<4 | rune(c)
	}
	return r, nil
}

// quotePrefix is how many bytes of s come before the first quote, backslash or control character.
func quotePrefix(s []byte) int {
	i := 0
	for ; len(s)-i >= 8; i += 8 {
		if m := escaped(binary.LittleEndian.Uint64(s[i:])); m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for ; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' {
			break
		}
	}
	return i
}

// number converts the number at i.
func (p *parser) number(dst []byte, i int) (out []byte, end int, err error) {
	s := p.s[i:]
	n, isFloat, err := scanNumber(s)
	if err != nil || isFloat && len(dst) > MaxJSON { // only floats become longer than their text
		return nil, 0, cmp.Or(err, ErrRange)
	}
	s = s[:n]
	if isFloat || string(s) == "-0" {
		// The string lives no longer than the call: strconv copies it into its errors.
		v, err := strconv.ParseFloat(unsafe.String(&s[0], n), 64)
		if err != nil {
			return AppendStrBytes(dst, s), i + n, nil
		}
		return AppendFloat(dst, v), i + n, nil
	}
	negative := s[0] == '-'
	digits := s
	if negative {
		digits = s[1:]
	}
	u, ok := parseUint(digits)
	switch {
	case !ok || negative && u > 1<<63:
		return AppendStrBytes(dst, s), i + n, nil
	case negative:
		return AppendInt(dst, -int64(u)), i + n, nil
	}
	return AppendUint(dst, u), i + n, nil
}

// parseUint is the value of decimal digits, not ok where it exceeds a uint64.
func parseUint(digits []byte) (u uint64, ok bool) {
	for i, c := range digits {
		d := uint64(c - '0')
		if i >= 19 { // 19 digits always fit
			hi, lo := bits.Mul64(u, 10)
			lo, carry := bits.Add64(lo, d, 0)
			if hi+carry > 0 {
				return 0, false
			}
			u = lo
			continue
		}
		u = u*10 + d
	}
	return u, true
}

// scanNumber is the length of the number at the start of s.
func scanNumber(s []byte) (n int, isFloat bool, err error) {
	if s[0] == '-' {
		n++
	}
	switch start := n; {
	case n >= len(s):
		return 0, false, ErrShort
	case s[n] == '0':
		n++
	default:
		if n = digitsEnd(s, n); n == start {
			return 0, false, ErrSyntax
		}
	}
	if n < len(s) && s[n] == '.' {
		start := n + 1
		if n = digitsEnd(s, start); n == start {
			return 0, false, missing(s, n)
		}
		isFloat = true
	}
	if n < len(s) && (s[n] == 'e' || s[n] == 'E') {
		start := n + 1
		if start < len(s) && (s[start] == '+' || s[start] == '-') {
			start++
		}
		if n = digitsEnd(s, start); n == start {
			return 0, false, missing(s, n)
		}
		isFloat = true
	}
	return n, isFloat, nil
}

func digitsEnd(s []byte, i int) int {
	for i < len(s) && s[i]-'0' < 10 {
		i++
	}
	return i
}

// missing is the error where a digit should have come.
func missing(s []byte, i int) error {
	if i >= len(s) {
		return ErrShort
	}
	return ErrSyntax
}
