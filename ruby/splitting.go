package ruby

import (
	"bytes"
	"unicode/utf8"

	"github.com/firelane/firelane/pattern"
)

// A splitting is the state of a call of split: the parts so far, and where the next one begins in text (from).
type splitting struct {
	list
	limit int64
	text  []byte
	from  int
}

// cut ends a part before a separator, and reports whether there may be another.
func (s *splitting) cut(start, end int) bool {
	if s.limit > 0 && int64(s.n) >= s.limit-1 {
		return false
	}
	s.addValue(str(s.text[s.from:start]))
	s.from = end
	return s.err == nil
}

// at splits at a text; at an empty text it splits between all characters.
func (s *splitting) at(by []byte) error {
	for s.from < len(s.text) {
		if err := s.m.step(1); err != nil {
			return err
		}
		start, end := 0, 0
		if len(by) == 0 {
			_, n := utf8.DecodeRune(s.text[s.from:])
			start, end = s.from+n, s.from+n
			if start == len(s.text) {
				return nil
			}
		} else {
			i := bytes.Index(s.text[s.from:], by)
			if i < 0 {
				return nil
			}
			start, end = s.from+i, s.from+i+len(by)
		}
		if !s.cut(start, end) {
			return nil
		}
	}
	return nil
}

func (s *splitting) atBlanks() error {
	for s.from < len(s.text) {
		if err := s.m.step(1); err != nil {
			return err
		}
		start := bytes.IndexAny(s.text[s.from:], blanks)
		if start < 0 {
			return nil
		}
		start += s.from
		end := len(s.text) - len(bytes.TrimLeft(s.text[start:], blanks))
		if !s.cut(start, end) {
			return nil
		}
	}
	return nil
}

// end adds the last part. Without a limit, empty parts at the end are dropped.
func (s *splitting) end() (value, error) {
	if len(s.text) > 0 {
		s.addValue(str(s.text[s.from:]))
	}
	v, err := s.array()
	if err != nil || s.limit != 0 {
		return v, err
	}
	n, last := 0, 0
	for e := elementsOf(v.b); e.next(); {
		n++
		if part := read(e.value); len(part.b) > 0 {
			last = n
		}
	}
	if last == n {
		return v, nil
	}
	kept := list{m: s.m}
	for e := elementsOf(v.b); kept.n < last && e.next(); {
		kept.add(e.value)
	}
	return kept.array()
}

// split is String#split: at blanks, at a text or at a pattern.
func split(c *call) (value, error) {
	if !c.on.isText() {
		return c.none()
	}
	limit, err := c.intArg(1, 0)
	if err != nil {
		return value{}, err
	}
	text, by := c.on.b, c.arg(0)
	if by.kind == kNil || by.kind == kStr && string(by.b) == " " {
		by = value{}
		text = bytes.TrimLeft(text, blanks)
	}
	s := splitting{list: list{m: c.m}, limit: limit, text: text}
	switch {
	case len(text) == 0:
	case by.kind == kNil:
		err = s.atBlanks()
	case by.kind == kRegexp:
		err = c.m.all(by.re, text, func(g *pattern.Match) bool {
			if g[0] == g[1] && (g[0] == s.from || g[0] == len(text)) {
				return true
			}
			more := s.cut(g[0], g[1])
			for i := 2; more && i < len(g); i += 2 {
				if g[i] >= 0 {
					s.addValue(str(text[g[i]:g[i+1]]))
				}
			}
			return more
		})
	case by.isText():
		err = s.at(by.b)
	default:
		return value{}, typeError(by, "String")
	}
	if err != nil {
		return value{}, err
	}
	return s.end()
}
