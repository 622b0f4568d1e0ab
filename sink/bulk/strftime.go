package bulk

import (
	"fmt"
	"strings"
	"time"
)

// strftimes are the conversions that index names and times may use, as Go layouts. The few that Go has no layout for
// are in appendConversion.
var strftimes = [...]struct {
	conv   byte
	layout string
}{
	{'Y', "2006"}, {'y', "06"}, {'m', "01"}, {'d', "02"}, {'e', "_2"}, {'j', "002"},
	{'H', "15"}, {'I', "03"}, {'M', "04"}, {'S', "05"}, {'p', "PM"},
	{'b', "Jan"}, {'h', "Jan"}, {'B', "January"}, {'a', "Mon"}, {'A', "Monday"},
	{'z', "-0700"}, {'Z', "MST"}, {'F', "2006-01-02"}, {'T', "15:04:05"}, {'R', "15:04"},
	{'D', "01/02/06"}, {'c', "Mon Jan _2 15:04:05 2006"}, {'x', "01/02/06"}, {'X', "15:04:05"}, {'r', "03:04:05 PM"},
}

func layoutOf(conv byte) string {
	for i := range strftimes {
		if strftimes[i].conv == conv {
			return strftimes[i].layout
		}
	}
	return ""
}

// otherConversions are those that appendConversion knows beside the table.
const otherConversions = "sLNGVuwUWCknt%"

// checkStrftime says whether appendStrftime knows every conversion of format.
func checkStrftime(format string) error {
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			continue
		}
		i++
		if i < len(format) && strings.IndexByte("-_0EO", format[i]) >= 0 {
			i++ // a flag
		}
		if i >= len(format) {
			return fmt.Errorf("%q ends inside a conversion: write %%%% for a percent sign", format)
		}
		if layoutOf(format[i]) == "" && strings.IndexByte(otherConversions, format[i]) < 0 {
			return fmt.Errorf("%%%c in %q is no conversion of strftime that is known here", format[i], format)
		}
	}
	return nil
}

// appendStrftime appends t as format says. A conversion that checkStrftime would refuse is kept as it is written.
func appendStrftime(dst []byte, format string, t time.Time) []byte {
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			dst = append(dst, format[i])
			continue
		}
		i++
		flag := byte(0)
		if i+1 < len(format) && strings.IndexByte("-_0EO", format[i]) >= 0 {
			flag = format[i]
			i++
		}
		start := len(dst)
		dst = appendConversion(dst, format[i], t)
		if flag == '-' { // glibc: no padding
			for len(dst) > start+1 && (dst[start] == '0' || dst[start] == ' ') {
				dst = append(dst[:start], dst[start+1:]...)
			}
		}
	}
	return dst
}

func appendConversion(dst []byte, conv byte, t time.Time) []byte {
	if layout := layoutOf(conv); layout != "" {
		return t.AppendFormat(dst, layout)
	}
	isoYear, isoWeek := t.ISOWeek()
	switch conv {
	case 's':
		return fmt.Appendf(dst, "%d", t.Unix())
	case 'L':
		return appendDigits(dst, uint64(t.Nanosecond()/1e6), 3)
	case 'N':
		return appendDigits(dst, uint64(t.Nanosecond()), 9)
	case 'G':
		return appendDigits(dst, uint64(isoYear), 4)
	case 'V':
		return appendDigits(dst, uint64(isoWeek), 2)
	case 'u':
		return appendDigits(dst, uint64((t.Weekday()+6)%7+1), 1)
	case 'w':
		return appendDigits(dst, uint64(t.Weekday()), 1)
	case 'U': // weeks begin on Sunday
		return appendDigits(dst, uint64((t.YearDay()+6-int(t.Weekday()))/7), 2)
	case 'W': // weeks begin on Monday
		return appendDigits(dst, uint64((t.YearDay()+6-int(t.Weekday()+6)%7)/7), 2)
	case 'C':
		return appendDigits(dst, uint64(t.Year()/100), 2)
	case 'k':
		return fmt.Appendf(dst, "%2d", t.Hour())
	case 'n':
		return append(dst, '\n')
	case 't':
		return append(dst, '\t')
	case '%':
		return append(dst, '%')
	}
	return append(dst, '%', conv)
}

// appendDigits appends the last n decimal digits of v.
func appendDigits(dst []byte, v uint64, n int) []byte {
	start := len(dst)
	for range n {
		dst = append(dst, '0')
	}
	for i := start + n - 1; i >= start; i-- {
		dst[i] = byte('0' + v%10)
		v /= 10
	}
	return dst
}

// period is for how many seconds, counted from the epoch in UTC, what strftime makes of format stays the same: a day,
// or less where the format shows less or the zone isn't UTC (zones differ by quarters of an hour).
func period(format string, utc bool) int64 {
	p := int64(86400)
	if !utc {
		p = 900
	}
	for i := 0; i+1 < len(format); i++ {
		if format[i] != '%' {
			continue
		}
		i++
		if i+1 < len(format) && strings.IndexByte("-_0EO", format[i]) >= 0 {
			i++
		}
		switch {
		case strings.IndexByte("HIkp", format[i]) >= 0:
			p = min(p, 3600)
		case strings.IndexByte("MR", format[i]) >= 0:
			p = min(p, 60)
		case strings.IndexByte("STscXrLN", format[i]) >= 0:
			p = 1
		}
	}
	return p
}

// zoneLayout stands for a zone in a layout of timeLayout; +01:00 is read as well as +0100.
const zoneLayout = "Z0700"

// secondsLayout is what timeLayout gives for %s.
const secondsLayout = "%s"

// timeLayout is the Go layout that reads times written in a strptime format.
func timeLayout(format string) (string, error) {
	if format == "%s" {
		return secondsLayout, nil
	}
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b.WriteByte(format[i])
			continue
		}
		i++
		if i == len(format) {
			return "", fmt.Errorf("%q ends inside a conversion", format)
		}
		switch conv := format[i]; conv {
		case '%':
			b.WriteByte('%')
		case 'L', 'N': // a fraction: Go reads it after .05 or ,05 by itself, and a layout must not name it twice
			s := b.String()
			if !strings.HasSuffix(s, ".") && !strings.HasSuffix(s, ",") {
				return "", fmt.Errorf("%%%c in %q must follow a point", conv, format)
			}
			b.Reset()
			b.WriteString(s[:len(s)-1])
		case 'z', 'Z':
			b.WriteString(zoneLayout)
		case ':': // %:z
			if !strings.HasPrefix(format[i:], ":z") {
				return "", fmt.Errorf("%%: in %q must be %%:z", format)
			}
			b.WriteString(zoneLayout)
			i++
		default:
			layout := layoutOf(conv)
			if layout == "" {
				return "", fmt.Errorf("%%%c in %q can't be read", conv, format)
			}
			b.WriteString(layout)
		}
	}
	return b.String(), nil
}
