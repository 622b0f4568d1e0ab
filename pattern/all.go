package pattern

import "github.com/dlclark/regexp2"

// A Match has the places, in bytes, of a match and of its groups 1 to 9: the beginning and the end of each in turn, -1 for a
// group that took no part.
type Match [2 * (maxNumber + 1)]int

// All calls yield for each match in text, from left to right, until it returns false. It returns false if matching took too
// long. c is one of CompileNumbered.
func (c *Capture) All(text []byte, yield func(m *Match) bool) (ok bool) {
	from := 0
	if c.program != nil {
		var done bool
		if from, done = c.programAll(text, yield); done {
			return true
		}
	}
	if c.re2 == nil || c.caret && len(text) > 0 && text[len(text)-1] == '\n' || !c.numbered() {
		return c.slowAll(text, from, yield)
	}
	for n, limit := 0, 64; ; limit *= 2 { // so that yield can end a search that takes long
		all := c.re2.FindAllSubmatchIndex(text, limit)
		for ; n < len(all); n++ {
			if all[n][0] < from {
				continue
			}
			m := noMatch()
			for i := range min(len(c.names), maxNumber+1) {
				m[2*i], m[2*i+1] = all[n][2*i+2], all[n][2*i+3]
			}
			if !yield(&m) {
				return true
			}
		}
		if len(all) < limit {
			return true
		}
	}
}

// numbered reports whether group n has the name of its number, and 0 is the whole match.
func (c *Capture) numbered() bool { return len(c.names) > 0 && c.names[0] == NumberOf(0) }

func noMatch() (m Match) {
	for i := range m {
		m[i] = -1
	}
	return m
}

// programAll is All by the package's own engine. If its steps don't suffice, the matches from offset from on are left.
func (c *Capture) programAll(text []byte, yield func(m *Match) bool) (from int, done bool) {
	if !c.numbered() {
		return 0, false
	}
	var e machine
	e.begin(text) // the steps are for all matches together, so that the time stays linear
	for from <= len(text) {
		found, known := c.program.searchFrom(&e, from)
		if !known {
			return from, false
		}
		if !found {
			return from, true
		}
		m := noMatch()
		for i := range min(len(c.names), maxNumber+1) {
			m[2*i], m[2*i+1] = int(e.slots[2*i]), int(e.slots[2*i+1])
		}
		if !yield(&m) {
			return from, true
		}
		from = m[1]
		if m[0] == m[1] {
			from = max(afterRunes(text, m[1], 1), m[1]+1)
		}
	}
	return from, true
}

// slowAll is All by the backtracking library.
func (c *Capture) slowAll(text []byte, from int, yield func(m *Match) bool) bool {
	if len(text) > MaxBacktrack {
		if c.onTimeout != nil {
			c.onTimeout()
		}
		return false
	}
	found, err := c.slow.FindStringMatch(string(text))
	at, runes := 0, 0 // an offset in text, in bytes and in runes
	for err == nil && found != nil {
		at, runes = afterRunes(text, at, found.Index-runes), found.Index
		if at >= from {
			if m := c.slowMatch(text, found); !yield(&m) {
				return true
			}
		}
		found, err = c.slow.FindNextMatch(found)
	}
	if err != nil && c.onTimeout != nil {
		c.onTimeout()
	}
	return err == nil
}

func (c *Capture) slowMatch(text []byte, found *regexp2.Match) Match {
	m := noMatch()
	for i := range maxNumber + 1 {
		g := found.GroupByNumber(i)
		if c.numbered() && i > 0 {
			g = found.GroupByName(NumberOf(i))
		}
		if g != nil && len(g.Captures) > 0 {
			m[2*i] = afterRunes(text, 0, g.Index)
			m[2*i+1] = afterRunes(text, m[2*i], g.Length)
		}
	}
	return m
}
