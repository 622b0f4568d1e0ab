package shell

import (
	"errors"
	"strconv"
	"strings"
)

// A word is one word of a shell line, one of the operators | || && ; or a redirection.
type word struct {
	parts []part
	op    string
	into  string // > or >>: the word is the name of the file that the output goes to; <: of the input; <<: the input itself
}

// A part of a word is text, or the name of a variable, or of an argument: 1 to 9, @, *, #.
type part struct {
	text     string
	quoted   bool
	variable bool
	or       string // the value of ${NAME:-or} where NAME is not set or empty
}

// An environment is what variables expand to.
type environment struct {
	lookup func(string) (string, bool) // may be nil
	args   []string                    // $1 and following
}

// value is the value of a variable or an argument.
func (e environment) value(name string) string {
	switch {
	case name == "@" || name == "*":
		return strings.Join(e.args, " ")
	case name == "#":
		return strconv.Itoa(len(e.args))
	case name >= "1" && name <= "9" && len(name) == 1:
		if n := int(name[0] - '1'); n < len(e.args) {
			return e.args[n]
		}
		return ""
	case e.lookup == nil:
		return ""
	}
	value, _ := e.lookup(name)
	return value
}

var (
	errQuote        = errors.New("unclosed quote")
	errSubstitution = errors.New("the output of a command as a part of a line, $(…), is not supported")
)

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

func (p part) value(e environment) string {
	if !p.variable {
		return p.text
	}
	if value := e.value(p.text); value != "" {
		return value
	}
	return p.or
}

// text is the word with its variables expanded.
func (w word) text(e environment) string {
	var b strings.Builder
	for _, p := range w.parts {
		b.WriteString(p.value(e))
	}
	return b.String()
}

// expand expands the word's variables, and splits the values of those that are not in quotes at blanks.
func (w word) expand(e environment) []string {
	parts := w.parts
	if len(parts) == 2 && parts[0] == (part{quoted: true}) { // what the quote begins with
		parts = parts[1:]
	}
	if len(parts) == 1 && parts[0].variable && parts[0].quoted && parts[0].text == "@" {
		return e.args
	}
	var list []string
	var cur strings.Builder
	open := false
	for _, p := range w.parts {
		value := p.value(e)
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
	for s.at < len(s.line) {
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
		return s.redirect(ch)
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
		return s.variable(false)
	case '`':
		return errSubstitution
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
		n := 1 + plain(s.line[s.at+1:], " \t\n|&;<>'\"$`#\\")
		s.add(s.line[s.at:s.at+n], false)
		s.at += n
	}
	return nil
}

// quoted reads a string in double quotes.
func (s *splitter) quoted() error {
	s.at++
	if err := s.expanded('"'); err != nil {
		return err
	}
	if s.at == len(s.line) {
		return errQuote
	}
	s.at++
	return nil
}

// expanded reads text with variables and escapes, up to the character end or the end of the line; 0 for the latter.
func (s *splitter) expanded(end byte) error {
	s.add("", true)
	for s.at < len(s.line) {
		switch ch := s.line[s.at]; {
		case ch == end && end != 0:
			return nil
		case ch == '\\' && s.at+1 < len(s.line) && (strings.IndexByte("\\$`\n", s.line[s.at+1]) >= 0 || s.line[s.at+1] == end):
			if s.line[s.at+1] != '\n' {
				s.add(s.line[s.at+1:s.at+2], true)
			}
			s.at += 2
		case ch == '`':
			return errSubstitution
		case ch == '$':
			if err := s.variable(true); err != nil {
				return err
			}
		default:
			n := 1 + plain(s.line[s.at+1:], "\\`$"+string(end))
			s.add(s.line[s.at:s.at+n], true)
			s.at += n
		}
	}
	return nil
}

// plain is how many bytes at the beginning of text are none of special.
func plain(text, special string) int {
	if n := strings.IndexAny(text, special); n >= 0 {
		return n
	}
	return len(text)
}

// variable reads $NAME, ${NAME}, ${NAME:-value} or an argument such as $1 and $@. Anything else after a $ is text.
func (s *splitter) variable(quoted bool) error {
	rest := s.line[s.at+1:]
	n := nameLength(rest)
	if n == 0 && rest != "" && strings.IndexByte("123456789@*#", rest[0]) >= 0 {
		n = 1
	}
	if n > 0 {
		s.parameter(part{text: rest[:n], quoted: quoted}, 1+n)
		return nil
	}
	inside, _, closed := strings.Cut(strings.TrimPrefix(rest, "{"), "}")
	n = nameLength(inside)
	switch {
	case strings.HasPrefix(rest, "("):
		return errSubstitution
	case strings.HasPrefix(rest, "{") && closed && n > 0 && (n == len(inside) || strings.HasPrefix(inside[n:], ":-")):
		or := strings.TrimPrefix(inside[n:], ":-")
		if len(or) > 1 && (or[0] == '"' || or[0] == '\'') && or[len(or)-1] == or[0] {
			or = or[1 : len(or)-1]
		}
		s.parameter(part{text: inside[:n], or: or, quoted: quoted}, 1+len(inside)+2)
	default:
		s.add("$", quoted)
		s.at++
	}
	return nil
}

// parameter adds a variable to the current word, and skips its text.
func (s *splitter) parameter(p part, length int) {
	p.variable = true
	s.cur.parts = append(s.cur.parts, p)
	s.open = true
	s.at += length
}

// redirect reads a redirection. Those of standard input, and of standard output into a file, are words; the others are ignored.
func (s *splitter) redirect(ch byte) error {
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
	switch {
	case into == "<<":
		return s.hereDocument()
	case ch == '>' && fd != "" && fd != "1" || ch == '<' && fd != "" && fd != "0" || s.at < len(s.line) && s.line[s.at] == '&':
		s.at += target(s.line[s.at:])
	default:
		s.cur.into = into
	}
	return nil
}

// hereDocument reads <<END: the lines after this one, up to the line END, are the input. In quotes END keeps them as they are.
func (s *splitter) hereDocument() error {
	tabs := s.at < len(s.line) && s.line[s.at] == '-'
	if tabs {
		s.at++
	}
	length := target(s.line[s.at:])
	end := strings.TrimSpace(s.line[s.at : s.at+length])
	s.at += length
	literal := strings.Trim(end, `"'\`)
	newline := strings.IndexByte(s.line[s.at:], '\n')
	if newline < 0 || literal == "" {
		return errDocument
	}
	head, body := s.line[:s.at+newline+1], s.line[s.at+newline+1:]
	var text strings.Builder
	for line := range strings.Lines(body) {
		body = body[len(line):]
		plain := strings.TrimRight(line, "\n")
		if tabs {
			plain = strings.TrimLeft(plain, "\t")
		}
		if plain == literal {
			w := word{into: "<<", parts: []part{{text: text.String(), quoted: true}}}
			if literal == end {
				inner := &splitter{line: text.String()}
				if err := inner.expanded(0); err != nil {
					return err
				}
				w.parts = inner.cur.parts
			}
			s.words, s.line = append(s.words, w), head+body
			return nil
		}
		text.WriteString(plain + "\n")
	}
	return errDocument
}

var errDocument = errors.New("<< without its lines")

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
