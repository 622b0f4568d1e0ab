package pattern

import (
	"bytes"
	"unicode/utf8"
)

// maxSlots is how many slots of groups the engine has: two for each of 32 groups.
const maxSlots = 64

// stepsPerByte and minSteps bound the engine's steps on a text. A pattern of a log format takes fewer than one a byte.
const (
	stepsPerByte = 16
	minSteps     = 1000
	// maxDepth is how many choices of a match may depend on one another: each repetition of a group, such as (?:[^"]|\\.)*, is
	// one, and takes about 100 bytes of the goroutine's stack.
	maxDepth = 8192
)

// A machine runs a program on one text.
type machine struct {
	text  []byte
	steps int // that are left; below 0 the result isn't known
	slots [maxSlots]int32
}

// search looks for the first match in text. known is false if the steps didn't suffice.
func (p *program) search(m *machine, text []byte) (found, known bool) {
	m.begin(text)
	return p.searchFrom(m, 0)
}

// begin prepares m for a text.
func (m *machine) begin(text []byte) {
	m.text, m.steps = text, minSteps+stepsPerByte*len(text)
}

// searchFrom is search for a match that begins at offset from or after it, with the steps that are left.
func (p *program) searchFrom(m *machine, from int) (found, known bool) {
	text := m.text
	for i := range m.slots[:p.slots] {
		m.slots[i] = -1
	}
	for start := from; start <= len(text); start++ {
		switch {
		case p.first.op == iLineBegin && start > 0:
			newline := bytes.IndexByte(text[start-1:], '\n')
			if newline < 0 {
				return false, true
			}
			start += newline
		case p.lead != nil:
			n := bytes.Index(text[start:], p.lead)
			if n < 0 {
				return false, true
			}
			start += n
		case p.some:
			for start < len(text) && !p.bytes[text[start]] {
				start++
			}
		}
		if m.run(p.first, start, 0) {
			return true, true
		}
		if m.steps < 0 {
			return false, false
		}
		for start+1 < len(text) && !utf8.RuneStart(text[start+1]) {
			start++
		}
		if p.first.op == iTextBegin {
			break
		}
	}
	return false, true
}

// run reports whether the instructions from pc on match at i. Beyond maxDepth the result isn't known, as without steps.
func (m *machine) run(pc *inst, i, depth int) bool {
	if depth > maxDepth {
		m.steps = -1
		return false
	}
	for {
		if m.steps--; m.steps < 0 {
			return false
		}
		switch pc.op {
		case iText:
			if len(m.text)-i < len(pc.text) || string(m.text[i:i+len(pc.text)]) != pc.text {
				return false
			}
			i += len(pc.text)
		case iClass:
			if i == len(m.text) || !pc.class[m.text[i]] {
				return false
			}
			if m.text[i] < utf8.RuneSelf {
				i++
			} else {
				_, n := utf8.DecodeRune(m.text[i:])
				i += n
			}
		case iLoop:
			end := m.longest(pc, i)
			if end-i < pc.min {
				return false
			}
			if !pc.alone {
				return m.lengths(pc, i, end, depth+1)
			}
			i = end
		case iSplit:
			if m.run(pc.next, i, depth+1) {
				return true
			}
			pc = pc.other
			continue
		case iSave:
			old := m.slots[pc.slot]
			m.slots[pc.slot] = int32(i)
			if m.run(pc.next, i, depth+1) {
				return true
			}
			m.slots[pc.slot] = old
			return false
		case iMatch:
			return true
		default:
			if !m.at(pc.op, i) {
				return false
			}
		}
		pc = pc.next
	}
}

// at reports whether an anchor matches at i. Onigmo's ^ is not after a newline that ends the text.
func (m *machine) at(op iop, i int) bool {
	switch op {
	case iLineBegin:
		return i == 0 || m.text[i-1] == '\n' && i < len(m.text)
	case iLineEnd:
		return i == len(m.text) || m.text[i] == '\n'
	case iTextBegin:
		return i == 0
	}
	return i == len(m.text) // iTextEnd
}

// longest returns where the longest run of the loop's runes from i on ends.
func (m *machine) longest(pc *inst, i int) int {
	limit := len(m.text)
	if pc.max >= 0 {
		limit = min(limit, i+pc.max)
		if pc.max == 1 && i < len(m.text) && m.text[i] >= utf8.RuneSelf {
			_, n := utf8.DecodeRune(m.text[i:])
			limit = i + n
		}
	}
	for i < limit && pc.class[m.text[i]] {
		i++
	}
	return i
}

// lengths tries the lengths of a loop from i to end, the longest first, or the shortest if it is lazy.
func (m *machine) lengths(pc *inst, i, end, depth int) bool {
	at, last, step := end, i+pc.min, -1
	if pc.lazy {
		at, last, step = last, end, 1
	}
	for ; ; at += step {
		inside := at < len(m.text) && !utf8.RuneStart(m.text[at]) && at > i
		if !inside && (pc.ahead == nil || at < len(m.text) && pc.ahead[m.text[at]]) && m.run(pc.next, at, depth) {
			return true
		}
		if m.steps--; at == last || m.steps < 0 {
			return false
		}
	}
}
