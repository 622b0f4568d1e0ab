package stream

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

// A formatter appends a record as text. It is safe for concurrent use.
type formatter func(dst []byte, r *sink.Record) ([]byte, error)

// fluentBitJSON writes an object, with the record's time in the member dateKey, unless that is "" or a field of the record.
func fluentBitJSON(dateKey, dateFormat, end string) formatter {
	key := append(record.AppendJSONString(nil, []byte(dateKey)), ':')
	return func(dst []byte, r *sink.Record) ([]byte, error) {
		dst = append(dst, '{')
		start := len(dst)
		if dateKey != "" {
			if _, own := record.Find(r.Body, dateKey); !own {
				dst = appendJSONDate(append(dst, key...), r.Time, dateFormat)
				dst = append(dst, ',')
			}
		}
		n := len(dst)
		dst = record.AppendJSONMembers(dst, r.Body, nil)
		if len(dst) == n && n > start {
			dst = dst[:n-1] // an empty record: no comma
		}
		return append(append(dst, '}'), end...), nil
	}
}

// fluentBitText writes Fluent Bit's human-readable text, without the "[0] " before it: tag: [[time, {}], {"log"=>"…"}].
func fluentBitText(dst []byte, r *sink.Record) ([]byte, error) {
	dst = append(append(dst, r.Tag...), ": [["...)
	dst = append(appendSeconds(dst, r.Time, 9), ", {}], "...)
	return append(appendPrinted(dst, r.Body), ']', '\n'), nil
}

// fluentBitFile returns the formatter for Fluent Bit's output file.
func fluentBitFile(o *FileOptions) formatter {
	switch o.Format {
	case "plain":
		return func(dst []byte, r *sink.Record) ([]byte, error) {
			return append(record.AppendJSON(dst, r.Body), '\n'), nil
		}
	case "csv":
		return fluentBitCSV(delimiter(o.Delimiter, ","), o.CSVColumnNames)
	case "ltsv":
		return fluentBitLTSV(delimiter(o.Delimiter, "\t"), delimiter(o.LabelDelimiter, ":"))
	case "template":
		return template(o.Template)
	case "msgpack":
		return asMessagePack
	}
	return func(dst []byte, r *sink.Record) ([]byte, error) {
		dst = append(append(dst, r.Tag...), ": ["...)
		dst = append(appendSeconds(dst, r.Time, 9), ", "...)
		return append(record.AppendJSON(dst, r.Body), ']', '\n'), nil
	}
}

// asMessagePack writes [[time, {}], body].
func asMessagePack(dst []byte, r *sink.Record) ([]byte, error) {
	dst = record.AppendArrayHeader(record.AppendArrayHeader(dst, 2), 2)
	dst = record.AppendMapHeader(record.AppendTime(dst, r.Time), 0)
	return append(dst, r.Body...), nil
}

// delimiter returns the delimiter with that name in Fluent Bit's options.
func delimiter(name, fallback string) string {
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

func fluentBitCSV(delim string, names bool) formatter {
	return func(dst []byte, r *sink.Record) ([]byte, error) {
		if names {
			dst = append(dst, "timestamp"...)
			for f := record.FieldsOf(r.Body); f.Next(); {
				dst = appendPrinted(append(dst, delim...), f.RawKey())
			}
			dst = append(dst, '\n')
		}
		dst = appendSeconds(dst, r.Time, 9)
		for f := record.FieldsOf(r.Body); f.Next(); {
			dst = appendPrinted(append(dst, delim...), f.Value())
		}
		return append(dst, '\n'), nil
	}
}

func fluentBitLTSV(delim, label string) formatter {
	return func(dst []byte, r *sink.Record) ([]byte, error) {
		dst = appendSeconds(append(append(dst, `"time"`...), label...), r.Time, 6)
		for f := record.FieldsOf(r.Body); f.Next(); {
			dst = appendPrinted(append(dst, delim...), f.RawKey())
			dst = appendPrinted(append(dst, label...), f.Value())
		}
		return append(dst, '\n'), nil
	}
}

// template returns a formatter that replaces {key} in text by the record's field of that name, and {time} by its time. If
// the field is missing, {key} stays.
func template(text string) formatter {
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
				dst = appendSeconds(dst, r.Time, 6)
			case ok:
				dst = record.AppendText(dst, value)
			default:
				dst = append(append(append(dst, '{'), key...), '}')
			}
			rest = next
		}
	}
}

// fluentd returns the formatter for <format>; kind is its @type.
func fluentd(o FormatOptions, kind string) (formatter, error) {
	end := "\n"
	if o.Newline == "crlf" {
		end = "\r\n"
	}
	switch kind {
	case "json":
		return func(dst []byte, r *sink.Record) ([]byte, error) {
			return append(record.AppendJSON(dst, r.Body), end...), nil
		}, nil
	case "hash":
		return func(dst []byte, r *sink.Record) ([]byte, error) {
			return append(appendPrinted(dst, r.Body), end...), nil
		}, nil
	case "msgpack":
		return func(dst []byte, r *sink.Record) ([]byte, error) { return append(dst, r.Body...), nil }, nil
	case "ltsv":
		return fluentdLTSV(o, end), nil
	case "csv", "tsv":
		return fluentdCSV(o, kind, end)
	case "single_value":
		return singleValue(o.MessageKey, end), nil
	case "out_file":
		return fluentdOutFile(o, end)
	case "stdout":
		return fluentdStdout(o)
	}
	return nil, &config.OptionError{Option: "@type", Reason: fmt.Sprintf("%q is not a format; want stdout, json, out_file, ltsv, csv, tsv, single_value, hash or msgpack", kind)}
}

// fluentdStdout writes 2026-11-23 10:00:00.000000000 +0000 tag: {…}.
func fluentdStdout(o FormatOptions) (formatter, error) {
	format := o.TimeFormat
	if format == "" {
		format = "%Y-%m-%d %H:%M:%S.%N %z"
	}
	c, err := newClock(format, o.Localtime, o.UTC, o.Timezone, true)
	if err != nil {
		return nil, err
	}
	kind := o.OutputType
	if kind == "" || kind == "stdout" {
		kind = "json"
	}
	sub, err := fluentd(o, kind)
	if err != nil {
		return nil, err
	}
	return func(dst []byte, r *sink.Record) ([]byte, error) {
		dst = append(c.append(dst, r.Time), ' ')
		return sub(append(append(dst, r.Tag...), ": "...), r)
	}, nil
}

func fluentdOutFile(o FormatOptions, end string) (formatter, error) {
	format, delim := o.TimeFormat, "\t"
	if format == "" {
		format = "%Y-%m-%dT%H:%M:%S%z"
	}
	if o.Delimiter != nil {
		delim = delimiter(*o.Delimiter, "\t")
	}
	c, err := newClock(format, o.Localtime, o.UTC, o.Timezone, true)
	return func(dst []byte, r *sink.Record) ([]byte, error) {
		if o.OutputTime {
			dst = append(c.append(dst, r.Time), delim...)
		}
		if o.OutputTag {
			dst = append(append(dst, r.Tag...), delim...)
		}
		return append(record.AppendJSON(dst, r.Body), end...), nil
	}, err
}

func fluentdLTSV(o FormatOptions, end string) formatter {
	delim, label, replacement := "\t", o.LabelDelimiter, o.Replacement
	if o.Delimiter != nil {
		delim = *o.Delimiter
	}
	if label == "" {
		label = ":"
	}
	return func(dst []byte, r *sink.Record) ([]byte, error) {
		first := true
		for f := record.FieldsOf(r.Body); f.Next(); {
			if !first {
				dst = append(dst, delim...)
			}
			first = false
			dst = append(record.AppendText(dst, f.RawKey()), label...)
			n := len(dst)
			dst = record.AppendText(dst, f.Value())
			if value := dst[n:]; bytes.Contains(value, []byte(delim)) || bytes.ContainsAny(value, "\r\n") {
				s := strings.NewReplacer(delim, replacement, "\n", replacement, "\r", replacement).Replace(string(value))
				dst = append(dst[:n], s...)
			}
		}
		return append(dst, end...), nil
	}
}

func fluentdCSV(o FormatOptions, kind, end string) (formatter, error) {
	if len(o.Fields) == 0 {
		return nil, &config.OptionError{Option: "fields", Reason: "is missing; want the fields of " + kind + ", in order"}
	}
	delim, quote := "\t", false
	if kind == "csv" {
		delim, quote = ",", o.ForceQuotes
	}
	if o.Delimiter != nil {
		delim = delimiter(*o.Delimiter, *o.Delimiter)
	}
	return func(dst []byte, r *sink.Record) ([]byte, error) {
		start := len(dst)
		for i, name := range o.Fields {
			if i > 0 {
				dst = append(dst, delim...)
			}
			n := len(dst)
			if v, ok := record.Find(r.Body, name); ok && record.KindOf(v[0]) != record.KindNil {
				dst = record.AppendText(dst, v)
			}
			if value := dst[n:]; kind == "csv" && (quote || bytes.Contains(value, []byte(delim)) || bytes.ContainsAny(value, "\"\r\n")) {
				dst = quoteCSV(dst, n)
			}
			if len(dst)-start > maxText {
				return dst[:start], errLongText
			}
		}
		return append(dst, end...), nil
	}, nil
}

// quoteCSV quotes dst[n:], in place.
func quoteCSV(dst []byte, n int) []byte {
	end := len(dst)
	more := 2 + bytes.Count(dst[n:], []byte{'"'})
	dst = slices.Grow(dst, more)[:end+more]
	w := len(dst) - 1
	dst[w] = '"'
	for i := end - 1; i >= n; i-- {
		w--
		dst[w] = dst[i]
		if dst[i] == '"' {
			w--
			dst[w] = '"'
		}
	}
	dst[n] = '"'
	return dst
}

// maxText is the longest text of a record in bytes: a template may repeat a long field.
const maxText = record.MaxJSON

var errLongText = fmt.Errorf("the text is longer than %d bytes", maxText)

var errNoField = errors.New("the record has no such field")

func singleValue(key, end string) formatter {
	if key == "" {
		key = "message"
	}
	return func(dst []byte, r *sink.Record) ([]byte, error) {
		v, ok := record.Find(r.Body, key)
		if !ok {
			return dst, fmt.Errorf("single_value: %s: %w", key, errNoField)
		}
		return append(record.AppendText(dst, v), end...), nil
	}
}

// appendPrinted appends a value in the notation of Ruby and msgpack-c: {"log"=>"text", "n"=>1}.
func appendPrinted(dst, value []byte) []byte {
	dst, _ = appendPrintedValue(dst, value)
	return dst
}

func appendPrintedValue(dst, b []byte) (out, rest []byte) {
	switch record.KindOf(b[0]) {
	case record.KindStr, record.KindBin:
		s, rest, err := record.Str(b)
		if err != nil {
			return dst, nil
		}
		return append(append(append(dst, '"'), s...), '"'), rest
	case record.KindMap:
		n, rest, _ := record.MapHeader(b)
		dst = append(dst, '{')
		for i := range n {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst, rest = appendPrintedValue(dst, rest)
			dst, rest = appendPrintedValue(append(dst, "=>"...), rest)
		}
		return append(dst, '}'), rest
	case record.KindArray:
		n, rest, _ := record.ArrayHeader(b)
		dst = append(dst, '[')
		for i := range n {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst, rest = appendPrintedValue(dst, rest)
		}
		return append(dst, ']'), rest
	case record.KindNil:
		return append(dst, "nil"...), b[1:]
	}
	rest, err := record.Skip(b)
	if err != nil {
		return dst, nil
	}
	return record.AppendText(dst, b[:len(b)-len(rest)]), rest
}
