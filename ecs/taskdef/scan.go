package taskdef

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Limits of what is read. They are far above any real task definition, whose own limit is 64 KiB.
const (
	// maxDepth is how deep maps and lists may be nested.
	maxDepth = 100
	// maxValues is how many values may be read of one file. Those that are skipped, such as a plan's other resources, don't count.
	maxValues = 500_000
	// maxShown is the length, in bytes, at which text of a file is cut in a message.
	maxShown = 40
)

// A scanner reads JSON, and knows the line of each value. Values that aren't needed are skipped at the speed of memory.
type scanner struct {
	text  []byte
	at    int
	depth int
	count int
	fixed int // the text is a string within a file, at this line; 0: it is the file itself

	line, lineAt int // the line of lineAt, from which others are counted
}

func newScanner(text []byte) *scanner { return &scanner{text: text, line: 1} }

// A syntaxError is what is wrong with the text of a file.
type syntaxError struct {
	line int
	text string
}

func (e *syntaxError) Error() string { return e.text }

// lineOf returns the line of an offset. It is quick if the offsets of successive calls are near each other.
func (s *scanner) lineOf(at int) int {
	switch {
	case s.fixed > 0:
		return s.fixed
	case at >= s.lineAt:
		s.line += bytes.Count(s.text[s.lineAt:at], []byte{'\n'})
	default:
		s.line -= bytes.Count(s.text[at:s.lineAt], []byte{'\n'})
	}
	s.lineAt = at
	return s.line
}

// fail makes the error at the present position.
func (s *scanner) fail(format string, args ...any) error {
	at := min(s.at, len(s.text))
	return &syntaxError{s.lineOf(at), fmt.Sprintf(format, args...)}
}

// missing is fail for what is missing after the value that ends at an offset: that is the line to edit.
func (s *scanner) missing(end int, format string, args ...any) error {
	s.at = end
	return s.fail(format, args...)
}

// space skips white space, and returns the next byte; 0 at the end.
func (s *scanner) space() byte {
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// next describes what stands at the present position, for messages.
func (s *scanner) next() string {
	if s.at >= len(s.text) {
		return "the end of the file"
	}
	rest := s.text[s.at:]
	if rest[0] == '/' && len(rest) > 1 && (rest[1] == '/' || rest[1] == '*') {
		return "a comment, which JSON doesn't have"
	}
	if end := bytes.IndexAny(rest, "\r\n"); end >= 0 {
		rest = rest[:end]
	}
	return shown(string(rest[:min(len(rest), 2*maxShown)]))
}

// placeholder is the end of a message about what isn't JSON, if it seems to be a placeholder.
func (s *scanner) placeholder() string {
	for _, sign := range []string{"$", "{{", "#if", "#each", "%{", "<%"} {
		if s.at < len(s.text) && bytes.HasPrefix(s.text[s.at:], []byte(sign)) {
			return ", a placeholder; want the file that is made of this one"
		}
	}
	return ""
}

// shown quotes text of a file for a message, cut where it is long.
func shown(text string) string {
	if len(text) > maxShown {
		cut := maxShown
		for cut > 0 && !utf8.RuneStart(text[cut]) {
			cut--
		}
		return strconv.Quote(text[:cut]) + "…"
	}
	return strconv.Quote(text)
}

// enter counts a level of nesting.
func (s *scanner) enter() error {
	if s.depth++; s.depth > maxDepth {
		return s.fail("maps and lists are nested more than %d deep", maxDepth)
	}
	return nil
}

// object calls each for every key of the object at the present position; each must read or skip the value.
func (s *scanner) object(each func(key string, line int) error) error {
	if s.space() != '{' {
		return s.fail("want { at the beginning of a map, got %s", s.next())
	}
	if err := s.enter(); err != nil {
		return err
	}
	s.at++
	for first := true; ; first = false {
		switch c := s.space(); {
		case c == '}' && first:
			s.at++
			s.depth--
			return nil
		case c == '}':
			return s.fail("there is a comma before }; want it removed")
		case c != '"':
			return s.fail("want a key in double quotes, got %s%s", s.next(), s.placeholder())
		}
		line := s.lineOf(s.at)
		key, err := s.string()
		if err != nil {
			return err
		}
		if s.space() != ':' {
			return s.fail("want a colon after the key %s, got %s", shown(key), s.next())
		}
		s.at++
		s.space()
		if err := each(key, line); err != nil {
			return err
		}
		end := s.at
		switch s.space() {
		case ',':
			s.at++
		case '}':
			s.at++
			s.depth--
			return nil
		default:
			return s.missing(end, "want a comma or } after the value of %s, got %s", shown(key), s.next())
		}
	}
}

// array calls each for every item of the array at the present position; each must read or skip the item.
func (s *scanner) array(each func(n int) error) error {
	if s.space() != '[' {
		return s.fail("want [ at the beginning of a list, got %s", s.next())
	}
	if err := s.enter(); err != nil {
		return err
	}
	s.at++
	for n := 0; ; n++ {
		switch c := s.space(); {
		case c == ']' && n == 0:
			s.at++
			s.depth--
			return nil
		case c == ']':
			return s.fail("there is a comma before ]; want it removed")
		}
		if err := each(n); err != nil {
			return err
		}
		end := s.at
		switch s.space() {
		case ',':
			s.at++
		case ']':
			s.at++
			s.depth--
			return nil
		default:
			return s.missing(end, "want a comma or ] after an item of a list, got %s", s.next())
		}
	}
}

// string reads the string at the present position.
func (s *scanner) string() (string, error) {
	begin := s.at + 1
	end, plain := begin, true
	for ; end < len(s.text) && s.text[end] != '"'; end++ {
		switch c := s.text[end]; {
		case c == '\\':
			plain = false
			end++
		case c < ' ':
			s.at = end
			return "", s.fail("a string isn't closed before the end of its line; want a double quote, or \\n for a line break")
		}
	}
	if end >= len(s.text) {
		return "", s.fail("a string isn't closed; want a double quote at its end")
	}
	raw := s.text[begin:end]
	if plain {
		s.at = end + 1
		return string(raw), nil
	}
	text, ok := unescape(raw)
	if !ok {
		return "", s.fail("the string %s has a backslash that JSON doesn't know; want \\\\ for a backslash", shown(string(raw)))
	}
	s.at = end + 1
	return text, nil
}

// escapes are the characters after a backslash, except u, and what they stand for.
const escapes = "\"\"\\\\//b\bf\fn\nr\rt\t"

// unescape replaces what begins with a backslash.
func unescape(raw []byte) (string, bool) {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			out = append(out, raw[i])
			continue
		}
		if i++; i >= len(raw) {
			return "", false
		}
		if raw[i] != 'u' {
			known := false
			for k := 0; k < len(escapes) && !known; k += 2 {
				if escapes[k] == raw[i] {
					out, known = append(out, escapes[k+1]), true
				}
			}
			if !known {
				return "", false
			}
			continue
		}
		r, ok := hex4(raw[i+1:])
		if !ok {
			return "", false
		}
		i += 4
		if utf16.IsSurrogate(r) && i+2 < len(raw) && raw[i+1] == '\\' && raw[i+2] == 'u' {
			if low, ok := hex4(raw[i+3:]); ok {
				if both := utf16.DecodeRune(r, low); both != utf8.RuneError {
					r = both
					i += 6
				}
			}
		}
		out = utf8.AppendRune(out, r)
	}
	return string(out), true
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b[:4]), 16, 16)
	return rune(n), err == nil
}

// skip skips the value at the present position. It looks at brackets and strings only.
func (s *scanner) skip() error {
	depth := 0
	for {
		switch c := s.space(); {
		case c == 0:
			return s.fail("the file ends within a value")
		case c == '"':
			if !s.skipString() {
				return s.fail("a string isn't closed; want a double quote at its end")
			}
		case c == '{' || c == '[':
			depth++
			s.at++
		case (c == '}' || c == ']') && depth > 0:
			depth--
			s.at++
		case (c == ',' || c == ':') && depth > 0:
			s.at++
			continue
		case !s.word():
			return s.fail("want a value, got %s%s", s.next(), s.placeholder())
		}
		if depth == 0 {
			return nil
		}
	}
}

// skipString moves to the end of the string at the present position.
func (s *scanner) skipString() bool {
	for at := s.at + 1; ; {
		n := bytes.IndexByte(s.text[at:], '"')
		if n < 0 {
			return false
		}
		at += n + 1
		slashes := 0
		for at-2-slashes > s.at && s.text[at-2-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			s.at = at
			return true
		}
	}
}

// word moves to the end of the number, true, false or null at the present position. It returns false if there is none.
func (s *scanner) word() bool {
	begin := s.at
	for s.at < len(s.text) {
		c := s.text[s.at]
		if c != '+' && c != '-' && c != '.' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && c != 'E' {
			break
		}
		s.at++
	}
	return s.at > begin
}
