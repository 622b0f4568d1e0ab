package check

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/firelane/firelane/config"
)

// pageWidth is how many columns a report has. Words that are longer, such as URLs, and lines of a diff are not broken.
const pageWidth = 100

// A page is a text whose lines are wrapped.
type page struct{ strings.Builder }

// commandStart finds lines that GitHub takes for commands: they begin with two colons, after whatever .NET takes for blanks.
var commandStart = lazily(`(?m)^([\s\v\p{Z}\x{85}]*)::`)

// Uncommand is text in which no line begins with two colons, after blanks. GitHub takes such a line for a command ("Workflow commands for
// GitHub Actions"): the colons get another character before them.
func Uncommand(text string) string {
	return commandStart().ReplaceAllString(text, `${1}\::`)
}

// line writes one line, which is no command for CI, whatever the text from a file is.
func (p *page) line(text string) {
	p.WriteString(strings.TrimRight(Uncommand(text), " "))
	p.WriteByte('\n')
}

// wrap writes text whose first line begins with first, and all others with rest.
func (p *page) wrap(first, rest, text string) {
	line, columns, empty := first, utf8.RuneCountInString(first), true
	for word := range strings.FieldsSeq(clean(strings.ReplaceAll(config.HideLogins(text), "…", "..."))) {
		n := utf8.RuneCountInString(word)
		if !empty && columns+1+n > pageWidth {
			p.line(line)
			line, columns, empty = rest, utf8.RuneCountInString(rest), true
		}
		if !empty {
			line += " "
			columns++
		}
		line += word
		columns += n
		empty = false
	}
	p.line(line)
}

// clean is text without what a terminal would obey: control characters, and those that change the direction of the text.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' {
			return ' '
		}
		if r == utf8.RuneError || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			return '?'
		}
		return r
	}, text)
}

// short is text of at most n characters; what is cut off is marked by three dots.
func short(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:max(n-3, 0)]) + "..."
}

// grouped is a number with commas: 1,048,576.
func grouped(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// enumerate is "a, b and c".
func enumerate(list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}
