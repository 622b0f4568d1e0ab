// Package pattern matches Onigmo's regular expressions, as Ruby and Fluent Bit write them, on bytes.
//
// A pattern that is text alone is searched for as such. One that RE2 (package regexp) can express is translated to it:
// time linear in the text, no allocation. The rest (look-around, back-references, atomic groups) goes to a backtracking
// engine with limits of time and size. The few places where RE2 gives an answer that isn't Onigmo's are decided by the second
// engine too: word boundaries in text that isn't ASCII, and ^ behind a newline that ends the text.
//
// What the syntax means is Ruby's: ^ and $ hold at every line, \d \s \w \h are ASCII, POSIX brackets and \p{…} are
// Unicode, the flag m lets the dot match newlines.
package pattern

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/dlclark/regexp2"
)

// MatchTimeout is how long the backtracking engine may look at one text. After it the text counts as not matching.
const MatchTimeout = 100 * time.Millisecond

// MaxBacktrack is the largest text in bytes for the backtracking engine, which takes some 80 bytes of memory for each. A
// longer text counts as not matching; where only its Unicode word boundaries need that engine, RE2 decides.
const MaxBacktrack = 128 << 10

// A Pattern is a compiled pattern. It is safe for concurrent use.
type Pattern struct {
	source    string
	literal   *literal        // not nil: nothing else is needed
	re2       *regexp.Regexp  // nil: RE2 can't express it
	slow      *regexp2.Regexp // nil: never needed
	caret     bool
	word      bool
	onTimeout func() // also for texts over MaxBacktrack
}

// Flags are what stands behind the second slash of /pattern/imx.
type Flags struct {
	IgnoreCase bool // i
	DotAll     bool // m: the dot matches newlines
	Extended   bool // x: blanks and comments mean nothing
}

// Compile reads a pattern. onTimeout is called when the backtracking engine gives up on a text, or it is over MaxBacktrack; it may be nil. Errors
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
	fast, slow := printer{re2: true}, printer{}
	fast.node(root)
	slow.node(root)
	p.caret, p.word = fast.caret, fast.word
	if !fast.cannot {
		p.re2, _ = regexp.Compile(fast.String()) // what is too large for it may suit the other engine
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
	if p.re2 == nil || p.word && !ascii(text) {
		return p.backtrack(text)
	}
	if !p.caret || len(text) == 0 || text[len(text)-1] != '\n' {
		return p.re2.Match(text)
	}
	// RE2's ^ matches behind a newline at the end, Onigmo's doesn't: a match that reaches the end is looked at again.
	loc := p.re2.FindIndex(text)
	if loc == nil || loc[1] < len(text) {
		return loc != nil
	}
	return p.backtrack(text)
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

// A literal is a pattern that is text alone, perhaps at the begin or end of a line.
type literal struct {
	text       []byte // not empty, without newlines
	line       []byte // with the newlines that begin and end say
	begin, end bool   // ^, $
}

// literalOf is the pattern as a literal, nil if it is none. An unanchored .* at either end says nothing and is left
// out, since people write it.
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
	for len(subs) > 0 && anything(subs[0]) {
		l.begin, subs = false, subs[1:]
	}
	for len(subs) > 0 && anything(subs[len(subs)-1]) {
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

// anything says that n is .* in one of its forms.
func anything(n *node) bool {
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
