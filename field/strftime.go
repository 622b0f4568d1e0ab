package field

import (
	"fmt"
	"strings"
	"time"

	"github.com/firelane/firelane/field/timefmt"
)

// A Strftime is a format of times, with the conversions of strftime(3), Fluent Bit's %L, and Ruby's %N, %3N, %:z and %v.
// Flags are - (no padding), _ (padding with blanks), 0 (with zeros), ^ (upper case) and # (opposite case); a width may follow.
// E and O are ignored. The zero value is the empty format.
type Strftime struct {
	items  []conversion
	period int64 // seconds; 0: a day
}

// A conversion is one item of a format. With verb 0 it is text.
type conversion struct {
	text   string
	verb   byte
	pad    byte // the flag -, _ or 0; zero byte for none
	letter byte // the flag ^ or #; zero byte for none
	width  int  // in bytes; 0 for the usual one
	colons int  // of %:z
}

// The verbs that aren't short for others, by how often their value changes.
const (
	dateVerbs   = "YCyGgmBbhdejaAuwUVWzZ"
	hourVerbs   = "HIklpP"
	minuteVerbs = "M"
	secondVerbs = "SsLN"
)

// maxWidth is the largest width of a conversion.
const maxWidth = 99

// ParseStrftime parses a format.
func ParseStrftime(format string) (*Strftime, error) {
	f := &Strftime{period: day}
	for rest := format; rest != ""; {
		text, after, found := strings.Cut(rest, "%")
		f.addText(text)
		if !found {
			break
		}
		c, size := parseFlags(after)
		if size == len(after) {
			return nil, fmt.Errorf("%q ends inside a conversion; want %%%% for a percent sign", format)
		}
		c.verb = after[size]
		if !f.add(c) {
			return nil, fmt.Errorf("%%%s in %q is not a conversion of strftime; want %%%% for a percent sign", after[:size+1], format)
		}
		rest = after[size+1:]
	}
	return f, nil
}

// parseFlags parses the flags and the width between the % and the verb; size is their length in bytes.
func parseFlags(s string) (c conversion, size int) {
	for ; size < len(s); size++ {
		switch b := s[size]; {
		case b >= '1' && b <= '9' || b == '0' && c.width > 0:
			c.width = min(c.width*10+int(b-'0'), maxWidth+1)
		case b == '-' || b == '_' || b == '0':
			c.pad = b
		case b == '^' || b == '#':
			c.letter = b
		case b == ':':
			c.colons++
		case b != 'E' && b != 'O':
			return c, size
		}
	}
	return c, size
}

// add adds a conversion, and reports whether it is known.
func (f *Strftime) add(c conversion) bool {
	if c.width > maxWidth || c.colons > 0 && (c.verb != 'z' || c.colons > 2) {
		return false
	}
	switch {
	case strings.IndexByte(dateVerbs, c.verb) >= 0:
	case strings.IndexByte(hourVerbs, c.verb) >= 0:
		f.period = min(f.period, 3600)
	case strings.IndexByte(minuteVerbs, c.verb) >= 0:
		f.period = min(f.period, 60)
	case strings.IndexByte(secondVerbs, c.verb) >= 0:
		f.period = 1
	default:
		return f.addOther(c)
	}
	f.items = append(f.items, c)
	return true
}

// addOther adds a conversion that is a single byte or short for others.
func (f *Strftime) addOther(c conversion) bool {
	switch c.verb {
	case '%':
		f.addText("%")
		return true
	case 'n':
		f.addText("\n")
		return true
	case 't':
		f.addText("\t")
		return true
	}
	expansion := timefmt.Expand(c.verb)
	sub, err := ParseStrftime(expansion)
	if expansion == "" || err != nil {
		return false
	}
	for i := range sub.items {
		if c.letter != 0 {
			sub.items[i].letter = c.letter
		}
	}
	if c.pad != 0 {
		sub.items[0].pad = c.pad
	}
	f.items = append(f.items, sub.items...)
	f.period = min(f.period, sub.period)
	return true
}

func (f *Strftime) addText(s string) {
	if n := len(f.items); n > 0 && f.items[n-1].verb == 0 {
		f.items[n-1].text += s
	} else if s != "" {
		f.items = append(f.items, conversion{text: s})
	}
}

// text is the result of a format without conversions.
func (f *Strftime) text() (text string, ok bool) {
	switch {
	case len(f.items) == 0:
		return "", true
	case len(f.items) == 1 && f.items[0].verb == 0:
		return f.items[0].text, true
	}
	return "", false
}

const day = 86_400

// Period is for how many seconds the text of times in zone stays the same, in periods that begin at the epoch: a day, or less
// if the format shows hours, minutes or seconds. In zones other than UTC it is at most 15 minutes, since their offsets may be
// quarters of an hour.
func (f *Strftime) Period(zone *time.Location) int64 {
	if f.period == 0 {
		return longestPeriod(zone)
	}
	return min(f.period, longestPeriod(zone))
}

func longestPeriod(zone *time.Location) int64 {
	if zone == time.UTC {
		return day
	}
	return 900
}

// Append appends the text of at, in at's own zone.
func (f *Strftime) Append(dst []byte, at time.Time) []byte {
	t := moment{Time: at}
	t.year, t.month, t.day = at.Date()
	t.hour, t.minute, t.second = at.Clock()
	for i := range f.items {
		if c := &f.items[i]; c.verb == 0 {
			dst = append(dst, c.text...)
		} else {
			dst = c.append(dst, &t)
		}
	}
	return dst
}
