package multiline

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/firelane/firelane/parse"
	"github.com/firelane/firelane/pattern"
)

// kind is how a Parser tells which line is the last one.
type kind uint8

const (
	byRules   kind = iota // regex
	endsWith              // the last line ends with match
	equal                 // the last line is match
	firstLine             // a line that the parser can read is the first one
	firstText             // a line that the first rule matches is the first one
)

// A Parser says which lines belong together. It is safe for concurrent use.
type Parser struct {
	Name string

	kind                    kind
	rules                   []rule
	match                   []byte
	negate                  bool
	parser                  *parse.Parser // reads each line first; nil: none
	content, group, pattern string        // names of fields; "": none
	flush                   time.Duration // 0: not set
}

// A rule adds a line that matches its pattern, where the last line's rule leads to it.
type rule struct {
	pattern *pattern.Pattern
	needs   [][]byte // one of these texts is in every line that matches; none: not known
	start   bool     // it begins a record
	next    []uint8  // indices of the rules that may continue it
	ends    bool     // a record is complete after it
}

// matches reports whether a line matches. Most lines of a log begin no stack trace, which a search for plain text tells at a
// hundredth of the pattern's time.
func (r *rule) matches(text []byte) bool {
	for _, t := range r.needs {
		if bytes.Contains(text, t) {
			return r.pattern.Match(text)
		}
	}
	return len(r.needs) == 0 && r.pattern.Match(text)
}

// rule3 is a rule as it is written: its states, its pattern, and the next state; and rule.needs, with | between the texts.
type rule3 struct{ states, pattern, next, needs string }

// maxRules is the largest number of rules of a Parser.
const maxRules = 100

// startState is the state in which a record begins.
const startState = "start_state"

// compile sets the rules. A record is complete after a rule that leads to one that begins a record, as in Fluent Bit, or that
// leads nowhere.
func (p *Parser) compile(list []rule3, onTimeout func(rule string), fail func(string, ...any) error) error {
	if len(list) == 0 {
		return fail(`is missing; want at least one, as in "start_state" "/^\d{4}-/" "cont"`)
	}
	if len(list) > maxRules {
		return fail("is given %d times; want at most %d", len(list), maxRules)
	}
	states := make([][]string, len(list))
	for i, r := range list {
		for state := range strings.SplitSeq(r.states, ",") {
			states[i] = append(states[i], strings.TrimSpace(state))
		}
		timeout := func() {}
		if onTimeout != nil {
			timeout = func() { onTimeout(r.pattern) }
		}
		c, err := pattern.CompileFluentBit(r.pattern, timeout)
		if err != nil {
			return fail("%q: %s", r.pattern, err)
		}
		made := rule{pattern: c, start: slices.Contains(states[i], startState)}
		if r.needs != "" {
			made.needs = bytes.Split([]byte(r.needs), []byte{'|'})
		}
		p.rules = append(p.rules, made)
	}
	if !p.rules[0].start {
		return fail("%s: the first rule has no start_state, in which a record begins", list[0].states)
	}
	for i, r := range list {
		known := false
		for j := range list {
			if !slices.Contains(states[j], r.next) {
				continue
			}
			known = true
			if p.rules[j].start {
				p.rules[i].ends = true
			} else {
				p.rules[i].next = append(p.rules[i].next, uint8(j))
			}
		}
		if !known && r.next != "" {
			return fail("no rule has the state %s, to which %q leads", r.next, r.pattern)
		}
		p.rules[i].ends = p.rules[i].ends || len(p.rules[i].next) == 0
	}
	return nil
}

// A step is what a line is to a Parser.
type step struct {
	ok     bool // the Parser takes it
	begins bool // it is the first one of a record
	rule   int  // that it matches
	ends   bool // the record is complete after it
}

// step tells what a line is after one that matched the rule last, below 0 for none. wanted is what is compared with match; for
// firstLine it is nil in a line that the parser can't read.
func (p *Parser) step(held bool, last int, text, wanted []byte) step {
	if p.kind == firstText {
		first := p.rules[0].matches(text)
		return step{ok: first || held, begins: first}
	}
	if p.kind == firstLine {
		first := wanted != nil
		return step{ok: first || held, begins: first}
	}
	if p.kind != byRules {
		is := bytes.Equal(wanted, p.match)
		if p.kind == endsWith {
			is = bytes.HasSuffix(wanted, p.match)
		}
		return step{ok: true, begins: !held, ends: is != p.negate}
	}
	if held && last >= 0 {
		for _, n := range p.rules[last].next {
			if p.rules[n].matches(text) {
				return step{ok: true, rule: int(n), ends: p.rules[n].ends}
			}
		}
	}
	for n := range p.rules {
		if r := &p.rules[n]; r.start && r.matches(text) {
			return step{ok: true, begins: true, rule: n, ends: r.ends}
		}
	}
	return step{}
}
