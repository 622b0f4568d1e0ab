package vm

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// A token is the kind of a token: a character, or one of these constants.
type token int

const (
	tokEOF token = iota + 256
	tokName
	tokNumber
	tokString
	tokEq
	tokNe
	tokLe
	tokGe
	tokConcat
	tokDots
	tokLabel // ::
	tokKeyword
)

// keywordList are the reserved words, in the order of the constants. goto isn't reserved, as in LuaJIT.
const keywordList = "and break do else elseif end false for function if in local nil not or repeat return then true until while"

// keyword returns the token of a reserved word, or tokName.
func keyword(s string) token {
	if len(s) < 2 || len(s) > 8 {
		return tokName
	}
	for i, w := range strings.Fields(keywordList) {
		if w == s {
			return tokKeyword + token(i)
		}
	}
	return tokName
}

const (
	kwAnd token = tokKeyword + iota
	kwBreak
	kwDo
	kwElse
	kwElseif
	kwEnd
	kwFalse
	kwFor
	kwFunction
	kwIf
	kwIn
	kwLocal
	kwNil
	kwNot
	kwOr
	kwRepeat
	kwReturn
	kwThen
	kwTrue
	kwUntil
	kwWhile
)

// A lexer splits a script into tokens.
type lexer struct {
	name string // of the script, for messages
	src  string
	at   int
	line int

	tok  token
	text string  // of a name or a string
	num  float64 // of a number
	from int     // where the token begins

	ahead *lookahead
}

type lookahead struct {
	tok  token
	text string
	num  float64
	from int
	line int
}

// A SyntaxError is the error of a script that doesn't compile. Its text begins with the script's name and the line.
type SyntaxError struct{ text string }

func (e *SyntaxError) Error() string { return e.text }

// fail ends the compilation.
func (l *lexer) fail(line int, format string, args ...any) {
	panic(&SyntaxError{fmt.Sprintf("%s:%d: %s", l.name, line, fmt.Sprintf(format, args...))})
}

// near fails with a message that shows the current token.
func (l *lexer) near(format string, args ...any) {
	text := "<eof>"
	if l.tok != tokEOF {
		text = l.src[l.from:min(l.at, l.from+nearBytes)]
	}
	l.fail(l.line, "%s near '%s'", fmt.Sprintf(format, args...), strings.ToValidUTF8(text, "?"))
}

// nearBytes is how many bytes of a token a message shows.
const nearBytes = 40

// next reads the next token.
func (l *lexer) next() {
	if a := l.ahead; a != nil {
		l.tok, l.text, l.num, l.from, l.line, l.ahead = a.tok, a.text, a.num, a.from, a.line, nil
		return
	}
	l.tok = l.scan()
}

// peek returns the token after the current one.
func (l *lexer) peek() token {
	if l.ahead == nil {
		was := *l
		l.tok = l.scan()
		a := &lookahead{l.tok, l.text, l.num, l.from, l.line}
		end := l.at
		*l = was
		l.at, l.ahead = end, a
	}
	return l.ahead.tok
}

func (l *lexer) scan() token {
	l.blanks()
	l.from = l.at
	if l.at >= len(l.src) {
		return tokEOF
	}
	c := l.src[l.at]
	switch {
	case isAlpha(c) || c == '_' || c >= utf8.RuneSelf: // LuaJIT takes UTF-8 in names
		for l.at < len(l.src) && (isAlnum(l.src[l.at]) || l.src[l.at] == '_' || l.src[l.at] >= utf8.RuneSelf) {
			l.at++
		}
		l.text = l.src[l.from:l.at]
		return keyword(l.text)
	case isDigit(c) || c == '.' && l.at+1 < len(l.src) && isDigit(l.src[l.at+1]):
		return l.number()
	case c == '"' || c == '\'':
		return l.quoted(c)
	case c == '[':
		if level := l.bracket(); level >= 0 {
			l.text = l.long(level)
			return tokString
		}
	}
	for _, long := range []struct {
		text string
		tok  token
	}{{"...", tokDots}, {"..", tokConcat}, {"==", tokEq}, {"~=", tokNe}, {"<=", tokLe}, {">=", tokGe}, {"::", tokLabel}} {
		if strings.HasPrefix(l.src[l.at:], long.text) {
			l.at += len(long.text)
			return long.tok
		}
	}
	l.at++
	return token(c)
}

// blanks skips white space and comments.
func (l *lexer) blanks() {
	for l.at < len(l.src) {
		switch c := l.src[l.at]; {
		case c == '\n':
			l.line++
			l.at++
		case isSpace(c):
			l.at++
		case strings.HasPrefix(l.src[l.at:], "--"):
			l.from = l.at
			l.at += 2
			if level := l.bracket(); level >= 0 {
				l.long(level)
				continue
			}
			if n := strings.IndexByte(l.src[l.at:], '\n'); n >= 0 {
				l.at += n
			} else {
				l.at = len(l.src)
			}
		default:
			return
		}
	}
}

// bracket returns the number of = between the two [ of a long bracket that begins here, or -1.
func (l *lexer) bracket() int {
	if l.at >= len(l.src) || l.src[l.at] != '[' {
		return -1
	}
	n := l.at + 1
	for n < len(l.src) && l.src[n] == '=' {
		n++
	}
	if n >= len(l.src) || l.src[n] != '[' {
		return -1
	}
	return n - l.at - 1
}

// long reads a long bracket.
func (l *lexer) long(level int) string {
	end := "]" + strings.Repeat("=", level) + "]"
	l.at += len(end)
	n := strings.Index(l.src[l.at:], end)
	if n < 0 {
		l.tok = tokEOF
		l.fail(l.line, "unfinished long string or comment near '<eof>'")
	}
	text := l.src[l.at : l.at+n]
	l.at += n + len(end)
	l.line += strings.Count(text, "\n")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	return strings.TrimPrefix(text, "\n")
}

func (l *lexer) number() token {
	for l.at < len(l.src) {
		c := l.src[l.at]
		if (c == '+' || c == '-') && (l.src[l.at-1]|0x20 == 'e' || l.src[l.at-1]|0x20 == 'p') && !(l.src[l.at-1]|0x20 == 'e' && hexPrefix(l.src[l.from:])) {
			l.at++
			continue
		}
		if !isAlnum(c) && c != '.' && c != '_' {
			break
		}
		l.at++
	}
	text := l.src[l.from:l.at]
	if upper := strings.ToUpper(text); strings.HasSuffix(upper, "LL") { // LuaJIT's 64-bit integers
		text = strings.TrimRight(text[:len(text)-2], "uU")
	}
	f, ok := parseNumber(text)
	if !ok {
		l.near("malformed number")
	}
	l.num = f
	return tokNumber
}

func hexPrefix(s string) bool { return len(s) > 1 && s[0] == '0' && s[1]|0x20 == 'x' }
