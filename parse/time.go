package parse

import (
	"strconv"
	"strings"

	"github.com/firelane/firelane/field/timefmt"
	"github.com/firelane/firelane/record"
)

// A timeField is the field of parsed text that holds the event's time.
type timeField struct {
	name    string
	keep    bool              // keep the field
	ignore  bool              // don't set the event's time
	numeric bool              // Unix seconds are read, too
	formats []*timefmt.Format // the first that matches is used
	partial bool              // what matches of the format is enough
}

// take sets *at and removes the field from parsed, in place. A field that can't be read as a time stays.
func (tf *timeField) take(at *record.Time, parsed []byte) []byte {
	_, members, err := record.MapHeader(parsed)
	if err != nil {
		return parsed
	}
	end := len(parsed) - len(members)
	for f := record.FieldsOf(parsed); f.Next(); {
		start := end
		end += len(f.RawKey()) + len(f.Value())
		if string(f.Key()) != tf.name {
			continue
		}
		t, ok := tf.parse(f.Value())
		if ok && !tf.ignore {
			*at = t
		}
		if !ok || tf.keep {
			return parsed
		}
		return removeMember(parsed, start, end)
	}
	return parsed
}

// parseText reads a text as a time.
func (tf *timeField) parseText(text []byte) (record.Time, bool) {
	for _, f := range tf.formats {
		if t, ok := f.Parse(text); ok {
			return t, true
		}
		if t, ok := f.ParsePartial(text); ok && tf.partial {
			return t, true
		}
	}
	return NumericTime(text, tf.numeric)
}

func (tf *timeField) parse(value []byte) (record.Time, bool) {
	if text, ok := record.Text(value); ok {
		return tf.parseText(text)
	}
	if kind := record.KindOf(value[0]); kind != record.KindInt && kind != record.KindFloat {
		return record.Time{}, false
	}
	if tf.numeric {
		t, _, err := record.ReadTime(value)
		return t, err == nil
	}
	var buf [32]byte
	number := record.AppendText(buf[:0], value) // the shortest text of a float has the digits that the sender wrote
	for _, f := range tf.formats {
		if t, ok := f.ParseEpoch(number); ok {
			return t, true
		}
	}
	return record.Time{}, false
}

// NumericTime parses Unix seconds, with a fraction of up to nine digits. ok is false if text isn't such a number, or if allowed
// is false.
func NumericTime(text []byte, allowed bool) (t record.Time, ok bool) {
	whole, fraction, _ := strings.Cut(string(text), ".")
	sec, err := strconv.ParseUint(whole, 10, 32)
	if err != nil || !allowed || len(fraction) > 9 {
		return record.Time{}, false
	}
	nsec, err := strconv.ParseUint((fraction + "000000000")[:9], 10, 32)
	return record.Time{Sec: uint32(sec), Nsec: uint32(nsec)}, err == nil
}

// removeMember removes the member m[start:end] of a map in place. The map still begins at m[0], even if its header gets
// shorter.
func removeMember(m []byte, start, end int) []byte {
	n, members, err := record.MapHeader(m)
	if err != nil {
		return m
	}
	var h [headerRoom]byte
	header := record.AppendMapHeader(h[:0], n-1)
	size := copy(m, header)
	size += copy(m[size:], m[len(m)-len(members):start])
	size += copy(m[size:], m[end:])
	return m[:size]
}
