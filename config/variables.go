package config

import (
	"fmt"
	"strings"
)

// maxExpanded is how many bytes all variables of a configuration may expand to: one may consist of others, each twice as long
// as the last.
const maxExpanded = maxFileSize

// An expansion is a value with its variables expanded.
type expansion struct {
	value string
	only  string // the name of the variable, if the value is exactly one and nothing else

	secret bool // a variable in it is a secret
}

// expand expands ${NAME} and ${NAME:-default}, but not what is in the values of variables. An unset variable becomes empty,
// as in Fluent Bit, with a warning. The default also replaces a variable that is set and empty, as in a shell.
func (r *classicReader) expand(at Pos, s string) expansion {
	if !strings.Contains(s, "${") {
		return expansion{value: s}
	}
	var b strings.Builder
	var only string
	secret := false
	rest := s
	for {
		before, after, ok := strings.Cut(rest, "${")
		name, tail, closed := strings.Cut(after, "}")
		if !ok || !closed || name == "" {
			b.WriteString(rest)
			break
		}
		b.WriteString(before)
		name, def, hasDef := strings.Cut(name, ":-")
		value, set := r.variable(name)
		secret = secret || r.hidden[name]
		switch {
		case hasDef && value == "":
			value = def
		case !set:
			r.warning(at, fmt.Sprintf("variable %s is not set: ${%s} becomes empty", name, name)).as(CodeVariable)
		}
		if before == "" && tail == "" && rest == s {
			only = name
		}
		if r.expanded += len(value); r.expanded > maxExpanded {
			if r.expanded-len(value) <= maxExpanded { // one line for all
				r.error(at, fmt.Sprintf("more than %d MiB of variables; want shorter ones", maxExpanded>>20))
			}
			return expansion{}
		}
		b.WriteString(value)
		rest = tail
	}
	return expansion{b.String(), only, secret}
}

// variable is the value of a name: that of @SET, or otherwise of the environment.
func (r *classicReader) variable(name string) (string, bool) {
	if v, ok := r.set[name]; ok {
		return v, true
	}
	return r.lookup(name)
}

// isSecretOf reports whether a variable is one of those that ECS makes for the secret options of a container: the option's
// name, an underscore and the container's number.
func isSecretOf(option, variable string) bool {
	number, ok := strings.CutPrefix(variable, option+"_")
	return ok && number != "" && strings.Trim(number, "0123456789") == ""
}
