package serve

import (
	"errors"
	"slices"
	"testing"
)

// messages feeds pieces to frames, as a connection does, and returns the messages, and the errors as texts.
func messages(f *frames, pieces ...[]byte) (got []string) {
	var buf []byte
	for _, p := range pieces {
		buf = append(buf, p...)
		for {
			msg, n, err := f.next(buf)
			buf = buf[n:]
			switch {
			case errors.Is(err, errTooLong):
				got = append(got, "too long")
				continue
			case err != nil:
				return append(got, "error")
			case n == 0:
			case len(msg) > 0:
				got = append(got, string(msg))
				continue
			default:
				continue
			}
			break
		}
	}
	return got
}

// FuzzFrames feeds any bytes: the messages are the same whatever the cuts, and what waits is never more than a message.
func FuzzFrames(f *testing.F) {
	for _, seed := range []string{"one\ntwo\x00\n\nthree", "3 one\n5 two, 99 x", "123456789 x", "x", "0 0 1 a", "12345678901 "} {
		f.Add([]byte(seed), uint16(3), false)
		f.Add([]byte(seed), uint16(1), true)
	}
	f.Fuzz(func(t *testing.T, b []byte, cut uint16, octets bool) {
		framing := Lines
		if octets {
			framing = Octets
		}
		whole := messages(&frames{framing: framing, limit: 8}, b)
		var pieces [][]byte
		for rest, n := b, int(cut)%97+1; len(rest) > 0; n = (n*31+int(cut))%7 + 1 {
			n = min(n, len(rest))
			pieces = append(pieces, rest[:n])
			rest = rest[n:]
		}
		if split := messages(&frames{framing: framing, limit: 8}, pieces...); !slices.Equal(whole, split) {
			t.Errorf("got %q in pieces, want %q as it is as a whole", split, whole)
		}
	})
}

func TestAMessageEndsWithItsDelimiterHoweverTheBytesCome(t *testing.T) {
	const text = "one\r\ntwo\nlines\r\n\r\nmuch too long for it\r\nlast\r\nrest"
	want := []string{"one", "two\nlines", "too long", "last"}
	for size := 1; size <= len(text); size++ {
		var pieces [][]byte
		for b := []byte(text); len(b) > 0; {
			n := min(size, len(b))
			pieces = append(pieces, b[:n])
			b = b[n:]
		}
		if got := messages(&frames{framing: Lines, limit: 10, ending: "\r\n"}, pieces...); !slices.Equal(got, want) {
			t.Errorf("in pieces of %d bytes: got %q, want %q", size, got, want)
		}
	}
}
