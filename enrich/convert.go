package enrich

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/firelane/firelane/field/timefmt"
	"github.com/firelane/firelane/record"
)

// A converter appends a value as another type. A value that can't be converted becomes 0, false or nil, or stays as it is, as
// in Fluentd.
type converter func(dst, value []byte) []byte

// converterFor returns the converter to a type of Fluentd's option types. option is the separator of an array, "" for a
// comma, or the format of a time, "" for %iso8601; times without a zone are in zone.
func converterFor(kind, option string, zone *time.Location) (converter, error) {
	switch kind {
	case "string":
		return toString, nil
	case "integer":
		return toInteger, nil
	case "float":
		return toFloat, nil
	case "bool":
		return toBool, nil
	case "array":
		if option == "" {
			option = ","
		}
		return toArray(option), nil
	case "time":
		if option == "" {
			option = "%iso8601"
		}
		f, err := timefmt.Compile(option, zone)
		if err != nil {
			return nil, err
		}
		return toTime(f), nil
	}
	return nil, fmt.Errorf("%q is not a type; want string, integer, float, bool, time or array", kind)
}

func toString(dst, value []byte) []byte {
	if _, ok := record.Text(value); ok {
		return append(dst, value...)
	}
	return record.AppendStrBytes(dst, record.AppendText(nil, value))
}

// number is the number at the beginning of a text, 0 if there is none.
func number(value []byte) float64 {
	if f, _, err := record.Float(value); err == nil {
		return f
	}
	text := strings.TrimSpace(string(record.AppendText(nil, value)))
	end := 0
	for end < len(text) && strings.IndexByte("+-.0123456789eE", text[end]) >= 0 {
		end++
	}
	for ; end > 0; end-- {
		if f, err := strconv.ParseFloat(text[:end], 64); err == nil {
			return f
		}
	}
	return 0
}

func toInteger(dst, value []byte) []byte {
	if record.KindOf(value[0]) == record.KindInt {
		return append(dst, value...)
	}
	if text, ok := record.Text(value); ok {
		if i, err := strconv.ParseInt(string(text), 10, 64); err == nil {
			return record.AppendInt(dst, i)
		}
	}
	f := math.Trunc(number(value))
	if !(math.Abs(f) < 1<<63) {
		return append(dst, value...) // too large for an int64
	}
	return record.AppendInt(dst, int64(f))
}

func toFloat(dst, value []byte) []byte { return record.AppendFloat(dst, number(value)) }

func toBool(dst, value []byte) []byte {
	switch strings.ToLower(string(record.AppendText(nil, value))) {
	case "true", "yes", "1":
		return record.AppendBool(dst, true)
	}
	return record.AppendBool(dst, false)
}

func toArray(separator string) converter {
	return func(dst, value []byte) []byte {
		text, ok := record.Text(value)
		if !ok {
			text = record.AppendText(nil, value)
		}
		dst = record.AppendArrayHeader(dst, bytes.Count(text, []byte(separator))+1)
		for part := range bytes.SplitSeq(text, []byte(separator)) {
			dst = record.AppendStrBytes(dst, part)
		}
		return dst
	}
}

func toTime(f *timefmt.Format) converter {
	return func(dst, value []byte) []byte {
		text, _ := record.Text(value)
		t, ok := f.Parse(text)
		if !ok {
			return record.AppendNil(dst)
		}
		return record.AppendTime(dst, t)
	}
}

// decodeJSON is Fluent Bit's decoder json: it converts a text that is a JSON object or array, and no other value.
func decodeJSON(dst, value []byte) []byte {
	text, _ := record.Text(value)
	if start := bytes.TrimLeft(text, " \t\r\n"); len(start) > 0 && (start[0] == '{' || start[0] == '[') {
		if out, err := record.AppendFromJSON(dst, text); err == nil {
			return out
		}
	}
	return append(dst, value...)
}

// A timeField is the field of parsed text that holds the event's time.
type timeField struct {
	name    string
	keep    bool              // keep the field
	ignore  bool              // don't set the event's time
	numeric bool              // Unix seconds are read, too
	formats []*timefmt.Format // the first that matches is used
}

// take sets the event's time and removes the field from parsed, in place. A field that can't be read as a time stays.
func (tf *timeField) take(ev *record.Event, parsed []byte) []byte {
	_, members, err := record.MapHeader(parsed)
	if err != nil {
		return parsed
	}
	end := len(parsed) - len(members)
	for f := record.FieldsOf(parsed); f.Next(); {
		start := end
		end += len(f.RawKey()) + len(f.Value())
		if string(f.Key()) != tf.name {
			continue
		}
		t, ok := tf.parse(f.Value())
		if ok && !tf.ignore {
			ev.Time = t
		}
		if !ok || tf.keep {
			return parsed
		}
		return removeMember(parsed, start, end)
	}
	return parsed
}

func (tf *timeField) parse(value []byte) (record.Time, bool) {
	text, isText := record.Text(value)
	if isText {
		for _, f := range tf.formats {
			if t, ok := f.Parse(text); ok {
				return t, true
			}
		}
		return numericTime(text, tf.numeric)
	}
	if kind := record.KindOf(value[0]); kind != record.KindInt && kind != record.KindFloat {
		return record.Time{}, false
	}
	if tf.numeric {
		t, _, err := record.ReadTime(value)
		return t, err == nil
	}
	var buf [32]byte
	number := record.AppendText(buf[:0], value) // the shortest text of a float has the digits that the sender wrote
	for _, f := range tf.formats {
		if t, ok := f.ParseEpoch(number); ok {
			return t, true
		}
	}
	return record.Time{}, false
}

// numericTime parses a text of Unix seconds, with a fraction of up to nine digits. ok is false unless allowed.
func numericTime(text []byte, allowed bool) (t record.Time, ok bool) {
	whole, fraction, _ := strings.Cut(string(text), ".")
	sec, err := strconv.ParseUint(whole, 10, 32)
	if err != nil || !allowed || len(fraction) > 9 {
		return record.Time{}, false
	}
	nsec, err := strconv.ParseUint((fraction + "000000000")[:9], 10, 32)
	return record.Time{Sec: uint32(sec), Nsec: uint32(nsec)}, err == nil
}

// removeMember removes the member m[start:end] of a map in place. The map still begins at m[0], even if its header gets
// shorter.
func removeMember(m []byte, start, end int) []byte {
	n, members, err := record.MapHeader(m)
	if err != nil {
		return m
	}
	var h [headerRoom]byte
	header := record.AppendMapHeader(h[:0], n-1)
	size := copy(m, header)
	size += copy(m[size:], m[len(m)-len(members):start])
	size += copy(m[size:], m[end:])
	return m[:size]
}
