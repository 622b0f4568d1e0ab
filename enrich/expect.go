package enrich

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/record"
)

// ExpectOptions are those of Fluent Bit's expect.
type ExpectOptions struct {
	Exists    []config.Ordered `fluentbit:"key_exists" help:"the record must have the field"`
	NotExists []config.Ordered `fluentbit:"key_not_exists" help:"the record must not have the field"`
	Null      []config.Ordered `fluentbit:"key_val_is_null" help:"the field's value must be null"`
	NotNull   []config.Ordered `fluentbit:"key_val_is_not_null" help:"the field must be there and not null"`
	Equal     []config.Ordered `fluentbit:"key_val_eq" help:"as KEY VALUE: the field must be there and, if it is a text, be VALUE"`
	Action    string           `fluentbit:"action" oneof:"warn,exit,result_key" default:"warn" help:"what to do when a rule doesn't hold: log a warning; stop the router, as SIGTERM does, with status 255; or say in a field whether all rules hold"`
	ResultKey string           `fluentbit:"result_key" default:"matched" help:"name of that field"`
}

// Check implements config's check after binding.
func (o *ExpectOptions) Check(d config.Dialect) error {
	_, err := NewExpect(o, d, Env{Log: zerolog.Nop()})
	return err
}

// Warnings implements config's warnings after binding.
func (o *ExpectOptions) Warnings() []string {
	if len(o.Exists)+len(o.NotExists)+len(o.Null)+len(o.NotNull)+len(o.Equal) == 0 {
		return []string{"no rule is defined; want, for example: key_exists $log"}
	}
	return nil
}

// ExitStatus is the status with which expect's action exit ends the process, as in Fluent Bit.
const ExitStatus = 255

// expect is the filter.
type expect struct {
	rules  []expectRule
	result []byte // name of the field for the result, as MessagePack; nil: no such field
	key    string // that name as text
	exit   func(status int, why string)
	log    zerolog.Logger
}

// An expectRule checks the value of a field. wrong returns why the rule doesn't hold, "" if it does.
type expectRule struct {
	order int
	text  string // as in the configuration
	at    field.Accessor
	wrong func(value []byte, ok bool) string
}

// NewExpect makes the step of an expect.
func NewExpect(o *ExpectOptions, _ config.Dialect, env Env) (Filter, error) {
	e := &expect{log: env.Log}
	switch o.Action {
	case "exit":
		e.exit = env.Exit
	case "result_key":
		e.key, e.result = o.ResultKey, record.AppendStr(nil, o.ResultKey)
	}
	for _, kind := range []struct {
		option string
		list   []config.Ordered
		wrong  func(value []byte, ok bool) string
	}{
		{"key_exists", o.Exists, wrongIfMissing}, {"key_not_exists", o.NotExists, wrongIfThere}, {"key_val_is_null", o.Null, wrongIfNotNull},
		{"key_val_is_not_null", o.NotNull, wrongIfNull}, {"key_val_eq", o.Equal, nil},
	} {
		for _, v := range kind.list {
			key, wrong := v.Value, kind.wrong
			if wrong == nil {
				var value string
				if key, value, _ = strings.Cut(v.Value, " "); value == "" {
					value = key // as in Fluent Bit
				}
				wrong = wrongUnless(strings.TrimLeft(value, " "))
			}
			at, err := accessorOf(key)
			if err != nil {
				return nil, &config.OptionError{Option: kind.option, Reason: err.Error()}
			}
			e.rules = append(e.rules, expectRule{v.Order, kind.option + " " + v.Value, at, wrong})
		}
	}
	slices.SortStableFunc(e.rules, func(a, b expectRule) int { return a.order - b.order })
	return e, nil
}

func wrongIfMissing(_ []byte, ok bool) string {
	if !ok {
		return "the field is missing"
	}
	return ""
}

func wrongIfThere(_ []byte, ok bool) string {
	if ok {
		return "the field is there"
	}
	return ""
}

func wrongIfNotNull(value []byte, ok bool) string {
	if ok && record.KindOf(value[0]) != record.KindNil {
		return "the value isn't null"
	}
	return wrongIfMissing(value, ok)
}

func wrongIfNull(value []byte, ok bool) string {
	if ok && record.KindOf(value[0]) == record.KindNil {
		return "the value is null"
	}
	return wrongIfMissing(value, ok)
}

// wrongUnless compares strings. Values of other types match, as in Fluent Bit.
func wrongUnless(want string) func([]byte, bool) string {
	return func(value []byte, ok bool) string {
		if text, isText := record.Text(value); ok && isText && string(text) != want {
			return "the value differs"
		}
		return wrongIfMissing(value, ok)
	}
}

// Apply implements Filter. It drops no record.
func (e *expect) Apply(ev *record.Event, s *Scratch) bool {
	holds := true
	for i := range e.rules {
		rule := &e.rules[i]
		if wrong := rule.wrong(rule.at.Get(ev.Body)); wrong != "" {
			holds = false
			e.tell(rule, wrong, ev)
			break
		}
	}
	if e.result != nil {
		ev.Body = s.Keep(e.appendResult(s.Take(), ev.Body, holds))
	}
	return true
}

// maxShownRecord is how many bytes of a record's JSON a log line shows. maxRendered is the length in bytes, as MessagePack, beyond
// which it shows nothing of a record.
const (
	maxShownRecord = 1 << 10
	maxRendered    = 16 << 10
)

// tell logs that a rule doesn't hold, and stops the router if action is exit.
func (e *expect) tell(rule *expectRule, wrong string, ev *record.Event) {
	if line := e.log.Warn(); line.Enabled() {
		var shown []byte
		if len(ev.Body) <= maxRendered {
			shown = record.AppendJSON(nil, ev.Body)
		}
		line.Str("rule", rule.text).Str("tag", ev.Tag).Bytes("record", shown[:min(len(shown), maxShownRecord)]).Msg("expect: a rule doesn't hold: " + wrong)
	}
	if e.exit != nil {
		e.exit(ExitStatus, fmt.Sprintf("expect: %s: %s", rule.text, wrong))
	}
}

// appendResult appends the map with the result as its first member.
func (e *expect) appendResult(dst, body []byte, holds bool) []byte {
	n := 1
	for f := record.FieldsOf(body); f.Next(); {
		if string(f.Key()) != e.key || f.Key() == nil {
			n++
		}
	}
	dst = record.AppendMapHeader(dst, n)
	dst = record.AppendBool(append(dst, e.result...), holds)
	for f := record.FieldsOf(body); f.Next(); {
		if string(f.Key()) != e.key || f.Key() == nil {
			dst = append(append(dst, f.RawKey()...), f.Value()...)
		}
	}
	return dst
}
