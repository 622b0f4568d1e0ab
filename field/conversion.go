package field

import (
	"strconv"
	"time"
)

// A moment is a time with its date and clock, which would be expensive to compute again for each conversion.
type moment struct {
	time.Time
	year, day            int
	month                time.Month
	hour, minute, second int
}

// append appends t as the conversion shows it.
func (c *conversion) append(dst []byte, t *moment) []byte {
	switch c.verb {
	case 'L':
		return appendFraction(dst, t.Nanosecond(), c.digits(3))
	case 'N':
		return appendFraction(dst, t.Nanosecond(), c.digits(9))
	case 'B', 'b', 'h', 'A', 'a', 'p', 'P', 'Z', 'z':
		return c.appendText(dst, t)
	}
	value, width, pad := c.number(t)
	return appendPadded(dst, value, c.digits(width), c.padding(pad))
}

// digits is the width in bytes, n if the format has none.
func (c *conversion) digits(n int) int {
	if c.width > 0 {
		return c.width
	}
	return n
}

// padding is the byte that fills up the width: usual, unless there is a flag for it; 0 for none.
func (c *conversion) padding(usual byte) byte {
	switch c.pad {
	case '-':
		return 0
	case '_':
		return ' '
	case '0':
		return '0'
	}
	return usual
}

// number is the value of a numeric conversion, with its usual width and padding.
func (c *conversion) number(t *moment) (value int64, width int, pad byte) {
	var v int
	switch width, pad = 2, '0'; c.verb {
	case 'Y':
		v, width = t.year, 4
	case 'C':
		v = t.year / 100
	case 'y':
		v = (t.year%100 + 100) % 100
	case 'm':
		v = int(t.month)
	case 'd':
		v = t.day
	case 'e':
		v, pad = t.day, ' '
	case 'j':
		v, width = t.YearDay(), 3
	case 'H':
		v = t.hour
	case 'k':
		v, pad = t.hour, ' '
	case 'I':
		v = (t.hour+11)%12 + 1
	case 'l':
		v, pad = (t.hour+11)%12+1, ' '
	case 'M':
		v = t.minute
	case 'S':
		v = t.second
	case 's':
		return t.Unix(), 1, pad
	default:
		v, width = c.week(t)
	}
	return int64(v), width, pad
}

// week is the value of a conversion of weeks and weekdays, with its usual width.
func (c *conversion) week(t *moment) (value, width int) {
	year, week := t.ISOWeek()
	switch c.verb {
	case 'G':
		return year, 4
	case 'g':
		return (year%100 + 100) % 100, 2
	case 'V':
		return week, 2
	case 'u':
		return int(t.Weekday()+6)%7 + 1, 1
	case 'w':
		return int(t.Weekday()), 1
	case 'U': // weeks begin on Sunday
		return (t.YearDay() + 6 - int(t.Weekday())) / 7, 2
	}
	return (t.YearDay() + 6 - int(t.Weekday()+6)%7) / 7, 2 // W: on Monday
}

// appendText appends the value of a conversion that isn't numeric: names and zones.
func (c *conversion) appendText(dst []byte, t *moment) []byte {
	start := len(dst)
	switch c.verb {
	case 'B':
		dst = append(dst, t.month.String()...)
	case 'b', 'h':
		dst = append(dst, t.month.String()[:3]...)
	case 'A':
		dst = append(dst, t.Weekday().String()...)
	case 'a':
		dst = append(dst, t.Weekday().String()[:3]...)
	case 'p':
		dst = t.AppendFormat(dst, "PM")
	case 'P':
		dst = t.AppendFormat(dst, "pm")
	case 'Z':
		dst = t.AppendFormat(dst, "MST")
	default:
		dst = t.AppendFormat(dst, [...]string{"-0700", "-07:00", "-07:00:00"}[c.colons])
	}
	if c.letter != 0 {
		changeCase(dst[start:], c.letter == '#' && (c.verb == 'p' || c.verb == 'Z'))
	}
	return padLeft(dst, start, c.width, c.padding(' '))
}

// changeCase converts ASCII letters to lower or upper case.
func changeCase(text []byte, lower bool) {
	for i, b := range text {
		switch {
		case lower && b >= 'A' && b <= 'Z':
			text[i] = b + 'a' - 'A'
		case !lower && b >= 'a' && b <= 'z':
			text[i] = b - 'a' + 'A'
		}
	}
}

// padLeft inserts pad at dst[start] until dst[start:] has width bytes; nothing if pad is 0.
func padLeft(dst []byte, start, width int, pad byte) []byte {
	n := len(dst) - start
	if pad == 0 || n >= width {
		return dst
	}
	for range width - n {
		dst = append(dst, pad)
	}
	copy(dst[len(dst)-n:], dst[start:start+n])
	for i := start; i < len(dst)-n; i++ {
		dst[i] = pad
	}
	return dst
}

// appendPadded appends v in decimal, padded to width bytes.
func appendPadded(dst []byte, v int64, width int, pad byte) []byte {
	if v >= 0 && v < 100 && width == 2 && pad != 0 { // most of them
		tens := byte('0' + v/10)
		if v < 10 {
			tens = pad
		}
		return append(dst, tens, byte('0'+v%10))
	}
	start := len(dst)
	return padLeft(strconv.AppendInt(dst, v, 10), start, width, pad)
}

// appendFraction appends the first digits of a fraction of a second, truncated.
func appendFraction(dst []byte, nsec, digits int) []byte {
	for unit := 100_000_000; digits > 0; digits-- {
		digit := 0
		if unit > 0 {
			digit = nsec / unit % 10
			unit /= 10
		}
		dst = append(dst, byte('0'+digit))
	}
	return dst
}
