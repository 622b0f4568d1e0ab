package kafka

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/format"
)

// gelf writes a record in Graylog's format, version 1.1 (GELF Payload Specification), as Fluent Bit does: nested maps become
// fields with their names joined by _, arrays become text, and fields without a meaning in GELF get a _ before their name.
type gelf struct {
	names [5]string // of the record's fields, in the order of gelfNames
}

// gelfNames are the fields that GELF knows.
var gelfNames = [5]string{"host", "short_message", "timestamp", "level", "full_message"}

const (
	gelfShort = 1
	gelfStamp = 2
	gelfLevel = 3
)

var (
	gelfLevels   = []string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}
	errNoMessage = errors.New("the record has no field for short_message, which GELF requires (gelf_short_message_key)")
	errLong      = fmt.Errorf("the record becomes more than %d bytes of GELF", record.MaxJSON)
	errLevel     = errors.New("the record's level is neither a number nor text (gelf_level_key)")
)

func newGelf(o *Gelf) *gelf {
	return &gelf{[5]string{o.GelfHost, o.GelfShortMessage, o.GelfTimestamp, o.GelfLevel, o.GelfFullMessage}}
}

func (g *gelf) append(dst []byte, r *sink.Record) ([]byte, error) {
	start := len(dst)
	end := start + record.MaxJSON
	dst = append(dst, `{"version":"1.1"`...)
	var buf [128]byte
	var seen [len(gelfNames)]bool
	for f := record.FieldsOf(r.Body); f.Next(); {
		known := slices.Index(g.names[:], string(f.Key()))
		value := f.Value()
		switch {
		case known >= 0 && seen[known], known < 0 && string(f.Key()) == "id": // _id is not allowed
			continue
		case known == gelfLevel:
			seen[known] = true
			var err error
			if dst, err = appendLevel(append(dst, `,"level":`...), value); err != nil {
				return dst[:start], err
			}
			continue
		}
		name := buf[:0]
		if known >= 0 {
			seen[known] = true
			name = append(name, gelfNames[known]...)
		} else {
			name = append(append(name, '_'), f.Key()...)
		}
		if dst = appendField(dst, name, value, end); len(dst) > end {
			return dst[:start], errLong
		}
	}
	if !seen[gelfShort] {
		return dst[:start], errNoMessage
	}
	if !seen[gelfStamp] {
		dst = format.AppendSeconds(append(dst, `,"timestamp":`...), r.Time, 3)
	}
	return append(dst, '}'), nil
}

// appendLevel appends the level as a number where it is one or a syslog keyword.
func appendLevel(dst, value []byte) ([]byte, error) {
	if n, _, err := record.Int(value); err == nil && n >= 0 {
		return strconv.AppendInt(dst, n, 10), nil
	}
	text, ok := record.Text(value)
	if !ok {
		return dst, errLevel
	}
	if len(text) == 1 && text[0] >= '0' && text[0] <= '7' {
		return append(dst, text[0]), nil
	}
	if n := slices.IndexFunc(gelfLevels, func(l string) bool { return strings.EqualFold(l, string(text)) }); n >= 0 {
		return strconv.AppendInt(dst, int64(n), 10), nil
	}
	return record.AppendJSONString(dst, text), nil
}

// appendField appends a member and, for a map, one for each value in it; nil has none. It stops soon after dst has end bytes:
// each member of a nested map repeats the names of the maps around it.
func appendField(dst, name, value []byte, end int) []byte {
	switch record.KindOf(value[0]) {
	case record.KindNil:
		return dst
	case record.KindMap:
		for f := record.FieldsOf(value); f.Next() && len(dst) <= end; {
			dst = appendField(dst, append(append(name, '_'), f.Key()...), f.Value(), end)
		}
		return dst
	}
	dst = append(dst, ',', '"')
	for _, c := range name {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
			c = '_'
		}
		dst = append(dst, c)
	}
	dst = append(dst, '"', ':')
	switch record.KindOf(value[0]) {
	case record.KindInt, record.KindFloat:
		return record.AppendJSON(dst, value)
	case record.KindArray:
		return record.AppendJSONString(dst, appendList(nil, value))
	}
	if text, ok := record.Text(value); ok {
		return record.AppendJSONString(dst, text)
	}
	return record.AppendJSONString(dst, record.AppendText(nil, value))
}

// appendList appends the elements of an array as text: a, b, k=v.
func appendList(dst, array []byte) []byte {
	n, rest, err := record.ArrayHeader(array)
	for i := 0; i < n && err == nil; i++ {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		element := rest
		if rest, err = record.Skip(rest); err != nil {
			return dst
		}
		element = element[:len(element)-len(rest)]
		switch record.KindOf(element[0]) {
		case record.KindArray:
			dst = appendList(dst, element)
		case record.KindMap:
			first := true
			for f := record.FieldsOf(element); f.Next(); first = false {
				if !first {
					dst = append(dst, ' ')
				}
				dst = append(append(dst, f.Key()...), '=')
				dst = record.AppendText(dst, f.Value())
			}
		default:
			dst = record.AppendText(dst, element)
		}
	}
	return dst
}
