package ruby

import (
	"strings"
)

func isName(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0x80
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func (p *parser) peek() byte { return p.at(0) }

// at is the byte n places ahead, 0 after the end.
func (p *parser) at(n int) byte {
	if p.pos+n < len(p.src) {
		return p.src[p.pos+n]
	}
	return 0
}

// blanks skips blanks, and newlines before a leading dot.
func (p *parser) blanks() {
	for p.peek() == ' ' || p.peek() == '\t' || p.peek() == '\\' && p.at(1) == '\n' {
		p.pos++
		if p.src[p.pos-1] == '\\' {
			p.pos++
		}
	}
	rest := strings.TrimLeft(p.src[p.pos:], " \t\r\n")
	if strings.HasPrefix(rest, "&.") || strings.HasPrefix(rest, ".") && !strings.HasPrefix(rest, "..") {
		p.pos = len(p.src) - len(rest)
	}
}

// space skips blanks and newlines.
func (p *parser) space() {
	for strings.IndexByte(" \t\r\n", p.peek()) >= 0 && p.pos < len(p.src) {
		p.pos++
	}
}

// skip reads a text if it comes next, and reports whether it did.
func (p *parser) skip(text string) bool {
	if strings.HasPrefix(p.src[p.pos:], text) {
		p.pos += len(text)
		return true
	}
	return false
}

// want reads a text that has to come next, after blanks and newlines.
func (p *parser) want(text string) {
	p.space()
	if !p.skip(text) && p.err == nil {
		if p.pos >= len(p.src) {
			p.fail("%q is missing", text)
		} else {
			p.fail("got %q, want %q", p.near(), text)
		}
	}
}

// word reads a whole word if it comes next.
func (p *parser) word(w string) bool {
	if strings.HasPrefix(p.src[p.pos:], w) && !isName(p.at(len(w))) && p.at(len(w)) != ':' {
		p.pos += len(w)
		return true
	}
	return false
}

// name reads a name; "" if there is none.
func (p *parser) name() string {
	start := p.pos
	if isDigit(p.peek()) {
		return ""
	}
	for isName(p.peek()) {
		p.pos++
	}
	return p.src[start:p.pos]
}
