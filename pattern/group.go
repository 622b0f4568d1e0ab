package pattern

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// group reads what follows a (.
func (p *parser) group(f flags) (*node, error) {
	switch {
	case !p.take("?"):
		if p.named {
			return p.closed(f)
		}
		return p.wrap(f, &node{op: opGroup})
	case p.take(":"):
		return p.closed(f)
	case p.take(">"):
		return p.wrap(f, &node{op: opAtomic})
	case p.take("#"):
		end := strings.IndexByte(p.rest(), ')')
		if end < 0 {
			return nil, errors.New("its (?# has no )")
		}
		p.pos += end + 1
		return &node{op: opEmpty}, nil
	}
	for _, look := range []string{"=", "!", "<=", "<!"} {
		if p.take(look) {
			return p.wrap(f, &node{op: opLook, text: look})
		}
	}
	switch {
	case p.take("<"):
		return p.namedGroup(f, ">")
	case p.take("'"):
		return p.namedGroup(f, "'")
	case p.nextIs("~"), p.nextIs("("):
		return nil, fmt.Errorf("(?%c…) is not supported", p.in[p.pos])
	}
	return p.options(f)
}

func (p *parser) namedGroup(f flags, end string) (*node, error) {
	name, after, ok := strings.Cut(p.rest(), end)
	if !ok || !validName(name) {
		return nil, errors.New("a group's name is not well-formed")
	}
	p.pos = len(p.in) - len(after)
	return p.wrap(f, &node{op: opGroup, text: name})
}

func validName(s string) bool {
	for i, r := range s {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= utf8.RuneSelf
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}

// options reads (?imx-imx) and (?imx-imx:…). The first form is in effect until the end of the surrounding group,
// alternatives included: a(?i)b|c is a(?i:b|c) in Ruby.
func (p *parser) options(f flags) (*node, error) {
	on := true
	for p.more() {
		switch r := p.next(); r {
		case '-':
			on = false
		case 'i':
			f.fold = on
		case 'm':
			f.dotAll = on
		case 'x':
			f.extended = on
		case ':':
			return p.closed(f)
		case ')':
			return p.alternate(f)
		default:
			return nil, fmt.Errorf("(?%c…) is not supported", r)
		}
	}
	return nil, errors.New("a ( is not closed")
}

// closed reads alternatives and the ) after them.
func (p *parser) closed(f flags) (*node, error) {
	n, err := p.alternate(f)
	if err == nil && !p.take(")") {
		err = errors.New("a ( is not closed")
	}
	return n, err
}

func (p *parser) wrap(f flags, n *node) (*node, error) {
	sub, err := p.closed(f)
	n.subs = []*node{sub}
	return n, err
}

// escape reads what follows a backslash outside of a class.
func (p *parser) escape(f flags) (*node, error) {
	if !p.more() {
		return nil, errors.New("it ends in a backslash")
	}
	c := p.in[p.pos]
	if o, ok := anchors(c); ok {
		p.pos++
		return &node{op: o}, nil
	}
	switch {
	case c >= '1' && c <= '9':
		return p.numberedBackref(f)
	case c == 'k':
		p.pos++
		return p.namedBackref(f)
	case c == 'R':
		p.pos++
		return lineBreak(), nil
	case c == 'g' || c == 'X':
		return nil, fmt.Errorf(`\%c is not supported`, c)
	}
	if set, negate, ok, err := p.classEscape(); ok || err != nil {
		return &node{op: opClass, set: set, negate: negate, fold: f.fold}, err
	}
	r, err := p.runeEscape()
	return &node{op: opRune, r: r, fold: f.fold}, err
}

func anchors(c byte) (op, bool) {
	switch c {
	case 'A', 'G':
		return opTextBegin, true
	case 'z':
		return opTextEnd, true
	case 'Z':
		return opTextEndNL, true
	case 'b':
		return opWord, true
	case 'B':
		return opNotWord, true
	case 'K': // sets where a match begins, which doesn't matter here
		return opEmpty, true
	}
	return 0, false
}

// lineBreak is \R.
func lineBreak() *node {
	crlf := &node{op: opConcat, subs: []*node{{op: opRune, r: '\r'}, {op: opRune, r: '\n'}}}
	one := &node{op: opClass, set: runeSet{{'\n', '\r'}, {0x85, 0x85}, {0x2028, 0x2029}}}
	return &node{op: opAtomic, subs: []*node{{op: opAlternate, subs: []*node{crlf, one}}}}
}

func (p *parser) numberedBackref(f flags) (*node, error) {
	end := p.pos
	for end < len(p.in) && p.in[end] >= '0' && p.in[end] <= '9' {
		end++
	}
	text := p.in[p.pos:end]
	n, err := strconv.Atoi(text)
	if n > 9 && n > strings.Count(p.in, "(") && text[0] < '8' {
		v, _ := p.number(8, 3)
		return &node{op: opRune, r: rune(v), fold: f.fold}, nil
	}
	if err != nil || p.named || n > strings.Count(p.in, "(") {
		return nil, errors.New(`\` + text + " refers to no group")
	}
	p.pos = end
	return &node{op: opBackref, text: text, fold: f.fold}, nil
}

func (p *parser) namedBackref(f flags) (*node, error) {
	closing := ">"
	if p.take("'") {
		closing = "'"
	} else if !p.take("<") {
		return nil, errors.New(`\k has no <name>`)
	}
	name, after, ok := strings.Cut(p.rest(), closing)
	if !ok || !validName(name) && !(allDigits(name) && name != "" && !p.named) {
		return nil, errors.New(`\k<` + name + `> is not supported`)
	}
	p.pos = len(p.in) - len(after)
	return &node{op: opBackref, text: name, fold: f.fold}, nil
}
