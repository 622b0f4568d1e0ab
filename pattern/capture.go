package pattern

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

// A Capture is a pattern that returns what its named groups match. It is safe for concurrent use.
type Capture struct {
	*Pattern
	names   []string       // of the groups, in their order; a name may come twice
	unique  bool           // no name comes twice
	program *program       // nil: the engine can't run the pattern
	re2     *regexp.Regexp // nil: RE2 can't express the pattern
	caret   bool           // the pattern has a ^, for which RE2 differs where text ends in a newline; see Match
	slow    *regexp2.Regexp
	// byNumber: the groups keep their own names, if any, for a back-reference, and only Groups names them by their numbers.
	byNumber bool
}

// CompileCapture is Compile for the text that named groups match.
func CompileCapture(source string, f Flags, onTimeout func()) (*Capture, error) {
	p, err := Compile(source, f, onTimeout)
	if err != nil {
		return nil, err
	}
	root, err := parse(source, flags{fold: f.IgnoreCase, dotAll: f.DotAll, extended: f.Extended})
	if err != nil {
		return nil, err
	}
	return capture(p, root, source)
}

// maxNumber is the highest number of a group that CompileNumbered names.
const maxNumber = 9

// NumberOf returns the name that CompileNumbered gives to group n; group 0 is the whole match.
func NumberOf(n int) string { return "_" + string(rune('0'+n)) }

// CompileNumbered is CompileFluentBit for the text that groups match, by their numbers (NumberOf): those of the named groups if
// there are any, else of all groups.
func CompileNumbered(source string, onTimeout func()) (*Capture, error) {
	p, err := CompileFluentBit(source, onTimeout)
	if err != nil {
		return nil, err
	}
	inner, letters, ok := slashes(source)
	if !ok || strings.Trim(letters, "imox") != "" {
		inner, letters = source, ""
	}
	f := flagsOf(letters)
	root, err := parse(inner, flags{fold: f.IgnoreCase, dotAll: f.DotAll, extended: f.Extended})
	if err != nil {
		return nil, err
	}
	byNumber := hasBackref(root)
	if !byNumber {
		named := len(number(root, nil)) > 0
		rename(root, named, new(int))
		root = &node{op: opGroup, text: NumberOf(0), subs: []*node{root}}
	}
	c, err := capture(p, root, source)
	if err != nil {
		return nil, err
	}
	c.byNumber = byNumber
	return c, nil
}

// hasBackref reports whether a pattern has a back-reference, which needs the groups' own names.
func hasBackref(n *node) bool {
	return n.op == opBackref || slices.ContainsFunc(n.subs, hasBackref)
}

// rename gives the groups the names of their numbers, up to maxNumber.
func rename(n *node, named bool, count *int) {
	if n.op == opGroup && (n.text != "") == named {
		if *count++; *count <= maxNumber {
			n.text = NumberOf(*count)
		} else {
			n.text = ""
		}
	}
	for _, s := range n.subs {
		rename(s, named, count)
	}
}

// capture compiles a parsed pattern.
func capture(p *Pattern, root *node, source string) (*Capture, error) {
	c := &Capture{Pattern: p, names: number(root, nil)}
	c.unique = len(c.Names()) == len(c.names)
	if c.program = programOf(root, len(c.names)); c.program != nil && c.program.first.op == iMatch {
		c.program = nil
	}
	fast, slow := printer{re2: true, groups: true}, printer{}
	fast.node(root)
	slow.node(root)
	if c.caret = fast.caret; !fast.notRE2 && !fast.word {
		c.re2, _ = regexp.Compile(fast.String())
	}
	var err error
	if c.slow, err = compileSlow(slow.String()); err != nil {
		return nil, fmt.Errorf("pattern %q can't be used: %s", source, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return c, nil
}

// number numbers the named groups of a pattern, and appends their names.
func number(n *node, names []string) []string {
	if n.op == opGroup && n.text != "" {
		n.index = len(names)
		names = append(names, n.text)
	}
	for _, s := range n.subs {
		names = number(s, names)
	}
	return names
}

// Names returns the names of the groups, each once, in their order.
func (c *Capture) Names() []string {
	var names []string
	for _, name := range c.names {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// A Group is the text that a named group matches.
type Group struct {
	Name string
	Text []byte
}

// Groups appends to dst every named group that took part in the first match in text, in the order of the pattern. If several
// groups have one name, it has the text of the last of them. It returns false if the pattern doesn't match. The texts alias text.
func (c *Capture) Groups(dst []Group, text []byte) ([]Group, bool) {
	if c.program != nil {
		var m machine
		found, known := c.program.search(&m, text)
		if found {
			for i, name := range c.names {
				dst = c.add(dst, name, text, int(m.slots[2*i]), int(m.slots[2*i+1]))
			}
		}
		if known {
			return dst, found
		}
	}
	if c.re2 == nil || c.caret && bytes.HasSuffix(text, []byte{'\n'}) {
		return c.slowGroups(dst, text)
	}
	loc := c.re2.FindSubmatchIndex(text)
	if loc != nil {
		for i, name := range c.names {
			dst = c.add(dst, name, text, loc[2*i+2], loc[2*i+3])
		}
	}
	return dst, loc != nil
}

// add appends a group, or replaces the one of that name, if it has a place in the text.
func (c *Capture) add(dst []Group, name string, text []byte, start, end int) []Group {
	if start < 0 || end < start {
		return dst
	}
	for i := 0; !c.unique && i < len(dst); i++ {
		if dst[i].Name == name {
			dst[i].Text = text[start:end]
			return dst
		}
	}
	return append(dst, Group{name, text[start:end]})
}

// slowGroups is Groups by the backtracking library, which counts in runes.
func (c *Capture) slowGroups(dst []Group, text []byte) ([]Group, bool) {
	if len(text) > MaxBacktrack {
		if c.onTimeout != nil {
			c.onTimeout()
		}
		return dst, false
	}
	m, err := c.slow.FindStringMatch(string(text))
	if err != nil && c.onTimeout != nil {
		c.onTimeout()
	}
	if err != nil || m == nil {
		return dst, false
	}
	if c.byNumber {
		for i := range maxNumber + 1 {
			dst = addSlow(dst, NumberOf(i), text, m.GroupByNumber(i))
		}
		return dst, true
	}
	for _, name := range c.Names() {
		dst = addSlow(dst, name, text, m.GroupByName(name))
	}
	return dst, true
}

// addSlow appends a group of the backtracking library, if it took part.
func addSlow(dst []Group, name string, text []byte, g *regexp2.Group) []Group {
	if g == nil || len(g.Captures) == 0 {
		return dst
	}
	start := afterRunes(text, 0, g.Index)
	return append(dst, Group{name, text[start:afterRunes(text, start, g.Length)]})
}

// afterRunes returns the offset that is n runes after offset i.
func afterRunes(text []byte, i, n int) int {
	for ; n > 0 && i < len(text); n-- {
		_, size := utf8.DecodeRune(text[i:])
		i += size
	}
	return i
}
