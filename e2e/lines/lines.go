// Package lines has the lines that the end-to-end tests' sample application writes, and that the tests expect.
package lines

import (
	"bytes"
	"fmt"
	"strings"
)

// Count is the number of lines on both streams together.
const Count = 10_000

// Stdout and Stderr return the lines of each stream, in order and without their newlines.
func Stdout() [][]byte { return stream("stdout", 0) }
func Stderr() [][]byte { return stream("stderr", 1) }

func stream(name string, parity int) [][]byte {
	lines := make([][]byte, 0, Count/2)
	for i := parity; i < Count; i += 2 {
		lines = append(lines, line(name, i))
	}
	return lines
}

// dockerPart is the length in bytes at which Docker splits a line.
const dockerPart = 16 << 10

// line returns line i. Both streams get lines of every kind, since all divisors are odd.
func line(stream string, i int) []byte {
	head := fmt.Sprintf("%s %d ", stream, i)
	switch {
	case i%1501 == 100, i%1501 == 101: // 7 on each stream
		return fill(head, 1<<20)
	case i%301 == 50:
		return fill(head, 64<<10)
	case i%301 >= 60 && i%301 <= 62: // one byte less than a part, exactly one (an empty last part), one byte more
		return fill(head, dockerPart+i%301-61)
	case i%301 == 70:
		return fill(head, 2*dockerPart)
	case i%97 == 1:
		return nil
	case i%7 == 2:
		return fmt.Appendf(nil, `{"n":%d,"stream":%q,"big":9007199254740993,"ok":true,"nested":{"a":[1,2.5,null]}}`, i, stream)
	case i%11 == 3:
		return []byte(head + "Grüße, 世界 🚀 \u2028\ufeff\U0010ffff")
	case i%13 == 4:
		return []byte(head + "cut \xe4\xb8 lone \xff\xfe overlong \xc0\x80 surrogate \xed\xa0\x80.")
	case i%17 == 5:
		return []byte(head + "\ttab \"quote\" back\\slash \x1b[31mred\x1b[0m nul\x00 bell\x07 del\x7f <&> end \r")
	case i%19 == 6: // identical lines, none of which may be dropped as a duplicate
		return []byte("GET /health 200")
	default:
		return []byte(head + strings.Repeat("x", i%300))
	}
}

// LongSize is the length in bytes of a long line.
const LongSize = 1 << 20

// Long returns long line i that an application writes to a stream.
func Long(application, stream string, i int) []byte {
	return fill(fmt.Sprintf("%s %s %d ", application, stream, i), LongSize)
}

// Trace returns the stack trace of an exception in Java: n lines, without the last newline.
func Trace(n int) string {
	lines := []string{`Exception in thread "main" java.lang.IllegalStateException: the order has no customer`}
	for i := 1; i < n; i++ {
		lines = append(lines, fmt.Sprintf("\tat com.example.shop.Order.step%d(Order.java:%d)", i, i))
	}
	return strings.Join(lines, "\n")
}

// fill returns head and filler, size bytes together. The filler has characters of two and three bytes, so that Docker
// splits some of them.
func fill(head string, size int) []byte {
	const pattern = "lorem ipsum é世 dolor "
	b := bytes.Repeat([]byte(pattern), size/len(pattern)+1)
	b = append([]byte(head), b...)[:size-1]
	return append(bytes.ToValidUTF8(b, []byte("?")), "........"...)[:size]
}
