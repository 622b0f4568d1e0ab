package format

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

// GELFKeys are the names of the fields of a record that have a meaning in GELF; a name that is "" is no field's. Tag is the
// name of an additional field for the tag. With ByLetter a level may be any word that begins as the name of one, such as warn.
type GELFKeys struct {
	Short, Full, Host, Timestamp, Level, Tag string
	ByLetter                                 bool
}

// A gelf makes messages of records (Graylog, "GELF Payload Specification", version 1.1).
type gelf struct {
	GELFKeys
	hostname []byte // of records without a host, as JSON
	missing  error
	end      string
}

// GELF writes a message of GELF 1.1, and end. A record without the field for short_message is an error.
func GELF(k GELFKeys, hostname, end string) Func {
	if hostname == "" {
		hostname = "unknown"
	}
	e := &gelf{
		GELFKeys: k, hostname: record.AppendJSONString(nil, []byte(hostname)), end: end,
		missing: fmt.Errorf("the record has no field %s, which becomes short_message (gelf_short_message_key)", k.Short),
	}
	return e.append
}

// maxNested is how deep maps may be nested to become fields of their own; what is deeper is JSON in a string.
const maxNested = 8

// A path is the names of the maps that a value is in.
type path struct {
	names [maxNested][]byte
	n     int
	limit int // length of dst at which nothing is appended: long names may be repeated for many members
}

// found says which of the fields with a meaning a message has.
type found struct{ short, full, host, timestamp, level bool }

// append appends r as a message.
func (e *gelf) append(dst []byte, r *sink.Record) ([]byte, error) {
	start := len(dst)
	dst = append(dst, `{"version":"1.1"`...)
	var has found
	for f := record.FieldsOf(r.Body); f.Next(); {
		if len(f.Key()) > 0 {
			dst = e.appendField(dst, f.Key(), f.Value(), &has, start+maxText)
		}
		if len(dst)-start > maxText {
			return dst[:start], errLongText
		}
	}
	if e.Tag != "" {
		dst = e.appendTag(dst, r.Tag, &has)
	}
	if !has.short {
		return dst[:start], e.missing
	}
	if !has.host {
		dst = append(append(dst, `,"host":`...), e.hostname...)
	}
	if !has.timestamp {
		dst = AppendSeconds(append(dst, `,"timestamp":`...), r.Time, 3)
	}
	return append(append(dst, '}'), e.end...), nil
}

// appendTag appends the tag as the field that is configured, which may be one with a meaning.
func (e *gelf) appendTag(dst []byte, tag string, has *found) []byte {
	switch {
	case e.Tag == e.Host && !has.host:
		has.host = true
		dst = append(dst, `,"host":`...)
	case e.Tag == e.Short && !has.short:
		has.short = true
		dst = append(dst, `,"short_message":`...)
	case e.Tag == e.Full && !has.full:
		has.full = true
		dst = append(dst, `,"full_message":`...)
	default:
		dst = append(appendName(append(dst, `,"_`...), e.Tag), `":`...)
	}
	if tag == "" {
		return append(dst, `"-"`...)
	}
	return AppendQuoted(dst, tag)
}

// appendField appends a member of the record: a field with a meaning, or additional ones.
func (e *gelf) appendField(dst, key, value []byte, has *found, limit int) []byte {
	kind := record.KindOf(value[0])
	if kind != record.KindMap && kind != record.KindNil {
		switch string(key) {
		case e.Short:
			if !has.short {
				has.short = true
				return appendGELFText(append(dst, `,"short_message":`...), value)
			}
		case e.Full:
			if !has.full {
				has.full = true
				return appendGELFText(append(dst, `,"full_message":`...), value)
			}
		case e.Host:
			if !has.host {
				has.host = true
				return appendGELFText(append(dst, `,"host":`...), value)
			}
		case e.Timestamp:
			if !has.timestamp && (kind == record.KindInt || kind == record.KindFloat) {
				has.timestamp = true
				return record.AppendJSON(append(dst, `,"timestamp":`...), value)
			}
		case e.Level:
			n, ok := level(value)
			if !ok && e.ByLetter {
				n, ok = levelByLetter(value)
			}
			if ok && !has.level {
				has.level = true
				return strconv.AppendInt(append(dst, `,"level":`...), n, 10)
			}
		}
	}
	p := path{limit: limit}
	return appendAdditional(dst, &p, key, value)
}

// appendAdditional appends a value as an additional field, and a map as one for each of its members, named by the whole path.
// Nil is left out, as in Fluent Bit.
func appendAdditional(dst []byte, p *path, key, value []byte) []byte {
	kind := record.KindOf(value[0])
	if kind == record.KindNil || len(dst) > p.limit {
		return dst
	}
	if kind == record.KindMap && p.n < maxNested {
		p.names[p.n] = key
		p.n++
		for f := record.FieldsOf(value); f.Next(); {
			if len(f.Key()) > 0 {
				dst = appendAdditional(dst, p, f.Key(), f.Value())
			}
		}
		p.n--
		return dst
	}
	dst = append(dst, `,"_`...)
	for _, name := range p.names[:p.n] {
		dst = append(appendName(dst, name), '_')
	}
	if p.n == 0 && string(key) == "id" { // a server refuses _id
		dst = append(dst, '_')
	}
	dst = append(appendName(dst, key), `":`...)
	switch kind {
	case record.KindInt, record.KindFloat:
		return record.AppendJSON(dst, value)
	case record.KindArray:
		return appendArray(dst, value)
	}
	return appendGELFText(dst, value)
}

// appendName appends the name of an additional field: letters, digits, _, - and dots; _ for all else.
func appendName[T string | []byte](dst []byte, name T) []byte {
	for i := range len(name) {
		c := name[i]
		if c != '_' && c != '-' && c != '.' && (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') {
			c = '_'
		}
		dst = append(dst, c)
	}
	return dst
}

// appendGELFText appends a value as a JSON string, which is never empty: a server refuses an empty short_message.
func appendGELFText(dst, value []byte) []byte {
	text, isText := record.Text(value)
	switch {
	case isText && len(text) == 0:
		return append(dst, `"-"`...)
	case isText:
		return record.AppendJSONString(dst, text)
	}
	// Other values are JSON, which is put in quotes: the quotes and backslashes in it are escaped.
	start := len(dst)
	dst = record.AppendText(append(dst, '"'), value)
	return append(escape(dst, start+1), '"')
}

// escape escapes quotes and backslashes in dst[start:], which has no control characters.
func escape(dst []byte, start int) []byte {
	more := 0
	for _, c := range dst[start:] {
		if c == '"' || c == '\\' {
			more++
		}
	}
	end := len(dst)
	dst = append(dst, make([]byte, more)...)
	for i, w := end-1, len(dst); w-1 > i; i-- {
		w--
		dst[w] = dst[i]
		if c := dst[i]; c == '"' || c == '\\' {
			w--
			dst[w] = '\\'
		}
	}
	return dst
}

// appendArray appends an array as text: its elements with commas between them. Maps and arrays in it are JSON.
func appendArray(dst, value []byte) []byte {
	n, rest, _ := record.ArrayHeader(value)
	dst = append(dst, '"')
	for i := range n {
		after, err := record.Skip(rest)
		if err != nil {
			break
		}
		if i > 0 {
			dst = append(dst, ", "...)
		}
		element := rest[:len(rest)-len(after)]
		at := len(dst)
		if text, ok := record.Text(element); ok {
			dst = record.AppendJSONString(dst, text)
			dst = append(dst[:at], dst[at+1:len(dst)-1]...) // without its quotes
		} else {
			dst = escape(record.AppendText(dst, element), at)
		}
		rest = after
	}
	return append(dst, '"')
}

// levels are the names of the levels, in the order of their numbers.
const levels = "emerg alert crit err warning notice info debug"

// level returns the number that a value is or names. An unknown name has none, and is an additional field.
func level(value []byte) (n int64, ok bool) {
	if n, _, err := record.Int(value); err == nil && n >= 0 {
		return n, true
	}
	text, ok := record.Text(value)
	if !ok || len(text) == 0 {
		return 0, false
	}
	if len(text) == 1 && text[0] >= '0' && text[0] <= '7' {
		return int64(text[0] - '0'), true
	}
	for name := range strings.SplitSeq(levels, " ") {
		if len(name) == len(text) && equalFold(text, name) {
			return n, true
		}
		n++
	}
	return 0, false
}

// levelByLetter is the level of a word by its first letter, as fluent-plugin-gelf-hs has it.
func levelByLetter(value []byte) (n int64, ok bool) {
	text, _ := record.Text(value)
	if len(text) == 0 {
		return 0, false
	}
	switch text[0] | 0x20 {
	case 'a':
		return 1, true
	case 'c':
		return 2, true
	case 'e':
		if len(text) > 1 && text[1]|0x20 != 'r' {
			return 0, true // emergency
		}
		return 3, true
	case 'w':
		return 4, true
	case 'n':
		return 5, true
	case 'i':
		return 6, true
	case 'd':
		return 7, true
	}
	return 0, false
}

// equalFold compares ASCII, without an allocation.
func equalFold(a []byte, b string) bool {
	for i := range a {
		if a[i]|0x20 != b[i] {
			return false
		}
	}
	return true
}
