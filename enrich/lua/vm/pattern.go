package vm

import "strings"

// Limits of a match.
const (
	maxCaptures   = 32  // of a pattern, as in Lua
	maxMatchDepth = 200 // nested calls of match, one for each pending item
)

const (
	captureOpen     = -1 // its end isn't known yet
	capturePosition = -2 // () captures the position
)

// A matcher matches a Lua pattern at one position of a text. Each comparison is a step, so that a pattern with
// much backtracking ends at the call's limit.
type matcher struct {
	th       *Thread
	src, pat string
	level    int // captures
	depth    int
	capture  [maxCaptures]capture
}

// A capture is a part of the text; len may be captureOpen or capturePosition.
type capture struct{ at, len int32 }

// matcher returns one for a text and a pattern, without its anchor. release gives it back for reuse; without release it is garbage.
func (th *Thread) matcher(src, pat string) (m *matcher, anchored bool) {
	if m = th.st.spareMatcher; m == nil {
		m = new(matcher)
	}
	th.st.spareMatcher = nil
	m.th, m.src, m.pat, m.level, m.depth = th, src, pat, 0, 0
	if anchored = strings.HasPrefix(pat, "^"); anchored {
		m.pat = pat[1:]
	}
	return m, anchored
}

func (m *matcher) release() {
	m.src, m.pat = "", ""
	m.th.st.spareMatcher = m
}

// at matches the whole pattern at one place.
func (m *matcher) at(s int) (end int) {
	m.level, m.depth = 0, 0
	return m.match(s, 0)
}

// skip returns the first place from s on where the pattern may match, by the character that it begins with, or -1.
func (m *matcher) skip(s int) int {
	if len(m.pat) == 0 {
		return s
	}
	c, next := m.pat[0], 1
	if c == '%' && len(m.pat) > 1 && !isAlnum(m.pat[1]) {
		c, next = m.pat[1], 2
	} else if strings.IndexByte(specials, c) >= 0 {
		return s
	}
	if next < len(m.pat) && strings.IndexByte("*?-", m.pat[next]) >= 0 {
		return s
	}
	i := strings.IndexByte(m.src[s:], c)
	if i < 0 {
		m.th.st.work(len(m.src) - s)
		return -1
	}
	m.th.st.work(i)
	return s + i
}

// match matches pat[p:] at src[s:] and returns where the match ends, or -1.
func (m *matcher) match(s, p int) int {
	if m.depth++; m.depth > maxMatchDepth {
		m.th.fail("pattern too complex")
	}
	r := m.items(s, p)
	m.depth--
	return r
}

func (m *matcher) items(s, p int) int {
	for p < len(m.pat) {
		m.th.st.spend(1)
		switch m.pat[p] {
		case '(':
			if p+1 < len(m.pat) && m.pat[p+1] == ')' {
				return m.start(s, p+2, capturePosition)
			}
			return m.start(s, p+1, captureOpen)
		case ')':
			return m.end(s, p+1)
		case '$':
			if p+1 == len(m.pat) {
				if s == len(m.src) {
					return s
				}
				return -1
			}
		case '%':
			if p+1 < len(m.pat) {
				next, q, special := m.special(s, p)
				if special {
					if next < 0 {
						return -1
					}
					s, p = next, q
					continue
				}
			}
		}
		ep := m.classEnd(p)
		op := byte(0)
		if ep < len(m.pat) {
			op = m.pat[ep]
		}
		switch op {
		case '?':
			if s < len(m.src) && m.single(m.src[s], p, ep) {
				if r := m.match(s+1, ep+1); r >= 0 {
					return r
				}
			}
			p = ep + 1
			continue
		case '+', '*':
			least := 0
			if op == '+' {
				least = 1
			}
			return m.most(s, p, ep, least)
		case '-':
			return m.fewest(s, p, ep)
		}
		if s >= len(m.src) || !m.single(m.src[s], p, ep) {
			return -1
		}
		s, p = s+1, ep
	}
	return s
}

// special matches %b, %f and back references. q is where the pattern goes on.
func (m *matcher) special(s, p int) (next, q int, special bool) {
	switch c := m.pat[p+1]; {
	case c == 'b':
		if p+3 >= len(m.pat) {
			m.th.fail("malformed pattern (missing arguments to '%%b')")
		}
		return m.balanced(s, m.pat[p+2], m.pat[p+3]), p + 4, true
	case c == 'f':
		p += 2
		if p >= len(m.pat) || m.pat[p] != '[' {
			m.th.fail("missing '[' after '%%f' in pattern")
		}
		ep := m.classEnd(p)
		var before, after byte
		if s > 0 {
			before = m.src[s-1]
		}
		if s < len(m.src) {
			after = m.src[s]
		}
		if m.set(before, p, ep-1) || !m.set(after, p, ep-1) {
			return -1, ep, true
		}
		return s, ep, true
	case isDigit(c):
		l := int(c) - '1'
		if l < 0 || l >= m.level || m.capture[l].len == captureOpen {
			m.th.fail("invalid capture index")
		}
		text := m.text(l)
		m.th.st.work(len(text))
		if !strings.HasPrefix(m.src[s:], text) {
			return -1, 0, true
		}
		return s + len(text), p + 2, true
	}
	return 0, 0, false
}

func (m *matcher) balanced(s int, open, end byte) int {
	if s >= len(m.src) || m.src[s] != open {
		return -1
	}
	for i, n := s+1, 1; i < len(m.src); i++ {
		m.th.st.spend(1)
		switch m.src[i] {
		case end:
			if n--; n == 0 {
				return i + 1
			}
		case open:
			n++
		}
	}
	return -1
}

func (m *matcher) most(s, p, ep, least int) int {
	n := 0
	for s+n < len(m.src) && m.single(m.src[s+n], p, ep) {
		n++
	}
	m.th.st.spend(n/4 + 1)
	if ep+1 == len(m.pat) && n >= least { // nothing follows
		return s + n
	}
	for ; n >= least; n-- {
		m.th.st.spend(1)
		if r := m.match(s+n, ep+1); r >= 0 {
			return r
		}
	}
	return -1
}

func (m *matcher) fewest(s, p, ep int) int {
	for {
		m.th.st.spend(1)
		if r := m.match(s, ep+1); r >= 0 {
			return r
		}
		if s >= len(m.src) || !m.single(m.src[s], p, ep) {
			return -1
		}
		s++
	}
}

func (m *matcher) start(s, p, what int) int {
	if m.level >= maxCaptures {
		m.th.fail("too many captures")
	}
	m.capture[m.level] = capture{int32(s), int32(what)}
	m.level++
	r := m.match(s, p)
	if r < 0 {
		m.level--
	}
	return r
}

func (m *matcher) end(s, p int) int {
	l := m.level - 1
	for ; l >= 0 && m.capture[l].len != captureOpen; l-- {
	}
	if l < 0 {
		m.th.fail("invalid pattern capture")
	}
	m.capture[l].len = int32(s) - m.capture[l].at
	r := m.match(s, p)
	if r < 0 {
		m.capture[l].len = captureOpen
	}
	return r
}

// classEnd returns where the item at p ends.
func (m *matcher) classEnd(p int) int {
	c := m.pat[p]
	p++
	switch c {
	case '%':
		if p >= len(m.pat) {
			m.th.fail("malformed pattern (ends with '%%')")
		}
		return p + 1
	case '[':
		if p < len(m.pat) && m.pat[p] == '^' {
			p++
		}
		for first := true; first || p >= len(m.pat) || m.pat[p] != ']'; first = false {
			if p >= len(m.pat) {
				m.th.fail("malformed pattern (missing ']')")
			}
			if p++; m.pat[p-1] == '%' {
				p++
			}
		}
		return p + 1
	}
	return p
}

// single reports whether c matches the item pat[p:ep].
func (m *matcher) single(c byte, p, ep int) bool {
	switch m.pat[p] {
	case '.':
		return true
	case '%':
		return class(c, m.pat[p+1])
	case '[':
		return m.set(c, p, ep-1)
	}
	return m.pat[p] == c
}

// set reports whether c is in the set pat[p:ep], without its last bracket.
func (m *matcher) set(c byte, p, ep int) bool {
	m.th.st.spend((ep-p)/bytesPerStep + 1)
	in := true
	p++
	if m.pat[p] == '^' {
		in = false
		p++
	}
	for ; p < ep; p++ {
		switch {
		case m.pat[p] == '%' && p+1 < ep:
			p++
			if class(c, m.pat[p]) {
				return in
			}
		case p+2 < ep && m.pat[p+1] == '-':
			if m.pat[p] <= c && c <= m.pat[p+2] {
				return in
			}
			p += 2
		case m.pat[p] == c:
			return in
		}
	}
	return !in
}

// class reports whether c is of the class that a letter after % means; any other character means itself.
func class(c, letter byte) bool {
	var in bool
	switch letter | 0x20 {
	case 'a':
		in = isAlpha(c)
	case 'c':
		in = c < ' ' || c == 0x7f
	case 'd':
		in = isDigit(c)
	case 'l':
		in = c >= 'a' && c <= 'z'
	case 'p':
		in = c > ' ' && c < 0x7f && !isAlnum(c)
	case 's':
		in = isSpace(c)
	case 'u':
		in = c >= 'A' && c <= 'Z'
	case 'w':
		in = isAlnum(c)
	case 'x':
		in = isHex(c)
	case 'z':
		in = c == 0
	case 'g':
		in = c > ' ' && c < 0x7f
	default:
		return letter == c
	}
	if !isAlpha(letter) {
		return letter == c
	}
	return in == (letter&0x20 != 0)
}

// text returns the text of a capture, "" for a position.
func (m *matcher) text(l int) string {
	c := m.capture[l]
	return m.src[c.at : c.at+max(c.len, 0)]
}

// value is a capture as a value. The whole match, src[s:e], is the only one of a pattern without captures.
func (m *matcher) value(l, s, e int) Value {
	if l >= m.level {
		if l > 0 {
			m.th.fail("invalid capture index")
		}
		return Borrow(m.src[s:e])
	}
	switch m.capture[l].len {
	case captureOpen:
		m.th.fail("unfinished capture")
	case capturePosition:
		return Number(float64(m.capture[l].at + 1))
	}
	return Borrow(m.text(l))
}

// captures appends all captures, or the whole match.
func (m *matcher) captures(dst []Value, s, e int) []Value {
	for l := range max(m.level, 1) {
		dst = append(dst, m.value(l, s, e))
	}
	return dst
}
