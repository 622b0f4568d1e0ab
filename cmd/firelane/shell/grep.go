package shell

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// grep prints the lines that match.
func (c *call) grep() int {
	given, words, err := c.flags("qvicnowxEFGPsHhl", "em", map[string]byte{
		"quiet": 'q', "invert-match": 'v', "ignore-case": 'i', "count": 'c', "line-number": 'n', "only-matching": 'o', "word-regexp": 'w',
		"line-regexp": 'x', "extended-regexp": 'E', "fixed-strings": 'F', "regexp": 'e', "max-count": 'm', "no-messages": 's', "color": 'G', "line-buffered": 'G',
	}, false)
	if err == nil && !has(given, 'e') && len(words) == 0 {
		err = errors.New("want a pattern")
	}
	if err != nil {
		return c.fail(exitUsage, "%v", err)
	}
	texts := c.values['e']
	if len(texts) == 0 {
		texts, words = words[:1], words[1:]
	}
	pattern, err := grepPattern(texts, given)
	if err != nil {
		return c.fail(exitUsage, "%v", err)
	}
	limit, err := strconv.Atoi(given['m'])
	if err != nil {
		limit = 0
	}
	matched := 0
	status := c.each(words, func(name string, r io.Reader) error {
		n, err := c.grepOne(pattern, given, limit, named(name, len(words) > 1 && !has(given, 'h') || has(given, 'H')), r)
		matched += n
		if has(given, 'l') && !has(given, 'q') && n > 0 {
			fmt.Fprintln(c.stdout, cmp.Or(name, "(standard input)"))
		}
		return err
	})
	switch {
	case status != exitOK:
		return exitUsage
	case matched == 0:
		return exitFailed
	}
	return exitOK
}

func named(name string, show bool) string {
	if show && name != "" {
		return name + ":"
	}
	return ""
}

func (c *call) grepOne(pattern *regexp.Regexp, given map[byte]string, limit int, prefix string, r io.Reader) (matched int, err error) {
	quiet := has(given, 'q') || has(given, 'c') || has(given, 'l')
	lines := bufio.NewReader(r)
	for number := 1; err == nil && (limit == 0 || matched < limit) && c.ctx.Err() == nil; number++ {
		var line []byte
		if line, err = readLine(lines); len(line) == 0 {
			break
		}
		text := strings.TrimSuffix(string(line), "\n")
		if pattern.MatchString(text) == has(given, 'v') {
			continue
		}
		matched++
		if quiet { // the rest is read all the same: what writes it must not fail
			continue
		}
		at := prefix
		if has(given, 'n') {
			at += strconv.Itoa(number) + ":"
		}
		if has(given, 'o') {
			for _, part := range pattern.FindAllString(text, -1) {
				fmt.Fprintln(c.stdout, at+part)
			}
			continue
		}
		fmt.Fprintln(c.stdout, at+text)
	}
	if has(given, 'c') && !has(given, 'q') && !has(given, 'l') {
		fmt.Fprintf(c.stdout, "%s%d\n", prefix, matched)
	}
	return matched, notEOF(err)
}

// grepPattern makes a pattern of one or more of grep's: basic, extended (-E) or a fixed string (-F).
func grepPattern(texts []string, given map[byte]string) (*regexp.Regexp, error) {
	var all []string
	for _, text := range texts {
		switch {
		case has(given, 'F'):
			text = regexp.QuoteMeta(text)
		case !has(given, 'E') && !has(given, 'P'):
			text = basicPattern(text)
		}
		all = append(all, "(?:"+text+")")
	}
	text := "(?:" + strings.Join(all, "|") + ")"
	if has(given, 'w') {
		text = `\b` + text + `\b`
	}
	if has(given, 'x') {
		text = "^" + text + "$"
	}
	if has(given, 'i') {
		text = "(?i)" + text
	}
	pattern, err := regexp.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("the pattern: %w", err)
	}
	return pattern, nil
}

// basicPattern turns a basic regular expression into an extended one: ( ) { } + ? | are plain there, and special after a backslash.
func basicPattern(text string) string {
	var b strings.Builder
	class := false
	for i := 0; i < len(text); i++ {
		ch := text[i]
		special := strings.IndexByte("(){}+?|", ch) >= 0
		switch {
		case class:
			class = ch != ']'
		case ch == '[':
			class = true
		case ch == '\\' && i+1 < len(text):
			i++
			if ch = text[i]; strings.IndexByte("(){}+?|", ch) < 0 {
				b.WriteByte('\\')
			}
		case special:
			b.WriteByte('\\')
		}
		b.WriteByte(ch)
	}
	return b.String()
}
