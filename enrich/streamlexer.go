package enrich

import (
	"fmt"
	"strings"
)

// A tokenKind is the kind of a token of a stream query.
type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenWord
	tokenText   // 'in single quotes'
	tokenNumber // 1, -2.5
	tokenSign   // = != <> < <= > >= ( ) [ ] , ; . * :
	tokenWrong
)

// A token is one word of a query.
type token struct {
	kind tokenKind
	text string
	end  int // offset in the query of the byte after it
}

// is reports whether the token is the keyword text, in any case, or the sign text.
func (t token) is(text string) bool {
	return t.kind == tokenSign && t.text == text || t.kind == tokenWord && strings.EqualFold(t.text, text)
}

func (t token) String() string {
	if t.kind == tokenEnd {
		return "the end"
	}
	return t.text
}

// lexStream returns the first token of a query from the offset at on.
func lexStream(query string, at int) token {
	for at < len(query) && strings.IndexByte(" \t\r\n", query[at]) >= 0 {
		at++
	}
	rest := query[at:]
	switch {
	case rest == "":
		return token{tokenEnd, "", at}
	case rest[0] == '\'':
		return lexText(rest, at)
	case isDigit(rest[0]) || rest[0] == '-' && len(rest) > 1 && isDigit(rest[1]):
		n := 1
		for n < len(rest) && (isDigit(rest[n]) || rest[n] == '.') {
			n++
		}
		return token{tokenNumber, rest[:n], at + n}
	case isWordStart(rest[0]) || rest[0] == '@':
		n := 1
		for n < len(rest) && (isWordStart(rest[n]) || isDigit(rest[n]) || rest[n] == '.' && rest[0] != '@') {
			n++
		}
		return token{tokenWord, rest[:n], at + n}
	}
	for _, sign := range []string{"!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", "[", "]", ",", ";", ".", "*", ":"} {
		if strings.HasPrefix(rest, sign) {
			return token{tokenSign, sign, at + len(sign)}
		}
	}
	return token{tokenWrong, fmt.Sprintf("the character %q", rest[:1]), at + 1}
}

// lexText reads a text in single quotes. Two quotes in it stand for one.
func lexText(rest string, at int) token {
	var b strings.Builder
	for i := 1; i < len(rest); i++ {
		if rest[i] != '\'' {
			b.WriteByte(rest[i])
			continue
		}
		if i+1 == len(rest) || rest[i+1] != '\'' {
			return token{tokenText, b.String(), at + i + 1}
		}
		b.WriteByte('\'')
		i++
	}
	return token{tokenWrong, "a ' that is not closed", at + len(rest)}
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isWordStart(c byte) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
