package config

import (
	"fmt"
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

// maxErrors is the number of mistakes after which reading stops.
const maxErrors = 100

// maxWarnings is the number of warnings after which more are left out.
const maxWarnings = 2_000

// A report collects the errors and warnings of a configuration.
type report struct {
	errors   []Diagnostic
	warnings []Diagnostic
}

func (r *report) error(at Pos, text string) *Diagnostic {
	r.errors = append(r.errors, Diagnostic{Pos: at, Text: oneLine(text)})
	return &r.errors[len(r.errors)-1]
}

func (r *report) warning(at Pos, text string) *Diagnostic {
	if len(r.warnings) < maxWarnings {
		r.warnings = append(r.warnings, Diagnostic{Pos: at, Text: oneLine(text)})
		return &r.warnings[len(r.warnings)-1]
	}
	if len(r.warnings) == maxWarnings {
		r.warnings = append(r.warnings, Diagnostic{Pos: at, Text: fmt.Sprintf("there are more than %d warnings: the rest is left out", maxWarnings)})
	}
	return new(Diagnostic) // of one that is left out
}

// syntax gives CodeSyntax to all that reading the files has found and that has no code yet.
func (r *report) syntax() { r.syntaxFrom(0, 0) }

// syntaxOf is syntax for what read finds.
func (r *report) syntaxOf(read func()) {
	errors, warnings := len(r.errors), len(r.warnings)
	read()
	r.syntaxFrom(errors, warnings)
}

func (r *report) syntaxFrom(errors, warnings int) {
	for _, list := range [][]Diagnostic{r.errors[errors:], r.warnings[warnings:]} {
		for i := range list {
			if list[i].Code == "" {
				list[i].Code = CodeSyntax
			}
		}
	}
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
