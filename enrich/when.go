package enrich

import (
	"fmt"
	"strconv"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/pattern"
	"github.com/firelane/firelane/record"
)

// A when is a compiled config.Condition.
type when struct {
	any, not bool
	rules    []whenRule
	of       []when
}

// A whenRule is a compiled config.Rule.
type whenRule struct {
	field   *field.Template
	op      string
	values  []string
	number  float64
	pattern *pattern.Pattern
}

// NewSelection makes a Filter that drops the events for which a condition doesn't hold. It returns an error if a field or a pattern of
// the condition is wrong.
func NewSelection(c *config.Condition, d config.Dialect, env Env) (Filter, error) {
	w, err := newWhen(c, d, env)
	return selection{w}, err
}

// When wraps a stage so that it gets only the events for which a condition holds; the others pass unchanged. Its errors are those of
// NewSelection.
func When(c *config.Condition, s Stage, d config.Dialect, env Env) (Stage, error) {
	w, err := newWhen(c, d, env)
	switch s := s.(type) {
	case Filter:
		return whenFilter{s, w}, err
	case Holder:
		return whenHolder{s, w}, err
	case Step:
		return whenStep{s, w}, err
	}
	return s, err
}

func newWhen(c *config.Condition, d config.Dialect, env Env) (*when, error) {
	w := &when{any: c.Any, not: c.Not}
	for _, r := range c.Rules {
		rule, err := newWhenRule(r, d, env)
		if err != nil {
			return w, fmt.Errorf("condition: %s: %w", r.Field, err)
		}
		w.rules = append(w.rules, rule)
	}
	for i := range c.Of {
		inner, err := newWhen(&c.Of[i], d, env)
		if err != nil {
			return w, err
		}
		w.of = append(w.of, *inner)
	}
	return w, nil
}

func newWhenRule(r config.Rule, d config.Dialect, env Env) (w whenRule, err error) {
	w = whenRule{op: r.Op, values: r.Values}
	if w.field, err = field.ParseTemplate(r.Field, field.Notation{Dialect: d}); err != nil {
		return w, err
	}
	switch r.Op {
	case "gt", "lt", "gte", "lte":
		w.number, err = strconv.ParseFloat(r.Values[0], 64)
	case "regex", "not_regex":
		source := r.Values[0]
		w.pattern, err = pattern.CompileFluentBit(source, func() {
			env.Log.Warn().Str("pattern", source).Float64("limit_s", pattern.MatchTimeout.Seconds()).Int("limit_bytes", pattern.MaxBacktrack).
				Msg("a text is too long for the condition's pattern, or matching it took too long: it counts as not matching; simplify the pattern")
		})
	}
	return w, err
}

// holds reports whether the condition holds. Without rules, "all" is true and "any" is false.
func (w *when) holds(ev *record.Event, s *Scratch) bool {
	result := !w.any
	for i := range w.rules {
		if w.rules[i].holds(ev, s) == w.any {
			result = w.any
			break
		}
	}
	for i := 0; i < len(w.of) && result != w.any; i++ {
		if w.of[i].holds(ev, s) == w.any {
			result = w.any
		}
	}
	return result != w.not
}

func (r *whenRule) holds(ev *record.Event, s *Scratch) bool {
	text := r.field.Append(s.Take(), ev)
	switch r.op {
	case "eq":
		return string(text) == r.values[0]
	case "neq":
		return string(text) != r.values[0]
	case "gt":
		return leadingNumber(text) > r.number
	case "lt":
		return leadingNumber(text) < r.number
	case "gte":
		return leadingNumber(text) >= r.number
	case "lte":
		return leadingNumber(text) <= r.number
	case "regex":
		return r.pattern.Match(text)
	case "not_regex":
		return !r.pattern.Match(text)
	}
	for _, v := range r.values {
		if string(text) == v {
			return r.op == "in"
		}
	}
	return r.op == "not_in"
}

// maxNumber is how many bytes of a text are read as a number.
const maxNumber = 32

// leadingNumber returns the number that a text begins with, as atof(3) does; 0 if there is none.
func leadingNumber(text []byte) float64 {
	text = text[:min(len(text), maxNumber)]
	n, digits, point := 0, 0, false
	if n < len(text) && (text[n] == '-' || text[n] == '+') {
		n++
	}
	for ; n < len(text); n++ {
		switch c := text[n]; {
		case '0' <= c && c <= '9':
			digits++
			continue
		case c == '.' && !point:
			point = true
			continue
		}
		break
	}
	if digits == 0 {
		return 0
	}
	end := n
	if n < len(text) && (text[n] == 'e' || text[n] == 'E') {
		if n++; n < len(text) && (text[n] == '-' || text[n] == '+') {
			n++
		}
		for ; n < len(text) && '0' <= text[n] && text[n] <= '9'; n++ {
			end = n + 1
		}
	}
	x, _ := strconv.ParseFloat(string(text[:end]), 64) // infinity if it is too large
	return x
}

// selection is the Filter of NewSelection.
type selection struct{ *when }

// Apply implements Filter.
func (f selection) Apply(ev *record.Event, s *Scratch) bool { return f.holds(ev, s) }

type whenFilter struct {
	Filter
	*when
}

// Apply implements Filter.
func (f whenFilter) Apply(ev *record.Event, s *Scratch) bool {
	return !f.holds(ev, s) || f.Filter.Apply(ev, s)
}

// ForTag implements TagFilter. If the wrapped Filter isn't one, the Filter is the same for all tags.
func (f whenFilter) ForTag(tag string) Filter {
	if t, ok := f.Filter.(TagFilter); ok {
		return whenFilter{t.ForTag(tag), f.when}
	}
	return f
}

type whenStep struct {
	Step
	*when
}

// Apply implements Step.
func (f whenStep) Apply(ev *record.Event, out *Out) { f.apply(f.Step, ev, out) }

type whenHolder struct {
	Holder
	*when
}

// Apply implements Step.
func (f whenHolder) Apply(ev *record.Event, out *Out) { f.apply(f.Holder, ev, out) }

func (w *when) apply(s Step, ev *record.Event, out *Out) {
	if w.holds(ev, out.Scratch) {
		if from, ok := out.From.(Wrapper); ok { // the Step compares itself with it
			out.From, _ = from.Inside().(Step)
		}
		s.Apply(ev, out)
		return
	}
	out.Next(ev)
}

// Inside implements Wrapper.
func (f whenFilter) Inside() Stage { return f.Filter }

// Inside implements Wrapper.
func (f whenStep) Inside() Stage { return f.Step }

// Inside implements Wrapper.
func (f whenHolder) Inside() Stage { return f.Holder }
