package field

import (
	"fmt"
	"strings"
	"time"

	"github.com/firelane/firelane/field/timefmt"
)

// A Strftime is a format of times, with the conversions of strftime(3), Fluent Bit's %L, and Ruby's %N, %3N, %:z and %v.
// Flags are - (no padding), _ (blanks), 0 (zeros), ^ (upper case) and # (the other case); a width may follow, and E and O
// change nothing. The zero value is the empty format.
type Strftime struct {
	items  []conversion
	period int64 // seconds; 0: a day
}

// A conversion is one item of a format, or text, with the verb 0.
type conversion struct {
	text   string
	verb   byte
	pad    byte // a flag, 0 for none
	letter byte // ^ or #, 0 for none
	width  int  // 0 unless given
	colons int  // of %:z
}

// verbs are the conversions that stand for themselves, in groups that show the same thing of a time.
const (
	dateVerbs   = "YCyGgmBbhdejaAuwUVWzZ"
	hourVerbs   = "HIklpP"
	minuteVerbs = "M"
	secondVerbs = "SsLN"
)

// maxWidth is the largest width of a conversion.
const maxWidth = 99

// ParseStrftime reads a format.
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
			return nil, fmt.Errorf("%%%s in %q is not known to strftime here; want %%%% for a percent sign", after[:size+1], format)
		}
		rest = after[size+1:]
	}
	return f, nil
}

// parseFlags reads what is between the % and the letter, of that size.
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

// addOther adds a conversion that stands for a byte or is short for others.
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

// Period is for how many seconds, counted from the epoch in UTC, the text of times in zone stays the same: a day, or less
// where the format shows less or the zone isn't UTC, since zones differ by quarters of an hour.
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

// Append appends at, in its own zone.
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
