package bulk

import (
	"bufio"
	"errors"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

var errNotJSON = errors.New("not the JSON that was expected")

// A scanner parses JSON from a stream and keeps only the values it is asked for, so a reply of any size takes the memory
// of one buffer. After the first error, which err keeps, every method returns zero values.
type scanner struct {
	r   *bufio.Reader
	err error
}

// token reads the next byte that isn't white space, 0 after an error.
func (s *scanner) token() byte {
	for s.err == nil {
		c, err := s.r.ReadByte()
		switch {
		case err != nil:
			s.fail(err)
		case c != ' ' && c != '\n' && c != '\t' && c != '\r':
			return c
		}
	}
	return 0
}

func (s *scanner) fail(err error) {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if s.err == nil {
		s.err = err
	}
}

// open reads c, the bracket that opens a container.
func (s *scanner) open(c byte) {
	if s.token() != c {
		s.fail(errNotJSON)
	}
}

// next moves past the comma to the next element of a container, and reports whether there is one. end is the bracket that
// closes the container; first means that no element has been read yet.
func (s *scanner) next(end byte, first bool) bool {
	c := s.token()
	switch {
	case s.err != nil || c == end:
		return false
	case first:
		_ = s.r.UnreadByte()
	case c != ',':
		s.fail(errNotJSON)
	}
	return s.err == nil
}

// key reads a member's name and the colon. A name is cut to the capacity of buf.
func (s *scanner) key(buf []byte) []byte {
	name := s.text(buf)
	if s.token() != ':' {
		s.fail(errNotJSON)
	}
	return name
}

// text reads a string and returns it, cut to the capacity of buf at a character's end. Any other value is skipped.
func (s *scanner) text(buf []byte) []byte {
	buf = buf[:0]
	c := s.token()
	if c != '"' {
		s.skipFrom(c)
		return buf
	}
	for s.err == nil {
		c, err := s.r.ReadByte()
		switch {
		case err != nil:
			s.fail(err)
		case c == '"':
			return trimRune(buf)
		case c == '\\':
			buf = s.escape(buf)
		case len(buf) < cap(buf):
			buf = append(buf, c)
		}
	}
	return buf
}

// trimRune removes an incomplete character from the end.
func trimRune(b []byte) []byte {
	for i := 1; i <= min(utf8.UTFMax, len(b)); i++ {
		if c := b[len(b)-i]; utf8.RuneStart(c) {
			if !utf8.FullRune(b[len(b)-i:]) {
				return b[:len(b)-i]
			}
			break
		}
	}
	return b
}

// escape reads the rest of an escape sequence, after the backslash.
func (s *scanner) escape(buf []byte) []byte {
	c, err := s.r.ReadByte()
	if err != nil {
		s.fail(err)
		return buf
	}
	r := rune(c)
	switch c {
	case 'n':
		r = '\n'
	case 't':
		r = '\t'
	case 'r':
		r = '\r'
	case 'b':
		r = '\b'
	case 'f':
		r = '\f'
	case 'u':
		if r = s.hex4(); utf16.IsSurrogate(r) {
			if next, _ := s.r.Peek(2); string(next) == `\u` {
				_, _ = s.r.Discard(2)
				r = utf16.DecodeRune(r, s.hex4())
			}
		}
	}
	if len(buf)+utf8.RuneLen(max(r, 0)) <= cap(buf) && s.err == nil {
		buf = utf8.AppendRune(buf, r)
	}
	return buf
}

func (s *scanner) hex4() rune {
	var digits [4]byte
	if _, err := io.ReadFull(s.r, digits[:]); err != nil {
		s.fail(err)
		return utf8.RuneError
	}
	v, err := strconv.ParseUint(string(digits[:]), 16, 16)
	if err != nil {
		s.fail(errNotJSON)
	}
	return rune(v)
}

// number reads an integer that isn't negative. Any other value is skipped and returned as 0.
func (s *scanner) number() int {
	c := s.token()
	if c < '0' || c > '9' {
		s.skipFrom(c)
		return 0
	}
	v := 0
	for s.err == nil {
		if v < 1<<30 {
			v = v*10 + int(c-'0')
		}
		var err error
		if c, err = s.r.ReadByte(); err != nil {
			s.fail(err)
		} else if c < '0' || c > '9' {
			_ = s.r.UnreadByte()
			return v
		}
	}
	return v
}

// boolean reads true or false. Any other value is skipped and returned as false.
func (s *scanner) boolean() bool {
	c := s.token()
	s.skipFrom(c)
	return c == 't'
}

// skip skips a value.
func (s *scanner) skip() { s.skipFrom(s.token()) }

// skipFrom skips the value whose first byte is c. However deep it is nested, that takes no memory.
func (s *scanner) skipFrom(c byte) {
	for depth := 0; s.err == nil; {
		switch c {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case '"':
			s.skipString()
		case ',', ':':
			if depth == 0 {
				s.fail(errNotJSON)
			}
		default:
			s.skipWord(c)
		}
		if depth <= 0 {
			return
		}
		c = s.token()
	}
}

func (s *scanner) skipString() {
	for s.err == nil {
		c, err := s.r.ReadByte()
		if err == nil && c == '\\' {
			_, err = s.r.ReadByte()
		}
		if err != nil {
			s.fail(err)
		}
		if c == '"' {
			return
		}
	}
}

// skipWord skips a number, true, false or null whose first byte is c.
func (s *scanner) skipWord(c byte) {
	for wordByte(c) {
		var err error
		if c, err = s.r.ReadByte(); err != nil {
			s.fail(err)
			return
		}
		if !wordByte(c) {
			_ = s.r.UnreadByte()
			return
		}
	}
	s.fail(errNotJSON)
}

func wordByte(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c == '-' || c == '+' || c == '.'
}
