// Package format has the formats in which destinations write a record: those of Fluent Bit (JSON with the record's time,
// MessagePack, text), Fluentd's <format> and its <inject>.
package format

import (
	"errors"
	"fmt"
	"strings"

	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

// A Func appends a record in some format. It is safe for concurrent use.
type Func func(dst []byte, r *sink.Record) ([]byte, error)

// JSON writes an object, with the record's time in the member dateKey, unless that is "" or a field of the record. What calls it can
// be a sink.TailReader.
func JSON(dateKey, dateFormat, end string) Func {
	key := append(record.AppendJSONString(nil, []byte(dateKey)), ':')
	return func(dst []byte, r *sink.Record) ([]byte, error) {
		dst = append(dst, '{')
		start := len(dst)
		if dateKey != "" {
			_, own := record.Find(r.Body, dateKey)
			if !own && len(r.Tail) > 0 {
				_, own = record.Find(r.Tail, dateKey)
			}
			if !own {
				dst = AppendJSONDate(append(dst, key...), r.Time, dateFormat)
				dst = append(dst, ',')
			}
		}
		n := len(dst)
		dst = AppendMembers(dst, r, nil)
		if len(dst) == n && n > start {
			dst = dst[:n-1] // an empty record: no comma
		}
		return append(append(dst, '}'), end...), nil
	}
}

// DateKey returns the member's name for the option json_date_key: "" if it is off. Unset means date.
func DateKey(option string) string {
	switch strings.ToLower(option) {
	case "":
		return "date"
	case "false", "off", "no":
		return ""
	}
	return option
}

// Text writes Fluent Bit's human-readable text, without the "[0] " before it: tag: [[time, {}], {"log"=>"…"}].
func Text(dst []byte, r *sink.Record) ([]byte, error) {
	dst = append(append(dst, r.Tag...), ": [["...)
	dst = append(AppendSeconds(dst, r.Time, 9), ", {}], "...)
	return append(record.AppendPrinted(dst, r.Body), ']', '\n'), nil
}

// MessagePack writes [[time, {}], body].
func MessagePack(dst []byte, r *sink.Record) ([]byte, error) {
	dst = record.AppendArrayHeader(record.AppendArrayHeader(dst, 2), 2)
	dst = record.AppendMapHeader(record.AppendTime(dst, r.Time), 0)
	return append(dst, r.Body...), nil
}

// Delimiter returns the delimiter with that name in Fluent Bit's options.
func Delimiter(name, fallback string) string {
	switch strings.ToLower(name) {
	case `\t`, "tab":
		return "\t"
	case "space":
		return " "
	case "comma":
		return ","
	}
	return fallback
}

func CSV(delim string, names bool) Func {
	return func(dst []byte, r *sink.Record) ([]byte, error) {
		if names {
			dst = append(dst, "timestamp"...)
			for f := record.FieldsOf(r.Body); f.Next(); {
				dst = record.AppendPrinted(append(dst, delim...), f.RawKey())
			}
			dst = append(dst, '\n')
		}
		dst = AppendSeconds(dst, r.Time, 9)
		for f := record.FieldsOf(r.Body); f.Next(); {
			dst = record.AppendPrinted(append(dst, delim...), f.Value())
		}
		return append(dst, '\n'), nil
	}
}

func LTSV(delim, label string) Func {
	return func(dst []byte, r *sink.Record) ([]byte, error) {
		dst = AppendSeconds(append(append(dst, `"time"`...), label...), r.Time, 6)
		for f := record.FieldsOf(r.Body); f.Next(); {
			dst = record.AppendPrinted(append(dst, delim...), f.RawKey())
			dst = record.AppendPrinted(append(dst, label...), f.Value())
		}
		return append(dst, '\n'), nil
	}
}

// Template returns a Func that replaces {key} in text by the record's field of that name, and {time} by its time. If
// the field is missing, {key} stays.
func Template(text string) Func {
	return func(dst []byte, r *sink.Record) ([]byte, error) {
		rest, start := text, len(dst)
		for {
			if len(dst)-start > maxText {
				return dst[:start], errLongText
			}
			before, after, found := strings.Cut(rest, "{")
			dst = append(dst, before...)
			if !found {
				return append(dst, '\n'), nil
			}
			key, next, closed := strings.Cut(after, "}")
			value, ok := record.Find(r.Body, key)
			switch {
			case !closed || strings.Contains(key, "{"):
				dst, rest = append(dst, '{'), after
				continue
			case key == "time":
				dst = AppendSeconds(dst, r.Time, 6)
			case ok:
				dst = record.AppendText(dst, value)
			default:
				dst = append(append(append(dst, '{'), key...), '}')
			}
			rest = next
		}
	}
}

// maxText is the longest text of a record in bytes: a template may repeat a long field.
const maxText = record.MaxJSON

var errLongText = fmt.Errorf("the text is longer than %d bytes", maxText)

var errNoField = errors.New("the record has no such field")

// appendRuby appends a value in the notation of Ruby's inspect: {"log"=>"text", "n"=>1}, with escapes in text.
func appendRuby(dst, value []byte) []byte {
	dst, _ = appendRubyValue(dst, value)
	return dst
}

func appendRubyValue(dst, b []byte) (out, rest []byte) {
	switch record.KindOf(b[0]) {
	case record.KindStr, record.KindBin:
		s, rest, err := record.Str(b)
		if err != nil {
			return dst, nil
		}
		return record.AppendJSONString(dst, s), rest
	case record.KindMap:
		n, rest, _ := record.MapHeader(b)
		dst = append(dst, '{')
		for i := range n {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst, rest = appendRubyValue(dst, rest)
			dst, rest = appendRubyValue(append(dst, "=>"...), rest)
		}
		return append(dst, '}'), rest
	case record.KindArray:
		n, rest, _ := record.ArrayHeader(b)
		dst = append(dst, '[')
		for i := range n {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst, rest = appendRubyValue(dst, rest)
		}
		return append(dst, ']'), rest
	case record.KindNil:
		return append(dst, "nil"...), b[1:]
	}
	rest, err := record.Skip(b)
	if err != nil {
		return dst, nil
	}
	return appendToS(dst, b[:len(b)-len(rest)]), rest
}

// Quote makes dst[n:] a JSON string.
func Quote(dst []byte, n int) []byte {
	m := len(dst)
	dst = record.AppendJSONString(dst, dst[n:])
	return dst[:n+copy(dst[n:], dst[m:])]
}

// AppendQuoted appends s as a JSON string, without allocating.
func AppendQuoted(dst []byte, s string) []byte {
	return Quote(append(dst, s...), len(dst))
}
