package pattern

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// op is the kind of a node.
type op uint8

const (
	opEmpty     op = iota
	opRune         // the one rune r
	opClass        // one rune of set
	opAny          // any rune; dotAll: newlines too
	opConcat       // subs in order
	opAlternate    // one of subs
	opGroup        // a group that a back-reference may name; text is its name, "" for none
	opAtomic       // (?>sub)
	opLook         // (?=sub) and the like; text is what follows "(?"
	opBackref      // text is the name or number
	opRepeat       // sub min to max times; max -1: any number
	opLineBegin    // ^
	opLineEnd      // $
	opTextBegin    // \A and \G
	opTextEnd      // \z
	opTextEndNL    // \Z
	opWord         // \b
	opNotWord      // \B
)

// mode is how much of the text a repetition matches.
type mode uint8

const (
	greedy mode = iota
	lazy
	possessive
)

type node struct {
	op       op
	fold     bool // ignore case
	negate   bool // opClass: [^…]
	dotAll   bool
	mode     mode
	r        rune
	min, max int
	index    int // opGroup with a name: how many named groups come before it; see number
	set      runeSet
	text     string
	subs     []*node
}

// flags are the flags in effect at a place in the pattern.
type flags struct{ fold, dotAll, extended bool }

// maxNest is how deep groups may be nested.
const maxNest = 200

// maxRepeat is the highest number in {n,m}, as in Onigmo.
const maxRepeat = 100_000

type parser struct {
	in    string
	pos   int
	nest  int
	named bool // a named group exists: the others don't capture then, as in Ruby
}

// parse parses Onigmo's Ruby syntax. Its errors complete "pattern … can't be used:".
func parse(in string, f flags) (*node, error) {
	if !utf8.ValidString(in) {
		return nil, errors.New("it is not UTF-8")
	}
	p := &parser{in: in, named: hasNamedGroup(in)}
	n, err := p.alternate(f)
	if err == nil && p.pos < len(p.in) {
		err = errors.New("it has a ) without a (")
	}
	return n, err
}

// hasNamedGroup reports whether the pattern has a named group.
func hasNamedGroup(in string) bool {
	for rest := in; ; {
		_, after, ok := strings.Cut(rest, "(?")
		if !ok {
			return false
		}
		if strings.HasPrefix(after, "'") || len(after) > 1 && after[0] == '<' && after[1] != '=' && after[1] != '!' {
			return true
		}
		rest = after
	}
}

func (p *parser) more() bool           { return p.pos < len(p.in) }
func (p *parser) rest() string         { return p.in[p.pos:] }
func (p *parser) nextIs(s string) bool { return strings.HasPrefix(p.in[p.pos:], s) }

func (p *parser) take(s string) bool {
	if !p.nextIs(s) {
		return false
	}
	p.pos += len(s)
	return true
}

func (p *parser) next() rune {
	r, n := utf8.DecodeRuneInString(p.rest())
	p.pos += n
	return r
}

// alternate reads up to the ) of the group or the end.
func (p *parser) alternate(f flags) (*node, error) {
	if p.nest++; p.nest > maxNest {
		return nil, errors.New("its groups are nested too deep")
	}
	defer func() { p.nest-- }()
	alts := []*node{{op: opConcat}}
	for p.more() && !p.nextIs(")") {
		if p.take("|") {
			alts = append(alts, &node{op: opConcat})
			continue
		}
		n, err := p.piece(f)
		if err != nil {
			return nil, err
		}
		last := alts[len(alts)-1]
		last.subs = append(last.subs, n)
	}
	if len(alts) == 1 {
		return alts[0], nil
	}
	return &node{op: opAlternate, subs: alts}, nil
}

// piece reads an atom and the quantifiers after it.
func (p *parser) piece(f flags) (*node, error) {
	if f.extended && p.blank() {
		return &node{op: opEmpty}, nil
	}
	n, err := p.atom(f)
	for err == nil {
		if f.extended {
			p.blank()
		}
		var ok bool
		q := &node{op: opRepeat, subs: []*node{n}}
		if ok, err = p.quantifier(q); !ok || err != nil {
			break
		}
		n = q
	}
	return n, err
}

// blank skips blanks and comments, which the flag x makes insignificant, and reports whether there were any.
func (p *parser) blank() bool {
	start := p.pos
	for p.more() {
		switch p.in[p.pos] {
		case ' ', '\t', '\n', '\r', '\f', '\v':
			p.pos++
		case '#':
			end := strings.IndexByte(p.rest(), '\n')
			if end < 0 {
				end = len(p.rest()) - 1
			}
			p.pos += end + 1
		default:
			return p.pos > start
		}
	}
	return p.pos > start
}

// quantifier reads one quantifier into q.
func (p *parser) quantifier(q *node) (bool, error) {
	if !p.more() {
		return false, nil
	}
	switch p.in[p.pos] {
	case '*':
		q.min, q.max = 0, -1
	case '+':
		q.min, q.max = 1, -1
	case '?':
		q.min, q.max = 0, 1
	case '{':
		return p.interval(q)
	default:
		return false, nil
	}
	p.pos++
	if p.take("?") {
		q.mode = lazy
	} else if p.take("+") {
		q.mode = possessive
	}
	return true, nil
}

// interval reads {n}, {n,}, {,m} or {n,m}; anything else that begins with { is text. As in Ruby, a ? after {n} is a
// quantifier of its own, and so is a + after any of these.
func (p *parser) interval(q *node) (bool, error) {
	end := strings.IndexByte(p.rest(), '}')
	if end < 0 {
		return false, nil
	}
	low, high, two := strings.Cut(p.in[p.pos+1:p.pos+end], ",")
	if low == "" && high == "" || !allDigits(low) || !allDigits(high) {
		return false, nil
	}
	q.min, q.max = atoi(low), atoi(high)
	switch {
	case !two:
		q.max = q.min
	case high == "":
		q.max = -1
	}
	if q.min > maxRepeat || q.max > maxRepeat {
		return false, errors.New("it repeats more than " + strconv.Itoa(maxRepeat) + " times")
	}
	if q.max >= 0 && q.min > q.max {
		return false, errors.New("its {n,m} has an n larger than m")
	}
	p.pos += end + 1
	if two && p.take("?") {
		q.mode = lazy
	}
	return true, nil
}

func allDigits(s string) bool { return len(s) < 9 && strings.Trim(s, "0123456789") == "" }

func atoi(s string) int {
	n, _ := strconv.Atoi(s) // digits or nothing
	return n
}

func (p *parser) atom(f flags) (*node, error) {
	switch r := p.next(); r {
	case '(':
		return p.group(f)
	case '[':
		set, negate, err := p.class(f)
		return &node{op: opClass, fold: f.fold, set: set, negate: negate}, err
	case '\\':
		return p.escape(f)
	case '.':
		return &node{op: opAny, dotAll: f.dotAll}, nil
	case '^':
		return &node{op: opLineBegin}, nil
	case '$':
		return &node{op: opLineEnd}, nil
	case '*', '+', '?':
		return nil, errors.New("there is nothing before a " + string(r) + " that it could repeat")
	default:
		return &node{op: opRune, r: r, fold: f.fold}, nil
	}
}
