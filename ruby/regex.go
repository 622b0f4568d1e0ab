package ruby

import (
	"bytes"
	"strings"

	"github.com/firelane/firelane/pattern"
	"github.com/firelane/firelane/record"
)

// A regex is a pattern of an expression.
type regex struct {
	source, flags string
	capture       *pattern.Capture
	names         []string // of its named groups, in their order
}

func newRegex(source, flags string) (*regex, error) {
	kept := strings.Map(func(r rune) rune {
		if strings.ContainsRune("imx", r) {
			return r
		}
		return -1
	}, flags)
	c, err := pattern.CompileNumbered("/"+source+"/"+kept, nil)
	if err != nil {
		return nil, err
	}
	re := &regex{source: source, flags: kept, capture: c}
	if named, err := pattern.CompileCapture(source, pattern.Flags{Extended: strings.Contains(kept, "x")}, nil); err == nil {
		re.names = named.Names()
	}
	return re, nil
}

// all calls yield for each match.
func (m *Machine) all(re *regex, text []byte, yield func(g *pattern.Match) bool) error {
	late := m.overdue()
	ok := !late && re.capture.All(text, func(g *pattern.Match) bool {
		m.steps++
		if late = m.steps&63 == 0 && m.overdue(); late || m.steps > maxSteps {
			return false
		}
		return yield(g)
	})
	switch {
	case m.steps > maxSteps:
		return errSteps
	case late || !ok:
		return errTimeout
	}
	return nil
}

// search is text =~ pattern, in either order: where the first match begins, in characters, or nil. It sets the groups.
func (m *Machine) search(left, right value) (value, error) {
	text, re := left, right.re
	if left.kind == kRegexp {
		text, re = right, left.re
	}
	switch {
	case text.kind == kNil:
		m.matched = nil
		return value{}, nil
	case re == nil || !text.isText():
		return value{}, noMethod("=~", left)
	}
	at, err := m.first(re, text.b)
	if err != nil || at < 0 {
		return value{}, err
	}
	return integer(int64(runeCount(text.b[:at]))), nil
}

// first finds the first match, sets the groups and returns where it begins, in bytes; -1 if there is none.
func (m *Machine) first(re *regex, text []byte) (at int, err error) {
	at, m.matched = -1, nil
	err = m.all(re, text, func(g *pattern.Match) bool {
		at, m.matched, m.groups, m.names = g[0], text, *g, re.names
		return false
	})
	return at, err
}

// group is group n of the last match.
func (m *Machine) group(n int) value {
	if m.matched == nil || n < 0 || 2*n >= len(m.groups) || m.groups[2*n] < 0 {
		return value{}
	}
	return str(m.matched[m.groups[2*n]:m.groups[2*n+1]])
}

// groupNamed is $~[1] or $~["name"].
func (m *Machine) groupNamed(v value) value {
	if v.kind == kInt {
		return m.group(int(min(max(v.n, -1), 99)))
	}
	for i, name := range m.names {
		if v.isText() && name == string(v.b) {
			return m.group(i + 1)
		}
	}
	return value{}
}

func patternMethods(t map[string]method) {
	t["match?"] = method{min: 1, max: 1, call: func(c *call) (value, error) {
		text, re := c.on, c.args[0].re
		if c.on.kind == kRegexp {
			text, re = c.args[0], c.on.re
		}
		switch {
		case re == nil:
			return c.none()
		case c.m.overdue():
			return value{}, errTimeout
		}
		return boolean(text.isText() && re.capture.Match(text.b)), nil
	}}
	t["match"] = method{min: 1, max: 1, call: func(c *call) (value, error) {
		if c.on.kind == kNil || c.on.kind != kRegexp && c.args[0].kind != kRegexp {
			return c.none()
		}
		at, err := c.m.search(c.on, c.args[0])
		if err != nil || at.kind == kNil {
			return value{}, err
		}
		return value{kind: kMatch}, nil
	}}
	t["captures"] = method{call: func(c *call) (value, error) {
		if c.on.kind != kMatch {
			return c.none()
		}
		var groups []value
		for n := 1; n <= groupsOf(c.m); n++ {
			groups = append(groups, c.m.group(n))
		}
		return c.m.array(groups)
	}}
	t["sub"] = method{min: 1, max: 2, block: mayBlock, call: replace}
	t["gsub"] = t["sub"]
	t["scan"] = method{min: 1, max: 1, call: scan}
	t["split"] = method{max: 2, call: split}
	t["start_with?"] = method{min: 1, max: -1, call: startWith}
	t["end_with?"] = method{min: 1, max: -1, call: startWith}
}

// groupsOf returns the number of groups of the last match, up to the last one that took part.
func groupsOf(m *Machine) (n int) {
	for i := 1; i < len(m.groups)/2; i++ {
		if m.groups[2*i] >= 0 {
			n = i
		}
	}
	return n
}

func startWith(c *call) (value, error) {
	if !c.on.isText() {
		return c.none()
	}
	for _, a := range c.args {
		switch {
		case a.kind == kRegexp && c.name == "start_with?":
			at, err := c.m.first(a.re, c.on.b)
			if err != nil || at == 0 {
				return boolean(at == 0), err
			}
		case !a.isText():
			return value{}, typeError(a, "String")
		case c.name == "start_with?" && bytes.HasPrefix(c.on.b, a.b), c.name == "end_with?" && bytes.HasSuffix(c.on.b, a.b):
			return boolean(true), nil
		}
	}
	return boolean(false), nil
}

// replace is sub and gsub. The replacement is a text with \1, the values of a hash, or a block.
func replace(c *call) (value, error) {
	if !c.on.isText() {
		return c.none()
	}
	if len(c.args) == 1 && c.block == nil {
		return value{}, &Error{"ArgumentError", c.name + " needs a replacement"}
	}
	text, what := c.on.b, c.args[0]
	out := make([]byte, 0, len(text)+len(text)/8)
	done, limit := 0, c.name == "sub"
	var failed error
	one := func(g *pattern.Match) bool {
		was := len(out)
		out = append(out, text[done:g[0]]...)
		out, failed = c.replacement(out, text, g)
		done = g[1]
		if failed == nil {
			failed = c.m.room(len(out) - was)
		}
		return failed == nil && !limit
	}
	var err error
	switch {
	case what.kind == kRegexp:
		err = c.m.all(what.re, text, func(g *pattern.Match) bool {
			c.m.matched, c.m.groups, c.m.names = text, *g, what.re.names
			return one(g)
		})
	case what.isText():
		for at := 0; at <= len(text); {
			i := bytes.Index(text[at:], what.b)
			if i < 0 || err != nil {
				break
			}
			g := pattern.Match{0: at + i, 1: at + i + len(what.b)}
			for n := 2; n < len(g); n++ {
				g[n] = -1
			}
			if !one(&g) {
				break
			}
			at += i + max(len(what.b), 1)
			err = c.m.step(1)
		}
	default:
		return value{}, typeError(what, "String")
	}
	if failed != nil {
		err = failed
	}
	if err == nil {
		err = c.m.room(len(text) - done)
	}
	return str(append(out, text[done:]...)), err
}

// replacement appends the replacement of a match.
func (c *call) replacement(dst, text []byte, g *pattern.Match) ([]byte, error) {
	found := text[g[0]:g[1]]
	if len(c.args) == 1 {
		v, err := c.yield(str(found))
		return appendText(dst, v), err
	}
	with := c.args[1]
	switch with.kind {
	case kHash:
		if v, ok := record.Find(with.b, string(found)); ok {
			dst = appendText(dst, read(v))
		}
		return dst, nil
	case kStr:
	default:
		return dst, typeError(with, "String")
	}
	for b := with.b; len(b) > 0; {
		i := bytes.IndexByte(b, '\\')
		if i < 0 || i+1 == len(b) {
			return append(dst, b...), nil
		}
		dst, b = append(dst, b[:i]...), b[i+1:]
		n := -1
		switch d := b[0]; {
		case isDigit(d):
			n, b = int(d-'0'), b[1:]
		case d == '&':
			n, b = 0, b[1:]
		case d == '\\':
			dst, b = append(dst, d), b[1:]
		case bytes.HasPrefix(b, []byte("k<")) && bytes.IndexByte(b, '>') > 0:
			end := bytes.IndexByte(b, '>')
			dst = appendText(dst, c.m.groupNamed(str(b[2:end])))
			b = b[end+1:]
		default:
			dst = append(dst, '\\')
		}
		if n >= 0 && g[2*n] >= 0 {
			dst = append(dst, text[g[2*n]:g[2*n+1]]...)
		}
	}
	return dst, nil
}

func scan(c *call) (value, error) {
	if !c.on.isText() || c.args[0].kind != kRegexp {
		return c.none()
	}
	out := list{m: c.m}
	text := c.on.b
	err := c.m.all(c.args[0].re, text, func(g *pattern.Match) bool {
		c.m.groups, c.m.matched = *g, text
		n := groupsOf(c.m)
		if n == 0 {
			out.addValue(c.m.group(0))
			return out.err == nil
		}
		groups := list{m: c.m}
		for i := 1; i <= n; i++ {
			groups.addValue(c.m.group(i))
		}
		v, err := groups.array()
		if out.addValue(v); err != nil {
			out.err = err
		}
		return out.err == nil
	})
	if err != nil {
		return value{}, err
	}
	return out.array()
}

// runeCount is the number of characters of a text; an invalid byte counts as one.
func runeCount(b []byte) int {
	n := 0
	for _, c := range b {
		if c >= 0x80 {
			return len(bytes.Runes(b))
		}
		n++
	}
	return n
}
