package record

import "unicode/utf8"

const (
	// MaxJSON is how many bytes an event may become as JSON, counted with the memory that writing its maps takes. Larger
	// ones are given up: written they would take more memory than the process has.
	MaxJSON = 8 << 20
	// AlwaysFits is the size in bytes up to which an event becomes at most MaxJSON, whatever is in it: only larger ones
	// need be counted.
	AlwaysFits = MaxJSON / maxGrowth

	// maxGrowth is what one byte may become at most: {{}: false} has 3, and 19 of JSON and one indexed member.
	maxGrowth = 64
	// indexedMember is what the index of a large map takes for each of its members, in bytes, while it grows.
	indexedMember = 64
)

// JSONSize counts what ev becomes as one JSON object: at most size bytes, and index bytes of memory besides while it is
// written. Members that another one with the same key replaces count too, since they are written first.
func (ev *Event) JSONSize() (size, index int) {
	c := counter{}
	size = c.value(ev.Body)
	if len(ev.Tail) > 0 {
		size += c.value(ev.Tail)
	}
	return size, c.index
}

// FitsJSON reports whether ev takes at most limit bytes as JSON. It doesn't count what is small enough in any case.
func (ev *Event) FitsJSON(limit int) bool {
	if (len(ev.Body)+len(ev.Tail))*maxGrowth <= limit {
		return true
	}
	size, index := ev.JSONSize()
	return size+index <= limit
}

// A counter counts as appendValue writes.
type counter struct {
	index int
	rest  []byte // after the value that was counted last
}

// value is the length of the value at the start of b with a comma. Nothing follows what is malformed.
func (c *counter) value(b []byte) (n int) {
	c.rest = nil
	if len(b) == 0 {
		return len("null,")
	}
	switch kind := KindOf(b[0]); kind {
	case KindStr, KindBin:
		if s, rest, err := Str(b); err == nil {
			c.rest = rest
			return quotedSize(s)
		}
	case KindMap:
		if members, rest, err := MapHeader(b); err == nil {
			return c.members(members, rest)
		}
	case KindArray:
		if values, rest, err := ArrayHeader(b); err == nil {
			n, c.rest = len("[],"), rest
			for ; values > 0 && len(c.rest) > 0; values-- {
				n += c.value(c.rest)
			}
			return n
		}
	default:
		return c.scalar(b)
	}
	return len("null,")
}

func (c *counter) members(members int, b []byte) (n int) {
	n, c.rest = len("{},"), b
	if members > fewMembers {
		c.index += min(members, len(b)/2) * indexedMember
	}
	for ; members > 0 && len(c.rest) > 0; members-- {
		key := c.rest
		switch KindOf(key[0]) {
		case KindMap, KindArray:
			size, err := Check(key)
			if err != nil {
				c.rest = nil
				return n
			}
			n, c.rest = n+len(`"msgpack:":`)+2*size, key[size:]
		case KindStr, KindBin, KindExt: // quoted in any case
			n += c.value(key)
		default:
			n += c.value(key) + len(`""`)
		}
		n += c.value(c.rest)
	}
	return n
}

// scalar is value for numbers, ext and the like.
func (c *counter) scalar(b []byte) int {
	if KindOf(b[0]) == KindExt {
		size, err := Check(b)
		if err != nil {
			return len("null,")
		}
		c.rest = b[size:]
		text := len(`"ext(-128):",`) + 2*(size-2) // the header has two bytes at least
		if _, _, _, err := extTime(b); err == nil {
			text = max(text, len(`"2006-01-02T15:04:05.000000000Z",`))
		}
		return text
	}
	var text [64]byte
	out, rest, ok := appendPlain(text[:0], b)
	if !ok {
		return len("null,")
	}
	c.rest = rest
	return len(out) + 1
}

// quotedSize is the length of what appendQuoted appends.
func quotedSize(s []byte) int {
	n := len(s) + len(`"",`)
	for {
		s = s[plainPrefix(s):]
		if len(s) == 0 {
			return n
		}
		if c := s[0]; c < utf8.RuneSelf {
			n += len(`\u0000`) - 1
			if escapes[c] != 0 {
				n += len(`\n`) - len(`\u0000`)
			}
			s = s[1:]
			continue
		}
		for len(s) > 0 && s[0] >= utf8.RuneSelf {
			r, size := utf8.DecodeRune(s)
			switch {
			case r == utf8.RuneError && size == 1:
				n += len(replaced) - 1
			case r == '\u2028' || r == '\u2029':
				n += len(`\u2028`) - size
			}
			s = s[size:]
		}
	}
}
