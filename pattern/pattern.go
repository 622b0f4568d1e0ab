// Package pattern matches Onigmo's regular expressions, as Ruby and Fluent Bit write them, on bytes.
//
// A pattern that is plain text is searched for as text, and one that is a sequence of classes and texts by an engine of this
// package's own, whose steps are bounded. A pattern that RE2 (package regexp) can express is translated to
// RE2, which takes time linear in the text, and no allocation. All others (look-around, back-references, atomic groups) go to
// a backtracking engine with limits of time and size. So do the few cases in which RE2's result differs from Onigmo's: word boundaries
// in text that isn't ASCII, and ^ after a newline that ends the text.
//
// The syntax means what it means in Ruby: ^ and $ match at every line, \d \s \w \h are ASCII, POSIX brackets and \p{…} are
// Unicode, the flag m lets the dot match newlines.
package pattern

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dlclark/regexp2"
)

// MatchTimeout is how long the backtracking engine may take for one text. After that the text counts as not matching.
const MatchTimeout = 100 * time.Millisecond

// MaxBacktrack is the largest text in bytes for the backtracking engine, which takes some 80 bytes of memory for each. A
// longer text counts as not matching; if RE2 can express the pattern, RE2 decides.
const MaxBacktrack = 128 << 10

// A Pattern is a compiled pattern. It is safe for concurrent use.
type Pattern struct {
	source    string
	literal   *literal        // nil: the pattern isn't plain text
	program   *program        // nil: this package's own engine can't run the pattern
	tired     atomic.Bool     // its steps didn't suffice for a text: RE2 is used from then on
	re2       *regexp.Regexp  // nil: RE2 can't express the pattern
	slow      *regexp2.Regexp // nil: not needed
	caret     bool            // the pattern has a ^
	word      bool            // the pattern has a \b or \B
	onTimeout func()          // also for texts over MaxBacktrack
}

// Flags are the letters after the second slash of /pattern/imx.
type Flags struct {
	IgnoreCase bool // i
	DotAll     bool // m: the dot matches newlines
	Extended   bool // x: blanks and comments mean nothing
}

// Compile parses a pattern. onTimeout, which may be nil, is called when matching a text takes longer than MatchTimeout, or
// the text is longer than MaxBacktrack. Errors
// quote the pattern.
func Compile(source string, f Flags, onTimeout func()) (*Pattern, error) {
	root, err := parse(source, flags{fold: f.IgnoreCase, dotAll: f.DotAll, extended: f.Extended})
	if err != nil {
		return nil, fmt.Errorf("pattern %q can't be used: %w", source, err)
	}
	p := &Pattern{source: source, onTimeout: onTimeout}
	if p.literal = literalOf(root); p.literal != nil {
		return p, nil
	}
	p.program = matcherOf(root)
	fast, slow := printer{re2: true}, printer{}
	fast.node(root)
	slow.node(root)
	p.caret, p.word = fast.caret, fast.word
	if !fast.notRE2 {
		p.re2, _ = regexp.Compile(fast.String()) // it may be too large for RE2
	}
	if p.re2 != nil && !p.caret && !p.word {
		return p, nil
	}
	if p.slow, err = compileSlow(slow.String()); err != nil {
		return nil, fmt.Errorf("pattern %q can't be used: %s", source, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return p, nil
}

func compileSlow(translated string) (*regexp2.Regexp, error) {
	re, err := regexp2.Compile(translated, regexp2.None)
	if err == nil {
		re.MatchTimeout = MatchTimeout
	}
	return re, err
}

// String is the pattern as it was written.
func (p *Pattern) String() string { return p.source }

// Match reports whether the pattern matches somewhere in text.
func (p *Pattern) Match(text []byte) bool {
	if p.literal != nil {
		return p.literal.match(text)
	}
	if p.program != nil && !p.tired.Load() {
		var m machine
		found, known := p.program.search(&m, text)
		if known {
			return found
		}
		p.tired.Store(true)
	}
	if p.re2 == nil || p.word && !ascii(text) {
		return p.backtrack(text)
	}
	if !p.caret || len(text) == 0 || text[len(text)-1] != '\n' {
		return p.re2.Match(text)
	}
	// RE2's ^ matches after a newline that ends the text, Onigmo's doesn't: a match that reaches the end is checked again.
	loc := p.re2.FindIndex(text)
	if loc == nil || loc[1] < len(text) {
		return loc != nil
	}
	return p.backtrack(text)
}

// MatchSome is Match for a match that isn't empty.
func (p *Pattern) MatchSome(text []byte) bool {
	switch {
	case p.literal != nil:
		return p.literal.match(text)
	case p.re2 != nil && (!p.word || ascii(text)):
		loc := p.re2.FindIndex(text)
		return loc != nil && loc[1] > loc[0]
	case len(text) > MaxBacktrack:
		return false
	}
	m, err := p.slow.FindStringMatch(string(text))
	return err == nil && m != nil && m.Length > 0
}

func (p *Pattern) backtrack(text []byte) bool {
	if len(text) > MaxBacktrack {
		if p.re2 != nil {
			return p.re2.Match(text)
		}
		if p.onTimeout != nil {
			p.onTimeout()
		}
		return false
	}
	ok, err := p.slow.MatchString(string(text))
	if err != nil && p.onTimeout != nil {
		p.onTimeout()
	}
	return ok && err == nil
}

func ascii(text []byte) bool {
	for _, c := range text {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// A literal is a pattern that is plain text, possibly at the beginning or end of a line.
type literal struct {
	text       []byte // not empty, without newlines
	line       []byte // text, with a newline before it if begin is set, and one after it if end is set
	begin, end bool   // ^, $
}

// literalOf is the pattern as a literal, nil if it isn't plain text. A .* at either end, which people write, is dropped with
// its anchor: it doesn't change what matches.
func literalOf(root *node) *literal {
	if root.op != opConcat {
		return nil
	}
	subs := root.subs
	var l literal
	if len(subs) > 0 && subs[0].op == opLineBegin {
		l.begin, subs = true, subs[1:]
	}
	if len(subs) > 0 && subs[len(subs)-1].op == opLineEnd {
		l.end, subs = true, subs[:len(subs)-1]
	}
	for len(subs) > 0 && isDotStar(subs[0]) {
		l.begin, subs = false, subs[1:]
	}
	for len(subs) > 0 && isDotStar(subs[len(subs)-1]) {
		l.end, subs = false, subs[:len(subs)-1]
	}
	for _, n := range subs {
		if n.op != opRune || n.fold && folds(n.r) || n.r == '\n' || n.r == '\uFFFD' {
			return nil
		}
		l.text = append(l.text, string(n.r)...)
	}
	if len(l.text) == 0 {
		return nil
	}
	l.line = append([]byte("\n"), l.text...)
	l.line = append(l.line, '\n')
	if !l.begin {
		l.line = l.line[1:]
	}
	if !l.end {
		l.line = l.line[:len(l.line)-1]
	}
	return &l
}

// isDotStar reports whether n is .* or .*?.
func isDotStar(n *node) bool {
	return n.op == opRepeat && n.min == 0 && n.max == -1 && n.mode != possessive && n.subs[0].op == opAny
}

func folds(r rune) bool {
	return len(runeSet{{r, r}}.folded()) > 1 || runeSet{{r, r}}.folded()[0] != (span{r, r})
}

func (l *literal) match(text []byte) bool {
	head := !l.begin || bytes.HasPrefix(text, l.text)
	tail := !l.end || bytes.HasSuffix(text, l.text)
	switch {
	case l.begin && l.end:
		return head && (len(text) == len(l.text) || text[len(l.text)] == '\n') ||
			tail && bytes.HasSuffix(text, l.line[:len(l.line)-1]) || bytes.Contains(text, l.line)
	case l.begin || l.end:
		return head && tail || bytes.Contains(text, l.line)
	}
	return bytes.Contains(text, l.text)
}
