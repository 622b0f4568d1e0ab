// Package parse parses text into fields, in the formats of Fluent Bit's [PARSER] and Fluentd's <parse>.
package parse

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/firelane/firelane/pattern"
	"github.com/firelane/firelane/record"
)

// A Parser parses texts of one format. It is safe for concurrent use.
type Parser struct {
	format     format
	time       *timeField // nil: a text doesn't set the event's time
	converters map[string]converter
	nulls      *pattern.Pattern // Fluentd: texts that become null
	nullEmpty  bool
	skipEmpty  bool // empty values are left out
	nameless   bool // no text can be parsed: the regex has no named group
	msgpack    bool // Fluentd: a text is a map of MessagePack
	decoders   map[string][]decoder
	rules      timeRules
	typed      bool // Fluent Bit: the section has types
}

// A format appends the fields of text to f. ok is false if the text isn't of the format.
type format func(f *fields, text []byte) (ok bool)

// timeRules are what happens to a time that can't be read. Fluent Bit's formats differ.
type timeRules uint8

const (
	keepWrong   timeRules = iota // it stays a field
	dropWrong                    // the field is left out
	refuseWrong                  // the text can't be parsed
)

// headerRoom is the length in bytes of the largest header of a map.
const headerRoom = 5

// maxFields is the largest number of fields that a text may have: a map's header of three bytes holds no more.
const maxFields = 1<<16 - 1

// Parse appends the fields of text as a map to dst, and sets *at if the text holds the event's time. ok is false if the text
// can't be parsed; dst and *at are unchanged then.
func (p *Parser) Parse(dst, text []byte, at *record.Time) (out []byte, ok bool) {
	start, before := len(dst), *at
	if p.format == nil {
		out, ok = p.json(dst, text, at)
	} else {
		out, ok = p.fields(dst, text, at)
	}
	if !ok {
		*at = before
		return dst, false
	}
	if p.decoders != nil {
		out = p.decode(out, start)
	}
	return out, true
}

// fields is Parse for all formats but JSON.
func (p *Parser) fields(dst, text []byte, at *record.Time) ([]byte, bool) {
	f := fields{p: p, at: at, start: len(dst), out: append(dst, 0xde, 0, 0)}
	if !p.format(&f, text) || f.refused || f.n > maxFields {
		return dst, false
	}
	f.out[f.start+1], f.out[f.start+2] = byte(f.n>>8), byte(f.n)
	return f.out, true
}

// appendMap appends the map that a text is in MessagePack or JSON.
func (p *Parser) appendMap(dst, text []byte) ([]byte, bool) {
	if p.msgpack {
		n, err := record.Check(text)
		if err != nil || n != len(text) || record.KindOf(text[0]) != record.KindMap {
			return dst, false
		}
		return append(dst, text...), true
	}
	if begin := bytes.TrimLeft(text, " \t\r\n"); len(begin) == 0 || begin[0] != '{' {
		return dst, false
	}
	out, err := record.AppendFromJSON(dst, text)
	return out, err == nil
}

// json is Parse for maps.
func (p *Parser) json(dst, text []byte, at *record.Time) ([]byte, bool) {
	start := len(dst)
	out, ok := p.appendMap(dst, text)
	if !ok {
		return dst, false
	}
	if p.time != nil {
		out = out[:start+len(p.time.take(at, out[start:]))]
	}
	if len(p.converters) == 0 && p.nulls == nil && !p.nullEmpty {
		return out, true
	}
	parsed := len(out)
	n, _, err := record.MapHeader(out[start:parsed])
	if err != nil {
		return dst, false
	}
	out = record.AppendMapHeader(out, n)
	for f := record.FieldsOf(out[start:parsed:parsed]); f.Next(); {
		out = append(out, f.RawKey()...)
		out = p.value(out, f.Key(), f.Value())
	}
	return append(out[:start], out[parsed:]...), true
}

// fields appends the fields of a text.
type fields struct {
	p       *Parser
	at      *record.Time
	out     []byte
	start   int
	n       int
	refused bool // the time can't be read, and the text is refused for that
}

// add appends a field, or takes it as the event's time.
func (f *fields) add(name string, value []byte) {
	if f.taken(name, value) {
		return
	}
	f.n++
	f.out = record.AppendStr(f.out, name)
	if f.p.converters == nil && f.p.nulls == nil && !f.p.nullEmpty {
		f.out = record.AppendStrBytes(f.out, value)
		return
	}
	var room [512]byte
	f.out = f.p.value(f.out, []byte(name), record.AppendStrBytes(room[:0], value))
}

// taken reports whether a field doesn't become one: it is the event's time, or has a time that can't be read.
func (f *fields) taken(name string, value []byte) bool {
	tf := f.p.time
	if tf == nil || name != tf.name {
		return false
	}
	t, ok := tf.parseText(value)
	switch {
	case ok && !tf.ignore:
		*f.at = t
	case !ok && f.p.rules == refuseWrong:
		f.refused = true
	case !ok:
		return f.p.rules == dropWrong
	}
	return !tf.keep
}

// addTrue appends a field of logfmt that has no value: it is true, or where the parser has types an empty text, converted, as in
// Fluent Bit: 0 if it is an integer.
func (f *fields) addTrue(name string) {
	f.n++
	if f.p.typed {
		var empty [1]byte
		f.out = f.p.value(record.AppendStr(f.out, name), []byte(name), record.AppendStr(empty[:0], ""))
		return
	}
	f.out = record.AppendBool(record.AppendStr(f.out, name), true)
}

// addNil appends a field whose value is null.
func (f *fields) addNil(name string) {
	f.n++
	f.out = record.AppendNil(record.AppendStr(f.out, name))
}

// value appends the value of the field name, converted.
func (p *Parser) value(dst, name, value []byte) []byte {
	if text, ok := record.Text(value); ok {
		if p.nullEmpty && len(text) == 0 || p.nulls != nil && p.nulls.Match(text) {
			return record.AppendNil(dst)
		}
	}
	if c := p.converters[string(name)]; c != nil && record.KindOf(value[0]) != record.KindNil {
		return c(dst, value)
	}
	return append(dst, value...)
}

func (p *Parser) convert(name string, c converter) {
	if p.converters == nil {
		p.converters = map[string]converter{}
	}
	p.converters[name] = c
}

// addTypes parses Fluentd's name:type,name:type:option, or a JSON object of names and types.
func (p *Parser) addTypes(types string, zone *time.Location) error {
	if strings.HasPrefix(types, "{") {
		types = strings.NewReplacer("{", "", "}", "", `"`, "", " ", "").Replace(types)
	}
	if types == "" {
		return nil
	}
	for entry := range strings.SplitSeq(types, ",") {
		name, kind, _ := strings.Cut(strings.TrimSpace(entry), ":")
		kind, option, _ := strings.Cut(kind, ":")
		c, err := converterFor(kind, option, zone)
		if err != nil {
			return fmt.Errorf("field %q: %w", name, err)
		}
		p.convert(name, c)
	}
	return nil
}

// Deep reports whether fields may be nested deeper than the text is, since values are decoded or converted.
func (p *Parser) Deep() bool { return len(p.converters) > 0 || len(p.decoders) > 0 }
