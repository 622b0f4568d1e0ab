package report

import (
	"strconv"
	"strings"
	"time"
)

// number is n with commas: 1,204.
func number(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func records(n int64) string {
	if n == 1 {
		return "record"
	}
	return "records"
}

func waits(n int64) string {
	if n == 1 {
		return "1 record waits"
	}
	return number(n) + " records wait"
}

// size is n bytes in the largest unit of which there is at least one, with one digit after the point.
func size(n int64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	f, unit := float64(n), 0
	for f >= 1024 && unit < len(units)-1 {
		f /= 1024
		unit++
	}
	return strings.TrimSuffix(strconv.FormatFloat(f, 'f', 1, 64), ".0") + " " + units[unit]
}

// duration is d in its largest units: 14m, 3h12m, 2d4h. What is less than a second is one.
func duration(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return strconv.Itoa(max(1, int(d/time.Second))) + "s"
	case d < time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + "m"
	case d < day:
		return units(d, time.Hour, "h", time.Minute, "m")
	}
	return units(d, day, "d", time.Hour, "h")
}

func units(d, large time.Duration, l string, small time.Duration, s string) string {
	text := strconv.Itoa(int(d/large)) + l
	if rest := d % large / small; rest > 0 {
		text += strconv.Itoa(int(rest)) + s
	}
	return text
}

// seconds is d with one digit after the point.
func seconds(d time.Duration) float64 { return d.Round(100 * time.Millisecond).Seconds() }
