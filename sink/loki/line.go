package loki

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/format"
)

// A lineFormat appends the line of a record.
type lineFormat func(dst, body []byte) []byte

// A lineBuffer is memory for a record without the fields that are removed.
type lineBuffer struct{ body, spare []byte }

// appendLine appends the line of r.
func (e *encoder) appendLine(dst []byte, r *sink.Record) []byte {
	if e.jsonOnly != nil {
		dst = format.AppendMembers(append(dst, '{'), r, e.jsonOnly)
		return append(dst, '}')
	}
	body, start := r.Body, len(dst)
	if len(e.remove) > 0 {
		buf, ok := e.scratch.Get().(*lineBuffer)
		if !ok {
			buf = new(lineBuffer)
		}
		defer func() {
			if cap(buf.body)+cap(buf.spare) <= maxKeptLine {
				e.scratch.Put(buf)
			}
		}()
		e.reduce(buf, body)
		body = buf.body
	}
	if n, rest, err := record.MapHeader(body); e.single && err == nil && n == 1 {
		if value, err := record.Skip(rest); err == nil && len(value) > 0 {
			return valid(e.appendSingle(dst, value), start)
		}
	}
	return valid(e.line(dst, body), start)
}

// appendSingle appends the value of the only field that is left.
func (e *encoder) appendSingle(dst, value []byte) []byte {
	isText := record.KindOf(value[0]) == record.KindStr
	switch {
	case isText && (e.raw || !e.json):
		return record.AppendText(dst, value)
	case e.json || e.raw:
		return record.AppendJSON(dst, value)
	}
	dst, _ = appendPrinted(dst, value)
	return dst
}

// reduce puts the record without the fields to remove in buf.body.
func (e *encoder) reduce(buf *lineBuffer, body []byte) {
	n := 0
	for f := record.FieldsOf(body); f.Next(); {
		if !e.removes(f.Key()) {
			n++
		}
	}
	buf.body = record.AppendMapHeader(buf.body[:0], n)
	for f := record.FieldsOf(body); f.Next(); {
		if !e.removes(f.Key()) {
			buf.body = append(append(buf.body, f.RawKey()...), f.Value()...)
		}
	}
	for _, a := range e.remove {
		if a.Nested() {
			buf.spare = a.AppendWithout(buf.spare[:0], buf.body)
			buf.body, buf.spare = buf.spare, buf.body
		}
	}
}

// removes reports whether a field of the record itself is to be removed.
func (e *encoder) removes(key []byte) bool {
	return key != nil && slices.ContainsFunc(e.omit, func(name string) bool { return name == string(key) })
}

// appendPairs appends key=value for each field, as Fluent Bit does: a text is in quotes, and nothing in it is escaped.
func appendPairs(dst, body []byte) []byte {
	start := len(dst)
	for f := record.FieldsOf(body); f.Next(); {
		if f.Key() == nil {
			continue
		}
		if len(dst) > start {
			dst = append(dst, ' ')
		}
		dst, _ = appendPrinted(append(append(dst, f.Key()...), '='), f.Value())
	}
	return dst
}

// appendPrinted appends a value in the notation of Fluent Bit's key_value: "text", 1, 1.5, "[1 2]", "map[a:1 b:2]".
func appendPrinted(dst, b []byte) (out, rest []byte) {
	if len(b) == 0 {
		return dst, nil
	}
	switch record.KindOf(b[0]) {
	case record.KindMap:
		n, rest, _ := record.MapHeader(b)
		dst = append(dst, `"map[`...)
		for i := range n {
			if i > 0 {
				dst = append(dst, ' ')
			}
			after, err := record.Skip(rest)
			if err != nil {
				return dst, nil
			}
			dst = append(record.AppendText(dst, rest[:len(rest)-len(after)]), ':')
			dst, rest = appendPrinted(dst, after)
		}
		return append(dst, `]"`...), rest
	case record.KindArray:
		n, rest, _ := record.ArrayHeader(b)
		dst = append(dst, `"[`...)
		for i := range n {
			if i > 0 {
				dst = append(dst, ' ')
			}
			dst, rest = appendPrinted(dst, rest)
		}
		return append(dst, `]"`...), rest
	}
	rest, err := record.Skip(b)
	if err != nil {
		return dst, nil
	}
	return appendPrintedScalar(dst, b[:len(b)-len(rest)]), rest
}

func appendPrintedScalar(dst, value []byte) []byte {
	switch record.KindOf(value[0]) {
	case record.KindStr:
		return append(record.AppendText(append(dst, '"'), value), '"')
	case record.KindFloat:
		v, _, _ := record.Float(value)
		if v == math.Trunc(v) && math.Abs(v) < 1<<63 {
			return strconv.AppendFloat(dst, v, 'f', 1, 64)
		}
		return strconv.AppendFloat(dst, v, 'g', 16, 64)
	case record.KindBin, record.KindExt:
		return dst // Fluent Bit writes nothing for them
	}
	return record.AppendText(dst, value)
}

// appendFluentdPairs appends key=value for each field, as Fluentd's plugin does: quotes and backslashes are escaped, and a
// value with blanks or equals signs is in quotes. A map or array is JSON here, Ruby's notation there.
func appendFluentdPairs(dst, body []byte) []byte {
	start := len(dst)
	for f := record.FieldsOf(body); f.Next(); {
		if len(dst) > start {
			dst = append(dst, ' ')
		}
		dst = append(record.AppendText(dst, f.RawKey()), '=')
		at := len(dst)
		if record.KindOf(f.Value()[0]) != record.KindNil {
			dst = record.AppendText(dst, f.Value())
		}
		dst = quoteFluentd(dst, at)
	}
	return dst
}

// quoteFluentd escapes and quotes the value dst[at:], in place.
func quoteFluentd(dst []byte, at int) []byte {
	if !utf8.Valid(dst[at:]) {
		dst = append(dst[:at], bytes.ToValidUTF8(dst[at:], []byte("?"))...)
	}
	end, more, quotes := len(dst), 0, 0
	for _, c := range dst[at:] {
		switch c {
		case '"', '\\':
			more++
		case ' ', '=':
			quotes = 1
		}
	}
	if more+quotes == 0 {
		return dst
	}
	more += 2 * quotes
	dst = slices.Grow(dst, more)[:end+more]
	w := len(dst)
	if quotes > 0 {
		w--
		dst[w] = '"'
	}
	for i := end - 1; i >= at; i-- {
		w--
		dst[w] = dst[i]
		if c := dst[i]; c == '"' || c == '\\' {
			w--
			dst[w] = '\\'
		}
	}
	if quotes > 0 {
		dst[at] = '"'
	}
	return dst
}
