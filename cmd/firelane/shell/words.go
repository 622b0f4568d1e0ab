package shell

import (
	"errors"
	"strings"
)

// A word is one word of a shell line, one of the operators | || && ; or a redirection of the output into a file.
type word struct {
	parts []part
	op    string
	into  string // > or >>: the word is the name of the file
}

// A part of a word is text, or the name of a variable.
type part struct {
	text     string
	quoted   bool
	variable bool
	or       string // the value of ${NAME:-or} where NAME is not set or empty
}

var errQuote = errors.New("unclosed quote")

// assigns reports whether the word is NAME=value.
func (w word) assigns() bool {
	if w.into != "" || len(w.parts) == 0 || w.parts[0].variable || w.parts[0].quoted {
		return false
	}
	name, _, ok := strings.Cut(w.parts[0].text, "=")
	return ok && name != "" && nameLength(name) == len(name)
}

// nameLength is the length of the name of a variable that s begins with.
func nameLength(s string) int {
	for i := range len(s) {
		ch := s[i] | 0x20
		if (ch < 'a' || ch > 'z') && s[i] != '_' && (i == 0 || s[i] < '0' || s[i] > '9') {
			return i
		}
	}
	return len(s)
}

func (p part) value(lookup func(string) (string, bool)) string {
	if !p.variable {
		return p.text
	}
	value := ""
	if lookup != nil {
		value, _ = lookup(p.text)
	}
	if value == "" {
		value = p.or
	}
	return value
}

// text is the word with its variables expanded.
func (w word) text(lookup func(string) (string, bool)) string {
	var b strings.Builder
	for _, p := range w.parts {
		b.WriteString(p.value(lookup))
	}
	return b.String()
}

// expand expands the word's variables, and splits the values of those that are not in quotes at blanks.
func (w word) expand(lookup func(string) (string, bool)) []string {
	var list []string
	var cur strings.Builder
	open := false
	for _, p := range w.parts {
		value := p.value(lookup)
		if !p.variable || p.quoted {
			cur.WriteString(value)
			open = true
			continue
		}
		fields := strings.Fields(value)
		for i, field := range fields {
			if i > 0 || strings.TrimLeft(value, " \t\n") != value {
				if open {
					list = append(list, cur.String())
				}
				cur.Reset()
			}
			cur.WriteString(field)
			open = true
		}
	}
	if open {
		list = append(list, cur.String())
	}
	return list
}

// A splitter splits a line.
type splitter struct {
	line  string
	at    int
	words []word
	cur   word
	open  bool // cur is a word, possibly an empty one
}

// splitLine splits a shell line into words as sh does: quotes, backslashes and variables, but no expansion of any other kind.
func splitLine(line string) ([]word, error) {
	s := &splitter{line: line}
	for s.at < len(line) {
		if err := s.next(); err != nil {
			return nil, err
		}
	}
	s.end()
	return s.words, nil
}

// end ends the current word.
func (s *splitter) end() {
	if s.open || s.cur.into != "" && len(s.cur.parts) > 0 {
		s.words = append(s.words, s.cur)
	}
	s.cur, s.open = word{}, false
}

// add adds text to the current word.
func (s *splitter) add(text string, quoted bool) {
	s.open = true
	if n := len(s.cur.parts); n > 0 && !s.cur.parts[n-1].variable && s.cur.parts[n-1].quoted == quoted {
		s.cur.parts[n-1].text += text
		return
	}
	s.cur.parts = append(s.cur.parts, part{text: text, quoted: quoted})
}

// next reads what is at the current place.
func (s *splitter) next() error {
	switch ch := s.line[s.at]; ch {
	case ' ', '\t':
		if s.open || s.cur.into == "" {
			s.end()
		}
		s.at++
	case '\n', '|', '&', ';':
		s.end()
		op := string(ch)
		if s.at++; ch != ';' && ch != '\n' && s.at < len(s.line) && s.line[s.at] == ch {
			op += op
			s.at++
		}
		if op == "\n" || op == "&" {
			op = ";"
		}
		s.words = append(s.words, word{op: op})
	case '>', '<':
		s.redirect(ch)
	case '\'':
		end := strings.IndexByte(s.line[s.at+1:], '\'')
		if end < 0 {
			return errQuote
		}
		s.add(s.line[s.at+1:s.at+1+end], true)
		s.at += end + 2
	case '"':
		return s.quoted()
	case '$':
		s.variable(false)
	case '#':
		if s.open {
			s.add("#", false)
			s.at++
			break
		}
		for s.at < len(s.line) && s.line[s.at] != '\n' { // a comment
			s.at++
		}
	case '\\':
		if s.at++; s.at < len(s.line) {
			if s.line[s.at] != '\n' {
				s.add(s.line[s.at:s.at+1], true)
			}
			s.at++
		}
	default:
		s.add(s.line[s.at:s.at+1], false)
		s.at++
	}
	return nil
}

// quoted reads a string in double quotes.
func (s *splitter) quoted() error {
	s.add("", true)
	for s.at++; s.at < len(s.line); {
		switch ch := s.line[s.at]; {
		case ch == '"':
			s.at++
			return nil
		case ch == '\\' && s.at+1 < len(s.line) && strings.IndexByte("\"\\$`\n", s.line[s.at+1]) >= 0:
			if s.line[s.at+1] != '\n' {
				s.add(s.line[s.at+1:s.at+2], true)
			}
			s.at += 2
		case ch == '$':
			s.variable(true)
		default:
			s.add(s.line[s.at:s.at+1], true)
			s.at++
		}
	}
	return errQuote
}

// variable reads $NAME, ${NAME} or ${NAME:-value}. Anything else after a $ is text.
func (s *splitter) variable(quoted bool) {
	rest := s.line[s.at+1:]
	if n := nameLength(rest); n > 0 {
		s.cur.parts = append(s.cur.parts, part{text: rest[:n], variable: true, quoted: quoted})
		s.open = true
		s.at += 1 + n
		return
	}
	inside, _, closed := strings.Cut(strings.TrimPrefix(rest, "{"), "}")
	if n := nameLength(inside); strings.HasPrefix(rest, "{") && closed && n > 0 && (n == len(inside) || strings.HasPrefix(inside[n:], ":-")) {
		s.cur.parts = append(s.cur.parts, part{text: inside[:n], or: strings.TrimPrefix(inside[n:], ":-"), variable: true, quoted: quoted})
		s.open = true
		s.at += 1 + len(inside) + 2
		return
	}
	s.add("$", quoted)
	s.at++
}

// redirect reads a redirection. That of standard output into a file is a word; the others are ignored.
func (s *splitter) redirect(ch byte) {
	fd := ""
	if n := len(s.cur.parts); n == 1 && !s.cur.parts[0].quoted && !s.cur.parts[0].variable && s.cur.into == "" && strings.Trim(s.cur.parts[0].text, "0123456789") == "" {
		fd = s.cur.parts[0].text
		s.cur, s.open = word{}, false
	}
	s.end()
	into := string(ch)
	if s.at++; s.at < len(s.line) && s.line[s.at] == ch {
		into += into
		s.at++
	}
	if ch == '<' || fd != "" && fd != "1" || s.at < len(s.line) && s.line[s.at] == '&' {
		s.at += target(s.line[s.at:])
		return
	}
	s.cur.into = into
}

// target is the length of the target of a redirection that s begins with: "/dev/null", " FILE", "&1".
func target(s string) int {
	i := 0
	for i < len(s) && (s[i] == '&' || s[i] == ' ') {
		i++
	}
	for i < len(s) && strings.IndexByte(" |;&><\n", s[i]) < 0 {
		i++
	}
	return i
}
