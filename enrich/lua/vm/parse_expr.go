package vm

// precedence is that of a binary operator: how it binds to the left and to the right; 0 if the token isn't a binary operator.
func precedence(t token) (left, right int) {
	switch t {
	case kwOr:
		return 1, 1
	case kwAnd:
		return 2, 2
	case '<', '>', tokLe, tokGe, tokNe, tokEq:
		return 3, 3
	case tokConcat:
		return 5, 4 // right associative
	case '+', '-':
		return 6, 6
	case '*', '/', '%':
		return 7, 7
	case '^':
		return 10, 9
	}
	return 0, 0
}

const unaryPrecedence = 8

func (p *parser) expr() node { return p.operand(0) }

// operand parses an expression of operators that bind tighter than limit.
func (p *parser) operand(limit int) node {
	p.enter()
	defer p.leave()
	var l node
	line := p.line
	if op := p.tok; op == kwNot || op == '-' || op == '#' {
		p.next()
		x := p.operand(unaryPrecedence)
		l = p.unary(op, x, line)
	} else {
		l = p.simple()
	}
	for {
		op := p.tok
		left, right := precedence(op)
		if left <= limit {
			return l
		}
		line := p.line
		p.next()
		if op == tokConcat {
			l = p.concat(l, line)
			continue
		}
		r := p.operand(right)
		at := p.node(line, l, r)
		switch op {
		case kwAnd, kwOr:
			l = &logicNode{at, op == kwAnd, l, r}
		case '<', '>', tokLe, tokGe, tokNe, tokEq:
			l = &cmpNode{at, op, l, r}
		default:
			l = &binaryNode{at, op, l, r}
		}
	}
}

// unary makes a unary operator. It folds a minus before a number.
func (p *parser) unary(op token, x node, line int) node {
	if c, ok := x.(*constNode); ok && op == '-' && c.v.k == KindNumber {
		return &constNode{p.node(line), Number(-c.v.num())}
	}
	return &unaryNode{p.node(line, x), op, x}
}

// concat parses the rest of a row of "..", which is evaluated at once.
func (p *parser) concat(first node, line int) node {
	parts := []node{first}
	for {
		parts = append(parts, p.operand(5))
		if !p.accept(tokConcat) {
			break
		}
	}
	return &concatNode{p.node(line, parts...), parts}
}

func (p *parser) simple() node {
	line := p.line
	constant := func(v Value) node {
		p.next()
		return &constNode{p.node(line), v}
	}
	switch p.tok {
	case tokNumber:
		return constant(Number(p.num))
	case tokString:
		return constant(String(p.text))
	case kwNil:
		return constant(Nil)
	case kwTrue:
		return constant(True)
	case kwFalse:
		return constant(False)
	case tokDots:
		if !p.fn.dots {
			p.near("cannot use '...' outside a vararg function")
		}
		p.next()
		return &dotsNode{p.node(line)}
	case '{':
		return p.table()
	case kwFunction:
		p.next()
		return p.function("", false, line)
	}
	return p.suffixed()
}

// suffixed parses a name or an expression in parentheses, with the indices and calls after it.
func (p *parser) suffixed() node {
	line := p.line
	var x node
	switch p.tok {
	case tokName:
		name := p.text
		p.next()
		x = p.variable(name, line)
	case '(':
		p.next()
		inner := p.expr()
		p.match(')', "')'", "'('", line)
		x = &parenNode{p.node(line, inner), inner}
	default:
		p.near("unexpected symbol")
	}
	for {
		line := p.line
		switch p.tok {
		case '.':
			p.next()
			key := &constNode{p.node(line), String(p.name())}
			x = &indexNode{p.node(line, x), x, key}
		case '[':
			p.next()
			key := p.expr()
			p.expect(']', "']'")
			x = &indexNode{p.node(line, x, key), x, key}
		case ':':
			p.next()
			method := p.name()
			args := p.args()
			x = &callNode{p.node(line, append(args, x)...), x, method, args}
		case '(', tokString, '{':
			args := p.args()
			x = &callNode{p.node(line, append(args, x)...), x, "", args}
		default:
			return x
		}
	}
}

func (p *parser) args() (args []node) {
	line := p.line
	switch p.tok {
	case tokString:
		s := p.text
		p.next()
		return []node{&constNode{p.node(line), String(s)}}
	case '{':
		return []node{p.table()}
	case '(':
		p.next()
		if p.tok != ')' {
			args = p.exprs()
		}
		p.match(')', "')'", "'('", line)
		return args
	}
	p.near("function arguments expected")
	return nil
}

func (p *parser) exprs() []node {
	list := []node{p.expr()}
	for p.accept(',') {
		list = append(list, p.expr())
	}
	return list
}

func (p *parser) table() node {
	p.enter()
	defer p.leave()
	line := p.line
	p.next()
	t := &tableNode{}
	for p.tok != '}' {
		switch {
		case p.tok == '[':
			p.next()
			t.keys = append(t.keys, p.expr())
			p.expect(']', "']'")
			p.expect('=', "'='")
			t.vals = append(t.vals, p.expr())
		case p.tok == tokName && p.peek() == '=':
			key := &constNode{p.node(p.line), String(p.text)}
			p.next()
			p.next()
			t.keys = append(t.keys, key)
			t.vals = append(t.vals, p.expr())
		default:
			t.elems = append(t.elems, p.expr())
		}
		if !p.accept(',') && !p.accept(';') {
			break
		}
	}
	p.match('}', "'}'", "'{'", line)
	t.pos = p.node(line, append(append(append([]node(nil), t.elems...), t.keys...), t.vals...)...)
	return t
}
