package pattern

import (
	"fmt"
	"regexp"
	"strings"
)

// A printer writes a parsed pattern in the syntax of an engine: RE2's, or that of the backtracking library, which is .NET's.
type printer struct {
	strings.Builder
	re2    bool
	groups bool // RE2: named groups capture
	notRE2 bool // the pattern needs something that RE2 doesn't have
	caret  bool // the pattern has a ^
	word   bool // the pattern has a \b or \B
}

func (w *printer) node(n *node) {
	switch n.op {
	case opEmpty:
		w.WriteString("(?:)")
	case opRune:
		w.fold(n, w.quote(n.r))
	case opClass:
		w.class(n)
	case opAny:
		if n.dotAll {
			w.WriteString("(?s:.)")
		} else {
			w.WriteString(`[^\n]`)
		}
	case opConcat:
		for _, s := range n.subs {
			w.node(s)
		}
	case opAlternate:
		w.WriteString("(?:")
		for i, s := range n.subs {
			if i > 0 {
				w.WriteByte('|')
			}
			w.node(s)
		}
		w.WriteByte(')')
	case opRepeat:
		w.repeat(n)
	default:
		w.special(n)
	}
}

// special writes the operators that differ between the engines.
func (w *printer) special(n *node) {
	switch n.op {
	case opGroup:
		w.group(n)
	case opAtomic:
		w.notRE2 = true
		w.enclose("(?>", n.subs[0])
	case opLook:
		w.notRE2 = true
		w.enclose("(?"+n.text, n.subs[0])
	case opBackref:
		w.notRE2 = true
		w.fold(n, `\k<`+n.text+`>`)
	case opLineBegin:
		w.caret = true
		w.either(`(?m:^)`, `(?:\A|(?<=\n)(?!\z))`) // Onigmo's ^ is not after a newline that ends the text
	case opLineEnd:
		w.either(`(?m:$)`, `(?=\n|\z)`)
	case opTextBegin:
		w.WriteString(`\A`)
	case opTextEnd:
		w.WriteString(`\z`)
	case opTextEndNL:
		w.notRE2 = true
		w.WriteString(`(?=\n?\z)`)
	case opWord:
		w.word = true
		w.WriteString(`\b`)
	case opNotWord:
		w.word = true
		w.WriteString(`\B`)
	}
}

func (w *printer) either(re2, other string) {
	if w.re2 {
		w.WriteString(re2)
	} else {
		w.WriteString(other)
	}
}

func (w *printer) enclose(open string, n *node) {
	w.WriteString(open)
	w.node(n)
	w.WriteByte(')')
}

func (w *printer) group(n *node) {
	switch {
	case w.re2 && w.groups && n.text != "":
		w.enclose("(", n.subs[0])
	case w.re2: // without back-references the group doesn't matter
		w.enclose("(?:", n.subs[0])
	case n.text != "":
		w.enclose("(?<"+n.text+">", n.subs[0])
	default:
		w.enclose("(", n.subs[0])
	}
}

func (w *printer) repeat(n *node) {
	if n.mode == possessive {
		w.notRE2 = true
		w.WriteString("(?>")
	}
	w.enclose("(?:", n.subs[0])
	switch {
	case n.min == 0 && n.max == -1:
		w.WriteByte('*')
	case n.min == 1 && n.max == -1:
		w.WriteByte('+')
	case n.min == 0 && n.max == 1:
		w.WriteByte('?')
	case n.max == -1:
		fmt.Fprintf(w, "{%d,}", n.min)
	default:
		fmt.Fprintf(w, "{%d,%d}", n.min, n.max)
	}
	switch n.mode {
	case lazy:
		w.WriteByte('?')
	case possessive:
		w.WriteByte(')')
	}
}

func (w *printer) fold(n *node, text string) {
	if n.fold {
		text = "(?i:" + text + ")"
	}
	w.WriteString(text)
}

func (w *printer) quote(r rune) string {
	switch {
	case w.re2 && r < ' ':
		return fmt.Sprintf(`\x%02x`, r)
	case w.re2:
		return regexp.QuoteMeta(string(r))
	case r < ' ':
		return fmt.Sprintf(`\x%02x`, r)
	case strings.ContainsRune(`\.+*?()|[]{}^$# -`, r):
		return `\` + string(r)
	}
	return string(r)
}

func (w *printer) class(n *node) {
	set, negate := n.set, n.negate
	if n.fold {
		set = set.folded()
	}
	if negate {
		set = set.complement()
	}
	if len(set) == 0 {
		w.either(`[^\x00-\x{10FFFF}]`, `(?!)`)
		return
	}
	w.WriteByte('[')
	for _, s := range set {
		w.classRune(s.lo)
		if s.hi > s.lo {
			w.WriteByte('-')
			w.classRune(s.hi)
		}
	}
	w.WriteByte(']')
}

func (w *printer) classRune(r rune) {
	switch {
	case w.re2:
		fmt.Fprintf(w, `\x{%X}`, r)
	case r < ' ' || r == 0x7f:
		fmt.Fprintf(w, `\x%02x`, r)
	case r >= 0x80 && r <= 0xffff:
		fmt.Fprintf(w, `\u%04x`, r)
	case strings.ContainsRune(`\]^-[`, r):
		w.WriteString(`\` + string(r))
	default:
		w.WriteRune(r)
	}
}
