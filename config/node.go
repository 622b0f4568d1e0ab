package config

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A section is one section of a configuration file, in either dialect, with its text already unquoted and expanded.
type section struct {
	name   string // INPUT, match; Fluent Bit's in lower case
	arg    string // what follows the name in Fluentd's <name arg>
	pos    Pos
	params []param
	subs   []*section
	source *file

	processors []*section   // of an input or an output in Fluent Bit's YAML
	routes     []inputRoute // of an input there
	when       *Condition   // of a processor; nil: none
}

// A param is one line of a section.
type param struct {
	key    string // as written
	value  string
	pos    Pos
	secret bool // the value is one of the variables that ECS makes for secrets
}

// get returns the last param of that name, ignoring case.
func (s *section) get(name string) (param, bool) {
	for i := len(s.params) - 1; i >= 0; i-- {
		if fold(s.params[i].key) == name {
			return s.params[i], true
		}
	}
	return param{}, false
}

// given appends the section's options to list, those of its sections with their names before them.
func (s *section) given(prefix string, list []Given) []Given {
	for _, p := range s.params {
		g := Given{Name: prefix + p.key, Value: p.value, Pos: p.pos}
		if p.secret {
			g.Value = ""
		}
		list = append(list, g)
	}
	for _, sub := range s.subs {
		list = sub.given(prefix+sub.name+".", list)
	}
	return list
}

// maxErrors is the number of mistakes after which reading stops.
const maxErrors = 100

// A report collects the errors and warnings of a configuration.
type report struct {
	errors   []Diagnostic
	warnings []Diagnostic
}

func (r *report) error(at Pos, text string) {
	r.errors = append(r.errors, Diagnostic{at, oneLine(text)})
}

func (r *report) warning(at Pos, text string) {
	r.warnings = append(r.warnings, Diagnostic{at, oneLine(text)})
}

// maxMessage is the length in bytes at which messages are truncated.
const maxMessage = 500

// oneLine makes text safe to print on one line of a terminal, whatever input it quotes.
func oneLine(text string) string {
	cut := len(text) > maxMessage
	if cut {
		text = text[:maxMessage]
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return '?'
		}
		return r
	}, text)
	if cut {
		text += "…"
	}
	return text
}
