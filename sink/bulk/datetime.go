package bulk

import (
	"strings"
	"time"
	"unsafe"
)

// readDateTime parses the times that isDateTime accepts.
func readDateTime(text []byte) (time.Time, bool) {
	if !isDateTime(text) {
		return time.Time{}, false
	}
	t, err := time.Parse(layoutFor(text), unsafe.String(&text[0], len(text))) // Parse does not retain the string
	return t.UTC(), err == nil
}

// isDateTime reports whether s is 2006-01-02, or 2006-01-02T15:04 with seconds, a fraction of 1–9 digits and a zone (Z,
// +01:00, +0100, +01) each optional.
func isDateTime(s []byte) bool {
	if len(s) < 10 || s[4] != '-' || s[7] != '-' {
		return false
	}
	y, ok1 := number(s[:4], 9999)
	m, ok2 := number(s[5:7], 12)
	d, ok3 := number(s[8:10], 31)
	if !ok1 || !ok2 || !ok3 || m == 0 || d == 0 || d > daysIn(y, m) {
		return false
	}
	if len(s) == 10 {
		return true
	}
	return s[10] == 'T' && isTime(s[11:])
}

func isTime(s []byte) bool {
	if len(s) < 5 || s[2] != ':' || !inRange(s[:2], 23) || !inRange(s[3:5], 59) {
		return false
	}
	s = s[5:]
	if len(s) >= 3 && s[0] == ':' {
		if !inRange(s[1:3], 59) {
			return false
		}
		s = s[3:]
		if len(s) > 0 && (s[0] == '.' || s[0] == ',') {
			n := 1
			for n < len(s) && s[n] >= '0' && s[n] <= '9' {
				n++
			}
			if n == 1 || n > 10 {
				return false
			}
			s = s[n:]
		}
	}
	return isZone(s)
}

func isZone(s []byte) bool {
	if len(s) == 0 || len(s) == 1 && s[0] == 'Z' {
		return true
	}
	if s[0] != '+' && s[0] != '-' || len(s) < 3 || !inRange(s[1:3], 18) {
		return false
	}
	most := 59
	if string(s[1:3]) == "18" { // Java's ZoneOffset: at most 18 hours
		most = 0
	}
	switch len(s) {
	case 3:
		return true
	case 5:
		return inRange(s[3:], most)
	case 6:
		return s[3] == ':' && inRange(s[4:], most)
	}
	return false
}

func number(s []byte, limit int) (int, bool) {
	v := 0
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + int(c-'0')
	}
	return v, v <= limit
}

func inRange(s []byte, limit int) bool {
	_, ok := number(s, limit)
	return ok
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// layoutFor returns the layout for parsing a time that isDateTime accepts.
func layoutFor(s []byte) string {
	if len(s) == 10 {
		return "2006-01-02"
	}
	layout := "2006-01-02T15:04"
	i := 16
	if i < len(s) && s[i] == ':' {
		layout += ":05"
		for i = 19; i < len(s) && (s[i] == '.' || s[i] == ',' || s[i] >= '0' && s[i] <= '9'); i++ {
		}
	}
	switch zone := string(s[i:]); {
	case zone == "":
	case zone == "Z" || strings.Contains(zone, ":"):
		layout += "Z07:00"
	case len(zone) == 5:
		layout += "Z0700"
	default:
		layout += "Z07"
	}
	return layout
}
