package ruby

import (
	"strconv"
	"strings"
)

// operandWithCalls reads an operand and the methods that are called on it.
func (p *parser) operandWithCalls() node {
	if !p.enter() {
		return constNode{}
	}
	defer p.leave()
	n := p.operand()
	for p.err == nil {
		if p.peek() == '[' {
			p.pos++
			args, _ := p.arguments("]")
			n = p.index(n, args)
			continue
		}
		at := p.pos
		p.blanks()
		safe := p.skip("&.")
		if !safe && (p.peek() != '.' || p.at(1) == '.' || !p.skip(".")) {
			p.pos = at
			return n
		}
		n = p.node(p.call(n, safe))
	}
	return n
}

func (p *parser) index(n node, args []node) node {
	if len(args) == 0 || len(args) > 2 {
		return p.fail("[] takes one or two arguments, got %d", len(args))
	}
	return p.node(&callNode{on: n, name: "[]", method: p.methods["[]"], args: args})
}

// call reads the name of a method, its arguments and its block.
func (p *parser) call(on node, safe bool) node {
	p.space()
	name := p.name()
	if c := p.peek(); name != "" && (c == '?' || c == '!') && p.at(1) != '=' {
		p.pos++
		name += string(c)
	}
	if name == "" {
		return p.unexpected()
	}
	if lib, ok := on.(libraryNode); ok {
		return p.library(string(lib), name)
	}
	m, ok := p.methods[name]
	if !ok || name == "[]" {
		return p.fail("the method %q is not supported", name)
	}
	c := &callNode{on: on, name: name, method: m, safe: safe}
	if p.skip("(") {
		c.args, c.block = p.arguments(")")
	}
	if m.block != noBlock && c.block == nil {
		c.block = p.block()
	}
	switch {
	case p.err != nil:
	case len(c.args) < m.min || m.max >= 0 && len(c.args) > m.max:
		return p.fail("%s takes %s, got %d", name, m.counts(), len(c.args))
	case m.block == noBlock && c.block != nil:
		return p.fail("%s with a block is not supported", name)
	case m.block == needsBlock && c.block == nil:
		return p.fail("%s needs a block, such as { |x| … }", name)
	case name == "delete":
		return p.deletion(c)
	case name == "strftime":
		return p.strftime(c)
	}
	return c
}

// strftime compiles a call of strftime. The format must be a literal; it is parsed only once.
func (p *parser) strftime(c *callNode) node {
	format, ok := c.args[0].(constNode)
	if !ok || !value(format).isText() || p.env.Strftime == nil {
		return p.fail("strftime is supported only with a literal format")
	}
	as, err := p.env.Strftime(string(format.b))
	if err != nil {
		return p.fail("%s", err)
	}
	return &strftimeNode{c.on, as, c.safe}
}

// deletion compiles a call of delete. It is supported only on the record and its members.
func (p *parser) deletion(c *callNode) node {
	var keys []node
	on := c.on
	for {
		at, ok := on.(*callNode)
		if !ok || at.name != "[]" || len(at.args) != 1 {
			break
		}
		keys = append([]node{at.args[0]}, keys...)
		on = at.on
	}
	if _, ok := on.(recordNode); !ok {
		return p.fail("delete is supported only on record and on its members, as in record[\"a\"].delete(\"b\"); use reject or except")
	}
	return &deleteNode{on: c.on, keys: append(keys, c.args[0]), safe: c.safe}
}

// arguments reads arguments up to the closing bracket. Pairs at the end are one hash.
func (p *parser) arguments(closing string) (args []node, b *block) {
	var pairs []node
	for p.err == nil {
		if p.space(); p.skip(closing) {
			break
		}
		if p.peek() == '&' && p.at(1) == ':' {
			p.pos += 2
			b = p.symbolBlock()
		} else if key := p.label(); key != nil {
			pairs = append(pairs, key, p.expression())
		} else if p.peek() == '*' {
			p.unexpected()
		} else {
			arg := p.negation()
			if p.space(); p.skip("=>") {
				pairs = append(pairs, arg, p.expression())
			} else {
				args = append(args, arg)
			}
		}
		if p.space(); !p.skip(",") {
			p.want(closing)
			break
		}
	}
	if len(pairs) > 0 {
		args = append(args, p.node(hashNode(pairs)))
	}
	return args, b
}

// label reads a key of a hash as in a: or "a":, with the colon. It is nil if there is none.
func (p *parser) label() node {
	start := p.pos
	if name := p.name(); name != "" && p.peek() == ':' && p.at(1) != ':' {
		p.pos++
		return constNode(value{kind: kSym, b: []byte(name)})
	}
	p.pos = start
	if c := p.peek(); c == '"' || c == '\'' {
		if end := strings.IndexByte(p.src[p.pos+1:], c); end >= 0 {
			text := p.src[p.pos+1 : p.pos+1+end]
			if after := p.pos + end + 2; after < len(p.src) && p.src[after] == ':' && !strings.HasPrefix(p.src[after:], "::") && !strings.ContainsAny(text, "\\#") {
				p.pos = after + 1
				return constNode(value{kind: kSym, b: []byte(text)})
			}
		}
	}
	return nil
}

// symbolBlock reads the name of a method after &:.
func (p *parser) symbolBlock() *block {
	name := p.name()
	if p.peek() == '?' {
		p.pos++
		name += "?"
	}
	m, ok := p.methods[name]
	if !ok || m.min > 0 || m.block == needsBlock || name == "delete" {
		p.fail("&:%s is not supported", name)
		return nil
	}
	slot := p.vars
	p.vars++
	return &block{params: []int{slot}, body: &callNode{on: varNode(slot), name: name, method: m}}
}

// block reads a block, if one follows.
func (p *parser) block() *block {
	start := p.pos
	p.blanks()
	closing := "}"
	if p.word("do") {
		closing = "end"
	} else if !p.skip("{") {
		p.pos = start
		return nil
	}
	b := &block{}
	before := p.locals
	p.locals = make(map[string]int, len(before)+2)
	for name, slot := range before {
		p.locals[name] = slot
	}
	p.space()
	if p.skip("|") {
		p.params(b)
	}
	b.body = p.program()
	p.want(closing)
	p.locals = before
	return b
}

func (p *parser) params(b *block) {
	for p.err == nil {
		p.space()
		name := p.name()
		if name == "" || len(b.params) == 3 {
			p.unexpected()
			return
		}
		b.params = append(b.params, p.vars)
		p.locals[name] = p.vars
		p.vars++
		if p.space(); !p.skip(",") {
			break
		}
	}
	p.want("|")
}

// operand reads a literal, a name, or something in brackets.
func (p *parser) operand() node {
	p.space()
	switch c := p.peek(); {
	case isDigit(c) || c == '-' && isDigit(p.at(1)):
		return p.number()
	case c == '"' || c == '\'' || c == '%':
		return p.stringLiteral()
	case c == ':':
		return p.symbol()
	case c == '/':
		p.pos++
		return p.regexp('/', '/')
	case c == '[':
		p.pos++
		list, _ := p.arguments("]")
		return p.node(arrayNode(list))
	case c == '{':
		p.pos++
		return p.hashLiteral()
	case c == '(':
		p.pos++
		n := p.program()
		p.want(")")
		return n
	case c == '$':
		return p.global()
	case isName(c):
		return p.named()
	}
	return p.unexpected()
}

// global reads $1 or $~.
func (p *parser) global() node {
	c := p.at(1)
	if isDigit(c) && c != '0' && !isDigit(p.at(2)) {
		p.pos += 2
		return groupNode(c - '0')
	}
	if c == '~' {
		p.pos += 2
		return constNode(value{kind: kMatch})
	}
	return p.fail("%q is not supported", p.src[p.pos:min(p.pos+2, len(p.src))])
}

func (p *parser) number() node {
	start := p.pos
	p.pos++
	for isName(p.peek()) || p.peek() == '.' && isDigit(p.at(1)) || (p.peek() == '-' || p.peek() == '+') && p.src[p.pos-1]|0x20 == 'e' && isDigit(p.at(1)) {
		p.pos++
	}
	text := p.src[start:p.pos]
	if n, err := strconv.ParseInt(text, 0, 64); err == nil {
		return constNode(integer(n))
	}
	if f, err := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64); err == nil {
		return constNode(float(f))
	}
	return p.fail("%q is not a number", text)
}
