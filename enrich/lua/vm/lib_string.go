package vm

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

func stringLibrary() library {
	return library{
		"byte": stringByte,
		"char": func(th *Thread, args []Value) []Value {
			b := make([]byte, 0, len(args))
			for i := range args {
				c := checkInt(th, args, i+1, "char")
				if c < 0 || c > 255 {
					th.argument(i+1, "char", "invalid value")
				}
				b = append(b, byte(c))
			}
			return th.ret1(th.st.text(b))
		},
		"dump": func(th *Thread, _ []Value) []Value {
			th.fail("unable to dump given function")
			return nil
		},
		"format": stringFormat,
		"len": func(th *Thread, args []Value) []Value {
			return th.ret1(Number(float64(len(checkText(th, args, 1, "len")))))
		},
		"lower": func(th *Thread, args []Value) []Value {
			return th.ret1(mapBytes(th, checkText(th, args, 1, "lower"), 'A', 'Z'))
		},
		"upper": func(th *Thread, args []Value) []Value {
			return th.ret1(mapBytes(th, checkText(th, args, 1, "upper"), 'a', 'z'))
		},
		"rep": stringRep,
		"reverse": func(th *Thread, args []Value) []Value {
			s := checkText(th, args, 1, "reverse")
			b := th.st.spare[:0]
			for i := len(s) - 1; i >= 0; i-- {
				b = append(b, s[i])
			}
			th.st.keep(b)
			return th.ret1(th.st.text(b))
		},
		"sub": func(th *Thread, args []Value) []Value {
			s := checkText(th, args, 1, "sub")
			from, to := bounds(len(s), optInt(th, args, 2, "sub", 1), optInt(th, args, 3, "sub", -1))
			return th.ret1(Borrow(s[from:to]))
		},
	}
}

// bounds converts places in a string of n bytes, which count from the end if they are negative, to those of a slice.
func bounds(n, from, to int) (start, end int) {
	if from < 0 {
		from = max(n+from+1, 1)
	} else if from == 0 {
		from = 1
	}
	if to < 0 {
		to = n + to + 1
	}
	to = min(to, n)
	if from > to {
		return 0, 0
	}
	return from - 1, to
}

func stringByte(th *Thread, args []Value) []Value {
	s := checkText(th, args, 1, "byte")
	i := optInt(th, args, 2, "byte", 1)
	from, to := bounds(len(s), i, optInt(th, args, 3, "byte", i))
	if to-from > maxUnpack {
		th.fail("string slice too long")
	}
	th.ret = th.ret[:0]
	for ; from < to; from++ {
		th.ret = append(th.ret, Number(float64(s[from])))
	}
	return th.ret
}

// mapBytes changes the case of ASCII letters from low to high.
func mapBytes(th *Thread, s string, low, high byte) Value {
	b := append(th.st.spare[:0], s...)
	for i, c := range b {
		if c >= low && c <= high {
			b[i] = c ^ 0x20
		}
	}
	th.st.keep(b)
	return th.st.text(b)
}

func stringRep(th *Thread, args []Value) []Value {
	s, n := checkText(th, args, 1, "rep"), checkInt(th, args, 2, "rep")
	sep := ""
	if arg(args, 3).k != KindNil {
		sep = checkText(th, args, 3, "rep")
	}
	if n <= 0 {
		return th.ret1(String(""))
	}
	if size := float64(len(s)+len(sep)) * float64(n); size > MaxString {
		panic(&thrown{limit: LimitString})
	}
	th.st.makeString((len(s) + len(sep)) * n)
	return th.ret1(String(strings.Repeat(s+sep, n-1) + s))
}

// stringFormat is string.format, with the conversions of C's printf.
func stringFormat(th *Thread, args []Value) []Value {
	format := checkText(th, args, 1, "format")
	b := make([]byte, 0, len(format)+16)
	n := 1
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b = append(b, format[i])
			continue
		}
		if i++; i < len(format) && format[i] == '%' {
			b = append(b, '%')
			continue
		}
		c, end := parseConversion(th, format, i)
		i = end
		n++
		if n > len(args) {
			th.argument(n, "format", "value expected")
		}
		b = c.append(th, b, args, n)
		if len(b) > MaxString {
			panic(&thrown{limit: LimitString})
		}
	}
	return th.ret1(th.st.text(b))
}

// A conversion is a conversion specifier of a format: flags, width, precision and letter.
type conversion struct {
	flags            string
	width, precision int // -1: none
	verb             byte
}

func parseConversion(th *Thread, format string, i int) (c conversion, end int) {
	start := i
	for i < len(format) && strings.IndexByte("-+ #0", format[i]) >= 0 {
		i++
	}
	c.flags = format[start:i]
	number := func() int {
		from := i
		n := 0
		for i < len(format) && isDigit(format[i]) {
			if i-from >= 2 {
				th.fail("invalid format (width or precision too long)")
			}
			n = 10*n + int(format[i]-'0')
			i++
		}
		if i == from {
			return -1
		}
		return n
	}
	c.width, c.precision = number(), -1
	if i < len(format) && format[i] == '.' {
		i++
		c.precision = max(number(), 0)
	}
	if i >= len(format) || len(c.flags) > 5 {
		th.fail("invalid option '%%' to 'format'")
	}
	c.verb = format[i]
	return c, i
}

// spec returns the conversion as a format of package fmt.
func (c conversion) spec(verb byte) string {
	s := "%" + c.flags
	if c.width >= 0 {
		s += fmt.Sprint(c.width)
	}
	if c.precision >= 0 {
		s += "." + fmt.Sprint(c.precision)
	}
	return s + string(verb)
}

// append appends argument n, converted.
func (c conversion) append(th *Thread, b []byte, args []Value, n int) []byte {
	switch c.verb {
	case 'd', 'i':
		return fmt.Appendf(b, c.spec('d'), toInt(checkNumber(th, args, n, "format")))
	case 'u':
		return fmt.Appendf(b, c.spec('d'), unsignedOf(checkNumber(th, args, n, "format")))
	case 'x', 'X', 'o':
		return fmt.Appendf(b, c.spec(c.verb), unsignedOf(checkNumber(th, args, n, "format")))
	case 'c':
		return c.pad(b, string([]byte{byte(checkInt(th, args, n, "format"))}))
	case 'e', 'E', 'f', 'g', 'G':
		f := checkNumber(th, args, n, "format")
		if math.IsInf(f, 0) || f != f {
			return c.pad(b, string(appendNumber(nil, f)))
		}
		if c.precision < 0 {
			c.precision = 6
		}
		if c.verb == 'f' {
			f = roundUp(f, c.precision)
		}
		return fmt.Appendf(b, c.spec(c.verb), f)
	case 'q':
		return appendQuoted(b, checkText(th, args, n, "format"))
	case 's':
		s := th.tostring(args[n-1]).str()
		if c.precision >= 0 {
			s = s[:min(len(s), c.precision)]
		}
		th.st.work(len(s))
		return c.pad(b, s)
	}
	th.fail("invalid option '%%%c' to 'format'", c.verb)
	return nil
}

// roundUp changes a number that is half way between two of digits decimals, so that it is rounded up, as LuaJIT does: C
// rounds 2.5 to 2.
func roundUp(f float64, digits int) float64 {
	var room [512]byte
	exact := strconv.AppendFloat(room[:0], f, 'f', digits+1, 64)
	if exact[len(exact)-1] != '5' {
		return f
	}
	if g, err := strconv.ParseFloat(string(exact), 64); err != nil || g != f {
		return f
	}
	return math.Nextafter(f, math.Inf(int(math.Copysign(1, f))))
}

func unsignedOf(f float64) uint64 {
	if f >= 1<<63 && f < 1<<64 {
		return uint64(f)
	}
	return uint64(toInt(f))
}

// pad appends s with blanks up to the width.
func (c conversion) pad(b []byte, s string) []byte {
	blanks := strings.Repeat(" ", max(c.width-len(s), 0))
	if strings.Contains(c.flags, "-") {
		return append(append(b, s...), blanks...)
	}
	return append(append(b, blanks...), s...)
}

func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"', '\\', '\n':
			b = append(b, '\\', c)
		case '\r':
			b = append(b, `\r`...)
		case 0:
			b = append(b, `\0`...)
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
