package config

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/dlclark/regexp2"

	"github.com/firelane/firelane/pattern"
)

// A matcher is a pattern for tags. It is safe for concurrent use.
type matcher interface {
	match(tag string) bool
}

// regexpTimeout is how long a backtracking pattern may take for one tag, which then doesn't match. A tag is matched once,
// when it is new.
const regexpTimeout = 100 * time.Millisecond

// wildcard is Fluent Bit's Match: * matches any number of any bytes, dots included.
type wildcard string

func (w wildcard) match(tag string) bool {
	pattern := string(w)
	p, t := 0, 0
	star, resume := -1, 0 // index of the last *, and where in the tag its match ends
	for t < len(tag) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, resume = p, t
			p++
		case p < len(pattern) && pattern[p] == tag[t]:
			p++
			t++
		case star >= 0:
			resume++
			p, t = star+1, resume
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// MatchesTag reports whether a pattern of Fluent Bit's Match matches a tag.
func MatchesTag(pattern, tag string) bool { return wildcard(pattern).match(tag) }

// anchored is a regular expression that RE2 can compile, anchored at both ends.
type anchored struct{ *regexp.Regexp }

func (p anchored) match(tag string) bool { return p.MatchString(tag) }

// tagPattern is Fluent Bit's Match_Regex, for which a match of an empty string doesn't count.
type tagPattern struct{ *pattern.Pattern }

func (p tagPattern) match(tag string) bool { return p.MatchSome([]byte(tag)) }

// backtracking is a regular expression that RE2 can't compile, such as one with lookaround.
type backtracking struct{ *regexp2.Regexp }

func (p backtracking) match(tag string) bool {
	m, err := p.FindStringMatch(tag)
	return err == nil && m != nil && m.Length > 0
}

// matchRegex compiles Match_Regex, which must match at the beginning of the tag, and needn't reach its end.
func matchRegex(text string) (matcher, error) {
	p, err := pattern.CompileMatch(text)
	if err != nil {
		return nil, err
	}
	return tagPattern{p}, nil
}

func backtrack(source, text string) (matcher, error) {
	re, err := regexp2.Compile(source, regexp2.None)
	if err != nil {
		return nil, fmt.Errorf("%q is not a regular expression: %s", text, reason(err))
	}
	re.MatchTimeout = regexpTimeout
	return backtracking{re}, nil
}

// reason is the error of compiling a pattern without the pattern, which callers quote.
func reason(err error) string {
	text := err.Error()
	if i := strings.Index(text, ": "); i >= 0 && strings.HasPrefix(text, "error parsing regexp") {
		text = text[i+2:]
	}
	if i := strings.Index(text, " in `"); i >= 0 {
		text = text[:i]
	}
	return text
}

// anyOf is a list of Fluentd's patterns, of which one has to match.
type anyOf []matcher

func (list anyOf) match(tag string) bool {
	for _, m := range list {
		if m.match(tag) {
			return true
		}
	}
	return false
}

// matchesAll reports whether one of Fluentd's patterns matches every tag.
func matchesAll(arg string) bool {
	for _, p := range strings.Fields(arg) {
		if p == "**" {
			return true
		}
	}
	return false
}

// fluentdPatterns compiles the argument of a <match> or <filter>: patterns with blanks between them.
func fluentdPatterns(arg string) (matcher, error) {
	var list anyOf
	for _, text := range strings.Fields(arg) {
		if strings.Count(text, "{") != strings.Count(text, "}") && !strings.HasPrefix(text, "/") {
			return nil, fmt.Errorf("%s: { without }; want no blanks between them", text)
		}
		m, err := fluentdPattern(text)
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	if len(list) == 1 {
		return list[0], nil
	}
	return list, nil
}

// fluentdPattern compiles one pattern: * matches a part between dots, ** any number of parts, {a,b} either a or b; /…/ is a
// regular expression that must match the whole tag.
func fluentdPattern(text string) (matcher, error) {
	if inner, ok := strings.CutPrefix(text, "/"); ok {
		inner, ok = strings.CutSuffix(inner, "/")
		if !ok {
			return nil, fmt.Errorf("%s: the regular expression has no closing /", text)
		}
		source := `\A(?:` + inner + `)\z`
		if re, err := regexp.Compile(source); err == nil {
			return anchored{re}, nil
		}
		return backtrack(source, inner)
	}
	re, err := regexp.Compile(`(?s)\A(?:` + globSource(text) + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("%q is not a pattern for tags", text)
	}
	return anchored{re}, nil
}

// globSource is a pattern as a regular expression. The rules are those of fluentd's lib/fluent/match.rb: "a.**" matches a
// as well as a.b, "**.b" matches b as well as a.b.
func globSource(text string) string {
	var b strings.Builder
	depth := 0
	for i := 0; i < len(text); i++ {
		rest := text[i:]
		switch c := text[i]; {
		case strings.HasPrefix(rest, ".**."):
			b.WriteString(`\.(?:.*\.)?`)
			i += 3
		case strings.HasPrefix(rest, ".**"):
			b.WriteString(`(?:\..*)?`)
			i += 2
		case strings.HasPrefix(rest, "**."):
			b.WriteString(`(?:.*\.|\A)`)
			i += 2
		case strings.HasPrefix(rest, "**"):
			b.WriteString(`.*`)
			i++
		case c == '*':
			b.WriteString(`[^.]*`)
		case c == '\\' && len(rest) > 1:
			i++
			b.WriteString(regexp.QuoteMeta(text[i : i+1]))
		case c == '{':
			depth++
			b.WriteString(`(?:`)
		case c == '}' && depth > 0:
			depth--
			b.WriteString(`)`)
		case c == ',' && depth > 0:
			b.WriteString(`|`)
		default:
			b.WriteString(regexp.QuoteMeta(text[i : i+1]))
		}
	}
	b.WriteString(strings.Repeat(")", depth))
	return b.String()
}
