package enrich

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/firelane/firelane/record"
)

// templateKind is what a template does.
type templateKind uint8

const (
	tplConstant templateKind = iota // encoded
	tplValue                        // the one placeholder's value, with its type
	tplText                         // the parts as one text
	tplMap                          // keys and subs
	tplArray                        // subs
)

// A template is a value of a <record>.
type template struct {
	kind    templateKind
	encoded []byte
	parts   []placeholder
	keys    []string
	subs    []*template
}

// append appends the value for an event.
func (t *template) append(dst []byte, ev *record.Event) []byte {
	switch t.kind {
	case tplValue:
		return t.parts[0].appendValue(dst, ev)
	case tplText:
		// The length isn't known before: the text goes behind the largest header, which is a valid one.
		start := len(dst)
		dst = append(dst, 0xdb, 0, 0, 0, 0)
		for i := range t.parts {
			dst = t.parts[i].appendText(dst, ev)
		}
		return shortenStr(dst, start)
	case tplMap:
		dst = record.AppendMapHeader(dst, len(t.subs))
		for i, sub := range t.subs {
			dst = sub.append(record.AppendStr(dst, t.keys[i]), ev)
		}
		return dst
	case tplArray:
		dst = record.AppendArrayHeader(dst, len(t.subs))
		for _, sub := range t.subs {
			dst = sub.append(dst, ev)
		}
		return dst
	}
	return append(dst, t.encoded...)
}

// shortenStr gives the text behind a str32 header at start the shortest header.
func shortenStr(dst []byte, start int) []byte {
	var h [headerRoom]byte
	text := dst[start+headerRoom:]
	header := appendStrHeader(h[:0], len(text))
	copy(dst[start:], header)
	return dst[:start+len(header)+copy(dst[start+len(header):], text)]
}

// placeholderKind is what a placeholder stands for.
type placeholderKind uint8

const (
	phLiteral placeholderKind = iota
	phTag
	phTagPart   // index
	phTagPrefix // index
	phTagSuffix // index
	phTime
	phRecord // at
)

type placeholder struct {
	kind  placeholderKind
	text  string
	index int
	at    accessor
}

// appendValue appends what the placeholder stands for, with its type; nil where there is nothing.
func (p *placeholder) appendValue(dst []byte, ev *record.Event) []byte {
	switch p.kind {
	case phRecord:
		value, ok := p.at.get(ev.Body)
		if !ok {
			return record.AppendNil(dst)
		}
		rest, err := record.Skip(value)
		if err != nil {
			return record.AppendNil(dst)
		}
		return append(dst, value[:len(value)-len(rest)]...)
	case phTagPart, phTagPrefix, phTagSuffix:
		text, ok := tagRange(ev.Tag, p.kind, p.index)
		if !ok {
			return record.AppendNil(dst)
		}
		return record.AppendStr(dst, text)
	}
	start := len(dst)
	return shortenStr(p.appendText(append(dst, 0xdb, 0, 0, 0, 0), ev), start)
}

// appendText appends what the placeholder stands for as text, nothing where there is nothing.
func (p *placeholder) appendText(dst []byte, ev *record.Event) []byte {
	switch p.kind {
	case phTag:
		return append(dst, ev.Tag...)
	case phTagPart, phTagPrefix, phTagSuffix:
		text, _ := tagRange(ev.Tag, p.kind, p.index)
		return append(dst, text...)
	case phTime:
		return time.Unix(int64(ev.Time.Sec), int64(ev.Time.Nsec)).AppendFormat(dst, "2006-01-02 15:04:05 -0700")
	case phRecord:
		value, ok := p.at.get(ev.Body)
		if !ok || record.KindOf(value[0]) == record.KindNil {
			return dst
		}
		return record.AppendText(dst, value)
	}
	return append(dst, p.text...)
}

// tagRange is the part of a tag with that number, or everything up to it, or from it on. Negative numbers count from
// the end.
func tagRange(tag string, kind placeholderKind, index int) (string, bool) {
	n := strings.Count(tag, ".") + 1
	if index < 0 {
		index += n
	}
	if index < 0 || index >= n {
		return "", false
	}
	start := 0
	for range index {
		start += strings.IndexByte(tag[start:], '.') + 1
	}
	end := len(tag)
	if i := strings.IndexByte(tag[start:], '.'); i >= 0 {
		end = start + i
	}
	switch kind {
	case phTagPrefix:
		return tag[:end], true
	case phTagSuffix:
		return tag[start:], true
	}
	return tag[start:end], true
}

// templateCompiler makes templates of what the configuration says.
type templateCompiler struct {
	hostname string
	typecast bool
}

// value reads a value: JSON where it begins as such and is, else text; placeholders in both.
func (c *templateCompiler) value(s string) (*template, error) {
	if strings.HasPrefix(s, "{") || strings.HasPrefix(s, "[") {
		if encoded, err := record.AppendFromJSON(nil, []byte(s)); err == nil {
			if !strings.Contains(s, "${") {
				return &template{encoded: encoded}, nil
			}
			d := json.NewDecoder(bytes.NewReader([]byte(s)))
			d.UseNumber()
			return c.json(d)
		}
	}
	return c.text(s)
}

// json reads the next value of valid JSON.
func (c *templateCompiler) json(d *json.Decoder) (*template, error) {
	token, err := d.Token()
	if err != nil {
		return nil, io.ErrUnexpectedEOF
	}
	switch v := token.(type) {
	case string:
		return c.text(v)
	case json.Delim:
		t := &template{kind: tplArray}
		if v == '{' {
			t.kind = tplMap
		}
		for d.More() {
			if t.kind == tplMap {
				key, err := d.Token()
				name, ok := key.(string)
				if err != nil || !ok || strings.Contains(name, "${") {
					return nil, fmt.Errorf("placeholders in a name are not supported: %v", key)
				}
				t.keys = append(t.keys, name)
			}
			sub, err := c.json(d)
			if err != nil {
				return nil, err
			}
			t.subs = append(t.subs, sub)
		}
		_, err := d.Token() // the closing one
		return t, err
	}
	encoded, err := json.Marshal(token)
	if err != nil {
		return nil, err
	}
	encoded, err = record.AppendFromJSON(nil, encoded)
	return &template{encoded: encoded}, err
}

// text reads text with placeholders.
func (c *templateCompiler) text(s string) (*template, error) {
	t := &template{kind: tplText}
	for rest := s; rest != ""; {
		literal, after, found := strings.Cut(rest, "${")
		t.literal(literal)
		if !found {
			break
		}
		expression, behind, closed := cutExpression(after)
		if !closed {
			return nil, fmt.Errorf("%q has a ${ without its }", s)
		}
		p, err := c.placeholder(expression)
		if err != nil {
			return nil, err
		}
		if p.kind == phLiteral {
			t.literal(p.text)
		} else {
			t.parts = append(t.parts, p)
		}
		rest = behind
	}
	switch {
	case len(t.parts) == 0:
		return &template{encoded: record.AppendStr(nil, "")}, nil
	case len(t.parts) == 1 && t.parts[0].kind == phLiteral:
		return &template{encoded: record.AppendStr(nil, t.parts[0].text)}, nil
	case len(t.parts) == 1 && c.typecast:
		t.kind = tplValue
	}
	return t, nil
}

// literal adds text that stands for itself.
func (t *template) literal(s string) {
	if n := len(t.parts); n > 0 && t.parts[n-1].kind == phLiteral {
		t.parts[n-1].text += s
	} else if s != "" {
		t.parts = append(t.parts, placeholder{text: s})
	}
}

// cutExpression cuts behind the } that closes a placeholder, which is none inside of quotes or braces.
func cutExpression(s string) (expression, after string, ok bool) {
	depth, quote := 0, byte(0)
	for i := range len(s) {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '{':
			depth++
		case c == '}' && depth == 0:
			return s[:i], s[i+1:], true
		case c == '}':
			depth--
		}
	}
	return "", "", false
}

// placeholder reads what stands between ${ and }.
func (c *templateCompiler) placeholder(expression string) (placeholder, error) {
	e := strings.TrimSpace(expression)
	switch e {
	case "tag":
		return placeholder{kind: phTag}, nil
	case "time":
		return placeholder{kind: phTime}, nil
	case "hostname":
		return placeholder{text: c.hostname}, nil
	}
	if path, ok := strings.CutPrefix(e, "record"); ok && path != "" {
		if at, err := brackets(path); err == nil && !at[0].isIndex {
			return placeholder{kind: phRecord, at: at}, nil
		}
		if at, err := dug(path); err == nil {
			return placeholder{kind: phRecord, at: at}, nil
		}
	}
	name, index, _ := strings.Cut(e, "[")
	number, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
	if err == nil && strings.HasSuffix(index, "]") {
		switch name {
		case "tag_parts":
			return placeholder{kind: phTagPart, index: number}, nil
		case "tag_prefix":
			return placeholder{kind: phTagPrefix, index: number}, nil
		case "tag_suffix":
			return placeholder{kind: phTagSuffix, index: number}, nil
		}
	}
	return placeholder{}, fmt.Errorf("${%s} can't be evaluated: Ruby is not supported beyond ${tag}, ${tag_parts[N]}, "+
		"${tag_prefix[N]}, ${tag_suffix[N]}, ${hostname}, ${time} and ${record[\"name\"][\"inner\"]}", expression)
}

// dug reads .dig("a", "b").
func dug(path string) (accessor, error) {
	inner, ok := strings.CutPrefix(path, ".dig(")
	inner, closed := strings.CutSuffix(inner, ")")
	if !ok || !closed {
		return nil, errors.New("no .dig(…)")
	}
	var at accessor
	for arg := range strings.SplitSeq(inner, ",") {
		hops, err := brackets("[" + strings.TrimSpace(arg) + "]")
		if err != nil {
			return nil, err
		}
		at = append(at, hops...)
	}
	return at, nil
}
