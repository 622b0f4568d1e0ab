package bulk

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

// A template is an index name, or its prefix, as it is configured: text with placeholders for the tag and for values
// of the record, and strftime conversions in the text.
type template struct {
	parts   []part
	dynamic bool // there is more than text
}

// A part is text, the tag, one part of the tag, or a value of the record.
type part struct {
	kind partKind
	text string   // partText
	n    int      // partTagPart: which, counted from 0; from the end where negative
	path []string // partValue
}

type partKind uint8

const (
	partText partKind = iota
	partTag
	partTagPart
	partValue
)

// parseTemplate reads a template in the dialect's own notation: $key['sub'], $TAG, $TAG[1] in Fluent Bit; ${tag},
// ${tag[1]}, ${tag_parts[1]}, ${key}, ${$.key.sub} in Fluentd.
func parseTemplate(s string, d config.Dialect) (template, error) {
	var t template
	text := func(s string) {
		if s != "" {
			t.parts = append(t.parts, part{kind: partText, text: s})
		}
	}
	for s != "" {
		i := strings.IndexByte(s, '$')
		if i < 0 {
			text(s)
			break
		}
		text(s[:i])
		s = s[i:]
		if len(s) == 1 {
			text(s)
			break
		}
		p, rest, err := parsePlaceholder(s, d)
		if err != nil {
			return template{}, err
		}
		t.parts = append(t.parts, p)
		t.dynamic = t.dynamic || p.kind != partText
		s = rest
	}
	return t, nil
}

// parsePlaceholder reads what begins with the $ at s[0].
func parsePlaceholder(s string, d config.Dialect) (p part, rest string, err error) {
	if s[1] == '{' {
		end := strings.IndexByte(s, '}')
		if end < 0 {
			return part{}, "", fmt.Errorf("%q: ${ without }", s)
		}
		p, err = parseName(s[2:end])
		return p, s[end+1:], err
	}
	if d == config.Fluentd { // a bare $ has no meaning there
		return part{kind: partText, text: "$"}, s[1:], nil
	}
	end := accessorEnd(s)
	if end == 1 {
		return part{kind: partText, text: "$"}, s[1:], nil
	}
	p, err = parseName(s[1:end])
	return p, s[end:], err
}

// accessorEnd is where Fluent Bit's record accessor that begins at s[0] ends: a name, then any number of ['sub'].
func accessorEnd(s string) int {
	i := 1
	for i < len(s) && (s[i] == '_' || s[i] >= '0' && s[i] <= '9' || s[i]|0x20 >= 'a' && s[i]|0x20 <= 'z') {
		i++
	}
	for i > 1 && i < len(s) && s[i] == '[' {
		end := strings.IndexByte(s[i:], ']')
		if end < 0 {
			break
		}
		i += end + 1
	}
	return i
}

func parseName(name string) (part, error) {
	base, index, indexed := strings.Cut(name, "[")
	switch base {
	case "tag", "TAG", "tag_parts":
		if !indexed {
			return part{kind: partTag}, nil
		}
		n, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
		if err != nil {
			return part{}, fmt.Errorf("%q: a number is expected in the brackets", name)
		}
		return part{kind: partTagPart, n: n}, nil
	}
	path, err := parseAccessor(name)
	return part{kind: partValue, path: path}, err
}

// parseAccessor reads the path to a value of the record, in either dialect's notation: key, $key['sub'], $.key.sub,
// $['key']['sub'].
func parseAccessor(s string) ([]string, error) {
	orig, bare := s, !strings.HasPrefix(s, "$")
	s = strings.TrimPrefix(s, "$")
	if bare && !strings.ContainsAny(s, "[") {
		if s == "" {
			return nil, fmt.Errorf("a key is expected")
		}
		return []string{s}, nil // a plain key, dots and all
	}
	var path []string
	for s != "" {
		switch {
		case s[0] == '[':
			end := strings.IndexByte(s, ']')
			if end < 0 {
				return nil, fmt.Errorf("%q: [ without ]", orig)
			}
			path = append(path, strings.Trim(s[1:end], `'"`))
			s = s[end+1:]
			continue
		case s[0] == '.':
			s = s[1:]
		}
		end := strings.IndexAny(s, ".[")
		if end < 0 {
			end = len(s)
		}
		if end > 0 {
			path = append(path, s[:end])
		}
		s = s[end:]
	}
	if len(path) == 0 {
		return nil, fmt.Errorf("%q: a key is expected", orig)
	}
	return path, nil
}

// appendKey appends what tells the results of the template apart: its placeholders' values, each with a zero byte
// behind it. ok is false where a value is missing or empty.
func (t *template) appendKey(dst []byte, r *sink.Record) (out []byte, ok bool) {
	ok = true
	for i := range t.parts {
		if p := &t.parts[i]; p.kind != partText {
			n := len(dst)
			dst = p.append(dst, r)
			ok = ok && len(dst) > n
			dst = append(dst, 0)
		}
	}
	return dst, ok
}

// append appends the placeholder's value, nothing where it is missing.
func (p *part) append(dst []byte, r *sink.Record) []byte {
	switch p.kind {
	case partTag:
		return append(dst, r.Tag...)
	case partTagPart:
		return append(dst, tagPart(r.Tag, p.n)...)
	case partValue:
		if v, ok := lookup(r.Body, p.path); ok {
			return record.AppendText(dst, v)
		}
	}
	return dst
}

// read says whether the template depends on the member key of a record.
func (t *template) read(key string) bool {
	return slices.ContainsFunc(t.parts, func(p part) bool { return len(p.path) > 0 && p.path[0] == key })
}

// lookup finds a scalar; a container or nil counts as missing.
func lookup(body []byte, path []string) ([]byte, bool) {
	v, ok := record.Lookup(body, path)
	if !ok || len(v) == 0 {
		return nil, false
	}
	switch record.KindOf(v[0]) {
	case record.KindMap, record.KindArray, record.KindNil:
		return nil, false
	}
	return v, true
}

// tagPart is part n of a tag, counted from 0, or from -1 at its end.
func tagPart(tag string, n int) string {
	if n < 0 {
		n += strings.Count(tag, ".") + 1
	}
	for ; n > 0; n-- {
		_, rest, ok := strings.Cut(tag, ".")
		if !ok {
			return ""
		}
		tag = rest
	}
	if n < 0 {
		return ""
	}
	part, _, _ := strings.Cut(tag, ".")
	return part
}
