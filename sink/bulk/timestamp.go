package bulk

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/field/timefmt"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

// A stamp gives a document its @timestamp.
//
// A record's own value under that key is kept if it is a date-time: a string as in RFC 3339, with or without a zone, or
// an integer of milliseconds since the epoch, up to the year 9999. Any other value can't be indexed as a date, and is
// replaced by the record's time. The key is never written twice.
type stamp struct {
	key    string          // "": none is written
	open   []byte          // the text before the time: the key as JSON, a colon and a quote
	digits int             // of the fraction
	iso    *field.Strftime // ISO 8601 with that fraction
	format *field.Strftime // time_key_format with the fraction; nil: ISO 8601
	escape bool            // a time in this format has characters that JSON must escape

	source  string                              // Fluentd's time_key: the field that @timestamp is read from; "": none
	read    func(text []byte) (time.Time, bool) // parses that field if it is text
	exclude bool                                // Fluentd's time_key_exclude_timestamp
	dates   bool                                // the index is dated by @timestamp (Fluentd), not by the record's time
}

func newStamp(o *Options, d config.Dialect) (s stamp, err error) {
	s = stamp{key: "@timestamp", digits: 9, read: readDateTime}
	format := ""
	if d == config.Fluentd {
		if err = s.setFluentd(o); err != nil {
			return s, err
		}
	} else {
		if o.TimeKey != nil && *o.TimeKey != "" {
			s.key = *o.TimeKey
		}
		if f := o.TimeKeyFormat; f != nil && *f != "" && *f != defaultTimeFormat {
			format, s.digits = *f, 3
		}
		if o.TimeKeyNanos != nil {
			s.digits = 3
			if *o.TimeKeyNanos {
				s.digits = 9
			}
		}
	}
	fraction := "Z"
	if s.digits > 0 {
		fraction = "." + "%" + strconv.Itoa(s.digits) + "NZ"
	}
	s.iso, _ = field.ParseStrftime("%FT%T" + fraction)
	if format != "" {
		if _, err = field.ParseStrftime(format); err != nil {
			return s, &config.OptionError{Option: "time_key_format", Reason: err.Error()}
		}
		s.format, _ = field.ParseStrftime(format + fraction) // Fluent Bit appends the fraction to every format
		text := s.format.Append(nil, time.Unix(0, 0).UTC())
		s.escape = len(record.AppendJSONString(nil, text)) != len(text)+2
	}
	s.open = append(record.AppendJSONString(nil, []byte(s.key)), ':', '"')
	return s, nil
}

// setFluentd applies Fluentd's options.
func (s *stamp) setFluentd(o *Options) error {
	s.digits = o.TimePrecision
	if o.IncludeTimestamp != nil && !*o.IncludeTimestamp && !o.Logstash {
		s.key = ""
	}
	if o.TimeKey != nil && *o.TimeKey != s.key {
		s.source = *o.TimeKey
	}
	if format := o.TimeKeyFormat; format != nil && *format != "" {
		f, err := timefmt.Compile(*format, time.UTC)
		if err != nil {
			return &config.OptionError{Option: "time_key_format", Reason: err.Error()}
		}
		if s.read = f.ParseWhole; *format == "%s" {
			s.read = readSeconds
		}
	}
	s.exclude = o.ExcludeTimestamp
	s.dates = o.Logstash && !o.CurrentTime
	return nil
}

// append appends the member "@timestamp":"…", unless the record's own value is kept. omit means that the record has a
// value which the appended one replaces.
func (s *stamp) append(dst []byte, r *sink.Record) (out []byte, omit bool) {
	if s.key == "" {
		return dst, false
	}
	v, ok := find(r.Body, s.key)
	if ok && isDate(v) {
		return dst, false
	}
	dst, written := s.appendTime(dst, r)
	return dst, ok && written
}

// appendTime is append for a record whose own value, if there is one, isn't kept.
func (s *stamp) appendTime(dst []byte, r *sink.Record) (out []byte, written bool) {
	if s.source != "" {
		if v, found := find(r.Body, s.source); found {
			if s.exclude {
				return dst, false
			}
			if t, ok := parseTime(v, s.read); ok {
				dst = append(dst, s.open...)
				return append(s.iso.Append(dst, t), '"'), true
			}
		}
	}
	dst = append(dst, s.open...)
	if s.format == nil {
		return append(record.AppendTimeISO(dst, r.Time, s.digits), '"'), true
	}
	start := len(dst)
	dst = s.format.Append(dst, time.Unix(int64(r.Time.Sec), int64(r.Time.Nsec)).UTC())
	if s.escape {
		text := string(dst[start:])
		dst = record.AppendJSONString(dst[:start-1], []byte(text))
		return dst, true
	}
	return append(dst, '"'), true
}

// find is record.Find, preceded by a search for the key's bytes, which takes a tenth of the time: most records don't have
// the key.
func find(body []byte, key string) ([]byte, bool) {
	if !bytes.Contains(body, unsafe.Slice(unsafe.StringData(key), len(key))) {
		return nil, false
	}
	return record.Find(body, key)
}

// date returns the time for the index's date if that isn't the record's time: as in Fluentd's plugins, it comes from the
// record's own @timestamp, or from time_key.
func (s *stamp) date(r *sink.Record) (record.Time, bool) {
	if !s.dates {
		return record.Time{}, false
	}
	t, ok := time.Time{}, false
	if v, found := find(r.Body, s.key); found && isDate(v) {
		t, ok = parseTime(v, readDateTime)
	} else if s.source != "" {
		if v, found := find(r.Body, s.source); found {
			t, ok = parseTime(v, s.read)
		}
	}
	if !ok || t.Unix() < 0 || t.Unix() > math.MaxUint32 {
		return record.Time{}, false
	}
	return record.Time{Sec: uint32(t.Unix()), Nsec: uint32(t.Nanosecond())}, true
}

// parseTime returns a value's time in UTC. Text is parsed by read. Numbers are seconds or, if they are too large for
// that, milliseconds.
func parseTime(v []byte, read func(text []byte) (time.Time, bool)) (time.Time, bool) {
	if f, _, err := record.Float(v); err == nil {
		return fromNumber(f)
	}
	text, ok := record.Text(v)
	if !ok || len(text) == 0 {
		return time.Time{}, false
	}
	return read(text)
}

// readDateTime parses the times that isDateTime accepts.
func readDateTime(text []byte) (time.Time, bool) {
	if !isDateTime(text) {
		return time.Time{}, false
	}
	t, err := time.Parse(layoutFor(text), unsafe.String(&text[0], len(text))) // Parse doesn't retain the string
	return t.UTC(), err == nil
}

// readSeconds parses an integer written as text.
func readSeconds(text []byte) (time.Time, bool) {
	var n float64
	for _, c := range text {
		if c < '0' || c > '9' {
			return time.Time{}, false
		}
		n = n*10 + float64(c-'0')
	}
	return fromNumber(n)
}

// fromNumber converts seconds since the epoch, or milliseconds if the number is 10,000,000,000 (the year 2286 in seconds)
// or more.
func fromNumber(f float64) (time.Time, bool) {
	if !(f >= 0 && f < 1e13) {
		return time.Time{}, false
	}
	if f >= 1e10 {
		return time.UnixMilli(int64(f)).UTC(), true
	}
	sec := int64(f)
	return time.Unix(sec, int64((f-float64(sec))*1e9)).UTC(), true
}

// maxMillis is the last millisecond of the year 9999, where strict_date_optional_time ends.
const maxMillis = 253402300799999

// isDate reports whether every server accepts v as a date in the default format, strict_date_optional_time||epoch_millis.
// (Elasticsearch 7 refuses negative milliseconds.)
func isDate(v []byte) bool {
	if len(v) == 0 {
		return false
	}
	switch record.KindOf(v[0]) {
	case record.KindInt:
		ms, _, err := record.Int(v)
		return err == nil && ms >= 0 && ms <= maxMillis
	case record.KindStr, record.KindBin:
		b, _ := record.Text(v)
		return isDateTime(b)
	}
	return false
}

// isDateTime reports whether s is 2006-01-02, or 2006-01-02T15:04 with seconds, a fraction of 1–9 digits and a zone (Z,
// +01:00, +0100, +01) each optional.
func isDateTime(s []byte) bool {
	if len(s) < 10 || s[4] != '-' || s[7] != '-' {
		return false
	}
	y, ok1 := number(s[:4], 9999)
	m, ok2 := number(s[5:7], 12)
	d, ok3 := number(s[8:10], 31)
	if !ok1 || !ok2 || !ok3 || m == 0 || d == 0 || d > daysIn(y, m) {
		return false
	}
	if len(s) == 10 {
		return true
	}
	return s[10] == 'T' && isTime(s[11:])
}

func isTime(s []byte) bool {
	if len(s) < 5 || s[2] != ':' || !inRange(s[:2], 23) || !inRange(s[3:5], 59) {
		return false
	}
	s = s[5:]
	if len(s) >= 3 && s[0] == ':' {
		if !inRange(s[1:3], 59) {
			return false
		}
		s = s[3:]
		if len(s) > 0 && (s[0] == '.' || s[0] == ',') {
			n := 1
			for n < len(s) && s[n] >= '0' && s[n] <= '9' {
				n++
			}
			if n == 1 || n > 10 {
				return false
			}
			s = s[n:]
		}
	}
	return isZone(s)
}

func isZone(s []byte) bool {
	if len(s) == 0 || len(s) == 1 && s[0] == 'Z' {
		return true
	}
	if s[0] != '+' && s[0] != '-' || len(s) < 3 || !inRange(s[1:3], 18) {
		return false
	}
	switch len(s) {
	case 3:
		return true
	case 5:
		return inRange(s[3:], 59)
	case 6:
		return s[3] == ':' && inRange(s[4:], 59)
	}
	return false
}

func number(s []byte, limit int) (int, bool) {
	v := 0
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + int(c-'0')
	}
	return v, v <= limit
}

func inRange(s []byte, limit int) bool {
	_, ok := number(s, limit)
	return ok
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// layoutFor returns the layout for parsing a time that isDateTime accepts.
func layoutFor(s []byte) string {
	if len(s) == 10 {
		return "2006-01-02"
	}
	layout := "2006-01-02T15:04"
	i := 16
	if i < len(s) && s[i] == ':' {
		layout += ":05"
		for i = 19; i < len(s) && (s[i] == '.' || s[i] == ',' || s[i] >= '0' && s[i] <= '9'); i++ {
		}
	}
	switch zone := string(s[i:]); {
	case zone == "":
	case zone == "Z" || strings.Contains(zone, ":"):
		layout += "Z07:00"
	case len(zone) == 5:
		layout += "Z0700"
	default:
		layout += "Z07"
	}
	return layout
}
