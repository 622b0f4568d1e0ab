package field

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
)

// A Notation is how a template is parsed and appended.
type Notation struct {
	Dialect config.Dialect
	// Strftime enables conversions of strftime in the text, which show the event's time.
	Strftime bool
	// Zone is the time zone of Append; nil is UTC.
	Zone *time.Location
	// Clean, unless nil, replaces the characters in dst[start:], the value of a placeholder, that the text must not have.
	Clean func(dst []byte, start int) []byte
	// OnlyParentheses makes every $ text that isn't followed by a ( (Fluent Bit), as AWS's plugins have it.
	OnlyParentheses bool
	// Own are more placeholders, by name. They take precedence over fields of these names.
	Own map[string]AppendFunc
}

// An AppendFunc appends the value of a placeholder of its own kind, and reports whether there is one. It is safe for
// concurrent use.
type AppendFunc func(dst []byte, ev *record.Event) (out []byte, ok bool)

// ParseTemplate parses a text with placeholders. Both dialects have ${tag}, ${tag[1]}, ${tag_parts[1]}, ${tag_prefix[1]},
// ${tag_suffix[1]}, ${name} and ${$.name.inner}. Fluent Bit also has $TAG, $TAG[1], $name and $name['inner'], each with
// parentheses, too: $(tag), $(tag[1]), $(name), $(name['inner']). A map, an array or nil counts as a missing value.
func ParseTemplate(s string, n Notation) (*Template, error) {
	t := &Template{zone: n.Zone, clean: n.Clean}
	for rest := s; rest != ""; {
		size := 0
		if i := strings.IndexByte(rest, '$'); i != 0 {
			size = i
			if i < 0 {
				size = len(rest)
			}
			if err := t.addText(rest[:size], n.Strftime); err != nil {
				return nil, err
			}
			rest = rest[size:]
			continue
		}
		name, after, ok, err := n.cutPlaceholder(rest)
		if err != nil {
			return nil, err
		}
		if !ok {
			t.addLiteral("$")
			rest = rest[1:]
			continue
		}
		p, err := n.parsePlaceholder(name)
		if err != nil {
			return nil, err
		}
		t.parts = append(t.parts, p)
		rest = after
	}
	return t, nil
}

// cutPlaceholder cuts s, which begins with a $, after its first placeholder; ok is false if the $ is text.
func (n *Notation) cutPlaceholder(s string) (name, after string, ok bool, err error) {
	var closed bool
	switch {
	case n.OnlyParentheses && !strings.HasPrefix(s, "$("):
		return "", "", false, nil
	case strings.HasPrefix(s, "${"):
		if name, after, closed = cutExpression(s[2:], '{', '}'); !closed {
			return "", "", false, fmt.Errorf("%q has no closing }", s)
		}
		return name, after, true, nil
	case n.Dialect == config.Fluentd:
		return "", "", false, nil
	case strings.HasPrefix(s, "$("):
		if name, after, closed = cutExpression(s[2:], '(', ')'); !closed {
			return "", "", false, fmt.Errorf("%q has no closing )", s)
		}
		return name, after, true, nil
	}
	end := 1
	for end < len(s) && (s[end] == '_' || s[end] >= '0' && s[end] <= '9' || s[end]|0x20 >= 'a' && s[end]|0x20 <= 'z') {
		end++
	}
	for end > 1 && end < len(s) && s[end] == '[' {
		n := bracketEnd(s[end:])
		if n < 0 {
			break
		}
		end += n
	}
	return s[1:end], s[end:], end > 1, nil
}

// cutExpression cuts s after the first closing byte that is neither in quotes nor in a nested pair.
func cutExpression(s string, opening, closing byte) (expression, after string, ok bool) {
	depth, quote := 0, byte(0)
	for i := range len(s) {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == opening:
			depth++
		case c == closing && depth == 0:
			return s[:i], s[i+1:], true
		case c == closing:
			depth--
		}
	}
	return "", "", false
}

// parsePlaceholder parses what is between ${ and }, or follows a $.
func (n *Notation) parsePlaceholder(name string) (part, error) {
	if own, ok := n.Own[name]; ok {
		return part{kind: partOwn, own: own}, nil
	}
	if p, ok := parseTag(name); ok {
		return p, nil
	}
	switch base, _, indexed := strings.Cut(name, "["); {
	case (base == "tag" || base == "TAG" || base == "tag_parts") && !indexed:
		return part{kind: partTag}, nil
	case tagKind(base) != partText && indexed:
		return part{}, fmt.Errorf("%q has no number in its brackets; want %s[1]", name, base)
	}
	path, isPath := strings.CutPrefix(name, "$")
	if !isPath && !strings.Contains(name, "[") && name != "" {
		return part{kind: partScalar, at: Name(name)}, nil
	}
	at, err := parsePath(path)
	if err != nil {
		return part{}, fmt.Errorf("%q can't be parsed: %w", name, err)
	}
	return part{kind: partScalar, at: at}, nil
}

// tagKind is the kind of the placeholder name[N], partText if it is a field.
func tagKind(name string) partKind {
	switch name {
	case "tag", "TAG", "tag_parts":
		return partTagPart
	case "tag_prefix":
		return partTagPrefix
	case "tag_suffix":
		return partTagSuffix
	}
	return partText
}

// parseTag parses tag_parts[1] and the like.
func parseTag(name string) (p part, ok bool) {
	base, index, _ := strings.Cut(name, "[")
	digits, closed := strings.CutSuffix(index, "]")
	n, err := strconv.Atoi(digits)
	kind := tagKind(base)
	return part{kind: kind, n: n}, closed && err == nil && kind != partText
}

// ParseRuby parses a value of Fluentd's record_transformer: a text with the placeholders ${tag}, ${tag_parts[N]},
// ${tag_prefix[N]}, ${tag_suffix[N]}, ${hostname}, which is replaced at once, ${time} in local time, ${record["a"]["b"][0]}
// and ${record.dig("a", "b", 0)}. Any other expression is an error.
func ParseRuby(s, hostname string) (*Template, error) {
	t := &Template{zone: time.Local}
	for rest := s; rest != ""; {
		text, after, found := strings.Cut(rest, "${")
		t.addLiteral(text)
		if !found {
			break
		}
		expression, next, closed := cutExpression(after, '{', '}')
		if !closed {
			return nil, fmt.Errorf("%q has no closing }", "${"+after)
		}
		if strings.TrimSpace(expression) == "hostname" {
			t.addLiteral(hostname)
		} else if err := t.addRuby(expression); err != nil {
			return nil, err
		}
		rest = next
	}
	return t, nil
}

// addRuby adds the placeholder of an expression.
func (t *Template) addRuby(expression string) error {
	e := strings.TrimSpace(expression)
	if p, ok := parseTag(e); ok && strings.HasPrefix(e, "tag_") {
		t.parts = append(t.parts, p)
		return nil
	}
	switch e {
	case "tag":
		t.parts = append(t.parts, part{kind: partTag})
		return nil
	case "time":
		return t.addText("%Y-%m-%d %H:%M:%S %z", true)
	}
	if path, ok := strings.CutPrefix(e, "record"); ok {
		if at, err := parseRubyPath(path); err == nil {
			t.parts = append(t.parts, part{kind: partValue, at: at})
			return nil
		}
	}
	return fmt.Errorf("${%s} can't be evaluated: Ruby is not supported beyond ${tag}, ${tag_parts[N]}, "+
		"${tag_prefix[N]}, ${tag_suffix[N]}, ${hostname}, ${time} and ${record[\"name\"][\"inner\"]}", expression)
}

// addText adds text, with strftime a format of time.
func (t *Template) addText(s string, strftime bool) error {
	if !strftime {
		t.addLiteral(s)
		return nil
	}
	f, err := ParseStrftime(s)
	if err != nil {
		return err
	}
	if text, ok := f.text(); ok {
		t.addLiteral(text)
		return nil
	}
	t.timed = true
	t.parts = append(t.parts, part{kind: partTime, time: f})
	return nil
}

// addLiteral adds text that is appended as it is.
func (t *Template) addLiteral(s string) {
	if n := len(t.parts); n > 0 && t.parts[n-1].kind == partText {
		t.parts[n-1].text += s
	} else if s != "" {
		t.parts = append(t.parts, part{text: s})
	}
}
