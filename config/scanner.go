package config

import "strings"

// A scanner reads the text of a file and counts its lines.
type scanner struct {
	text string
	pos  int
	line int // from 1
}

func (s *scanner) eof() bool    { return s.pos >= len(s.text) }
func (s *scanner) rest() string { return s.text[s.pos:] }

// peek is the next byte, 0 at the end.
func (s *scanner) peek() byte {
	if s.eof() {
		return 0
	}
	return s.text[s.pos]
}

// next takes one byte, 0 at the end.
func (s *scanner) next() byte {
	c := s.peek()
	s.advance(1)
	return c
}

// advance takes n bytes, or what is left.
func (s *scanner) advance(n int) string {
	n = min(n, len(s.text)-s.pos)
	taken := s.text[s.pos : s.pos+n]
	s.line += strings.Count(taken, "\n")
	s.pos += n
	return taken
}

// skip takes prefix if it is next.
func (s *scanner) skip(prefix string) bool {
	if !strings.HasPrefix(s.rest(), prefix) {
		return false
	}
	s.advance(len(prefix))
	return true
}

// until takes everything before the first of the bytes.
func (s *scanner) until(bytes string) string {
	i := strings.IndexAny(s.rest(), bytes)
	if i < 0 {
		i = len(s.rest())
	}
	return s.advance(i)
}

// word takes letters, digits and underscores.
func (s *scanner) word() string {
	i := 0
	for rest := s.rest(); i < len(rest) && isWord(rest[i]); i++ {
	}
	return s.advance(i)
}

func isWord(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// skipBlanks takes spaces and tabs.
func (s *scanner) skipBlanks() {
	for s.peek() == ' ' || s.peek() == '\t' {
		s.pos++
	}
}

// skipSpacing takes blanks, line ends and comments.
func (s *scanner) skipSpacing() {
	for !s.eof() {
		switch s.peek() {
		case ' ', '\t', '\r', '\n':
			s.advance(1)
		case '#':
			s.until("\r\n")
		default:
			return
		}
	}
}

// skipLineEnd takes blanks, a comment after blanks, and the end of the line. If something else is next it takes nothing and
// returns false.
func (s *scanner) skipLineEnd() bool {
	i := endOfLine(s.rest())
	if i < 0 {
		return false
	}
	s.advance(i)
	if s.peek() == '\r' {
		s.advance(1)
	}
	if s.peek() == '\n' {
		s.advance(1)
	}
	return true
}

// endOfLine is how many bytes of blanks and comment come before the end of the line, -1 if there is something else. A # at
// the very beginning counts as a comment: callers must not call it in the middle of a value.
func endOfLine(s string) int {
	i := len(s) - len(strings.TrimLeft(s, " \t"))
	if i < len(s) && s[i] == '#' {
		n := strings.IndexAny(s[i:], "\r\n")
		if n < 0 {
			return len(s)
		}
		return i + n
	}
	if i == len(s) || s[i] == '\n' || s[i] == '\r' {
		return i
	}
	return -1
}

// toLineAfter moves, forwards or backwards, to the beginning of the next line after line.
func (s *scanner) toLineAfter(line int) {
	if s.line > line {
		s.pos, s.line = 0, 1
	}
	for s.line <= line && !s.eof() {
		i := strings.IndexByte(s.rest(), '\n')
		if i < 0 {
			i = len(s.rest()) - 1
		}
		s.advance(i + 1)
	}
}
