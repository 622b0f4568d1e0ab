package ruby

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/firelane/firelane/record"
)

// brackets returns the delimiters of a literal that begins with c.
func brackets(c byte) (opening, closing byte) {
	switch c {
	case '(':
		return c, ')'
	case '[':
		return c, ']'
	case '{':
		return c, '}'
	case '<':
		return c, '>'
	}
	return 0, c
}

// stringLiteral reads '…', "…" and literals that begin with a percent sign.
func (p *parser) stringLiteral() node {
	c := p.peek()
	p.pos++
	switch c {
	case '\'':
		return p.raw(0, '\'')
	case '"':
		return p.text(0, '"', true)
	}
	kind := p.peek()
	if kind|0x20 >= 'a' && kind|0x20 <= 'z' {
		p.pos++
	} else {
		kind = 'Q'
	}
	if c := p.peek(); isName(c) || c <= ' ' || strings.IndexByte("qQwWir", kind) < 0 {
		return p.fail("%q is not supported", "%"+string(kind))
	}
	opening, closing := brackets(p.peek())
	p.pos++
	switch kind {
	case 'q':
		return p.raw(opening, closing)
	case 'r':
		return p.regexp(opening, closing)
	case 'w', 'W', 'i':
		c, ok := p.raw(opening, closing).(constNode)
		if !ok {
			return c
		}
		var list arrayNode
		for w := range strings.FieldsSeq(string(c.b)) {
			list = append(list, constNode(str([]byte(w))))
		}
		return p.node(list)
	}
	return p.text(opening, closing, true)
}

// raw reads a string without escapes.
func (p *parser) raw(opening, closing byte) node {
	var b []byte
	for depth := 0; p.pos < len(p.src); {
		c := p.src[p.pos]
		p.pos++
		switch {
		case c == '\\' && (p.peek() == closing || p.peek() == '\\'):
			c = p.peek()
			p.pos++
		case c == closing && depth == 0:
			return constNode(str(b))
		case c == closing:
			depth--
		case c == opening && opening != 0:
			depth++
		}
		b = append(b, c)
	}
	return p.fail("a string is not closed; %s is missing", string(closing))
}

// text reads a string with embedded programs and, with escapes, backslash escapes. If closing is 0 the string goes up to the end of
// the source.
func (p *parser) text(opening, closing byte, escapes bool) node {
	var parts textNode
	var b []byte
	flush := func() {
		if len(b) > 0 {
			parts = append(parts, constNode(str(b)))
			b = nil
		}
	}
	for depth := 0; p.pos < len(p.src); {
		c := p.src[p.pos]
		p.pos++
		switch {
		case c == '\\' && escapes:
			b = p.escape(b)
			continue
		case c == '\\' && p.pos < len(p.src):
			if b = append(b, c); p.peek() == closing {
				b = b[:len(b)-1]
			}
			c = p.peek()
			p.pos++
		case (c == '#' || c == '$' && p.dollar && closing == 0) && p.skip("{"):
			flush()
			parts = append(parts, p.embedded())
			continue
		case closing != 0 && c == closing && depth == 0:
			flush()
			return p.whole(parts)
		case closing != 0 && c == closing:
			depth--
		case opening != 0 && c == opening:
			depth++
		}
		b = append(b, c)
	}
	if flush(); closing != 0 {
		return p.fail("a string is not closed; %s is missing", string(closing))
	}
	return p.whole(parts)
}

// embedded reads an embedded program and its closing brace.
func (p *parser) embedded() node {
	if !p.enter() {
		return constNode{}
	}
	defer p.leave()
	n := p.program()
	p.want("}")
	return n
}

// whole makes a string from its parts.
func (p *parser) whole(parts textNode) node {
	switch {
	case len(parts) == 0:
		return constNode(str(nil))
	case len(parts) == 1:
		if c, ok := parts[0].(constNode); ok {
			return constNode(str(appendText(nil, value(c))))
		}
	}
	return p.node(parts)
}

// escape reads what follows a backslash in a string.
func (p *parser) escape(b []byte) []byte {
	c := p.peek()
	p.pos++
	switch c {
	case 'n':
		return append(b, '\n')
	case 't':
		return append(b, '\t')
	case 'r':
		return append(b, '\r')
	case 'e':
		return append(b, 0x1b)
	case 's':
		return append(b, ' ')
	case 'a', 'b', 'v', 'f':
		return append(b, map[byte]byte{'a': 7, 'b': 8, 'v': 11, 'f': 12}[c])
	case '\n', 0:
		return b
	case 'u':
		return p.unicode(b)
	case 'x':
		return append(b, byte(p.code(16, 2)))
	}
	if c >= '0' && c <= '7' {
		p.pos--
		return append(b, byte(p.code(8, 3)))
	}
	return append(b, c)
}

func (p *parser) unicode(b []byte) []byte {
	digits := 4
	braces := p.skip("{")
	if braces {
		digits = 6
	}
	n := p.code(16, digits)
	if braces {
		p.skip("}")
	}
	return utf8.AppendRune(b, rune(n))
}

// code reads a number in the given base, of at most most digits.
func (p *parser) code(base, most int) int64 {
	end := p.pos
	for end < len(p.src) && end < p.pos+most {
		if _, err := strconv.ParseInt(p.src[p.pos:end+1], base, 64); err != nil {
			break
		}
		end++
	}
	n, err := strconv.ParseInt(p.src[p.pos:end], base, 64)
	if err != nil {
		p.fail("a string has an invalid escape")
		return 0
	}
	p.pos = end
	return n
}

// symbol reads :name and :"name".
func (p *parser) symbol() node {
	p.pos++
	if p.peek() == '"' {
		if c, ok := p.stringLiteral().(constNode); ok {
			c.kind = kSym
			return c
		}
		return p.fail("a symbol with #{} is not supported")
	}
	name := p.name()
	if c := p.peek(); name != "" && (c == '?' || c == '!') {
		p.pos++
		name += string(c)
	}
	if name == "" {
		for _, op := range [...]string{"+", "*", "-"} {
			if p.skip(op) {
				name = op
				break
			}
		}
	}
	if name == "" {
		return p.unexpected()
	}
	return constNode(value{kind: kSym, b: []byte(name)})
}

// regexp reads a pattern and its flags.
func (p *parser) regexp(opening, closing byte) node {
	if closing == '/' {
		opening = 0
	}
	var source string
	switch n := p.text(opening, closing, false).(type) {
	case constNode:
		source = string(n.b)
	default:
		return p.fail("a pattern with #{} is not supported")
	}
	start := p.pos
	for strings.IndexByte("imxounse", p.peek()) >= 0 && p.pos < len(p.src) {
		p.pos++
	}
	re, err := newRegex(source, p.src[start:p.pos])
	if err != nil {
		return p.fail("%s", err)
	}
	return constNode(value{kind: kRegexp, re: re})
}

// hashLiteral reads the members of a hash after its brace.
func (p *parser) hashLiteral() node {
	var pairs hashNode
	for p.err == nil {
		if p.space(); p.skip("}") {
			break
		}
		key := p.label()
		if key == nil {
			key = p.expression()
			p.want("=>")
		}
		pairs = append(pairs, key, p.expression())
		if p.space(); !p.skip(",") {
			p.want("}")
			break
		}
	}
	return p.node(pairs)
}

// appendPair appends a member of a hash.
func appendPair(dst []byte, key, v value) []byte {
	return appendValue(record.AppendStrBytes(dst, appendText(nil, key)), v)
}
