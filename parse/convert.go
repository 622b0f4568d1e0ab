package parse

import (
	"bytes"
	"errors"
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

// number is the number at the beginning of a text, 0 if there is none. Out of range it is the nearest float.
func number(value []byte) float64 {
	if f, _, err := record.Float(value); err == nil {
		return f
	}
	text := strings.TrimSpace(string(record.AppendText(nil, value)))
	f, err := strconv.ParseFloat(text[:numberEnd(text)], 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return max(-math.MaxFloat64, min(f, math.MaxFloat64))
	case err != nil:
		return 0
	}
	return f
}

// numberEnd is where the number at the beginning of a text ends: a sign, digits with or without a point, and an exponent.
func numberEnd(text string) int {
	start := signEnd(text, 0)
	end := digitsEnd(text, start)
	n := end - start
	if end < len(text) && text[end] == '.' {
		start = end + 1
		end = digitsEnd(text, start)
		n += end - start
	}
	if n > 0 && end < len(text) && text[end]|0x20 == 'e' {
		start = signEnd(text, end+1)
		if exponent := digitsEnd(text, start); exponent > start {
			end = exponent
		}
	}
	return end
}

// signEnd is the offset after a sign at text[i], or i if there is none.
func signEnd(text string, i int) int {
	if i < len(text) && (text[i] == '+' || text[i] == '-') {
		i++
	}
	return i
}

// digitsEnd is where the digits that begin at text[i] end.
func digitsEnd(text string, i int) int {
	for i < len(text) && text[i] >= '0' && text[i] <= '9' {
		i++
	}
	return i
}

// toInteger reads the digits at the beginning of a text, as atoi(3) and Ruby's to_i do: 1 of 1e3.
func toInteger(dst, value []byte) []byte {
	if record.KindOf(value[0]) == record.KindInt {
		return append(dst, value...)
	}
	if text, ok := record.Text(value); ok {
		digits := strings.TrimSpace(string(text))
		i, err := strconv.ParseInt(digits[:digitsEnd(digits, signEnd(digits, 0))], 10, 64)
		if errors.Is(err, strconv.ErrRange) {
			return append(dst, value...)
		}
		return record.AppendInt(dst, i) // 0 if there are no digits
	}
	f := math.Trunc(number(value))
	if !(math.Abs(f) < 1<<63) {
		return append(dst, value...) // too large for an int64
	}
	return record.AppendInt(dst, int64(f))
}

func toFloat(dst, value []byte) []byte { return record.AppendFloat(dst, number(value)) }

// fluentBitConverter returns the converter to a type of Fluent Bit's option types; nil for a text.
func fluentBitConverter(kind string) (converter, error) {
	switch strings.ToLower(kind) {
	case "integer", "int":
		return toInteger, nil
	case "float":
		return toFloat, nil
	case "hex":
		return toHex, nil
	case "bool":
		return toTrueOrFalse, nil
	case "string", "":
		return nil, nil
	}
	return nil, fmt.Errorf("%q is not a type; want integer, float, hex, bool or string", kind)
}

// toHex reads the hexadecimal digits at the beginning of a text, with or without 0x.
func toHex(dst, value []byte) []byte {
	text, _ := record.Text(value)
	s := strings.ToLower(strings.TrimSpace(string(text)))
	s = strings.TrimPrefix(s, "0x")
	end := 0
	for end < len(s) && strings.IndexByte("0123456789abcdef", s[end]) >= 0 {
		end++
	}
	v, err := strconv.ParseUint(s[:end], 16, 64)
	if err != nil && end > 0 {
		v = math.MaxUint64
	}
	return record.AppendUint(dst, v)
}

// toTrueOrFalse reads true and false in any case; any other text stays.
func toTrueOrFalse(dst, value []byte) []byte {
	text, _ := record.Text(value)
	switch s := strings.ToLower(string(text)); {
	case strings.HasPrefix(s, "true"):
		return record.AppendBool(dst, true)
	case strings.HasPrefix(s, "false"):
		return record.AppendBool(dst, false)
	}
	return append(dst, value...)
}

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
