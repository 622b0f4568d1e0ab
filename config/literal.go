package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// A literal is the value of a parameter in Fluentd's syntax.
type literal struct {
	text     string
	leaveOut bool     // use_nil or use_default: as if the parameter weren't there
	only     string   // the environment variable, if the value is exactly one and nothing else
	unset    []string // environment variables that the value uses and that are not set
}

// value reads a JSON array or object, or a string.
func (r *fluentdReader) value(s *scanner) (literal, error) {
	if c := s.peek(); c == '[' || c == '{' {
		return r.json(s)
	}
	return r.stringValue(s)
}

func (r *fluentdReader) stringValue(s *scanner) (literal, error) {
	if c := s.peek(); c == '"' || c == '\'' {
		return r.quoted(s)
	}
	return literal{text: s.bare()}, nil
}

// bare takes an unquoted string: the rest of the line, without a comment after a blank.
func (s *scanner) bare() string {
	rest := s.rest()
	end := strings.IndexAny(rest, "\r\n")
	if end < 0 {
		end = len(rest)
	}
	for i := 1; i < end; i++ {
		if (rest[i] == ' ' || rest[i] == '\t') && endOfLine(rest[i:]) >= 0 {
			end = i
			break
		}
	}
	return s.advance(end)
}

// quoted reads a string in double or single quotes.
func (r *fluentdReader) quoted(s *scanner) (literal, error) {
	if s.next() == '"' {
		return r.doubleQuoted(s)
	}
	var b strings.Builder
	for !s.eof() {
		switch c := s.next(); {
		case c == '\'':
			return literal{text: b.String()}, nil
		case c == '\\' && (s.peek() == '\'' || s.peek() == '\\'):
			b.WriteByte(s.next())
		default:
			b.WriteByte(c)
		}
	}
	return literal{}, errors.New("' without a closing '")
}

// doubleQuoted reads the rest of a string in double quotes. A backslash at the end of a line joins it with the next.
func (r *fluentdReader) doubleQuoted(s *scanner) (literal, error) {
	var b strings.Builder
	var v literal
	parts := 0
	for !s.eof() {
		switch c := s.next(); {
		case c == '"':
			v.text = b.String()
			if parts != 1 {
				v.only = ""
			}
			return v, nil
		case c == '\\':
			parts++
			if err := unescape(&b, s); err != nil {
				return v, err
			}
		case c == '#' && s.skip("{"):
			parts++
			if err := r.embedded(&b, s, &v); err != nil {
				return v, err
			}
		default:
			parts++
			b.WriteByte(c)
		}
	}
	return v, errors.New(`" without a closing "`)
}

// unescape reads what follows a backslash in double quotes.
func unescape(b *strings.Builder, s *scanner) error {
	c := s.next()
	switch c {
	case '\n':
	case '\r':
		s.skip("\n")
	case 'r':
		b.WriteByte('\r')
	case 'n':
		b.WriteByte('\n')
	case 't':
		b.WriteByte('\t')
	case 'f':
		b.WriteByte('\f')
	case 'b':
		b.WriteByte('\b')
	case '0':
		b.WriteByte(0)
	default:
		if isWord(c) && c != '_' {
			return fmt.Errorf(`\%c is not an escape; want \\%c for a backslash, or the value in single quotes`, c, c)
		}
		b.WriteByte(c)
	}
	return nil
}

// embedded reads the expression after #{ and writes its value.
func (r *fluentdReader) embedded(b *strings.Builder, s *scanner, v *literal) error {
	code, err := s.code()
	if err != nil {
		return err
	}
	result, err := r.ruby.eval(code)
	if err != nil {
		return err
	}
	v.leaveOut = v.leaveOut || result.leaveOut
	v.only = result.variable
	if result.isNil && result.variable != "" {
		v.unset = append(v.unset, result.variable)
	}
	b.WriteString(result.text)
	return nil
}

// code takes an embedded expression and its closing brace. Braces in strings and nested pairs of braces don't close it.
func (s *scanner) code() (string, error) {
	start := s.pos
	depth := 0
	var quote byte
	for !s.eof() {
		c := s.next()
		switch {
		case quote != 0 && c == '\\':
			s.next()
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '{':
			depth++
		case c == '}' && depth > 0:
			depth--
		case c == '}':
			return s.text[start : s.pos-1], nil
		}
	}
	return "", errors.New("#{ without }")
}

// json reads a JSON array or object, which may extend over several lines and contain comments and embedded expressions. The
// value is its compact text.
func (r *fluentdReader) json(s *scanner) (literal, error) {
	var v literal
	b, err := r.jsonText(s, &v)
	if err != nil {
		return v, err
	}
	var compact bytes.Buffer
	if json.Compact(&compact, b) != nil {
		return v, errors.New("a value that begins with [ or { is JSON, and this one is invalid; quote it if it is text")
	}
	v.text = compact.String()
	v.only = ""
	return v, nil
}

// jsonText takes everything up to the bracket that closes the first one.
func (r *fluentdReader) jsonText(s *scanner, v *literal) ([]byte, error) {
	var out []byte
	depth := 0
	inString := false
	for !s.eof() {
		c := s.next()
		switch {
		case c == '#' && (inString || bytes.HasSuffix(bytes.TrimRight(out, " \t\r\n"), []byte(":"))) && s.skip("{"):
			var b strings.Builder
			if err := r.embedded(&b, s, v); err != nil {
				return nil, err
			}
			out = appendEmbedded(out, b.String(), inString)
			continue
		case inString && c == '\\':
			out = append(out, c)
			c = s.next()
		case c == '"':
			inString = !inString
		case inString:
		case c == '#':
			s.until("\n")
			continue
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			depth--
		}
		out = append(out, c)
		if depth == 0 {
			return out, nil
		}
	}
	return nil, errors.New("JSON that begins with [ or { is not closed; quote it if it is text")
}

// appendEmbedded appends the value of an expression, which is escaped inside a JSON string.
func appendEmbedded(out []byte, text string, inString bool) []byte {
	if !inString {
		return append(out, text...)
	}
	quoted, _ := json.Marshal(text) // a string can't fail
	return append(out, quoted[1:len(quoted)-1]...)
}
