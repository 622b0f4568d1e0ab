package put

import (
	"slices"
	"strings"

	"github.com/firelane/firelane/record"
)

// A shape selects fields of a record, and replaces the dots in their names.
type shape struct {
	only []string // the fields to keep; nil: all
	dots string   // replaces the dots in names, at every level; "": they stay
}

// keeps reports whether a field of the record is kept.
func (s *shape) keeps(key string) bool { return s.only == nil || slices.Contains(s.only, key) }

// append appends the map body in that shape.
func (s *shape) append(dst, body []byte) []byte {
	n := 0
	for f := record.FieldsOf(body); f.Next(); {
		if s.keepsRaw(f.Key()) {
			n++
		}
	}
	dst = record.AppendMapHeader(dst, n)
	for f := record.FieldsOf(body); f.Next(); {
		if s.keepsRaw(f.Key()) {
			dst = s.appendValue(s.appendKey(dst, f.RawKey()), f.Value())
		}
	}
	return dst
}

func (s *shape) keepsRaw(key []byte) bool {
	return s.only == nil || slices.ContainsFunc(s.only, func(name string) bool { return name == string(key) })
}

// appendKey appends the name of a field, MessagePack.
func (s *shape) appendKey(dst, raw []byte) []byte {
	text, ok := record.Text(raw)
	if s.dots == "" || !ok {
		return append(dst, raw...)
	}
	n := 0
	for _, c := range text {
		if c == '.' {
			n++
		}
	}
	dst = record.AppendStrHeader(dst, len(text)+n*(len(s.dots)-1))
	for _, c := range text {
		if c == '.' {
			dst = append(dst, s.dots...)
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}

// appendValue appends a value, which record.Check has accepted, with the dots in names replaced.
func (s *shape) appendValue(dst, value []byte) []byte {
	if s.dots == "" {
		return append(dst, value...)
	}
	dst, _ = s.walk(dst, value)
	return dst
}

// walk appends the value at the start of b, which record.Check has accepted, and returns what follows it.
func (s *shape) walk(dst, b []byte) (out, rest []byte) {
	n := 0
	switch record.KindOf(b[0]) {
	case record.KindMap:
		n, rest, _ = record.MapHeader(b)
		dst = record.AppendMapHeader(dst, n)
		for range n {
			after, err := record.Skip(rest)
			if err != nil || len(after) == 0 {
				return dst, nil
			}
			dst = s.appendKey(dst, rest[:len(rest)-len(after)])
			dst, rest = s.walk(dst, after)
		}
		return dst, rest
	case record.KindArray:
		n, rest, _ = record.ArrayHeader(b)
		dst = record.AppendArrayHeader(dst, n)
		for range n {
			if len(rest) == 0 {
				return dst, nil
			}
			dst, rest = s.walk(dst, rest)
		}
		return dst, rest
	}
	rest, err := record.Skip(b)
	if err != nil {
		return dst, nil
	}
	return append(dst, b[:len(b)-len(rest)]...), rest
}

// replaced is a name without dots.
func replaced(name, dots string) string {
	if dots == "" {
		return name
	}
	return strings.ReplaceAll(name, ".", dots)
}
