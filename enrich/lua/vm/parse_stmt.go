package vm

func (p *parser) statement() stmt {
	line := p.line
	switch p.tok {
	case ';':
		return nil
	case kwIf:
		return p.ifStatement(line)
	case kwWhile:
		p.next()
		cond := p.expr()
		p.expect(kwDo, "'do'")
		b := p.loop(line, "'while'")
		return &whileStmt{cond, b}
	case kwDo:
		p.next()
		b := p.scoped()
		p.match(kwEnd, "'end'", "'do'", line)
		return &doStmt{b}
	case kwFor:
		return p.forStatement(line)
	case kwRepeat:
		p.next()
		p.loops++
		n, slots := len(p.fn.active), p.fn.slots
		b := p.block()
		p.match(kwUntil, "'until'", "'repeat'", line)
		cond := p.expr() // sees the block's locals
		p.close(n, slots)
		p.loops--
		return &repeatStmt{b, cond}
	case kwFunction:
		return p.functionStatement(line)
	case kwLocal:
		p.next()
		if p.accept(kwFunction) {
			l := p.declare(p.name())
			return &localFunc{l, p.function(l.name, false, line)}
		}
		return p.localStatement(line)
	}
	return p.shortStatement(line)
}

// shortStatement parses a statement without a block.
func (p *parser) shortStatement(line int) stmt {
	switch p.tok {
	case kwReturn:
		p.next()
		r := &returnStmt{pos: p.node(line)}
		if !p.blockEnds() && p.tok != ';' {
			r.values = p.exprs()
		}
		return r
	case kwBreak:
		p.next()
		if p.loops == 0 {
			p.near("no loop to break")
		}
		return &breakStmt{}
	case tokLabel:
		p.next()
		l := &labelStmt{p.name()}
		p.expect(tokLabel, "'::'")
		return l
	case tokName:
		if p.text == "goto" && p.peek() == tokName {
			p.next()
			return &gotoStmt{p.name()}
		}
	}
	return p.exprStatement(line)
}

// loop parses a loop's body and its end.
func (p *parser) loop(line int, opened string) *block {
	p.loops++
	b := p.scoped()
	p.loops--
	p.match(kwEnd, "'end'", opened, line)
	return b
}

func (p *parser) ifStatement(line int) stmt {
	s := &ifStmt{}
	for {
		p.next()
		s.conds = append(s.conds, p.expr())
		p.expect(kwThen, "'then'")
		s.blocks = append(s.blocks, p.scoped())
		if p.tok != kwElseif {
			break
		}
	}
	if p.accept(kwElse) {
		s.otherwise = p.scoped()
	}
	p.match(kwEnd, "'end'", "'if'", line)
	return s
}

func (p *parser) forStatement(line int) stmt {
	p.next()
	n, slots := len(p.fn.active), p.fn.slots
	defer func() { p.close(n, slots) }()
	names := []string{p.name()}
	if p.accept('=') {
		s := &forStmt{from: p.expr()}
		p.expect(',', "','")
		s.to = p.expr()
		if p.accept(',') {
			s.step = p.expr()
		}
		p.expect(kwDo, "'do'")
		s.pos = p.node(line)
		s.v = p.declare(names[0])
		s.body = p.loop(line, "'for'")
		return s
	}
	for p.accept(',') {
		names = append(names, p.name())
	}
	p.expect(kwIn, "'=' or 'in'")
	s := &forInStmt{pos: p.node(line), values: p.exprs()}
	p.expect(kwDo, "'do'")
	for _, name := range names {
		s.vars = append(s.vars, p.declare(name))
	}
	s.body = p.loop(line, "'for'")
	return s
}

func (p *parser) functionStatement(line int) stmt {
	p.next()
	name := p.name()
	target := p.variable(name, line)
	self := false
	for p.tok == '.' || p.tok == ':' {
		self = p.tok == ':'
		p.next()
		key := p.name()
		target = &indexNode{p.node(line, target), target, &constNode{p.node(line), String(key)}}
		name += "." + key
		if self {
			break
		}
	}
	fn := p.function(name, self, line)
	return &assignStmt{p.node(line), []node{target}, []node{fn}}
}

func (p *parser) localStatement(line int) stmt {
	names := []string{p.name()}
	for p.accept(',') {
		names = append(names, p.name())
	}
	s := &localStmt{}
	if p.accept('=') {
		s.values = p.exprs()
	}
	s.pos = p.node(line)
	for _, name := range names { // in scope after the values
		s.locals = append(s.locals, p.declare(name))
	}
	return s
}

// exprStatement parses a call or an assignment.
func (p *parser) exprStatement(line int) stmt {
	x := p.suffixed()
	if p.tok != '=' && p.tok != ',' {
		call, ok := x.(*callNode)
		if !ok {
			p.near("'=' expected")
		}
		return &callStmt{call}
	}
	targets := []node{x}
	for p.accept(',') {
		targets = append(targets, p.suffixed())
	}
	for _, t := range targets {
		switch t.(type) {
		case *localNode, *upNode, *globalNode, *indexNode:
		default:
			p.near("syntax error: cannot assign to this expression")
		}
	}
	p.expect('=', "'='")
	return &assignStmt{p.node(line), targets, p.exprs()}
}
