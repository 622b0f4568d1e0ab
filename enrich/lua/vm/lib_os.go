package vm

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

func osLibrary() library {
	return library{
		"clock": func(th *Thread, _ []Value) []Value {
			return th.ret1(Number(th.st.cfg.Now().Sub(th.st.begun).Seconds()))
		},
		"date": osDate,
		"difftime": func(th *Thread, args []Value) []Value {
			return th.ret1(Number(checkNumber(th, args, 1, "difftime") - optNumber(th, args, 2, "difftime", 0)))
		},
		"getenv": func(th *Thread, args []Value) []Value {
			if v, ok := th.st.cfg.Getenv(checkText(th, args, 1, "getenv")); ok {
				return th.ret1(String(v))
			}
			return th.ret1(Nil)
		},
		"time": func(th *Thread, args []Value) []Value {
			if arg(args, 1).k == KindNil {
				return th.ret1(Number(float64(th.st.cfg.Now().Unix())))
			}
			return th.ret1(osTime(th, checkTable(th, args, 1, "time")))
		},
	}
}

// osTime converts a table to a time; values out of their range, such as day 0, are carried over as mktime does.
func osTime(th *Thread, t *Table) Value {
	get := func(name string, otherwise int) int {
		f, ok := t.Get(String(name)).ToNumber()
		if !ok {
			if otherwise < 0 {
				th.fail("field '%s' missing in date table", name)
			}
			return otherwise
		}
		return clampInt(f)
	}
	at := time.Date(get("year", -1), time.Month(get("month", -1)), get("day", -1), get("hour", 12), get("min", 0), get("sec", 0), 0, time.Local)
	if t.Get(String("isdst")).True() && !at.IsDST() {
		at = at.Add(-time.Hour)
	}
	return Number(float64(at.Unix()))
}

// lastDate is the year 9999, the last time of os.date.
const lastDate = 253402300799

func osDate(th *Thread, args []Value) []Value {
	format := "%c"
	if arg(args, 1).k != KindNil {
		format = checkText(th, args, 1, "date")
	}
	at := th.st.cfg.Now()
	if arg(args, 2).k != KindNil {
		f := checkNumber(th, args, 2, "date")
		if !(math.Abs(f) <= lastDate) {
			th.fail("time result cannot be represented in this installation")
		}
		at = time.Unix(toInt(math.Floor(f)), 0)
	}
	at = at.In(time.Local)
	if len(format) > 0 && format[0] == '!' {
		at, format = at.UTC(), format[1:]
	}
	if len(format) >= 2 && format[:2] == "*t" {
		return th.ret1(TableValue(dateTable(th, at)))
	}
	var b []byte
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b = append(b, format[i])
			continue
		}
		i++
		b = appendDate(b, at, format[i])
		if len(b) > MaxString {
			break
		}
	}
	return th.ret1(th.st.text(b))
}

func dateTable(th *Thread, at time.Time) *Table {
	t := &Table{}
	for _, f := range []struct {
		name  string
		value int
	}{
		{"year", at.Year()}, {"month", int(at.Month())}, {"day", at.Day()}, {"hour", at.Hour()}, {"min", at.Minute()},
		{"sec", at.Second()}, {"wday", int(at.Weekday()) + 1}, {"yday", at.YearDay()},
	} {
		th.rawSet(t, String(f.name), Number(float64(f.value)))
	}
	th.rawSet(t, String("isdst"), Bool(at.IsDST()))
	return t
}

// dateLayouts are the conversions of strftime that a layout of Go has.
var dateLayouts = [256]string{
	'a': "Mon", 'A': "Monday", 'b': "Jan", 'h': "Jan", 'B': "January", 'c': "Mon Jan _2 15:04:05 2006", 'd': "02", 'D': "01/02/06",
	'e': "_2", 'F': "2006-01-02", 'H': "15", 'I': "03", 'j': "002", 'm': "01", 'M': "04", 'p': "PM", 'r': "03:04:05 PM", 'R': "15:04",
	'S': "05", 'T': "15:04:05", 'x': "01/02/06", 'X': "15:04:05", 'y': "06", 'Y': "2006", 'z': "-0700", 'Z': "MST",
}

func appendDate(b []byte, at time.Time, c byte) []byte {
	if layout := dateLayouts[c]; layout != "" {
		if c == 'Z' && at.Location() == time.UTC {
			return append(b, "GMT"...)
		}
		return at.AppendFormat(b, layout)
	}
	year, week := at.ISOWeek()
	switch c {
	case '%':
		return append(b, '%')
	case 'n':
		return append(b, '\n')
	case 't':
		return append(b, '\t')
	case 's':
		return strconv.AppendInt(b, at.Unix(), 10)
	case 'w':
		return strconv.AppendInt(b, int64(at.Weekday()), 10)
	case 'u':
		return strconv.AppendInt(b, int64((at.Weekday()+6)%7+1), 10)
	case 'C':
		return fmt.Appendf(b, "%02d", at.Year()/100)
	case 'U':
		return fmt.Appendf(b, "%02d", (at.YearDay()+6-int(at.Weekday()))/7)
	case 'W':
		return fmt.Appendf(b, "%02d", (at.YearDay()+6-int(at.Weekday()+6)%7)/7)
	case 'V':
		return fmt.Appendf(b, "%02d", week)
	case 'G':
		return strconv.AppendInt(b, int64(year), 10)
	case 'g':
		return fmt.Appendf(b, "%02d", year%100)
	}
	return append(b, '%', c)
}
