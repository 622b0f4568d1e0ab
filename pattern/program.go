package pattern

import (
	"unicode/utf8"
)

// A program is a pattern for this package's own engine, which tries alternatives in Onigmo's order, on bytes: nearly every
// pattern of a log format is a sequence of classes and texts, for which that is several times as fast as RE2. It bounds its
// steps; where they don't suffice, RE2 or the backtracking library decides.
type program struct {
	first *inst
	slots int       // of groups: two each
	bytes [256]bool // those with which a match can begin, if some is set; else any
	some  bool
	lead  []byte // the text with which a match begins; nil: none is known
}

// iop is the kind of an instruction.
type iop uint8

const (
	iText  iop = iota // text
	iClass            // one rune of class
	iLoop             // runes of class, min to max of them; max -1: any number
	iSplit            // next, or else other
	iSave             // the position is stored in slot
	iLineBegin
	iLineEnd
	iTextBegin
	iTextEnd
	iMatch
)

type inst struct {
	op       iop
	lazy     bool
	alone    bool // iLoop: what follows can't begin with a rune of class, so that only one length is possible
	slot     int
	min, max int
	class    *[256]bool // bytes that are the rune, or begin it
	ahead    *[256]bool // iLoop: bytes with which what follows begins; nil if it may be any, or none
	text     string
	next     *inst
	other    *inst
}

// maxCopies is how often a repeated group is written out.
const maxCopies = 8

// compiler makes a program from the end to the beginning. failed is set by what the engine doesn't have. With noGroups the
// program doesn't say where groups match.
type compiler struct{ failed, noGroups bool }

// matcherOf returns the program of a pattern that only says whether it matches, nil if it needs what the engine doesn't have.
func matcherOf(root *node) *program { return compile(root, compiler{noGroups: true}, 0) }

// programOf returns the program of a pattern, nil if it needs what the engine doesn't have.
func programOf(root *node, groups int) *program {
	return compile(root, compiler{failed: 2*groups > maxSlots}, groups)
}

func compile(root *node, c compiler, groups int) *program {
	first := c.node(root, &inst{op: iMatch})
	if c.failed {
		return nil
	}
	p := &program{first: first, slots: 2 * groups}
	p.bytes, p.some = begins(first, 0)
	if first.op == iText && len(first.text) > 1 {
		p.lead = []byte(first.text)
	}
	return p
}

// maxBegins is how many choices begins looks into, one within the other.
const maxBegins = 8

// begins returns the bytes with which a match of the instruction begins. ok is false if that can be any, or none.
func begins(i *inst, depth int) (set [256]bool, ok bool) {
	for i.op == iSave || i.op == iLineBegin {
		i = i.next
	}
	switch {
	case i.op == iText:
		set[i.text[0]] = true
	case i.op == iSplit && i.next != nil && depth < maxBegins: // nil: it is being compiled
		other, more := begins(i.other, depth+1)
		if set, ok = begins(i.next, depth+1); !ok || !more {
			return set, false
		}
		for b := range other {
			set[b] = set[b] || other[b]
		}
	case i.op == iClass, i.op == iLoop && i.min > 0:
		set = *i.class
	case i.op == iLoop && depth < maxBegins:
		if set, ok = begins(i.next, depth+1); !ok {
			return set, false
		}
		for b := range i.class {
			set[b] = set[b] || i.class[b]
		}
	default:
		return set, false
	}
	return set, true
}

// node returns the instructions of a node, which are followed by next.
func (c *compiler) node(n *node, next *inst) *inst {
	switch n.op {
	case opEmpty:
		return next
	case opRune:
		return c.rune(n, next)
	case opClass, opAny:
		return &inst{op: iClass, class: c.class(n), next: next}
	case opConcat:
		for i := len(n.subs) - 1; i >= 0; i-- {
			next = c.node(n.subs[i], next)
		}
		return next
	case opAlternate:
		first := c.node(n.subs[len(n.subs)-1], next)
		for i := len(n.subs) - 2; i >= 0; i-- {
			first = &inst{op: iSplit, next: c.node(n.subs[i], next), other: first}
		}
		return first
	case opGroup:
		return c.group(n, next)
	case opRepeat:
		return c.repeat(n, next)
	case opLineBegin:
		return &inst{op: iLineBegin, next: next}
	case opLineEnd:
		return &inst{op: iLineEnd, next: next}
	case opTextBegin:
		return &inst{op: iTextBegin, next: next}
	case opTextEnd:
		return &inst{op: iTextEnd, next: next}
	}
	c.failed = true
	return next
}

func (c *compiler) rune(n *node, next *inst) *inst {
	if n.fold {
		c.failed = true
	}
	text := string(n.r)
	if next.op == iText {
		return &inst{op: iText, text: text + next.text, next: next.next}
	}
	return &inst{op: iText, text: text, next: next}
}

func (c *compiler) group(n *node, next *inst) *inst {
	if n.text == "" || c.noGroups {
		return c.node(n.subs[0], next)
	}
	end := &inst{op: iSave, slot: 2*n.index + 1, next: next}
	return &inst{op: iSave, slot: 2 * n.index, next: c.node(n.subs[0], end)}
}

// class returns the first bytes of the runes of a class. It fails if some runes beyond ASCII belong to it, and others don't.
func (c *compiler) class(n *node) *[256]bool {
	var table [256]bool
	set, negate := n.set, n.negate
	if n.op == opAny {
		set, negate = runeSet{{'\n', '\n'}}, true
		if n.dotAll {
			set = nil
		}
	}
	if n.fold {
		set = set.folded()
	}
	if negate {
		set = set.complement()
	}
	beyond := 0
	for _, s := range set {
		for r := s.lo; r <= min(s.hi, utf8.RuneSelf-1); r++ {
			table[r] = true
		}
		if s.hi >= utf8.RuneSelf {
			beyond += int(s.hi-max(s.lo, utf8.RuneSelf)) + 1
		}
	}
	switch beyond {
	case 0:
	case utf8.MaxRune + 1 - utf8.RuneSelf:
		for b := utf8.RuneSelf; b < len(table); b++ {
			table[b] = true
		}
	default:
		c.failed = true
	}
	return &table
}

// repeat compiles a repetition: of single runes as a loop, of others as a split, or written out.
func (c *compiler) repeat(n *node, next *inst) *inst {
	sub := n.subs[0]
	single := sub.op == opClass || sub.op == opAny || sub.op == opRune && sub.r < utf8.RuneSelf && !sub.fold
	switch {
	case n.mode == possessive:
		c.failed = true
		return next
	case single:
		return c.loop(n, next)
	case n.min > maxCopies || n.max > maxCopies || n.max < 0 && shortest(sub) == 0:
		c.failed = true
		return next
	}
	if n.max < 0 {
		split := &inst{op: iSplit}
		body := c.node(sub, split)
		*split = *c.split(n.mode, body, next)
		next = split
	}
	for range max(n.max-n.min, 0) {
		next = c.split(n.mode, c.node(sub, next), next)
	}
	for range n.min {
		next = c.node(sub, next)
	}
	return next
}

// split returns the choice between a repetition and what follows.
func (c *compiler) split(m mode, body, next *inst) *inst {
	if m == lazy {
		return &inst{op: iSplit, next: next, other: body}
	}
	return &inst{op: iSplit, next: body, other: next}
}

func (c *compiler) loop(n *node, next *inst) *inst {
	sub := n.subs[0]
	l := &inst{op: iLoop, min: n.min, max: n.max, lazy: n.mode == lazy, next: next}
	if sub.op == opRune {
		l.class = new([256]bool)
		l.class[sub.r] = true
	} else {
		l.class = c.class(sub)
	}
	if set, ok := begins(next, 0); ok {
		l.alone, l.ahead = true, &set
		for b := range set {
			l.alone = l.alone && !(set[b] && l.class[b])
		}
	}
	if l.class[utf8.RuneSelf] && (l.min > 1 || l.max > 1) {
		c.failed = true // bytes are counted
	}
	return l
}

// shortest returns the least number of runes that a node matches, as far as it matters: 0 or not.
func shortest(n *node) int {
	switch n.op {
	case opRune, opClass, opAny:
		return 1
	case opConcat:
		total := 0
		for _, s := range n.subs {
			total += shortest(s)
		}
		return total
	case opAlternate:
		least := 1
		for _, s := range n.subs {
			least = min(least, shortest(s))
		}
		return least
	case opGroup:
		return shortest(n.subs[0])
	case opRepeat:
		if n.min == 0 {
			return 0
		}
		return shortest(n.subs[0])
	}
	return 0
}
