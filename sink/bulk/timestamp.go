package bulk

import (
	"bytes"
	"math"
	"strconv"
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
// A record's own value under that key is kept if every server reads it as the time that it is: a string as in RFC 3339,
// with or without a zone, an integer of milliseconds since the epoch, or MessagePack's EventTime or Timestamp. A number of
// another unit (see fromEpoch) is converted. Any other value can't be indexed as a date, and is replaced by the record's
// time. The key is never written twice.
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
		if f := o.TimeKeyFormat; f != nil && *f != "" { // three digits where it is written, even as the default
			if s.digits = 3; *f != defaultTimeFormat {
				format = *f
			}
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
			return s, &config.OptionError{Option: "time_key_format", Reason: err.Error(), Instead: config.NotWritten}
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
	if ok {
		if t, ok := ownNumber(v); ok {
			return s.appendAt(dst, t), true
		}
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
	if s.format != nil {
		return s.appendAt(dst, time.Unix(int64(r.Time.Sec), int64(r.Time.Nsec)).UTC()), true
	}
	dst = append(dst, s.open...)
	return append(record.AppendTimeISO(dst, r.Time, s.digits), '"'), true
}

// appendAt appends the member with the time t, which is in UTC.
func (s *stamp) appendAt(dst []byte, t time.Time) []byte {
	dst = append(dst, s.open...)
	if s.format == nil {
		return append(s.iso.Append(dst, t), '"')
	}
	start := len(dst)
	dst = s.format.Append(dst, t)
	if s.escape {
		text := string(dst[start:])
		return record.AppendJSONString(dst[:start-1], []byte(text))
	}
	return append(dst, '"')
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
	if v, found := find(r.Body, s.key); found {
		if isDate(v) {
			t, ok = parseTime(v, readDateTime)
		} else {
			t, ok = ownNumber(v)
		}
	}
	if !ok && s.source != "" {
		if v, found := find(r.Body, s.source); found {
			t, ok = parseTime(v, s.read)
		}
	}
	if !ok || t.Unix() < 0 || t.Unix() > math.MaxUint32 {
		return record.Time{}, false
	}
	return record.Time{Sec: uint32(t.Unix()), Nsec: uint32(t.Nanosecond())}, true
}

// parseTime returns a value's time in UTC. Text is parsed by read, a number by fromNumber; the others are EventTime and Timestamp.
func parseTime(v []byte, read func(text []byte) (time.Time, bool)) (time.Time, bool) {
	if len(v) == 0 {
		return time.Time{}, false
	}
	switch record.KindOf(v[0]) {
	case record.KindInt, record.KindFloat:
		return fromNumber(v)
	case record.KindExt:
		t, _, err := record.ReadTime(v)
		return time.Unix(int64(t.Sec), int64(t.Nsec)).UTC(), err == nil
	}
	text, ok := record.Text(v)
	if !ok || len(text) == 0 {
		return time.Time{}, false
	}
	return read(text)
}

// readSeconds parses an integer written as text.
func readSeconds(text []byte) (time.Time, bool) {
	var n uint64
	for _, c := range text {
		if c < '0' || c > '9' || n > math.MaxUint64/10-1 {
			return time.Time{}, false
		}
		n = n*10 + uint64(c-'0')
	}
	return fromEpoch(n)
}

// ownNumber returns the time of a record's own @timestamp that is a number. A number in 1970 is taken for something else.
func ownNumber(v []byte) (time.Time, bool) {
	t, ok := fromNumber(v)
	return t, ok && t.Year() > 1970
}

// fromNumber converts an integer as fromEpoch does, and a float of seconds, with a fraction, or of a smaller unit.
func fromNumber(v []byte) (time.Time, bool) {
	if len(v) == 0 {
		return time.Time{}, false
	}
	switch record.KindOf(v[0]) {
	case record.KindInt:
		n, _, err := record.Int(v)
		if err != nil || n < 0 {
			return time.Time{}, false
		}
		return fromEpoch(uint64(n))
	case record.KindFloat:
		f, _, err := record.Float(v)
		if err != nil || !(f >= 0 && f < epochEnd*1e9) {
			return time.Time{}, false
		}
		if f >= epochEnd {
			return fromEpoch(uint64(f))
		}
		sec := int64(f)
		return time.Unix(sec, int64((f-float64(sec))*1e9)).UTC(), true
	}
	return time.Time{}, false
}

// epochEnd is where seconds since the epoch end (the year 2286): a larger number counts milliseconds, one that is 1,000 times
// as large microseconds, and one that is 1,000,000 times as large nanoseconds. Before April 1970 these look like another unit.
const epochEnd = 10_000_000_000

// fromEpoch is the time of a number since the epoch in seconds, milliseconds, microseconds or nanoseconds, by its size.
func fromEpoch(n uint64) (time.Time, bool) {
	switch {
	case n < epochEnd:
		return time.Unix(int64(n), 0).UTC(), true
	case n < epochEnd*1_000:
		return time.UnixMilli(int64(n)).UTC(), true
	case n < epochEnd*1_000_000:
		return time.UnixMicro(int64(n)).UTC(), true
	case n <= math.MaxInt64: // the year 2262
		return time.Unix(0, int64(n)).UTC(), true
	}
	return time.Time{}, false
}

// isDate reports whether every server accepts v as a date in the default format, strict_date_optional_time||epoch_millis.
// (Elasticsearch 7 refuses negative milliseconds.)
func isDate(v []byte) bool {
	if len(v) == 0 {
		return false
	}
	switch record.KindOf(v[0]) {
	case record.KindInt:
		n, _, err := record.Int(v)
		return err == nil && n >= epochEnd && n < epochEnd*1_000 // milliseconds
	case record.KindExt:
		_, _, err := record.ReadTime(v)
		return err == nil
	case record.KindStr, record.KindBin:
		b, _ := record.Text(v)
		return isDateTime(b)
	}
	return false
}
