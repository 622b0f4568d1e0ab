// Package ruby evaluates the part of Ruby that configurations of Fluentd use: the expressions of record_transformer, and
// those in the values of a configuration. It has no loops, no definitions, and no access to files, commands or the network.
//
// # Grammar
//
//	program    = statement { (";" | newline) statement }
//	statement  = [ "not" ] expression { ("if" | "unless" | "rescue" | "and" | "or") expression }
//	expression = name ("=" | "||=" | "&&=" | "+=" | "-=" | "*=" | "/=") expression | ternary
//	ternary    = range [ "?" ternary ":" ternary ]
//	range      = binary [ (".." | "...") [ binary ] ]
//	binary     = unary { operator unary }          operators as Ruby binds them: || && ; <=> == === != =~ !~ ; < <= > >= ;
//	                                               | ; & ; << ; + - ; * / % ; **
//	unary      = [ "!" | "-" | "+" ] postfix
//	postfix    = operand { ("." | "&.") method [ "(" arguments ")" ] [ block ] | "[" arguments "]" }
//	block      = "{" [ "|" names "|" ] program "}" | "do" [ "|" names "|" ] program "end" | "&:method" as the last argument
//	operand    = number | string | symbol | regexp | array | hash | "(" program ")" | name | "nil" | "true" | "false"
//	           | "if" … | "unless" … | "case" … | "begin" program [ "rescue" [ class ] [ "=>" name ] program ] "end"
//	string     = "…" with escapes and #{program}, '…', %q(…), %Q(…), %w(…)
//	regexp     = /…/imx, %r(…)imx
//
// Names are those of Env, of assigned variables, of block parameters, and the functions Integer, Float, String, format and
// sprintf. docs/filters/record_transformer.md lists the supported methods of every type, and of ENV, Time, JSON and Socket.
// Anything else is an error of Compile that names the word.
//
// # Values
//
// Arrays and hashes are MessagePack, as in a record, so a key is always text (a symbol becomes its name), and methods
// return changed copies; only record.delete and record["a"].delete change their receiver. Integers have 64 bits. A hash or an array
// in a text is written as JSON, as elsewhere in the router, and not as inspect does.
package ruby

import (
	"fmt"
	"os"
	"time"

	"github.com/firelane/firelane/record"
)

// Limits of an expression and of its evaluation.
const (
	maxSource = 64 << 10        // bytes of an expression
	maxNest   = 100             // levels of an expression
	maxNodes  = 4000            // operations and operands of an expression
	maxSteps  = 1_000_000       // operations of one evaluation
	maxBytes  = 8 << 20         // bytes of all values that the expressions of one event make
	maxTime   = 2 * time.Second // time for matching patterns in the expressions of one event
	maxSpare  = 64 << 10        // bytes of memory that a Machine keeps for the next event
)

// A Formatter appends a time in the format that it was made from.
type Formatter interface {
	Append(dst []byte, at time.Time) []byte
}

// Env is the environment that expressions are compiled for.
type Env struct {
	Hostname string
	Lookup   func(name string) (value string, ok bool) // environment variables; nil: those of the process
	// Strftime parses a format of strftime; nil: formats are not supported.
	Strftime func(format string) (Formatter, error)
	// ParseTime parses a time, by a format of strptime or, if that is empty, as ISO 8601; nil: it isn't supported.
	ParseTime func(text, format string) (time.Time, error)
	// Words are names that stand for a text; nil: there are none.
	Words map[string]string
	// Static means that there is no event: record, tag and time are errors of Compile.
	Static bool
}

func (e *Env) lookup(name string) (string, bool) {
	if e.Lookup == nil {
		return os.LookupEnv(name)
	}
	return e.Lookup(name)
}

// An Expr is a compiled expression. It is safe for concurrent use, each call with a Machine of its own.
type Expr struct {
	root node
	vars int
}

// Compile compiles a program. Its value is that of the last statement. Unsupported or invalid source is an error, and so is source
// of more than 64 KiB.
func Compile(source string, env *Env) (*Expr, error) {
	p, err := newParser(source, env)
	if err != nil {
		return nil, err
	}
	root := p.program()
	p.space()
	if p.pos < len(p.src) {
		p.unexpected()
	}
	return p.finish(root)
}

// CompileText compiles a text with ${program} and #{program} in it, and with escapes as in a string in double quotes. Its
// value is a string. Errors are those of Compile.
func CompileText(source string, env *Env) (*Expr, error) {
	p, err := newParser(source, env)
	if err != nil {
		return nil, err
	}
	p.dollar = true
	return p.finish(p.text(0, 0, true))
}

func newParser(source string, env *Env) (*parser, error) {
	if len(source) > maxSource {
		return nil, fmt.Errorf("an expression of %d bytes is too long; want at most %d", len(source), maxSource)
	}
	return &parser{src: source, env: env, locals: map[string]int{}, methods: methodTable()}, nil
}

// Text returns the value as text; ok is false unless the value is the same for every event.
func (e *Expr) Text() (text string, ok bool) {
	if c, isConst := e.root.(constNode); isConst {
		return string(appendText(nil, value(c))), true
	}
	return "", false
}

// Append appends the expression's value for the Machine's event, as MessagePack. The error is an *Error, or that the expression
// exceeded a limit; dst is then unchanged.
func (e *Expr) Append(dst []byte, m *Machine) ([]byte, error) {
	v, err := e.eval(m)
	if err != nil {
		return dst, err
	}
	return appendValue(dst, v), nil
}

// AppendText is Append for the value as a str.
func (e *Expr) AppendText(dst []byte, m *Machine) ([]byte, error) {
	v, err := e.eval(m)
	if err != nil {
		return dst, err
	}
	if v, err = m.text(v); err != nil {
		return dst, err
	}
	return record.AppendStrBytes(dst, v.b), nil
}

// Value evaluates the expression. text is to_s of its value, and null reports whether the value is nil.
func (e *Expr) Value(m *Machine) (text string, null bool, err error) {
	v, err := e.eval(m)
	return string(appendText(nil, v)), v.kind == kNil, err
}

func (e *Expr) eval(m *Machine) (value, error) {
	m.begin(e.vars)
	v, err := e.root.eval(m)
	if err == nil && len(v.b) > maxBytes {
		err = errBytes
	}
	return v, err
}
