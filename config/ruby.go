package config

import (
	"errors"
	"fmt"
	"strings"

	expr "github.com/firelane/firelane/ruby"
)

// ruby evaluates the Ruby expressions in the values of a configuration. Most are environment variables, the host's name, literal
// strings, and || between them, which it evaluates itself; all others package ruby evaluates.
type ruby struct {
	lookup   func(string) (string, bool)
	hostname string
}

// A rubyValue is the value of an expression.
type rubyValue struct {
	text     string
	isNil    bool
	leaveOut bool
	variable string // the environment variable that was read; "": none
}

// eval evaluates code. Its error quotes the code.
func (r ruby) eval(code string) (rubyValue, error) {
	v, err := r.simple(code)
	if key := keyError(""); err == nil || errors.As(err, &key) {
		return v, err
	}
	if strings.TrimSpace(code) == "" {
		return v, err
	}
	return r.expression(code)
}

// leaveOut is the text that stands for use_default and use_nil in an expression.
const leaveOut = "\x00leave out"

// expression evaluates code that is more than alternatives.
func (r ruby) expression(code string) (v rubyValue, err error) {
	var read []string
	e, err := expr.Compile(code, &expr.Env{
		Hostname: r.hostname,
		Static:   true,
		Words:    map[string]string{"worker_id": "0", "use_default": leaveOut, "use_nil": leaveOut},
		Lookup: func(name string) (string, bool) {
			read = append(read, name)
			return r.lookup(name)
		},
	})
	if err != nil {
		return v, r.unsupported(code, err)
	}
	var m expr.Machine
	v.text, v.isNil, err = e.Value(&m)
	if err != nil {
		return v, fmt.Errorf("#{%s} can't be evaluated: %w", code, err)
	}
	if len(read) == 1 {
		v.variable = read[0]
	}
	if v.text == leaveOut {
		v.text, v.leaveOut = "", true
	}
	return v, nil
}

// simple evaluates alternatives: operands with || between them.
func (r ruby) simple(code string) (rubyValue, error) {
	s := &scanner{text: code}
	var v rubyValue
	for {
		var err error
		if v, err = r.term(s); err != nil {
			return v, r.unsupported(code, err)
		}
		s.skipSpacing()
		if !v.isNil || !s.skip("||") {
			break
		}
	}
	for s.skip("||") { // operands after the first value are parsed only
		if _, err := r.term(s); err != nil && !errors.As(err, new(keyError)) {
			return v, r.unsupported(code, err)
		}
		s.skipSpacing()
	}
	if !s.eof() {
		return v, r.unsupported(code, errRuby)
	}
	return v, nil
}

// A keyError is the error of ENV.fetch for a variable that isn't set: its name.
type keyError string

func (e keyError) Error() string { return fmt.Sprintf("variable %s is not set", string(e)) }

func (r ruby) unsupported(code string, err error) error {
	if key := keyError(""); errors.As(err, &key) {
		return fmt.Errorf("#{%s}: %w", code, err)
	}
	return fmt.Errorf("#{%s} can't be evaluated: %w; want, for example, ENV['NAME'], ENV.fetch('NAME', 'default'), ENV['NAME'] || 'default', hostname, Socket.gethostname, worker_id, use_default or use_nil", code, err)
}

var errRuby = errors.New("invalid expression")

// term reads one operand.
func (r ruby) term(s *scanner) (rubyValue, error) {
	s.skipSpacing()
	switch c := s.peek(); {
	case c == '"' || c == '\'':
		text, err := rubyString(s)
		return rubyValue{text: text}, err
	case s.skip("ENV.fetch"):
		return r.fetch(s)
	case s.skip("ENV["):
		name, err := rubyString(s)
		if s.skipSpacing(); err != nil || !s.skip("]") {
			return rubyValue{}, errRuby
		}
		value, ok := r.lookup(name)
		return rubyValue{text: value, isNil: !ok, variable: name}, nil
	case s.skip("Socket.gethostname"):
		return rubyValue{text: r.hostname}, nil
	}
	switch s.word() {
	case "hostname":
		return rubyValue{text: r.hostname}, nil
	case "worker_id":
		return rubyValue{text: "0"}, nil
	case "use_default", "use_nil":
		return rubyValue{leaveOut: true}, nil
	case "nil":
		return rubyValue{isNil: true}, nil
	}
	return rubyValue{}, errRuby
}

// fetch reads what follows ENV.fetch.
func (r ruby) fetch(s *scanner) (rubyValue, error) {
	if s.skipSpacing(); !s.skip("(") {
		return rubyValue{}, errRuby
	}
	s.skipSpacing()
	name, err := rubyString(s)
	if err != nil {
		return rubyValue{}, err
	}
	value, ok := r.lookup(name)
	found := rubyValue{text: value, variable: name}
	s.skipSpacing()
	if s.skip(")") {
		if s.skipSpacing(); s.peek() == '{' || s.skip("do ") { // a block gives the default: expression reads it
			return rubyValue{}, errRuby
		}
		if !ok {
			return rubyValue{}, keyError(name)
		}
		return found, nil
	}
	if !s.skip(",") {
		return rubyValue{}, errRuby
	}
	def, err := r.term(s)
	if s.skipSpacing(); err != nil || !s.skip(")") {
		return rubyValue{}, errRuby
	}
	if ok {
		return found, nil
	}
	return def, nil
}

// rubyString reads a literal string.
func rubyString(s *scanner) (string, error) {
	quote := s.next()
	if quote != '"' && quote != '\'' {
		return "", errRuby
	}
	var b strings.Builder
	for !s.eof() {
		switch c := s.next(); {
		case c == quote:
			return b.String(), nil
		case c == '\\':
			b.WriteByte(s.next())
		case c == '#' && quote == '"' && s.peek() == '{':
			return "", errRuby
		default:
			b.WriteByte(c)
		}
	}
	return "", errRuby
}
