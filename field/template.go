package field

import (
	"slices"
	"time"

	"github.com/firelane/firelane/record"
)

// A Template is text with placeholders for an event's tag, time and values.
type Template struct {
	parts []part
	timed bool           // the text has conversions of strftime
	zone  *time.Location // of Append; nil: UTC
	clean func(dst []byte, start int) []byte
}

// Append appends the text for an event, with nothing for a missing value. Conversions of strftime show the event's time.
func (t *Template) Append(dst []byte, ev *record.Event) []byte {
	return t.AppendAt(dst, ev, t.timeOf(ev))
}

// timeOf is the event's time, if the text shows it.
func (t *Template) timeOf(ev *record.Event) (at time.Time) {
	if t.timed {
		at = time.Unix(int64(ev.Time.Sec), int64(ev.Time.Nsec)).In(t.location())
	}
	return at
}

// AppendAt is Append with at instead of the event's time, in at's zone.
func (t *Template) AppendAt(dst []byte, ev *record.Event, at time.Time) []byte {
	dst, _ = t.appendParts(dst, ev, at)
	return dst
}

// AppendFound is Append that reports whether the event has all the values. If not, dst is unchanged.
func (t *Template) AppendFound(dst []byte, ev *record.Event) (out []byte, ok bool) {
	out, ok = t.appendParts(dst, ev, t.timeOf(ev))
	if !ok {
		out = out[:len(dst)]
	}
	return out, ok
}

func (t *Template) appendParts(dst []byte, ev *record.Event, at time.Time) (out []byte, ok bool) {
	ok = true
	for i := range t.parts {
		start, p := len(dst), &t.parts[i]
		var found bool
		dst, found = p.append(dst, ev, at)
		ok = ok && found
		if t.clean != nil && p.isPlaceholder() {
			dst = t.clean(dst, start)
		}
	}
	return dst, ok
}

// AppendKey appends the placeholders' values, each followed by a zero byte: events with the same key and time have the same
// text. ok is false if a value is missing or empty.
func (t *Template) AppendKey(dst []byte, ev *record.Event) (out []byte, ok bool) {
	ok = true
	for i := range t.parts {
		if p := &t.parts[i]; p.isPlaceholder() {
			start := len(dst)
			dst, _ = p.append(dst, ev, time.Time{})
			ok = ok && len(dst) > start
			dst = append(dst, 0)
		}
	}
	return dst, ok
}

// Text is the template's text if that is the same for every event; ok is false if not.
func (t *Template) Text() (text string, ok bool) {
	switch {
	case len(t.parts) == 0:
		return "", true
	case len(t.parts) == 1 && t.parts[0].kind == partText:
		return t.parts[0].text, true
	}
	return "", false
}

// Dynamic reports whether the text depends on more of an event than its time.
func (t *Template) Dynamic() bool {
	return slices.ContainsFunc(t.parts, func(p part) bool { return p.isPlaceholder() })
}

// Reads reports whether the text depends on the field key of a record.
func (t *Template) Reads(key string) bool {
	return slices.ContainsFunc(t.parts, func(p part) bool { return len(p.at) > 0 && p.at.Top() == key })
}

// Period is for how many seconds the text stays the same if no placeholder changes; see Strftime.Period.
func (t *Template) Period() int64 {
	period := longestPeriod(t.location())
	for i := range t.parts {
		if f := t.parts[i].time; f != nil {
			period = min(period, f.Period(t.location()))
		}
	}
	return period
}

func (t *Template) location() *time.Location {
	if t.zone == nil {
		return time.UTC
	}
	return t.zone
}

// AppendValue appends MessagePack: if the template is one placeholder and nothing else, the value with its own type, nil if it
// is missing; otherwise the text as a str.
func (t *Template) AppendValue(dst []byte, ev *record.Event) []byte {
	if len(t.parts) == 1 {
		switch p := &t.parts[0]; p.kind {
		case partScalar, partValue:
			value, ok := p.at.Find(ev)
			if !ok {
				return record.AppendNil(dst)
			}
			return append(dst, value...)
		case partTagPart, partTagPrefix, partTagSuffix:
			text, ok := tagRange(ev.Tag, p.kind, p.n)
			if !ok {
				return record.AppendNil(dst)
			}
			return record.AppendStr(dst, text)
		}
	}
	return t.AppendStr(dst, ev)
}

// AppendStr appends the text as a MessagePack str.
func (t *Template) AppendStr(dst []byte, ev *record.Event) []byte {
	// The length isn't known yet: the text is appended after room for the largest header, and then moved.
	const room = 5
	start := len(dst)
	dst = t.Append(append(dst, make([]byte, room)...), ev)
	text := dst[start+room:]
	head := len(record.AppendStrHeader(dst[:start], len(text)))
	return dst[:head+copy(dst[head:], text)]
}
