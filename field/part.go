package field

import (
	"strings"
	"time"

	"github.com/firelane/firelane/record"
)

// partKind is the kind of a part.
type partKind uint8

const (
	partText partKind = iota
	partTime
	partTag
	partTagPart   // part n of the tag
	partTagPrefix // the tag up to part n
	partTagSuffix // the tag from part n on
	partScalar    // text, number or boolean of the record
	partValue     // any value of the record, maps and arrays as JSON
	partOwn       // a placeholder of Notation.Own
)

// A part of a template is text, a time or a placeholder.
type part struct {
	kind partKind
	text string    // partText
	time *Strftime // partTime
	n    int       // partTagPart, partTagPrefix, partTagSuffix: counted from 0, or from the end if negative
	at   Accessor  // partScalar, partValue
	own  AppendFunc
}

// isPlaceholder reports whether the part depends on more of an event than its time.
func (p *part) isPlaceholder() bool { return p.kind > partTime }

// append appends the part as text. If its value is missing, it appends nothing and ok is false.
func (p *part) append(dst []byte, ev *record.Event, at time.Time) (out []byte, ok bool) {
	var value []byte
	switch p.kind {
	case partTime:
		return p.time.Append(dst, at), true
	case partTag:
		return append(dst, ev.Tag...), true
	case partTagPart, partTagPrefix, partTagSuffix:
		text, ok := tagRange(ev.Tag, p.kind, p.n)
		return append(dst, text...), ok
	case partScalar:
		if value, ok = p.at.FindScalar(ev); ok {
			dst = record.AppendText(dst, value)
		}
		return dst, ok
	case partValue:
		if value, ok = p.at.Find(ev); ok && record.KindOf(value[0]) != record.KindNil {
			return record.AppendText(dst, value), true
		}
		return dst, false
	case partOwn:
		return p.own(dst, ev)
	}
	return append(dst, p.text...), true
}

// tagRange is part n of a tag, or everything up to it, or everything from it. A negative n counts from the end.
func tagRange(tag string, kind partKind, n int) (_ string, ok bool) {
	count := strings.Count(tag, ".") + 1
	if n < 0 {
		n += count
	}
	if n < 0 || n >= count {
		return "", false
	}
	start := 0
	for range n {
		start += strings.IndexByte(tag[start:], '.') + 1
	}
	end := len(tag)
	if i := strings.IndexByte(tag[start:], '.'); i >= 0 {
		end = start + i
	}
	switch kind {
	case partTagPrefix:
		return tag[:end], true
	case partTagSuffix:
		return tag[start:], true
	}
	return tag[start:end], true
}
