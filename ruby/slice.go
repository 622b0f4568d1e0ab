package ruby

import (
	"unicode/utf8"
)

func (m *Machine) sliceRange(v, r value) (value, error) {
	size := int64(sizeOf(v))
	if v.isText() {
		size = int64(runeCount(v.b))
	}
	start, end := r.n, r.end
	if start < 0 {
		start += size
	}
	if end < 0 {
		end += size
	}
	if !r.excl {
		end++
	}
	if r.open {
		end = size
	}
	return m.slice(v, start, max(end-start, 0))
}

// slice returns n elements or characters of v from start on; nil if start is out of range.
func (m *Machine) slice(v value, start, n int64) (value, error) {
	if n < 0 {
		return value{}, nil
	}
	switch {
	case v.kind == kArray:
		size := int64(sizeOf(v))
		if start < 0 {
			start += size
		}
		if start < 0 || start > size {
			return value{}, nil
		}
		out := list{m: m}
		for e := elementsOf(v.b); int64(out.n) < n && e.next(); start-- {
			if start <= 0 {
				out.add(e.value)
			}
		}
		return out.array()
	case !v.isText():
		return value{}, noMethod("[]", v)
	}
	if start < 0 {
		start += int64(runeCount(v.b))
	}
	from := bytesOf(v.b, start)
	if start < 0 || from < 0 {
		return value{}, nil
	}
	rest := v.b[from:]
	to := bytesOf(rest, n)
	if to < 0 {
		to = len(rest)
	}
	return str(rest[:to:to]), nil
}

// bytesOf is how many bytes the first n characters take, -1 if there are fewer.
func bytesOf(b []byte, n int64) int {
	if n < 0 || n > int64(len(b)) {
		return -1
	}
	i := 0
	for ; n > 0 && i < len(b); n-- {
		if b[i] < utf8.RuneSelf {
			i++
			continue
		}
		_, size := utf8.DecodeRune(b[i:])
		i += size
	}
	if n > 0 {
		return -1
	}
	return i
}
