package config

import "fmt"

// A Diagnostic is one line for the user: an error or a warning at a place.
type Diagnostic struct {
	Pos
	Text string // what is wrong, and what is wanted
	Code Code
	Word string // what is wrong in the line, if Want replaces it
	Want string
}

func (d Diagnostic) Error() string { return d.String() }

// String is the diagnostic in one line, without the secrets of URLs.
func (d Diagnostic) String() string {
	text := HideLogins(d.Text)
	if d.Line == 0 {
		return fmt.Sprintf("%s: %s", d.File, text)
	}
	return fmt.Sprintf("%s:%d: %s", d.File, d.Line, text)
}

// A Code is a kind of diagnostic, for tools.
type Code string

// The codes. A Diagnostic without one is of another kind.
const (
	CodeSyntax      Code = "syntax"      // the text isn't that of a configuration
	CodeFile        Code = "file"        // a file is missing or can't be read
	CodeNoFile      Code = "no-file"     // a file is missing, without which the plugin works
	CodeVariable    Code = "variable"    // a variable isn't set
	CodePlugin      Code = "plugin"      // no plugin has that name
	CodeAbsent      Code = "absent"      // it is a plugin of Fluent Bit or Fluentd that firelane doesn't have
	CodeDialect     Code = "dialect"     // it is an option, a plugin or a file of the other dialect
	CodeOption      Code = "option"      // no option has that name
	CodeSection     Code = "section"     // no section has that name
	CodeValue       Code = "value"       // a value that the option can't have
	CodeComment     Code = "comment"     // a # that begins no comment
	CodeSign        Code = "sign"        // a : or = between name and value
	CodeTwice       Code = "twice"       // an option is given twice
	CodeMissing     Code = "missing"     // an option is needed
	CodeParser      Code = "parser"      // a parser that there isn't, or that has no effect
	CodeLabel       Code = "label"       // a label or an output that there isn't, or that nothing leads to
	CodeAlias       Code = "alias"       // a name that is taken
	CodeNoMatch     Code = "no-match"    // a filter or an output without Match
	CodeMatch       Code = "match"       // a pattern for tags that isn't valid
	CodeNothing     Code = "nothing"     // an output before it takes everything
	CodeNoInput     Code = "no-input"    // there is no input
	CodeLoop        Code = "loop"        // labels lead back to themselves
	CodeIgnored     Code = "ignored"     // what has no effect here
	CodeAdvice      Code = "advice"      // what a plugin says of its options
	CodeEnvironment Code = "environment" // an environment variable of firelane has a value that it can't have
	CodeChecked     Code = "checked"     // what firelane check tells by a rule of its own, with more
)

// as sets a diagnostic's code.
func (d *Diagnostic) as(c Code) *Diagnostic {
	d.Code = c
	return d
}

// fix sets what replaces what in its line.
func (d *Diagnostic) fix(word, want string) {
	if want != "" {
		d.Word, d.Want = word, want
	}
}
