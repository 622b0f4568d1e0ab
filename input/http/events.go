package http

import (
	"bytes"
	"fmt"
	"net/http"

	"github.com/firelane/firelane/input/serve"
	"github.com/firelane/firelane/record"
)

// The events of a request wait as pairs: a time, or nil for that of arrival, and a map.

// A converter appends the pair of the JSON object at the start of json, and returns what follows that.
type converter func(dst, json []byte) (out, rest []byte, r *serve.Refusal)

// takeJSON takes the events of a body: objects, and arrays of objects, with or without white space between them.
func takeJSON(x *serve.Exchange, body []byte, convert converter) (r *serve.Refusal) {
	x.Events, r = appendJSON(x.Events, body, func(dst, json []byte) (out, rest []byte, r *serve.Refusal) {
		if x.Count++; x.Count > serve.MaxEvents {
			return nil, nil, &serve.Refusal{Status: http.StatusRequestEntityTooLarge, Reason: tooMany, Text: fmt.Sprintf("a request may have %d events", serve.MaxEvents)}
		}
		if len(json) > 0 && json[0] != '{' {
			return nil, nil, refuse(notMap, "a record is not a JSON object")
		}
		if out, rest, r = convert(dst, json); r == nil {
			out = x.Drain(out)
		}
		return out, rest, r
	})
	return r
}

func appendJSON(dst, body []byte, convert converter) (out []byte, r *serve.Refusal) {
	for rest := trim(body); len(rest) > 0; rest = trim(rest) {
		if rest[0] != '[' {
			if dst, rest, r = convert(dst, rest); r != nil {
				return dst, r
			}
			continue
		}
		if dst, rest, r = appendArray(dst, rest[1:], convert); r != nil {
			return dst, r
		}
	}
	return dst, nil
}

// appendArray appends the events of an array, whose bracket has been read.
func appendArray(dst, rest []byte, convert converter) (out, after []byte, r *serve.Refusal) {
	if rest = trim(rest); len(rest) > 0 && rest[0] == ']' {
		return dst, rest[1:], nil
	}
	for {
		if dst, rest, r = convert(dst, trim(rest)); r != nil {
			return dst, nil, r
		}
		rest = trim(rest)
		switch {
		case len(rest) > 0 && rest[0] == ']':
			return dst, rest[1:], nil
		case len(rest) == 0 || rest[0] != ',':
			return dst, nil, refuse(badJSON, "the body is not JSON: an array has no comma or end after a value")
		}
		rest = rest[1:]
	}
}

func trim(b []byte) []byte { return bytes.TrimLeft(b, " \t\r\n") }

// appendForm appends the event that Fluent Bit makes of a form: a field of text for each parameter that has a name and =.
func appendForm(dst, body []byte) (out []byte, r *serve.Refusal) {
	n := 0
	for range pairs(body) {
		n++
	}
	if n == 0 {
		return dst, refuse(badForm, "the form has no parameter")
	}
	dst = record.AppendMapHeader(record.AppendNil(dst), n)
	var plain []byte
	for name, value := range pairs(body) {
		plain = append(plain[:0], bytes.TrimSpace(value)...)
		dst = record.AppendStrBytes(dst, bytes.TrimSpace(name))
		dst = record.AppendStrBytes(dst, unescape(plain))
	}
	return dst, nil
}

// pairs are the parameters of a form or query that have a name and an =.
func pairs(form []byte) func(yield func(name, value []byte) bool) {
	return func(yield func(name, value []byte) bool) {
		for rest := form; len(rest) > 0; {
			var pair []byte
			pair, rest, _ = bytes.Cut(rest, []byte("&"))
			name, value, ok := bytes.Cut(bytes.TrimPrefix(pair, []byte("\n")), []byte("="))
			if ok && len(name) > 0 && !yield(name, value) {
				return
			}
		}
	}
}

// unescape replaces the escapes of a form in place. A text with a wrong one is returned as it is.
func unescape(s []byte) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && (i+2 >= len(s) || hex(s[i+1]) > 15 || hex(s[i+2]) > 15) {
			return s
		}
	}
	n := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '%':
			s[n] = hex(s[i+1])<<4 | hex(s[i+2])
			i += 2
		case '+':
			s[n] = ' '
		default:
			s[n] = c
		}
		n++
	}
	return s[:n]
}

// hex is the value of a hexadecimal digit, 16 for another byte.
func hex(c byte) byte {
	switch {
	case c-'0' < 10:
		return c - '0'
	case c|0x20-'a' < 6:
		return c | 0x20 - 'a' + 10
	}
	return 16
}

// appendWith appends the map rec with n more fields, encoded, at its end.
func appendWith(dst, rec []byte, n int, fields []byte) []byte {
	has, members, err := record.MapHeader(rec)
	if err != nil {
		return append(dst, rec...) // impossible: it is a map
	}
	dst = append(record.AppendMapHeader(dst, has+n), members...)
	return append(dst, fields...)
}
