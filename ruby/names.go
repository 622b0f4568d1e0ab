package ruby

import (
	"strings"
)

// eventName returns the node of a name that stands for a part of the event; nil if the name is another one.
func (p *parser) eventName(name string) node {
	switch name {
	case "record":
		return recordNode{}
	case "tag":
		return tagNode{}
	case "time":
		return timeNode{}
	case "tag_parts", "tag_prefix", "tag_suffix":
		return tagPartsNode(name)
	}
	return nil
}

// isKnown reports whether a name can't be a variable.
func (p *parser) isKnown(name string) bool {
	switch name {
	case "hostname", "nil", "true", "false", "self", "if", "unless", "case", "begin", "def", "while", "until", "for", "not", "then", "end":
		return true
	}
	return !p.env.Static && p.eventName(name) != nil
}

// named reads an operand that begins with a name.
func (p *parser) named() node {
	start := p.pos
	name := p.name()
	if slot, ok := p.locals[name]; ok {
		return p.node(varNode(slot))
	}
	if n := p.eventName(name); n != nil && !p.env.Static {
		return p.node(n)
	}
	if text, ok := p.env.Words[name]; ok {
		return constNode(str([]byte(text)))
	}
	switch name {
	case "nil":
		return constNode{}
	case "true", "false":
		return constNode(boolean(name == "true"))
	case "hostname":
		return constNode(str([]byte(p.env.Hostname)))
	case "if", "unless":
		return p.conditional(name == "unless")
	case "case":
		return p.caseOf()
	case "begin":
		return p.begin()
	case "ENV", "Time", "DateTime", "JSON", "Socket", "Yajl":
		return libraryOf(p, name)
	case "Integer", "Float", "String", "format", "sprintf", "require":
		if p.peek() == '(' || name == "require" {
			return p.function(name)
		}
	}
	if isClass(name) {
		return constNode(value{kind: kSym, b: []byte(name)})
	}
	p.pos = start
	return p.fail("%q is not supported", name)
}

// isClass reports whether a name is a class for is_a? and rescue.
func isClass(name string) bool {
	switch name {
	case "String", "Integer", "Float", "Numeric", "Array", "Hash", "NilClass", "TrueClass", "FalseClass", "Symbol", "Regexp", "Object",
		"Enumerable", "Comparable", "Fixnum", "StandardError", "NoMethodError", "TypeError", "ArgumentError", "KeyError", "Exception", "ZeroDivisionError":
		return true
	}
	return false
}

// libraryOf reads ENV["X"]. For another name of a library it returns a libraryNode, on which call reads a method. A class name alone
// is an operand of is_a?.
func libraryOf(p *parser, name string) node {
	if name == "ENV" && p.skip("[") {
		key := p.literalText()
		p.want("]")
		return p.environment(key)
	}
	for p.peek() == ':' && p.at(1) == ':' {
		p.pos += 2
		name += "::" + p.name()
	}
	if name == "JSON::ParserError" {
		return constNode(value{kind: kSym, b: []byte(name)})
	}
	if p.peek() != '.' {
		return constNode(value{kind: kSym, b: []byte(name)})
	}
	return libraryNode(name)
}

func (p *parser) environment(key string) node {
	if text, ok := p.env.lookup(key); ok {
		return constNode(str([]byte(text)))
	}
	return constNode{}
}

// literalText reads a string that is the same for every event.
func (p *parser) literalText() string {
	n := p.expression()
	c, ok := n.(constNode)
	if !ok || !value(c).isText() {
		p.fail("ENV needs a literal name, as in ENV[\"NAME\"]")
		return ""
	}
	return string(c.b)
}

// library reads the arguments of a method of a library.
func (p *parser) library(lib, name string) node {
	if lib == "ENV" && name == "fetch" {
		return p.fetch()
	}
	var args []node
	if p.skip("(") {
		args, _ = p.arguments(")")
	}
	full := lib + "." + name
	switch {
	case full == "Socket.gethostname" && len(args) == 0:
		return constNode(str([]byte(p.env.Hostname)))
	case lib == "ENV" && (name == "key?" || name == "has_key?" || name == "include?") && len(args) == 1:
		if c, ok := args[0].(constNode); ok {
			_, set := p.env.lookup(string(c.b))
			return constNode(boolean(set))
		}
	}
	call, min, max := function(full)
	if call == nil || call != nil && p.env.ParseTime == nil && strings.HasSuffix(name, "parse") && lib != "JSON" {
		return p.fail("%q is not supported", full)
	}
	if p.err == nil && (len(args) < min || len(args) > max) {
		return p.fail("%s takes %s, got %d", full, method{min: min, max: max}.counts(), len(args))
	}
	return &functionNode{name: full, call: call, args: args, env: p.env}
}

// fetch reads the arguments of ENV.fetch. A variable that isn't set and has no default is an error at start.
func (p *parser) fetch() node {
	p.want("(")
	p.space()
	key := p.literalText()
	var def node
	if p.space(); p.skip(",") {
		def = p.expression()
	}
	p.want(")")
	if b := p.block(); b != nil {
		def = b.body
	}
	if _, set := p.env.lookup(key); set || def == nil && p.err == nil {
		if !set {
			return p.fail("variable %s is not set", key)
		}
		return p.environment(key)
	}
	return def
}

// function reads a call of a function without a receiver.
func (p *parser) function(name string) node {
	if name == "require" {
		p.blanks()
		p.skip("(")
		lib := p.operand()
		p.skip(")")
		if c, ok := lib.(constNode); ok && strings.Contains(" time json date uri socket yajl oj cgi digest securerandom ", " "+string(c.b)+" ") {
			return constNode(boolean(true))
		}
		return p.fail("this require is not supported")
	}
	p.pos++
	args, _ := p.arguments(")")
	call, min, max := function(name)
	if p.err == nil && (len(args) < min || len(args) > max) {
		return p.fail("%s takes %s, got %d", name, method{min: min, max: max}.counts(), len(args))
	}
	return &functionNode{name: name, call: call, args: args, env: p.env}
}

// conditional reads an if or unless after its first word.
func (p *parser) conditional(unless bool) node {
	if !p.enter() {
		return constNode{}
	}
	defer p.leave()
	n := &ifNode{cond: p.statement()}
	if unless {
		n.cond = &notNode{n.cond}
	}
	p.space()
	p.skip(";")
	p.space()
	p.word("then")
	n.yes = p.program()
	p.space()
	switch {
	case p.word("elsif"):
		n.no = p.conditional(false)
		return n
	case p.word("else"):
		n.no = p.program()
	}
	p.want("end")
	return n
}

// caseOf reads a case after its first word.
func (p *parser) caseOf() node {
	n := &caseNode{}
	if p.space(); !p.ends() {
		n.subject = p.expression()
	}
	for p.space(); p.skip(";"); p.space() {
	}
	for p.err == nil && p.word("when") {
		var w when
		for p.err == nil {
			w.values = append(w.values, p.expression())
			if p.space(); !p.skip(",") {
				break
			}
		}
		p.space()
		p.skip(";")
		p.space()
		p.word("then")
		w.body = p.program()
		n.whens = append(n.whens, w)
		p.space()
	}
	if p.word("else") {
		n.no = p.program()
	}
	p.want("end")
	return p.node(n)
}

// begin reads a begin after its word.
func (p *parser) begin() node {
	body := p.program()
	p.space()
	if !p.word("rescue") {
		p.want("end")
		return body
	}
	n := &rescueNode{body: body, slot: -1}
	for p.blanks(); p.err == nil && p.peek() >= 'A' && p.peek() <= 'Z'; p.blanks() {
		p.operand()
		p.blanks()
		p.skip(",")
	}
	if p.skip("=>") {
		p.blanks()
		n.slot = p.local(p.name())
	}
	if p.blanks(); p.word("then") {
		p.blanks()
	}
	n.handler = p.program()
	p.want("end")
	return p.node(n)
}
