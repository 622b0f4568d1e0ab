package ruby

import (
	"fmt"
	"strings"
)

// A parser reads an expression by recursive descent. Its first error is err; after that it is at the end of the text.
type parser struct {
	src     string
	pos     int
	depth   int
	nodes   int
	dollar  bool // ${ begins a program in a text, too
	env     *Env
	locals  map[string]int // the slots of the variables that are visible
	vars    int            // slots
	methods map[string]method
	err     error
}

func (p *parser) finish(root node) (*Expr, error) {
	if p.err != nil {
		return nil, p.err
	}
	return &Expr{root: root, vars: p.vars}, nil
}

// fail keeps the first error.
func (p *parser) fail(format string, args ...any) node {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
	p.pos = len(p.src)
	return constNode{}
}

// unexpected fails at the next word.
func (p *parser) unexpected() node {
	if p.pos >= len(p.src) {
		return p.fail("the expression ends too early")
	}
	return p.fail("%q is not supported", p.near())
}

// near is the next word or operator, for messages.
func (p *parser) near() string {
	rest := p.src[p.pos:]
	end := 0
	for end < len(rest) && isName(rest[end]) {
		end++
	}
	for end == 0 || end < len(rest) && end < 3 && !isName(rest[0]) && strings.IndexByte("=<>&|.:*+-!", rest[end]) >= 0 {
		end++
	}
	return rest[:min(end, len(rest), 40)]
}

// enter counts a level of nesting and a node. leave ends the level.
func (p *parser) enter() bool {
	p.depth++
	if p.nodes++; p.depth > maxNest || p.nodes > maxNodes {
		p.fail("the expression is too long or nested too deep")
		return false
	}
	return true
}

func (p *parser) leave() { p.depth-- }

// node counts a node that isn't nested deeper.
func (p *parser) node(n node) node {
	if p.nodes++; p.nodes > maxNodes {
		return p.fail("the expression is too long")
	}
	return n
}

// ends reports whether a program ends here: at the end, at a closing bracket or before a word that closes it.
func (p *parser) ends() bool {
	switch p.peek() {
	case 0, '}', ')', ']':
		return true
	}
	at := p.pos
	defer func() { p.pos = at }()
	for _, w := range [...]string{"end", "else", "elsif", "when", "rescue", "then", "ensure"} {
		if p.word(w) {
			return true
		}
	}
	return false
}

// program reads statements.
func (p *parser) program() node {
	var list []node
	for p.err == nil {
		for p.space(); p.skip(";"); p.space() {
		}
		if p.ends() {
			break
		}
		list = append(list, p.statement())
		p.blanks()
		if c := p.peek(); p.err == nil && c != ';' && c != '\n' && c != '\r' && !p.ends() {
			return p.unexpected()
		}
	}
	switch len(list) {
	case 0:
		return constNode{}
	case 1:
		return list[0]
	}
	return p.node(sequence(list))
}

func (p *parser) statement() node {
	n := p.negation()
	for p.err == nil {
		p.blanks()
		switch {
		case p.word("if"):
			n = &ifNode{p.negation(), n, nil}
		case p.word("unless"):
			n = &ifNode{&notNode{p.negation()}, n, nil}
		case p.word("rescue"):
			n = &rescueNode{body: n, handler: p.negation(), slot: -1}
		case p.word("and"):
			n = &logicNode{n, p.negation(), true}
		case p.word("or"):
			n = &logicNode{n, p.negation(), false}
		default:
			return n
		}
		p.node(n)
	}
	return n
}

func (p *parser) negation() node {
	p.space()
	if p.word("not") {
		return &notNode{p.expression()}
	}
	return p.expression()
}

// expression reads an assignment or a ternary.
func (p *parser) expression() node {
	if !p.enter() {
		return constNode{}
	}
	defer p.leave()
	p.space()
	start := p.pos
	name := p.name()
	p.blanks()
	op := p.assignment()
	if name == "" || op == "" {
		p.pos = start
		return p.ternary()
	}
	if c := name[0]; c >= 'A' && c <= 'Z' || p.isKnown(name) {
		return p.fail("an assignment to %s is not supported", name)
	}
	known := op == "=" || p.isLocal(name)
	if op != "=" && op != "||" && !known {
		return p.fail("%s is not supported; it is not a variable yet", name)
	}
	value := p.expression()
	slot := p.local(name)
	switch op {
	case "=":
		return &assignNode{slot, value}
	case "||", "&&":
		return &assignNode{slot, &logicNode{varNode(slot), value, op == "&&"}}
	}
	return &assignNode{slot, &binaryNode{op, varNode(slot), value}}
}

// assignment reads the operator of an assignment, and returns it without its =. For a plain = it returns "=", and "" if there is
// no assignment.
func (p *parser) assignment() string {
	for _, op := range [...]string{"||", "&&", "+", "-", "*", "/"} {
		if p.skip(op + "=") {
			return op
		}
	}
	if p.peek() == '=' && strings.IndexByte("=~>", p.at(1)) < 0 {
		p.pos++
		return "="
	}
	return ""
}

func (p *parser) isLocal(name string) bool { _, ok := p.locals[name]; return ok }

// local is the slot of a variable, a new one if the name is new.
func (p *parser) local(name string) int {
	slot, ok := p.locals[name]
	if !ok {
		slot = p.vars
		p.vars++
		p.locals[name] = slot
	}
	return slot
}

func (p *parser) ternary() node {
	cond := p.rangeOf()
	p.blanks()
	if p.err != nil || p.peek() != '?' {
		return cond
	}
	p.pos++
	p.space()
	if !p.enter() {
		return constNode{}
	}
	defer p.leave()
	yes := p.ternary()
	p.want(":")
	p.space()
	return &ifNode{cond, yes, p.ternary()}
}

func (p *parser) rangeOf() node {
	first := p.binary(0)
	p.blanks()
	if p.peek() != '.' || p.at(1) != '.' {
		return first
	}
	p.pos += 2
	r := &rangeNode{from: first, excl: p.skip(".")}
	p.blanks()
	if c := p.peek(); c != ']' && c != ')' && c != 0 {
		r.to = p.binary(0)
	}
	return p.node(r)
}

// operators returns the binary operators by precedence, the lowest first. An operator comes before those that are its prefixes.
func operators() [][]string {
	return [][]string{
		{"||"}, {"&&"}, {"<=>", "===", "==", "=~", "!=", "!~"}, {"<=", "<", ">=", ">"}, {"|"}, {"&"}, {"<<"},
		{"+", "-"}, {"*", "/", "%"}, {"**"},
	}
}

// operator reads a binary operator with at least the precedence level.
func (p *parser) operator(level int) (op string, at int) {
	p.blanks()
	rest := p.src[p.pos:]
	best := ""
	for n, level := range operators() {
		for _, o := range level {
			if strings.HasPrefix(rest, o) && len(o) > len(best) {
				best, at = o, n
			}
		}
	}
	if best == "" || at < level || best == "&" && strings.HasPrefix(rest, "&.") {
		return "", 0
	}
	if after := rest[len(best):]; strings.HasPrefix(after, "=") && strings.Contains("|| && | & + - * / % ** <<", best) {
		return "", 0 // an assignment
	}
	p.pos += len(best)
	return best, at
}

func (p *parser) binary(level int) node {
	if !p.enter() {
		return constNode{}
	}
	defer p.leave()
	left := p.unary()
	for p.err == nil {
		op, at := p.operator(level)
		if op == "" {
			break
		}
		right := p.binary(at + 1)
		switch op {
		case "||", "&&":
			left = &logicNode{left, right, op == "&&"}
		case "!=":
			left = &notNode{&binaryNode{"==", left, right}}
		case "!~":
			left = &notNode{&binaryNode{"=~", left, right}}
		default:
			left = &binaryNode{op, left, right}
		}
		p.node(left)
	}
	return left
}

func (p *parser) unary() node {
	p.space()
	switch c := p.peek(); {
	case c == '!':
		p.pos++
		if !p.enter() {
			return constNode{}
		}
		defer p.leave()
		return &notNode{p.unary()}
	case c == '-' && !isDigit(p.at(1)):
		p.pos++
		if !p.enter() {
			return constNode{}
		}
		defer p.leave()
		return &binaryNode{"-", constNode(integer(0)), p.unary()}
	case c == '+' && p.at(1) != '+':
		p.pos++
		return p.operandWithCalls()
	}
	return p.operandWithCalls()
}
