package syslog

import (
	"bytes"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

// The longest parts of a message in bytes (RFC 5424, 6).
const (
	maxHostname = 255
	maxAppname  = 48
	maxProcID   = 128
	maxMsgID    = 32
	maxSDName   = 32
)

// A part is a value of the header: where a record has it, and what it is without one.
type part struct {
	at     field.Accessor // nil: nowhere
	preset string
	max    int
}

// sdField is a field whose members become structured data.
type sdField struct {
	name string
	at   field.Accessor
}

// An encoder makes messages of records. It is safe for concurrent use.
type encoder struct {
	old                              bool // RFC 3164
	stream                           bool // messages end in a newline
	maxSize                          int
	severity, facility, message      field.Accessor // nil: none
	severityPreset, facilityPreset   int
	hostname, appname, procID, msgID part
	sd                               []sdField
	longNames                        bool
}

func newEncoder(o *Options) (*encoder, error) {
	e := &encoder{
		old: o.Format == "rfc3164", stream: o.Mode != "udp", maxSize: o.maxSize(), longNames: o.LongerSDID,
		severityPreset: o.SeverityPreset, facilityPreset: o.FacilityPreset,
		hostname: part{preset: o.HostnamePreset, max: maxHostname}, appname: part{preset: o.AppnamePreset, max: maxAppname},
		procID: part{preset: o.ProcIDPreset, max: maxProcID}, msgID: part{preset: o.MsgIDPreset, max: maxMsgID},
	}
	for _, k := range []struct {
		option, key string
		at          *field.Accessor
	}{
		{"syslog_severity_key", o.SeverityKey, &e.severity},
		{"syslog_facility_key", o.FacilityKey, &e.facility},
		{"syslog_message_key", o.MessageKey, &e.message},
		{"syslog_hostname_key", o.HostnameKey, &e.hostname.at},
		{"syslog_appname_key", o.AppnameKey, &e.appname.at},
		{"syslog_procid_key", o.ProcIDKey, &e.procID.at},
		{"syslog_msgid_key", o.MsgIDKey, &e.msgID.at},
	} {
		if k.key == "" {
			continue
		}
		var err error
		if *k.at, err = field.ParseAccessor(k.key, config.FluentBit); err != nil {
			return nil, &config.OptionError{Option: k.option, Reason: err.Error()}
		}
	}
	for _, k := range o.SDKeys {
		at, err := field.ParseAccessor(k, config.FluentBit)
		if err != nil {
			return nil, &config.OptionError{Option: "syslog_sd_key", Reason: err.Error()}
		}
		e.sd = append(e.sd, sdField{strings.TrimPrefix(k, "$"), at})
	}
	return e, nil
}

// append appends r as a message. A message that begins with < has a header already, and stays as it is, as in Fluent Bit.
func (e *encoder) append(dst []byte, r *sink.Record) []byte {
	start := len(dst)
	text, _ := e.message.FindScalar(&r.Event)
	content, isText := record.Text(text)
	switch {
	case isText && len(content) > 0 && content[0] == '<':
		dst = append(dst, content...)
	case e.old:
		dst = e.append3164(dst, r, text)
	default:
		dst = e.append5424(dst, r, text)
	}
	return e.finish(dst, start)
}

// finish cuts the message dst[start:] to its longest size, and ends it on a stream.
func (e *encoder) finish(dst []byte, start int) []byte {
	if len(dst)-start > e.maxSize {
		dst = dst[:start+e.maxSize]
		for n := 1; n < utf8.UTFMax && n < e.maxSize; n++ { // don't cut a character
			if utf8.RuneStart(dst[len(dst)-n]) {
				if !utf8.FullRune(dst[len(dst)-n:]) {
					dst = dst[:len(dst)-n]
				}
				break
			}
		}
	}
	if e.stream {
		dst = append(oneLine(dst, start), '\n')
	}
	return dst
}

// oneLine replaces newlines in dst[start:], except one at its end, which it drops: a newline ends a message on a stream (RFC
// 6587, 3.4.2). #012 is what rsyslog makes of one.
func oneLine(dst []byte, start int) []byte {
	if n := len(dst) - 1; n >= start && dst[n] == '\n' {
		dst = dst[:n]
	}
	if bytes.IndexByte(dst[start:], '\n') < 0 {
		return dst
	}
	return append(dst[:start], bytes.ReplaceAll(dst[start:], []byte{'\n'}, []byte("#012"))...)
}

// appendPriority appends <facility*8+severity>.
func (e *encoder) appendPriority(dst []byte, r *sink.Record) []byte {
	severity, facility := e.severityPreset, e.facilityPreset
	if v, ok := e.severity.FindScalar(&r.Event); ok {
		severity = level(v, severities, 7, severity)
	}
	if v, ok := e.facility.FindScalar(&r.Event); ok {
		facility = level(v, facilities, 23, facility)
	}
	return append(strconv.AppendInt(append(dst, '<'), int64(facility<<3+severity), 10), '>')
}

// The names of the severities and facilities, in the order of their numbers.
const (
	severities = "emerg alert crit err warning notice info debug"
	facilities = "kern user mail daemon auth syslog lpr news uucp cron authpriv ftp ntp security console - local0 local1 local2 local3 local4 local5 local6 local7"
)

// level returns the number that a value is or names, preset if it is or names no number up to max.
func level(value []byte, names string, max, preset int) int {
	if n, _, err := record.Int(value); err == nil {
		if n >= 0 && n <= int64(max) {
			return int(n)
		}
		return preset
	}
	text, ok := record.Text(value)
	if !ok || len(text) == 0 {
		return preset
	}
	if c := text[0]; c >= '0' && c <= '9' && len(text) <= 2 {
		n := int(c - '0')
		if len(text) == 2 {
			n = n*10 + int(text[1]-'0')
		}
		if n >= 0 && n <= max && (len(text) == 1 || text[1] >= '0' && text[1] <= '9') {
			return n
		}
		return preset
	}
	i := 0
	for name := range strings.SplitSeq(names, " ") {
		if len(name) == len(text) && equalFold(text, name) && name != "-" {
			return i
		}
		i++
	}
	return preset
}

// equalFold compares ASCII, without an allocation.
func equalFold(a []byte, b string) bool {
	for i := range a {
		if a[i]|0x20 != b[i]|0x20 {
			return false
		}
	}
	return true
}

// appendPart appends a part of the header, and reports whether there is one. Blanks and what isn't printable ASCII become _:
// they would end the part.
func (e *encoder) appendPart(dst []byte, p *part, r *sink.Record) (out []byte, ok bool) {
	start := len(dst)
	if v, ok := p.at.FindScalar(&r.Event); ok {
		dst = record.AppendText(dst, v)
	}
	if len(dst) == start {
		dst = append(dst, p.preset...)
	}
	if !e.old && len(dst)-start > p.max {
		dst = dst[:start+p.max]
	}
	for i := start; i < len(dst); i++ {
		if dst[i] <= ' ' || dst[i] >= 0x7f {
			dst[i] = '_'
		}
	}
	return dst, len(dst) > start
}

// append5424 appends <pri>1 time hostname appname procid msgid sd text (RFC 5424).
func (e *encoder) append5424(dst []byte, r *sink.Record, text []byte) []byte {
	dst = append(e.appendPriority(dst, r), "1 "...)
	dst = record.AppendTimeISO(dst, r.Time, 6)
	for _, p := range [...]*part{&e.hostname, &e.appname, &e.procID, &e.msgID} {
		var ok bool
		if dst, ok = e.appendPart(append(dst, ' '), p, r); !ok {
			dst = append(dst, '-')
		}
	}
	dst = append(dst, ' ')
	start := len(dst)
	for i := range e.sd {
		if v, ok := e.sd[i].at.Find(&r.Event); ok && record.KindOf(v[0]) == record.KindMap {
			dst = e.appendSD(dst, e.sd[i].name, v)
		}
	}
	if len(dst) == start {
		dst = append(dst, '-')
	}
	if text == nil {
		return dst
	}
	if isUTF8(text) { // MSG-UTF8 has the mark, MSG-ANY has not
		return record.AppendText(append(dst, " \xef\xbb\xbf"...), text)
	}
	return record.AppendText(append(dst, ' '), text)
}

// isUTF8 reports whether a value is UTF-8 as text.
func isUTF8(value []byte) bool {
	text, ok := record.Text(value)
	return !ok || utf8.Valid(text)
}

// appendSD appends [name key="value" …]. Values that are maps, arrays or nil are left out, as in Fluent Bit.
func (e *encoder) appendSD(dst []byte, name string, members []byte) []byte {
	dst = append(dst, '[')
	start := len(dst)
	dst = e.cleanName(append(dst, name...), start)
	for f := record.FieldsOf(members); f.Next(); {
		kind := record.KindOf(f.Value()[0])
		if len(f.Key()) == 0 || kind == record.KindMap || kind == record.KindArray || kind == record.KindNil {
			continue
		}
		dst = append(dst, ' ')
		at := len(dst)
		dst = append(e.cleanName(append(dst, f.Key()...), at), `="`...)
		at = len(dst)
		dst = record.AppendText(dst, f.Value())
		if !utf8.Valid(dst[at:]) {
			dst = append(dst[:at], bytes.ToValidUTF8(dst[at:], []byte("\ufffd"))...)
		}
		dst = append(escapeSD(dst, at), '"')
	}
	return append(dst, ']')
}

// cleanName makes dst[start:] a name of structured data: printable ASCII without =, ] and ", at most 32 characters.
func (e *encoder) cleanName(dst []byte, start int) []byte {
	if len(dst)-start > maxSDName && !e.longNames {
		dst = dst[:start+maxSDName]
	}
	for i := start; i < len(dst); i++ {
		switch c := dst[i]; {
		case c <= ' ', c >= 0x7f, c == '=', c == ']', c == '"':
			dst[i] = '_'
		}
	}
	return dst
}

// escapeSD escapes ", \ and ] in dst[start:].
func escapeSD(dst []byte, start int) []byte {
	more := 0
	for _, c := range dst[start:] {
		if c == '"' || c == '\\' || c == ']' {
			more++
		}
	}
	end := len(dst)
	dst = append(dst, make([]byte, more)...)
	for i, w := end-1, len(dst); more > 0 && i >= start; i-- {
		w--
		dst[w] = dst[i]
		if c := dst[i]; c == '"' || c == '\\' || c == ']' {
			w--
			dst[w] = '\\'
		}
	}
	return dst
}

// append3164 appends <pri>Mon _2 15:04:05 hostname appname[procid]: text (RFC 3164), in UTC, as Fluent Bit does.
func (e *encoder) append3164(dst []byte, r *sink.Record, text []byte) []byte {
	dst = e.appendPriority(dst, r)
	dst = time.Unix(int64(r.Time.Sec), 0).UTC().AppendFormat(dst, "Jan _2 15:04:05 ")
	dst, ok := e.appendPart(dst, &e.hostname, r)
	if ok {
		dst = append(dst, ' ')
	}
	if dst, ok = e.appendPart(dst, &e.appname, r); ok {
		dst, ok = e.appendPart(append(dst, '['), &e.procID, r)
		if ok {
			dst = append(dst, ']')
		} else {
			dst = dst[:len(dst)-1]
		}
		dst = append(dst, ": "...)
	}
	if text == nil {
		return dst
	}
	return record.AppendText(dst, text)
}
