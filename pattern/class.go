package pattern

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// class parses what follows a [, up to its ]. The set is returned without the negation, since case must be folded before the
// set is negated.
func (p *parser) class(f flags) (set runeSet, negate bool, err error) {
	if p.nest++; p.nest > maxNest {
		return nil, false, errors.New("its classes are nested too deep")
	}
	defer func() { p.nest-- }()
	negate = p.take("^")
	var all []runeSet // the operands of &&
	first := p.pos
	for {
		switch {
		case !p.more():
			return nil, false, errors.New("a [ is not closed")
		case p.nextIs("]") && (p.pos > first || !strings.Contains(p.rest()[1:], "]")):
			p.pos++
			for _, other := range all {
				set = set.intersect(other)
			}
			return set, negate, nil
		case p.take("&&"):
			all, set = append(all, set), nil
			continue
		}
		item, err := p.classItem(f)
		if err != nil {
			return nil, false, err
		}
		set = set.union(item)
	}
}

// classItem reads one member of a class: a rune, a range, a set by name or a class of its own.
func (p *parser) classItem(f flags) (runeSet, error) {
	if p.nextIs("[:") {
		if set, ok, err := p.posixBracket(); ok || err != nil {
			return set, err
		}
	}
	if p.take("[") {
		set, negate, err := p.class(f)
		return p.negated(set, negate, f), err
	}
	if p.nextIs(`\`) && len(p.rest()) > 1 {
		p.pos++
		if set, negate, ok, err := p.classEscape(); ok || err != nil {
			return p.negated(set, negate, f), err
		}
		p.pos--
	}
	lo, err := p.classRune()
	if err != nil {
		return nil, err
	}
	if !p.nextIs("-") || strings.HasPrefix(p.rest(), "-]") || strings.HasPrefix(p.rest(), "-&&") || p.rangeToSet() {
		return runeSet{{lo, lo}}, nil
	}
	p.pos++
	hi, err := p.classRune()
	if err == nil && hi < lo {
		err = fmt.Errorf("its range %c-%c is empty", lo, hi)
	}
	return runeSet{{lo, hi}}, err
}

// rangeToSet reports whether the - that is next comes before a set, and therefore is text.
func (p *parser) rangeToSet() bool {
	after := p.rest()[1:]
	if strings.HasPrefix(after, "[") {
		return true
	}
	return len(after) > 1 && after[0] == '\\' && strings.IndexByte("dDwWsShHpPR", after[1]) >= 0
}

func (p *parser) negated(set runeSet, negate bool, f flags) runeSet {
	if !negate {
		return set
	}
	if f.fold {
		set = set.folded()
	}
	return set.complement()
}

func (p *parser) classRune() (rune, error) {
	if !p.more() {
		return 0, errors.New("a [ is not closed")
	}
	if !p.take(`\`) {
		return p.next(), nil
	}
	if p.take("b") {
		return '\b', nil
	}
	return p.runeEscape()
}

// posixBracket reads [:name:] or [:^name:].
func (p *parser) posixBracket() (set runeSet, ok bool, err error) {
	name, after, closed := strings.Cut(p.rest()[len("[:"):], ":]")
	if !closed {
		return nil, false, nil
	}
	name, negate := strings.CutPrefix(name, "^")
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz") != "" {
		return nil, false, nil
	}
	if set, ok = property(name); !ok {
		return nil, false, fmt.Errorf("[:%s:] is not a POSIX class", name)
	}
	p.pos = len(p.in) - len(after)
	if negate {
		set = set.complement()
	}
	return set, true, nil
}

// classEscape parses the rest of an escape that is a set: \d, \p{Alpha}.
func (p *parser) classEscape() (set runeSet, negate, ok bool, err error) {
	if !p.more() {
		return nil, false, false, nil
	}
	c := p.in[p.pos]
	switch c {
	case 'd', 'D':
		set = digits()
	case 'w', 'W':
		set = words()
	case 's', 'S':
		set = spaces()
	case 'h', 'H':
		set = hexes()
	case 'p', 'P':
		return p.propertyEscape(c == 'P')
	default:
		return nil, false, false, nil
	}
	p.pos++
	return set, c < 'a', true, nil
}

func (p *parser) propertyEscape(negate bool) (runeSet, bool, bool, error) {
	name, after, closed := strings.Cut(p.rest()[1:], "}")
	name, opened := strings.CutPrefix(name, "{")
	if !opened || !closed {
		return nil, false, false, nil // a plain p, as in Ruby
	}
	name, not := strings.CutPrefix(name, "^")
	set, ok := property(plain(name))
	if !ok {
		return nil, false, false, fmt.Errorf(`\p{%s} is not a property of Unicode`, name)
	}
	p.pos = len(p.in) - len(after)
	return set, negate != not, true, nil
}

// runeEscape parses the rest of an escape that is one rune. An escaped character without a special meaning is itself.
func (p *parser) runeEscape() (rune, error) {
	if !p.more() {
		return 0, errors.New("it ends in a backslash")
	}
	r := p.next()
	if i := strings.IndexRune("tnrfvae", r); i >= 0 {
		return rune("\t\n\r\f\v\a\x1b"[i]), nil
	}
	switch {
	case r == 'x' && p.take("{"):
		digits, after, ok := strings.Cut(p.rest(), "}")
		v, err := strconv.ParseUint(digits, 16, 32)
		if !ok || err != nil || v > unicode.MaxRune {
			return 0, errors.New(`its \x{…} is not well-formed`)
		}
		p.pos = len(p.in) - len(after)
		return rune(v), nil
	case r == 'x':
		p.pos--
		return p.hexBytes()
	case r == 'u':
		v, n := p.number(16, 4)
		if n != 4 {
			return 0, errors.New(`its \u has fewer than four digits`)
		}
		return rune(v), nil
	case r == 'c' && p.more():
		return p.next() & 0x1f, nil
	case r >= '0' && r <= '7':
		p.pos--
		v, _ := p.number(8, 3)
		return rune(v), nil
	}
	return r, nil
}

// number parses at most limit digits; n is how many there were.
func (p *parser) number(base, limit int) (v uint64, n int) {
	for n < limit && p.pos+n < len(p.in) {
		if _, err := strconv.ParseUint(p.in[p.pos+n:p.pos+n+1], base, 8); err != nil {
			break
		}
		n++
	}
	v, _ = strconv.ParseUint(p.in[p.pos:p.pos+n], base, 32)
	p.pos += n
	return v, n
}

// hexBytes parses xHH, or as many of these as make one rune in UTF-8.
func (p *parser) hexBytes() (rune, error) {
	var b []byte
	for p.take("x") {
		v, _ := p.number(16, 2)
		b = append(b, byte(v))
		if v < utf8.RuneSelf || utf8.FullRune(b) || !p.nextIs(`\x`) {
			break
		}
		p.pos++
	}
	r, n := utf8.DecodeRune(b)
	if r == utf8.RuneError || n != len(b) {
		return 0, errors.New(`its \x… are not UTF-8`)
	}
	return r, nil
}
