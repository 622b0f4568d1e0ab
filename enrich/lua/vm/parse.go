package vm

// Limits of a script's text.
const (
	maxLocals   = 200 // local variables of a function in scope, as in Lua
	maxUpvalues = 250 // variables of enclosing functions that one uses
	maxSyntax   = 100 // nesting of blocks and expressions
	maxChain    = 500 // operators, indices or calls in a row
)

type parser struct {
	lexer
	fn    *funcBody
	cost  int // nodes of the block that is parsed
	loops int
	level int
}

// parse parses a script.
func parse(name, src string) (body *funcBody, err error) {
	p := &parser{lexer: lexer{name: name, src: src, line: 1}}
	if len(src) > 0 && src[0] == '#' {
		for p.at < len(src) && src[p.at] != '\n' {
			p.at++
		}
	}
	defer func() {
		switch e := recover().(type) {
		case nil:
		case *SyntaxError:
			err = e
		default:
			panic(e)
		}
	}()
	p.fn = &funcBody{name: "main chunk", dots: true, line: 1}
	p.next()
	p.fn.body = p.block()
	if p.tok != tokEOF {
		p.near("'<eof>' expected")
	}
	return p.fn, nil
}

func (p *parser) enter() {
	if p.level++; p.level > maxSyntax {
		p.near("the script is nested more than %d levels deep", maxSyntax)
	}
}

func (p *parser) leave() { p.level-- }

// at returns the position of a new node. depth is that of its deepest part.
func (p *parser) node(line int, parts ...node) pos {
	depth := 0
	for _, n := range parts {
		if n != nil {
			depth = max(depth, n.where().depth)
		}
	}
	if depth++; depth > maxChain {
		p.near("an expression has more than %d operators, indices or calls in a row", maxChain)
	}
	p.cost++
	p.fn.depth = max(p.fn.depth, depth+p.fn.level)
	return pos{line, depth}
}

func (p *parser) accept(t token) bool {
	if p.tok != t {
		return false
	}
	p.next()
	return true
}

func (p *parser) expect(t token, what string) {
	if !p.accept(t) {
		p.near("%s expected", what)
	}
}

// match expects the token that closes another one. line is where that was opened.
func (p *parser) match(t token, what, opened string, line int) {
	if p.tok == t {
		p.next()
		return
	}
	if line == p.line {
		p.near("%s expected", what)
	}
	p.near("%s expected (to close %s at line %d)", what, opened, line)
}

func (p *parser) name() string {
	if p.tok != tokName {
		p.near("'<name>' expected")
	}
	s := p.text
	p.next()
	return s
}

// block parses statements up to a word that ends a block. Its locals are in scope until the caller calls close.
func (p *parser) block() *block {
	p.enter()
	p.fn.level++
	defer func() { p.leave(); p.fn.level-- }()
	outer := p.cost
	p.cost = 0
	b := &block{}
	for !p.blockEnds() {
		last := p.tok == kwReturn || p.tok == kwBreak
		if s := p.statement(); s != nil {
			b.stmts = append(b.stmts, s)
		}
		p.accept(';')
		if last {
			break // the caller expects the end of the block
		}
	}
	b.cost = p.cost + len(b.stmts) + 1
	p.cost = outer
	return b
}

func (p *parser) blockEnds() bool {
	switch p.tok {
	case tokEOF, kwEnd, kwElse, kwElseif, kwUntil:
		return true
	}
	return false
}

// scoped parses a block with a scope of its own.
func (p *parser) scoped() *block {
	n, slots := len(p.fn.active), p.fn.slots
	b := p.block()
	p.close(n, slots)
	return b
}

// close ends the scope of all locals but the first n.
func (p *parser) close(n, slots int) { p.fn.active, p.fn.slots = p.fn.active[:n], slots }

// declare makes a local and brings it into scope.
func (p *parser) declare(name string) *local {
	if len(p.fn.active) >= maxLocals {
		p.fail(p.line, "a function has more than %d local variables", maxLocals)
	}
	l := &local{name: name, slot: p.reserve(1)}
	p.fn.active = append(p.fn.active, l)
	return l
}

// reserve takes n slots, until the scope ends.
func (p *parser) reserve(n int) int {
	at := p.fn.slots
	p.fn.slots += n
	p.fn.most = max(p.fn.most, p.fn.slots)
	return at
}

// variable resolves a name: a local, an upvalue or a global.
func (p *parser) variable(name string, line int) node {
	if l := p.fn.find(name); l != nil {
		return &localNode{p.node(line), l}
	}
	if i := p.capture(p.fn, name); i >= 0 {
		return &upNode{p.node(line), i, name}
	}
	return &globalNode{p.node(line), name}
}

func (f *funcBody) find(name string) *local {
	for i := len(f.active) - 1; i >= 0; i-- {
		if f.active[i].name == name {
			return f.active[i]
		}
	}
	return nil
}

// capture returns the upvalue of f with a name, -1 if no enclosing function has such a variable.
func (p *parser) capture(f *funcBody, name string) int {
	if f.parent == nil {
		return -1
	}
	for i, u := range f.upvalues {
		if u.name == name && (u.fromLocal == nil || u.fromLocal == f.parent.find(name)) {
			return i
		}
	}
	u := upvalue{name: name}
	if l := f.parent.find(name); l != nil {
		l.captured = true
		u.fromLocal = l
	} else if u.fromUp = p.capture(f.parent, name); u.fromUp < 0 {
		return -1
	}
	if len(f.upvalues) >= maxUpvalues {
		p.fail(p.line, "a function uses more than %d variables of enclosing functions", maxUpvalues)
	}
	f.upvalues = append(f.upvalues, u)
	return len(f.upvalues) - 1
}

// function parses parameters and body. The word function has been read.
func (p *parser) function(name string, self bool, line int) *funcNode {
	f := &funcBody{parent: p.fn, name: name, line: line}
	p.fn = f
	outer := p.cost
	loops := p.loops
	p.loops = 0
	if self {
		f.params = append(f.params, p.declare("self"))
	}
	p.expect('(', "'('")
	for p.tok != ')' {
		if p.accept(tokDots) {
			f.dots = true
			break
		}
		f.params = append(f.params, p.declare(p.name()))
		if !p.accept(',') {
			break
		}
		if p.tok == ')' {
			p.near("<name> expected")
		}
	}
	p.expect(')', "')'")
	f.body = p.block()
	p.match(kwEnd, "'end'", "'function'", line)
	p.fn, p.cost, p.loops = f.parent, outer, loops
	return &funcNode{p.node(line), f}
}
