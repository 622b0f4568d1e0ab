package format

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

// Options are Fluentd's <format>.
type Options struct {
	Type           string   `fluentd:"@type" oneof:"stdout,json,out_file,ltsv,csv,tsv,single_value,hash,msgpack" help:"how a record is written"`
	OutputType     string   `fluentd:"output_type" oneof:"json,hash,ltsv,single_value" default:"json" help:"how stdout writes the record"`
	JSONParser     string   `fluentd:"json_parser" help:"accepted"`
	AddNewline     *bool    `fluentd:"add_newline" help:"accepted; records always end in a newline"`
	Newline        string   `fluentd:"newline" oneof:"lf,crlf" default:"lf" help:"end of a line"`
	Delimiter      *string  `fluentd:"delimiter" help:"between values"`
	LabelDelimiter string   `fluentd:"label_delimiter" default:":" help:"between label and value of ltsv"`
	Replacement    string   `fluentd:"replacement" default:" " help:"ltsv: replaces delimiters in values"`
	ForceQuotes    bool     `fluentd:"force_quotes" default:"true" help:"csv: quote every value"`
	Fields         []string `fluentd:"fields,keys" help:"fields of csv; of tsv, keys in Fluentd"`
	MessageKey     string   `fluentd:"message_key" default:"message" help:"field of single_value"`
	OutputTime     bool     `fluentd:"output_time" default:"true" help:"out_file: write the time"`
	OutputTag      bool     `fluentd:"output_tag" default:"true" help:"out_file: write the tag"`
	TimeType       string   `fluentd:"time_type" oneof:"string,float,unixtime" help:"accepted; times are always strings"`
	TimeFormat     string   `fluentd:"time_format" help:"stdout, out_file: strftime of the time"`
	Localtime      *bool    `fluentd:"localtime" help:"local time (the default) or UTC"`
	UTC            *bool    `fluentd:"utc" help:"UTC"`
	Timezone       string   `fluentd:"timezone" help:"a zone such as +09:00 or Europe/Berlin"`
}

// InjectOptions are Fluentd's <inject>.
type InjectOptions struct {
	HostnameKey string `fluentd:"hostname_key" help:"field that gets the host's name"`
	Hostname    string `fluentd:"hostname" help:"value for hostname_key; default: the host's name"`
	WorkerIDKey string `fluentd:"worker_id_key" help:"field that gets 0"`
	TagKey      string `fluentd:"tag_key" help:"field that gets the tag"`
	TimeKey     string `fluentd:"time_key" help:"field that gets the time"`
	TimeType    string `fluentd:"time_type" oneof:"float,unixtime,unixtime_millis,unixtime_micros,unixtime_nanos,string" help:"format of that time; default float, for AWS's streams string"`
	TimeFormat  string `fluentd:"time_format" help:"strftime for time_type string; default ISO 8601"`
	Localtime   *bool  `fluentd:"localtime" help:"local time (the default) or UTC"`
	UTC         *bool  `fluentd:"utc" help:"UTC"`
	Timezone    string `fluentd:"timezone" help:"a zone such as +09:00 or Europe/Berlin"`
}

// Fluentd returns the Func for <format>; kind is its @type.
func Fluentd(o Options, kind string) (Func, error) {
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
			return append(appendRuby(dst, r.Body), end...), nil
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
func fluentdStdout(o Options) (Func, error) {
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
	sub, err := Fluentd(o, kind)
	if err != nil {
		return nil, err
	}
	return func(dst []byte, r *sink.Record) ([]byte, error) {
		dst = append(c.append(dst, r.Time), ' ')
		return sub(append(append(dst, r.Tag...), ": "...), r)
	}, nil
}

func fluentdOutFile(o Options, end string) (Func, error) {
	format, delim := o.TimeFormat, "\t"
	if format == "" {
		format = "%Y-%m-%dT%H:%M:%S%:z"
	}
	if o.Delimiter != nil {
		delim = Delimiter(*o.Delimiter, "\t")
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

func fluentdLTSV(o Options, end string) Func {
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
			dst = appendToS(dst, f.Value())
			if value := dst[n:]; bytes.Contains(value, []byte(delim)) || bytes.ContainsAny(value, "\r\n") {
				s := strings.NewReplacer(delim, replacement, "\n", replacement, "\r", replacement).Replace(string(value))
				dst = append(dst[:n], s...)
			}
		}
		return append(dst, end...), nil
	}
}

func fluentdCSV(o Options, kind, end string) (Func, error) {
	if len(o.Fields) == 0 {
		return nil, &config.OptionError{Option: "fields", Reason: "is missing; want the fields of " + kind + ", in order"}
	}
	delim, quote := "\t", false
	if kind == "csv" {
		delim, quote = ",", o.ForceQuotes
	}
	if o.Delimiter != nil {
		delim = Delimiter(*o.Delimiter, *o.Delimiter)
	}
	return func(dst []byte, r *sink.Record) ([]byte, error) {
		start := len(dst)
		for i, name := range o.Fields {
			if i > 0 {
				dst = append(dst, delim...)
			}
			n := len(dst)
			if v, ok := record.Find(r.Body, name); ok {
				dst = appendToS(dst, v)
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

func singleValue(key, end string) Func {
	if key == "" {
		key = "message"
	}
	return func(dst []byte, r *sink.Record) ([]byte, error) {
		v, ok := record.Find(r.Body, key)
		if !ok {
			return dst, fmt.Errorf("single_value: %s: %w", key, errNoField)
		}
		return append(appendToS(dst, v), end...), nil
	}
}

// appendToS appends a value as Ruby's to_s writes it, but for maps and arrays, which are JSON: nil is empty, and a float
// that is whole has a fraction.
func appendToS(dst, value []byte) []byte {
	n := len(dst)
	switch record.KindOf(value[0]) {
	case record.KindNil:
		return dst
	case record.KindFloat:
		if dst = record.AppendText(dst, value); len(bytes.Trim(dst[n:], "-0123456789")) == 0 {
			dst = append(dst, ".0"...)
		}
		return dst
	}
	return record.AppendText(dst, value)
}
