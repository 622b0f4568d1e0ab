package vm

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// quoted reads a string in quotes.
func (l *lexer) quoted(quote byte) token {
	l.at++
	var b []byte
	for {
		if l.at >= len(l.src) {
			l.fail(l.line, "unfinished string near '<eof>'")
		}
		switch c := l.src[l.at]; c {
		case quote:
			l.at++
			l.text = string(b)
			return tokString
		case '\n', '\r':
			l.near("unfinished string")
		case '\\':
			l.at++
			b = l.escape(b)
		default:
			b = append(b, c)
			l.at++
		}
	}
}

// escape appends what follows a backslash.
func (l *lexer) escape(b []byte) []byte {
	if l.at >= len(l.src) {
		return b // the caller reports the error
	}
	c := l.src[l.at]
	l.at++
	if n := strings.IndexByte("abfnrtv", c); n >= 0 {
		return append(b, "\a\b\f\n\r\t\v"[n])
	}
	switch {
	case c == '\r' && l.at < len(l.src) && l.src[l.at] == '\n':
		l.at++
		fallthrough
	case c == '\n':
		l.line++
		return append(b, '\n')
	case c == 'x':
		return append(b, byte(l.hex(2, 2)))
	case c == 'z':
		for l.at < len(l.src) && isSpace(l.src[l.at]) {
			if l.src[l.at] == '\n' {
				l.line++
			}
			l.at++
		}
		return b
	case c == 'u' && l.at < len(l.src) && l.src[l.at] == '{':
		l.at++
		r := l.hex(1, 8)
		if l.at >= len(l.src) || l.src[l.at] != '}' {
			l.near("invalid escape sequence")
		}
		l.at++
		return utf8.AppendRune(b, rune(min(r, utf8.MaxRune+1)))
	case isDigit(c):
		n := l.at
		for n < len(l.src) && n < l.at+2 && isDigit(l.src[n]) {
			n++
		}
		v, _ := strconv.Atoi(l.src[l.at-1 : n])
		l.at = n
		if v > 255 {
			l.near("invalid escape sequence")
		}
		return append(b, byte(v))
	}
	return append(b, c)
}

// hex reads a hexadecimal number of least to most digits.
func (l *lexer) hex(least, most int) uint32 {
	n := l.at
	for n < len(l.src) && n < l.at+most && isHex(l.src[n]) {
		n++
	}
	if n < l.at+least {
		l.near("invalid escape sequence")
	}
	v, _ := strconv.ParseUint(l.src[l.at:n], 16, 32)
	l.at = n
	return uint32(v)
}
