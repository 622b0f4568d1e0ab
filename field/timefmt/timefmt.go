// Package timefmt parses times in the formats of strptime, with the fractions of a second of Fluent Bit (%L) and Ruby (%L, %N,
// %3N, %6N, %9N). Parsing allocates nothing.
package timefmt

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/firelane/firelane/record"
)

// A Format is a compiled format. It is safe for concurrent use.
type Format struct {
	items   []item
	zone    *time.Location // of times without a zone
	hasYear bool
	epoch   bool // seconds since the epoch, with or without a fraction
	rfc3339 bool // RFC 3339 in one of its usual spellings, which is tried first by a faster function
	now     func() time.Time
}

// item is one conversion or, with verb 0, one byte of text.
type item struct {
	verb byte
	text byte
}

// known are the conversions that can be parsed.
const known = "%aAbBhCdeDFHIjklLMmnNpPRrsSTtuUvVwWyYzZcxX+"

// Compile parses a format, which may be %iso8601. Times without a zone are in zone, and those without a year are in the
// current year.
func Compile(format string, zone *time.Location) (*Format, error) {
	f := &Format{zone: zone, now: time.Now}
	if format == "%iso8601" {
		format = "%Y-%m-%dT%H:%M:%S.%L%z"
	}
	switch format {
	case "%Y-%m-%dT%H:%M:%S.%L%z", "%Y-%m-%dT%H:%M:%S.%LZ", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%SZ",
		"%Y-%m-%dT%H:%M:%S.%N%z", "%Y-%m-%dT%H:%M:%S.%NZ", "%FT%T.%L%z", "%FT%T%z", "%FT%T.%LZ", "%FT%TZ",
		"%Y-%m-%dT%H:%M:%S.%9N%z", "%Y-%m-%dT%H:%M:%S.%6N%z", "%Y-%m-%dT%H:%M:%S.%3N%z":
		f.rfc3339 = true
	case "%s", "%s.%L", "%s.%N", "%s.%3N", "%s.%6N", "%s.%9N":
		f.epoch = true
	}
	if err := f.compile(format); err != nil {
		return nil, fmt.Errorf("time format %q: %w", format, err)
	}
	if len(f.items) == 0 {
		return nil, errors.New("the time format is empty; want one such as %Y-%m-%dT%H:%M:%S")
	}
	return f, nil
}

func (f *Format) compile(format string) error {
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			f.items = append(f.items, item{text: format[i]})
			continue
		}
		i++
		for i < len(format) && strings.IndexByte("0123456789EO-:^#_", format[i]) >= 0 {
			i++ // widths, flags and modifiers have no effect on parsing
		}
		if i == len(format) {
			return errors.New("it ends inside a conversion; want %% for a percent sign")
		}
		verb := format[i]
		if strings.IndexByte(known, verb) < 0 {
			return fmt.Errorf("%%%c is not a conversion of strptime; want %%%% for a percent sign", verb)
		}
		if expansion := Expand(verb); expansion != "" {
			if err := f.compile(expansion); err != nil {
				return err
			}
			continue
		}
		if verb == '%' {
			f.items = append(f.items, item{text: '%'})
			continue
		}
		f.hasYear = f.hasYear || strings.IndexByte("YyCs", verb) >= 0
		f.items = append(f.items, item{verb: verb})
	}
	return nil
}

// Expand is the format that a conversion is short for, "" if it isn't short for others.
func Expand(verb byte) string {
	switch verb {
	case 'D', 'x':
		return "%m/%d/%y"
	case 'F':
		return "%Y-%m-%d"
	case 'R':
		return "%H:%M"
	case 'r':
		return "%I:%M:%S %p"
	case 'T', 'X':
		return "%H:%M:%S"
	case 'c':
		return "%a %b %e %H:%M:%S %Y"
	case '+':
		return "%a %b %e %H:%M:%S %Z %Y"
	case 'v':
		return "%e-%^b-%Y"
	}
	return ""
}

// Parse parses the time at the start of s; what follows it is ignored, as by strptime. ok is false if s doesn't match the
// format, or if record.Time can't hold the time.
func (f *Format) Parse(s []byte) (t record.Time, ok bool) {
	if f.rfc3339 {
		if t, ok = rfc3339(s); ok {
			return t, true
		}
	}
	c, ok := f.read(s)
	if !ok {
		return record.Time{}, false
	}
	return c.time(f.zone)
}

// ParsePartial is Parse for a text that may end before the format does, or not match it to its end: what was read before that
// is the time. ok is false if that isn't a date.
func (f *Format) ParsePartial(s []byte) (t record.Time, ok bool) {
	c, _ := f.read(s)
	if len(c.rest) == len(s) {
		return record.Time{}, false
	}
	return c.time(f.zone)
}

// ParseEpoch parses the text of a number, with or without a fraction. ok is false unless the format is seconds since the
// epoch: %s, %s.%L or the like.
func (f *Format) ParseEpoch(number []byte) (t record.Time, ok bool) {
	c := clock{rest: number}
	if !f.epoch || !c.seconds() {
		return record.Time{}, false
	}
	if len(c.rest) > 0 {
		if c.rest[0] != '.' {
			return record.Time{}, false
		}
		if c.rest = c.rest[1:]; !c.fraction() || len(c.rest) > 0 {
			return record.Time{}, false
		}
	}
	return c.time(nil)
}

// ParseWhole parses a time of any year, in UTC. ok is also false if anything but a fraction of a second follows the time.
func (f *Format) ParseWhole(s []byte) (t time.Time, ok bool) {
	if f.rfc3339 {
		if t, ok := rfc3339(s); ok {
			return time.Unix(int64(t.Sec), int64(t.Nsec)).UTC(), true
		}
	}
	c, ok := f.read(s)
	if ok && len(c.rest) > 1 && (c.rest[0] == '.' || c.rest[0] == ',') {
		c.rest = c.rest[1:]
		ok = c.fraction()
	}
	sec, valid := c.unix(f.zone)
	return time.Unix(sec, int64(c.nsec)).UTC(), ok && valid && len(c.rest) == 0
}

// read parses s by each item of the format.
func (f *Format) read(s []byte) (c clock, ok bool) {
	c = clock{month: 1, day: 1, yearDay: -1, rest: s}
	if !f.hasYear {
		now := f.now().In(f.zone)
		c.year, c.month, c.day = now.Year(), int(now.Month()), now.Day()
	}
	for _, it := range f.items {
		if it.verb == 0 {
			ok = c.literal(it.text)
		} else {
			ok = c.read(it.verb)
		}
		if !ok {
			return c, false
		}
	}
	return c, true
}

// rfc3339 parses 2026-11-23T10:40:41.123Z, with any number of digits of fraction and any offset.
func rfc3339(s []byte) (record.Time, bool) {
	if len(s) < 20 || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return record.Time{}, false
	}
	c := clock{yearDay: -1, zoned: true}
	var ok [6]bool
	c.year, ok[0] = fixed(s[0:4])
	c.month, ok[1] = fixed(s[5:7])
	c.day, ok[2] = fixed(s[8:10])
	c.hour, ok[3] = fixed(s[11:13])
	c.minute, ok[4] = fixed(s[14:16])
	c.second, ok[5] = fixed(s[17:19])
	if ok != [6]bool{true, true, true, true, true, true} || c.hour > 23 || c.minute > 59 || c.second > 60 {
		return record.Time{}, false
	}
	c.rest = s[19:]
	if c.rest[0] == '.' || c.rest[0] == ',' { // ISO 8601 allows both
		if c.rest = c.rest[1:]; !c.fraction() {
			return record.Time{}, false
		}
	}
	if len(c.rest) != 1 || c.rest[0] != 'Z' {
		if !c.offset() || len(c.rest) > 0 {
			return record.Time{}, false
		}
	}
	return c.time(nil)
}

// fixed parses a number that has only digits.
func fixed(s []byte) (n int, ok bool) {
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}
