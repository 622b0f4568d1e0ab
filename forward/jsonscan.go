package forward

import (
	"bytes"

	"github.com/firelane/firelane/record"
)

// A jsonScan finds the end of one JSON value, or the first byte with which it can't be JSON, while the value is received. It
// reads each byte once, and takes what record.NextFromJSON takes. The zero value is at the start of a value.
type jsonScan struct {
	pos   int // bytes of the value that were scanned
	state scanState
	depth int
	isMap [record.MaxDepth]bool // whether each level is an object
	hex   int                   // digits of an escape that are missing
	word  string                // what is missing of true, false or null
}

type scanState uint8

const (
	atValue    scanState = iota // a value must come
	atElement                   // a value or the end of an array
	atFirstKey                  // a key or the end of an object
	atKey                       // a key
	inKey
	inText
	atColon
	afterValue // a comma, or the end of what the value is in
	inWord
	afterSign  // of a number
	afterZero  // the first digit is 0
	inInteger  // in its other digits
	afterPoint // a digit must come
	inFraction
	afterExp     // a sign or a digit must come
	afterExpSign // a digit must come
	inExp
	escapedKey // after a backslash
	escapedText
	hexKey // in the four digits of an escape
	hexText
)

// A scanResult is what a scan has come to.
type scanResult uint8

const (
	scanMore scanResult = iota // the value isn't complete
	scanDone                   // it ends at pos
	scanBad                    // the byte at pos can't be there
)

// scan goes on in b, which begins with the value and is at least as long as before.
func (s *jsonScan) scan(b []byte) scanResult {
	for s.pos < len(b) {
		c := b[s.pos]
		switch s.state {
		case inKey, inText:
			s.pos += textEnd(b[s.pos:])
			if s.pos == len(b) {
				return scanMore
			}
			s.endText(b[s.pos])
		case escapedKey, escapedText, hexKey, hexText:
			if !s.escape(c) {
				return scanBad
			}
		default:
			if c <= ' ' && s.maySpace() {
				if c != ' ' && c != '\n' && c != '\t' && c != '\r' {
					return scanBad
				}
				break
			}
			if ok, again := s.step(c); !ok {
				return scanBad
			} else if again {
				continue
			}
		}
		s.pos++
		if s.state == afterValue && s.depth == 0 {
			return scanDone
		}
	}
	return scanMore
}

// textEnd returns how many bytes of b come before the first quote or backslash.
func textEnd(b []byte) int {
	for i, c := range b {
		if c == '"' || c == '\\' {
			return i
		}
	}
	return len(b)
}

// endText takes the byte that ends the plain part of a text: a quote or a backslash.
func (s *jsonScan) endText(c byte) {
	switch {
	case c == '\\' && s.state == inKey:
		s.state = escapedKey
	case c == '\\':
		s.state = escapedText
	case s.state == inKey:
		s.state = atColon
	default:
		s.state = afterValue
	}
}

// escape takes a byte of an escape.
func (s *jsonScan) escape(c byte) bool {
	key := s.state == escapedKey || s.state == hexKey
	if s.state == hexKey || s.state == hexText {
		if c-'0' >= 10 && c|0x20-'a' >= 6 {
			return false
		}
		s.hex--
	} else if c == 'u' {
		s.hex = 4
		s.state = hexText
		if key {
			s.state = hexKey
		}
	} else if bytes.IndexByte([]byte(`"\/bfnrt`), c) < 0 {
		return false
	}
	if s.hex == 0 {
		s.state = inText
		if key {
			s.state = inKey
		}
	}
	return true
}

// maySpace reports whether white space may come.
func (s *jsonScan) maySpace() bool {
	switch s.state {
	case atValue, atElement, atFirstKey, atKey, atColon, afterValue:
		return true
	}
	return false
}

// step takes a byte outside texts. again: the byte ended a number, and must be taken once more.
func (s *jsonScan) step(c byte) (ok, again bool) {
	switch s.state {
	case atElement:
		if c == ']' {
			return s.close(false), false
		}
		return s.begin(c), false
	case atValue:
		return s.begin(c), false
	case atFirstKey, atKey:
		if c == '}' && s.state == atFirstKey {
			return s.close(true), false
		}
		s.state = inKey
		return c == '"', false
	case atColon:
		s.state = atValue
		return c == ':', false
	case inWord:
		if c != s.word[0] {
			return false, false
		}
		if s.word = s.word[1:]; s.word == "" {
			s.state = afterValue
		}
		return true, false
	case afterValue:
		return s.next(c), false
	}
	return s.number(c)
}

// begin takes the first byte of a value.
func (s *jsonScan) begin(c byte) bool {
	switch {
	case c == '{' || c == '[':
		if s.depth == record.MaxDepth {
			return false
		}
		s.isMap[s.depth] = c == '{'
		s.depth++
		s.state = atElement
		if c == '{' {
			s.state = atFirstKey
		}
	case c == '"':
		s.state = inText
	case c == 't':
		s.state, s.word = inWord, "rue"
	case c == 'f':
		s.state, s.word = inWord, "alse"
	case c == 'n':
		s.state, s.word = inWord, "ull"
	case c == '-':
		s.state = afterSign
	case c == '0':
		s.state = afterZero
	case c-'1' < 9:
		s.state = inInteger
	default:
		return false
	}
	return true
}

// next takes what follows a value in an array or an object.
func (s *jsonScan) next(c byte) bool {
	switch c {
	case ',':
		s.state = atValue
		if s.isMap[s.depth-1] {
			s.state = atKey
		}
		return true
	case '}', ']':
		return s.close(c == '}')
	}
	return false
}

// close ends the innermost array or object.
func (s *jsonScan) close(isMap bool) bool {
	if s.isMap[s.depth-1] != isMap {
		return false
	}
	s.depth--
	s.state = afterValue
	return true
}

// number takes a byte of a number, after its first one.
func (s *jsonScan) number(c byte) (ok, again bool) {
	digit := c-'0' < 10
	switch {
	case s.state == afterSign && c == '0':
		s.state = afterZero
	case digit && (s.state == afterSign || s.state == inInteger):
		s.state = inInteger
	case digit && (s.state == afterPoint || s.state == inFraction):
		s.state = inFraction
	case digit && s.state != afterZero: // in the exponent
		s.state = inExp
	case c == '.' && (s.state == afterZero || s.state == inInteger):
		s.state = afterPoint
	case (c == 'e' || c == 'E') && (s.state == afterZero || s.state == inInteger || s.state == inFraction):
		s.state = afterExp
	case (c == '+' || c == '-') && s.state == afterExp:
		s.state = afterExpSign
	case s.state == afterZero || s.state == inInteger || s.state == inFraction || s.state == inExp:
		s.state = afterValue
		return s.depth > 0, true
	default:
		return false, false
	}
	return true, false
}
