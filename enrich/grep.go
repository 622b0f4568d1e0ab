package enrich

import (
	"errors"
	"fmt"
	"strings"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/pattern"
	"github.com/firelane/firelane/record"
)

// GrepOptions are the options of grep in both dialects.
type GrepOptions struct {
	Regex     []config.Pair `fluentbit:"regex" split:"blank" help:"keep records whose KEY matches PATTERN, as KEY PATTERN"`
	Exclude   []config.Pair `fluentbit:"exclude" split:"blank" help:"drop records whose KEY matches PATTERN, as KEY PATTERN"`
	LogicalOp string        `fluentbit:"logical_op" oneof:"legacy,AND,OR" other:"legacy" default:"legacy" help:"how several rules combine"`

	Regexps  []GrepRule    `fluentd:"<regexp>" help:"pattern that a record has to match; of several, all"`
	Excludes []GrepRule    `fluentd:"<exclude>" help:"pattern that drops a record; of several, any"`
	And      []GrepGroup   `fluentd:"<and>" help:"patterns of which all have to match"`
	Or       []GrepGroup   `fluentd:"<or>" help:"patterns of which any has to match"`
	RegexpN  []config.Pair `fluentd:"regexp1,regexp2,regexp3,regexp4,regexp5,regexp6,regexp7,regexp8,regexp9,regexp10,regexp11,regexp12,regexp13,regexp14,regexp15,regexp16,regexp17,regexp18,regexp19,regexp20" help:"older form of <regexp>, as KEY PATTERN"`
	ExcludeN []config.Pair `fluentd:"exclude1,exclude2,exclude3,exclude4,exclude5,exclude6,exclude7,exclude8,exclude9,exclude10,exclude11,exclude12,exclude13,exclude14,exclude15,exclude16,exclude17,exclude18,exclude19,exclude20" help:"older form of <exclude>, as KEY PATTERN"`
}

// A GrepRule is Fluentd's <regexp> or <exclude>.
type GrepRule struct {
	Key     string `fluentd:"key" required:"true" help:"field, a nested one as $.a.b or $['a']['b']"`
	Pattern string `fluentd:"pattern" required:"true" help:"regular expression, plain or as /pattern/ with the flags i, m and x"`
}

// A GrepGroup is Fluentd's <and> or <or>.
type GrepGroup struct {
	Regexps  []GrepRule `fluentd:"<regexp>" help:"pattern that a record has to match"`
	Excludes []GrepRule `fluentd:"<exclude>" help:"pattern that drops a record"`
}

// Check implements config's check after binding.
func (r *GrepRule) Check(d config.Dialect) error {
	b := grepBuilder{dialect: d}
	b.rule("pattern", r.Key, r.Pattern)
	return b.err
}

// Check implements config's check after binding.
func (o *GrepOptions) Check(d config.Dialect) error {
	_, err := NewGrep(o, d, Env{Log: zerolog.Nop()})
	return err
}

// Warnings implements config's warnings after binding.
func (o *GrepOptions) Warnings() []string {
	if len(o.Regex) > 1 && strings.EqualFold(o.LogicalOp, "legacy") {
		return []string{"regex: only the first of several is used, as in Fluent Bit; set logical_op to AND or OR to use all"}
	}
	return nil
}

// NewGrep makes the step of a grep. It logs a warning when matching a pattern takes longer than pattern.MatchTimeout.
func NewGrep(o *GrepOptions, d config.Dialect, env Env) (Filter, error) {
	b := grepBuilder{dialect: d, log: env.Log}
	if d == config.FluentBit {
		return b.fluentBit(o)
	}
	return b.fluentd(o)
}

// grepBuilder makes rules. err is the first error.
type grepBuilder struct {
	dialect config.Dialect
	log     zerolog.Logger
	err     error
}

// rule makes one rule. option is the option that an error names.
func (b *grepBuilder) rule(option, key, source string) grepRule {
	fail := func(err error) grepRule {
		if b.err == nil {
			b.err = &config.OptionError{Option: option, Reason: err.Error()}
		}
		return grepRule{}
	}
	if key == "" || source == "" {
		return fail(errors.New("a KEY or a PATTERN is missing; want both, as in: log ^ERROR"))
	}
	if b.dialect == config.FluentBit && !strings.HasPrefix(key, "$") && strings.Contains(key, "[") {
		key = "$" + key // as Fluent Bit reads nested['a']
	}
	at, err := field.ParseAccessor(key, b.dialect)
	if err != nil {
		if option == "pattern" {
			option = "key"
		}
		return fail(err)
	}
	compile := pattern.CompileFluentBit
	if b.dialect == config.Fluentd {
		compile = pattern.CompileRuby
	}
	p, err := compile(source, func() {
		b.log.Warn().Str("pattern", source).Float64("limit_s", pattern.MatchTimeout.Seconds()).Int("limit_bytes", pattern.MaxBacktrack).
			Msg("a text is too long for the pattern, or took too long, and was not matched; the text counts as not matching; simplify the pattern")
	})
	if err != nil {
		return fail(err)
	}
	return grepRule{at: at, pattern: p, anyType: b.dialect == config.Fluentd}
}

func (b *grepBuilder) pairs(option string, pairs []config.Pair) (rules []grepRule) {
	for _, p := range pairs {
		rules = append(rules, b.rule(option, p.Key, p.Value))
	}
	return rules
}

func (b *grepBuilder) sections(sections []GrepRule) (rules []grepRule) {
	for _, s := range sections {
		rules = append(rules, b.rule("pattern", s.Key, s.Pattern))
	}
	return rules
}

// grepRule is a field and a pattern for it.
type grepRule struct {
	at      field.Accessor
	pattern *pattern.Pattern
	anyType bool // Fluentd: every value is matched as text, and a missing one as ""; Fluent Bit: only text matches
}

func (r *grepRule) match(body []byte, s *Scratch) bool {
	value, ok := r.at.Get(body)
	if ok {
		if text, isText := record.Text(value); isText {
			return r.pattern.Match(text)
		}
	}
	if !r.anyType {
		return false
	}
	text := s.Take()
	if ok && record.KindOf(value[0]) != record.KindNil {
		text = record.AppendText(text, value)
	}
	return r.pattern.Match(text)
}

// matchAny reports whether any of the rules matches a record.
func matchAny(rules []grepRule, body []byte, s *Scratch) bool {
	for i := range rules {
		if rules[i].match(body, s) {
			return true
		}
	}
	return false
}

// matchAll reports whether each of the rules matches a record.
func matchAll(rules []grepRule, body []byte, s *Scratch) bool {
	for i := range rules {
		if !rules[i].match(body, s) {
			return false
		}
	}
	return true
}

// grepStep keeps a record if all of require match, one of requireOne (if there are any), not all of refuseAll (if there are
// any), and none of refuse.
type grepStep struct{ require, requireOne, refuseAll, refuse []grepRule }

// withTail implements tailAccepter: a grep needs in the body only the fields that its rules name.
func (g *grepStep) withTail(c *constants) Filter {
	for _, rules := range [][]grepRule{g.require, g.requireOne, g.refuseAll, g.refuse} {
		for i := range rules {
			if c.names.has([]byte(rules[i].at.Top())) {
				return nil
			}
		}
	}
	return g
}

func (g *grepStep) Apply(ev *record.Event, s *Scratch) bool {
	return matchAll(g.require, ev.Body, s) &&
		(len(g.requireOne) == 0 || matchAny(g.requireOne, ev.Body, s)) &&
		(len(g.refuseAll) == 0 || !matchAll(g.refuseAll, ev.Body, s)) &&
		!matchAny(g.refuse, ev.Body, s)
}

// fluentBit combines rules as Fluent Bit does, with one difference. In legacy mode Fluent Bit uses no rule after the first
// Regex; here every Exclude is used, wherever it is written, but only the first Regex.
func (b *grepBuilder) fluentBit(o *GrepOptions) (Filter, error) {
	keep, drop := b.pairs("regex", o.Regex), b.pairs("exclude", o.Exclude)
	if b.err != nil {
		return nil, b.err
	}
	if o.LogicalOp != "legacy" && o.LogicalOp != "" && len(keep) > 0 && len(drop) > 0 {
		return nil, &config.OptionError{Option: "logical_op", Reason: fmt.Sprintf(
			"%s combines several regex or several exclude, but not both kinds; use two filters", o.LogicalOp)}
	}
	switch o.LogicalOp {
	case "AND":
		return &grepStep{require: keep, refuseAll: drop}, nil
	case "OR":
		return &grepStep{requireOne: keep, refuse: drop}, nil
	}
	return &grepStep{require: keep[:min(len(keep), 1)], refuse: drop}, nil
}

func (b *grepBuilder) fluentd(o *GrepOptions) (Filter, error) {
	g := &grepStep{
		require: append(b.pairs("regexpN", o.RegexpN), b.sections(o.Regexps)...),
		refuse:  append(b.pairs("excludeN", o.ExcludeN), b.sections(o.Excludes)...),
	}
	for _, and := range o.And {
		if len(and.Regexps) > 0 && len(and.Excludes) > 0 {
			return nil, errors.New("<and> takes <regexp> or <exclude>, not both; use two <and>")
		}
		g.require = append(g.require, b.sections(and.Regexps)...)
		g.refuseAll = append(g.refuseAll, b.sections(and.Excludes)...)
	}
	for _, or := range o.Or {
		if len(or.Regexps) > 0 && len(or.Excludes) > 0 {
			return nil, errors.New("<or> takes <regexp> or <exclude>, not both; use two <or>")
		}
		g.requireOne = append(g.requireOne, b.sections(or.Regexps)...)
		g.refuse = append(g.refuse, b.sections(or.Excludes)...)
	}
	if b.err != nil {
		return nil, b.err
	}
	return g, nil
}
