package field

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/firelane/firelane/config"
)

// ParseAccessor parses a field in the notation of the dialect's options: $a['b'][0] and $.a.b[0] in both, $a in Fluent Bit.
// Anything else is the name of a field of the record, dots included. Indices count from 0, negative ones from the end.
func ParseAccessor(s string, d config.Dialect) (Accessor, error) {
	path, isPath := strings.CutPrefix(s, "$")
	if d == config.Fluentd {
		isPath = isPath && (strings.HasPrefix(path, ".") || strings.HasPrefix(path, "["))
	}
	if s == "" || isPath && path == "" {
		return nil, fmt.Errorf("%q names no field; want name or %s", s, inner(d))
	}
	if !isPath {
		return Name(s), nil
	}
	a, err := parsePath(path)
	if err != nil {
		return nil, fmt.Errorf("%q can't be parsed: %w", s, err)
	}
	return a, nil
}

// inner is an example of a nested field in the dialect's notation.
func inner(d config.Dialect) string {
	if d == config.Fluentd {
		return "$.name.inner"
	}
	return "$name['inner']"
}

// ParseDotted parses a.b[0], in which every dot separates two names.
func ParseDotted(s string) (Accessor, error) {
	a, err := parsePath(s)
	if err != nil {
		return nil, fmt.Errorf("%q can't be parsed: %w", s, err)
	}
	return a, nil
}

var (
	errName = errors.New("a name is empty or has blanks; want $['a']['b']")
	errRoot = errors.New("a record is not an array; want a name before the first [number]")
)

// parsePath parses a.b, .a.b, a['b'] and ['a'].b, with [0] for elements of arrays.
func parsePath(path string) (a Accessor, err error) {
	for rest := path; rest != "" || len(a) == 0; {
		if strings.HasPrefix(rest, "[") {
			var s step
			if s, rest, err = parseBracket(rest); err != nil {
				return nil, err
			}
			a = append(a, s)
			continue
		}
		name, dotted := strings.CutPrefix(rest, ".")
		if dotted && strings.HasPrefix(name, "[") {
			rest = name
			continue
		}
		if !dotted && len(a) > 0 {
			return nil, fmt.Errorf("%q follows a ]; want .name, ['name'] or [number]", rest)
		}
		end := strings.IndexAny(name, ".[")
		if end < 0 {
			end = len(name)
		}
		if name, rest = name[:end], name[end:]; name == "" || strings.ContainsAny(name, " \t") {
			return nil, errName
		}
		a = append(a, step{name: name})
	}
	if a[0].isIndex {
		return nil, errRoot
	}
	return a, nil
}

// parseBracket parses the ['a'], ["a"] or [0] at the start of s.
func parseBracket(s string) (_ step, rest string, err error) {
	end := bracketEnd(s)
	if end < 0 || end < 3 {
		return step{}, "", fmt.Errorf("%q is neither ['name'] nor [number]", s)
	}
	content := s[1 : end-1]
	if q := content[0]; q == '\'' || q == '"' {
		return step{name: content[1 : len(content)-1]}, s[end:], nil
	}
	n, err := strconv.Atoi(content)
	if err != nil {
		return step{}, "", fmt.Errorf("%q is neither ['name'] nor [number]", s)
	}
	return step{index: n, isIndex: true}, s[end:], nil
}

// bracketEnd is the length of the [name], ['name'] or ["name"] at the start of s, -1 if it isn't closed. A ] in quotes is part
// of the name.
func bracketEnd(s string) int {
	closing, from := "]", 1
	if len(s) > 1 && (s[1] == '\'' || s[1] == '"') {
		closing, from = s[1:2]+"]", 2
	}
	if i := strings.Index(s[from:], closing); i >= 0 {
		return from + i + len(closing)
	}
	return -1
}

// parseRubyPath parses what follows record in Ruby: ["a"]["b"][0] or .dig("a", "b", 0).
func parseRubyPath(s string) (a Accessor, err error) {
	args, isDig := strings.CutPrefix(s, ".dig(")
	if args, closed := strings.CutSuffix(args, ")"); isDig && closed {
		s = ""
		for arg := range strings.SplitSeq(args, ",") {
			s += "[" + strings.TrimSpace(arg) + "]"
		}
	}
	for rest := s; rest != "" || len(a) == 0; {
		var next step
		if !strings.HasPrefix(rest, "[") {
			return nil, errName
		}
		if next, rest, err = parseBracket(rest); err != nil {
			return nil, err
		}
		a = append(a, next)
	}
	if a[0].isIndex {
		return nil, errRoot
	}
	return a, nil
}
