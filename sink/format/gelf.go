package format

import (
	"bytes"
	"errors"

	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

// GELFOptions name the fields of a record that are members of GELF's own.
type GELFOptions struct {
	Timestamp    string `fluentbit:"gelf_timestamp_key" help:"gelf: field that holds the time in seconds; default: the record's own time"`
	Host         string `fluentbit:"gelf_host_key" default:"host" help:"gelf: field that holds the host; if it is missing, this host's name"`
	ShortMessage string `fluentbit:"gelf_short_message_key" default:"short_message" help:"gelf: field that holds the message; without it a record can't be sent"`
	FullMessage  string `fluentbit:"gelf_full_message_key" default:"full_message" help:"gelf: field that holds the long message"`
	Level        string `fluentbit:"gelf_level_key" default:"level" help:"gelf: field that holds the syslog level, 0 to 7 or emerg to debug"`
}

var errNoMessage = errors.New("gelf: the record has no field for short_message")

// levels are the names of syslog's levels, from 0 on.
var levels = [...]string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}

// GELF writes a message of GELF 1.1. As in Fluent Bit, other fields get a _ before their names, in which characters other
// than letters, digits, _, - and . become _; members of nested maps are joined to their names by _; a boolean is text, and
// so is an array. The field id, whose name GELF reserves, becomes __id. A text that is longer than maxText is an error.
func GELF(o GELFOptions, hostname, end string) Func {
	if o.Timestamp == "" {
		o.Timestamp = "timestamp"
	}
	g := &gelf{keys: o, host: append(record.AppendJSONString([]byte(`,"host":`), []byte(hostname)), '}'), end: end}
	g.host = g.host[:len(g.host)-1]
	return g.append
}

type gelf struct {
	keys GELFOptions
	host []byte // the member for this host
	end  string
}

func (g *gelf) append(dst []byte, r *sink.Record) ([]byte, error) {
	start := len(dst)
	dst = append(dst, `{"version":"1.1"`...)
	var timed, hosted, messaged bool
	for f := record.FieldsOf(r.Body); f.Next(); {
		key, value := f.Key(), f.Value()
		kind := record.KindOf(value[0])
		scalar := kind != record.KindMap && kind != record.KindNil
		switch {
		case len(key) == 0 || kind == record.KindNil:
		case scalar && string(key) == g.keys.ShortMessage:
			dst, messaged = appendQuotedText(append(dst, `,"short_message":`...), value), true
		case scalar && string(key) == g.keys.FullMessage:
			dst = appendQuotedText(append(dst, `,"full_message":`...), value)
		case scalar && string(key) == g.keys.Host:
			dst, hosted = appendQuotedText(append(dst, `,"host":`...), value), true
		case string(key) == g.keys.Timestamp && (kind == record.KindInt || kind == record.KindFloat):
			dst, timed = record.AppendText(append(dst, `,"timestamp":`...), value), true
		case scalar && string(key) == g.keys.Level:
			dst = appendLevel(append(dst, `,"level":`...), value)
		default:
			dst = appendAdditional(dst, path{name: key}, value, start+maxText)
		}
		if len(dst)-start > maxText {
			return dst[:start], errLongText
		}
	}
	if !messaged {
		return dst[:start], errNoMessage
	}
	if !hosted {
		dst = append(dst, g.host...)
	}
	if !timed {
		dst = AppendSeconds(append(dst, `,"timestamp":`...), r.Time, 3)
	}
	return append(append(dst, '}'), g.end...), nil
}

// A path is the names of a nested member, the innermost first.
type path struct {
	name  []byte
	outer *path
}

func (p *path) append(dst []byte) []byte {
	if p.outer != nil {
		dst = append(p.outer.append(dst), '_')
	}
	for _, c := range p.name {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && c != '.' && c != '-' {
			c = '_'
		}
		dst = append(dst, c)
	}
	return dst
}

// appendAdditional appends an additional field, or those of a map, unless dst is longer than limit already. A record is no
// deeper than record.MaxDepth.
func appendAdditional(dst []byte, p path, value []byte, limit int) []byte {
	switch kind := record.KindOf(value[0]); {
	case kind == record.KindNil || len(dst) > limit:
		return dst
	case kind == record.KindMap:
		for f := record.FieldsOf(value); f.Next(); {
			if key := f.Key(); key != nil {
				dst = appendAdditional(dst, path{key, &p}, f.Value(), limit)
			}
		}
		return dst
	default:
		dst = append(dst, `,"_`...)
		if p.outer == nil && string(p.name) == "id" {
			dst = append(dst, '_')
		}
		dst = append(p.append(dst), '"', ':')
		if kind == record.KindInt || kind == record.KindFloat {
			return record.AppendJSON(dst, value)
		}
		return appendQuotedText(dst, value)
	}
}

// appendQuotedText appends the text of a value as a JSON string. The elements of an array are separated by a comma and a
// blank.
func appendQuotedText(dst, value []byte) []byte {
	if record.KindOf(value[0]) == record.KindStr {
		s, _, _ := record.Str(value)
		return record.AppendJSONString(dst, s)
	}
	n := len(dst)
	if count, rest, err := record.ArrayHeader(value); err == nil {
		for i := range count {
			next, err := record.Skip(rest)
			if err != nil {
				break
			}
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst, rest = record.AppendText(dst, rest), next
		}
	} else {
		dst = record.AppendText(dst, value)
	}
	return Quote(dst, n)
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

// appendLevel appends a level as a number, if it is one or has a name of syslog's.
func appendLevel(dst, value []byte) []byte {
	text, ok := record.Text(value)
	if !ok {
		return record.AppendJSON(dst, value)
	}
	if len(text) == 1 && text[0] >= '0' && text[0] <= '7' {
		return append(dst, text[0])
	}
	for n, name := range levels {
		if len(text) == len(name) && bytes.EqualFold(text, []byte(name)) {
			return append(dst, byte('0'+n))
		}
	}
	return record.AppendJSONString(dst, text)
}
