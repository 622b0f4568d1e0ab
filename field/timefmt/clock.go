package timefmt

import (
	"math"
	"strings"
	"time"

	"github.com/firelane/firelane/record"
)

// clock is a time that is being parsed. rest is the text still to be parsed.
type clock struct {
	rest                      []byte
	year, month, day, yearDay int // yearDay from 0; -1: none
	century                   int // 0: none
	hour, minute, second      int
	nsec                      int
	afternoon, half           bool // half: the time has AM or PM
	zoned                     bool
	offsetSec                 int
	epoch                     int64
	isEpoch                   bool
}

// literal parses a byte of the format that isn't a conversion; a blank matches any number of blanks.
func (c *clock) literal(text byte) bool {
	if blank(text) {
		c.blanks()
		return true
	}
	if len(c.rest) == 0 || c.rest[0] != text {
		return false
	}
	c.rest = c.rest[1:]
	return true
}

func blank(b byte) bool { return b == ' ' || b >= '\t' && b <= '\r' }

func (c *clock) blanks() {
	for len(c.rest) > 0 && blank(c.rest[0]) {
		c.rest = c.rest[1:]
	}
}

// read parses one conversion.
func (c *clock) read(verb byte) (ok bool) {
	switch verb {
	case 'Y':
		ok = c.number(&c.year, 4, 0, 9999)
	case 'C':
		ok = c.number(&c.century, 2, 0, 99)
	case 'y':
		if ok = c.number(&c.year, 2, 0, 99); c.year <= 68 {
			c.year += 100
		}
		c.year += 1900
	case 'm':
		ok = c.number(&c.month, 2, 1, 12)
	case 'd', 'e':
		c.blanks()
		ok = c.number(&c.day, 2, 1, 31)
	case 'j':
		ok = c.number(&c.yearDay, 3, 1, 366)
		c.yearDay--
	case 'H', 'k':
		c.blanks()
		ok = c.number(&c.hour, 2, 0, 23)
	case 'I', 'l':
		c.blanks()
		ok = c.number(&c.hour, 2, 1, 12)
	case 'M':
		ok = c.number(&c.minute, 2, 0, 59)
	case 'S':
		ok = c.number(&c.second, 2, 0, 60)
	default:
		ok = c.readWord(verb)
	}
	return ok
}

func (c *clock) readWord(verb byte) bool {
	var ignored int
	switch verb {
	case 'b', 'B', 'h':
		return c.name(&c.month, months, 1)
	case 'a', 'A':
		return c.name(&ignored, weekdays, 0)
	case 'p', 'P':
		return c.halfDay()
	case 'L', 'N':
		return c.fraction()
	case 's':
		return c.seconds()
	case 'z':
		return c.offset()
	case 'Z':
		return c.offset() || c.namedZone()
	case 'n', 't':
		c.blanks()
		return true
	case 'u', 'w':
		return c.number(&ignored, 1, 0, 7)
	case 'U', 'W', 'V':
		return c.number(&ignored, 2, 0, 53)
	}
	return false
}

// number parses at most width digits, of a value from low to high.
func (c *clock) number(into *int, width, low, high int) bool {
	n, i := 0, 0
	for i < len(c.rest) && i < width && c.rest[i] >= '0' && c.rest[i] <= '9' {
		n = n*10 + int(c.rest[i]-'0')
		i++
	}
	c.rest = c.rest[i:]
	*into = n
	return i > 0 && n >= low && n <= high
}

const (
	months   = "january  february march    april    may      june     july     august   septemberoctober  november december "
	weekdays = "sunday   monday   tuesday  wednesdaythursday friday   saturday "
	nameSize = 9
)

// name parses one of names, in full or its first three letters; into is its place in the list, counted from first.
func (c *clock) name(into *int, names string, first int) bool {
	for i := 0; i*nameSize < len(names); i++ {
		name := names[i*nameSize : (i+1)*nameSize]
		if !c.word(name[:3]) {
			continue
		}
		*into = first + i
		c.word(strings.TrimRight(name[3:], " ")) // the rest of it, if it is there
		return true
	}
	return false
}

// word parses the word w, which is in lower case, ignoring case.
func (c *clock) word(w string) bool {
	if len(c.rest) < len(w) {
		return false
	}
	for i := range len(w) {
		if c.rest[i]|0x20 != w[i] {
			return false
		}
	}
	c.rest = c.rest[len(w):]
	return true
}

func (c *clock) halfDay() bool {
	c.half = true
	if c.word("pm") {
		c.afternoon = true
		return true
	}
	return c.word("am")
}

// fraction parses the digits of a fraction of a second; those after the ninth are ignored.
func (c *clock) fraction() bool {
	i, scale := 0, 100_000_000
	c.nsec = 0
	for i < len(c.rest) && c.rest[i] >= '0' && c.rest[i] <= '9' {
		c.nsec += int(c.rest[i]-'0') * scale
		scale /= 10
		i++
	}
	c.rest = c.rest[i:]
	return i > 0
}

// seconds parses seconds since the epoch.
func (c *clock) seconds() bool {
	i := 0
	for i < len(c.rest) && i < 12 && c.rest[i] >= '0' && c.rest[i] <= '9' {
		c.epoch = c.epoch*10 + int64(c.rest[i]-'0')
		i++
	}
	c.rest, c.isEpoch = c.rest[i:], true
	return i > 0
}

// offset parses +hh, +hhmm, +hh:mm or what zoneName parses.
func (c *clock) offset() bool {
	c.blanks()
	c.zoned = true
	if len(c.rest) == 0 {
		return false
	}
	sign := 1
	switch c.rest[0] {
	case '+':
	case '-':
		sign = -1
	default:
		return c.zoneName()
	}
	c.rest = c.rest[1:]
	var hours, minutes int
	if len(c.rest) < 2 || !c.number(&hours, 2, 0, 24) {
		return false
	}
	if len(c.rest) > 0 && c.rest[0] == ':' {
		c.rest = c.rest[1:]
	}
	if len(c.rest) > 0 && c.rest[0] >= '0' && c.rest[0] <= '9' && !c.number(&minutes, 2, 0, 59) {
		return false
	}
	c.offsetSec = sign * (hours*3600 + minutes*60)
	return true
}

// zoneName parses UTC, GMT, UT, Z or one of the zones of the USA, such as EST and EDT.
func (c *clock) zoneName() bool {
	c.zoned, c.offsetSec = true, 0
	if c.word("utc") || c.word("gmt") || c.word("ut") || c.word("z") {
		return true
	}
	for i, us := range [4]string{"e", "c", "m", "p"} {
		if c.word(us + "st") {
			c.offsetSec = (-5 - i) * 3600
			return true
		}
		if c.word(us + "dt") {
			c.offsetSec = (-4 - i) * 3600
			return true
		}
	}
	return false
}

// time is the time that was parsed; ok is false if record.Time can't hold it.
func (c *clock) time(zone *time.Location) (t record.Time, ok bool) {
	sec, ok := c.unix(zone)
	if !ok || sec < 0 || sec > math.MaxUint32 {
		return record.Time{}, false
	}
	return record.Time{Sec: uint32(sec), Nsec: uint32(c.nsec)}, true
}

// unix is the time that was parsed, in seconds since the epoch; ok is false for a day that doesn't exist.
func (c *clock) unix(zone *time.Location) (sec int64, ok bool) {
	if c.isEpoch {
		return c.epoch, true
	}
	if c.half {
		c.hour %= 12
		if c.afternoon {
			c.hour += 12
		}
	}
	if c.century > 0 {
		c.year = c.century*100 + c.year%100
	}
	if c.yearDay >= 0 {
		c.month, c.day = 1, c.yearDay+1
	} else if c.day > daysIn(c.year, c.month) {
		return 0, false
	}
	if c.zoned || zone == nil {
		zone = time.UTC
	}
	at := time.Date(c.year, time.Month(c.month), c.day, c.hour, c.minute, c.second, 0, zone)
	return at.Unix() - int64(c.offsetSec), true
}

// daysIn is the number of days in a month, 0 if month isn't 1 to 12.
func daysIn(year, month int) int {
	switch {
	case month < 1 || month > 12:
		return 0
	case month == 2 && (year%4 != 0 || year%100 == 0 && year%400 != 0):
		return 28
	case month == 2:
		return 29
	case month == 4 || month == 6 || month == 9 || month == 11:
		return 30
	}
	return 31
}

// Offset parses the offset of a zone as %z does: +hhmm, -hh:mm, +hh, Z, UTC.
func Offset(s string) (*time.Location, bool) {
	c := clock{rest: []byte(s)}
	if !c.offset() || len(c.rest) > 0 {
		return nil, false
	}
	return time.FixedZone(s, c.offsetSec), true
}
