package enrich

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/enrich/pattern"
	"github.com/firelane/firelane/record"
)

// GrepOptions are those of grep in both dialects.
type GrepOptions struct {
	Regex     []config.Pair `fluentbit:"regex" help:"keep records whose KEY matches PATTERN, as KEY PATTERN"`
	Exclude   []config.Pair `fluentbit:"exclude" help:"drop records whose KEY matches PATTERN, as KEY PATTERN"`
	LogicalOp string        `fluentbit:"logical_op" oneof:"legacy,AND,OR" default:"legacy" help:"how several rules combine"`

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

// Check is asked by package config.
func (r *GrepRule) Check(d config.Dialect) error {
	b := grepBuilder{dialect: d}
	b.rule("pattern", r.Key, r.Pattern)
	return b.err
}

// Check is asked by package config.
func (o *GrepOptions) Check(d config.Dialect) error {
	_, err := NewGrep(o, d, Env{Log: zerolog.Nop()})
	return err
}

// Warnings is asked by package config.
func (o *GrepOptions) Warnings() []string {
	if len(o.Regex) > 1 && strings.EqualFold(o.LogicalOp, "legacy") {
		return []string{"regex: of several, the first alone counts, as in Fluent Bit: set logical_op to AND or OR"}
	}
	return nil
}

// grepLogEvery is how often at most a grep logs that a pattern took too long.
const grepLogEvery = time.Minute

// NewGrep makes the step of a grep.
func NewGrep(o *GrepOptions, d config.Dialect, env Env) (Filter, error) {
	log := env.Log.Sample(&zerolog.BurstSampler{Burst: 1, Period: grepLogEvery})
	b := grepBuilder{dialect: d, log: log}
	if d == config.FluentBit {
		return b.fluentBit(o)
	}
	return b.fluentd(o)
}

// grepBuilder makes rules, and remembers the first error.
type grepBuilder struct {
	dialect config.Dialect
	log     zerolog.Logger
	err     error
}

// rule makes one rule; option is what an error should point at.
func (b *grepBuilder) rule(option, key, source string) grepRule {
	fail := func(err error) grepRule {
		if b.err == nil {
			b.err = &config.OptionError{Option: option, Reason: err.Error()}
		}
		return grepRule{}
	}
	if key == "" || source == "" {
		return fail(errors.New("a KEY and a PATTERN are needed, such as: log ^ERROR"))
	}
	at, err := newAccessor(key, b.dialect)
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
		b.log.Warn().Str("pattern", source).Dur("limit", pattern.MatchTimeout).
			Msg("grep gave up on a text that its pattern takes too long for: it counts as not matching")
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
	at      accessor
	pattern *pattern.Pattern
	anyType bool // Fluentd: every value is compared as text, and a missing one as ""; Fluent Bit: text alone matches
}

func (r *grepRule) match(body []byte, s *Scratch) bool {
	value, ok := r.at.get(body)
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

// matchAny and matchAll say how many of the rules match a record.
func matchAny(rules []grepRule, body []byte, s *Scratch) bool {
	for i := range rules {
		if rules[i].match(body, s) {
			return true
		}
	}
	return false
}

func matchAll(rules []grepRule, body []byte, s *Scratch) bool {
	for i := range rules {
		if !rules[i].match(body, s) {
			return false
		}
	}
	return true
}

// grepStep keeps a record that all of require match and, where there are any, one of requireOne, and that neither all
// of refuseAll nor any of refuse match.
type grepStep struct{ require, requireOne, refuseAll, refuse []grepRule }

// withTail implements tailAccepter: a grep reads the fields that it names.
func (g *grepStep) withTail(c *constants) Filter {
	for _, rules := range [][]grepRule{g.require, g.requireOne, g.refuseAll, g.refuse} {
		for i := range rules {
			if first := rules[i].at[0]; first.isIndex || c.names.has([]byte(first.name)) {
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

// fluentBit combines rules as Fluent Bit does. In legacy mode its first Regex decides, and later rules mean nothing;
// here every Exclude counts wherever it stands, and further Regex rules don't, as there.
func (b *grepBuilder) fluentBit(o *GrepOptions) (Filter, error) {
	keep, drop := b.pairs("regex", o.Regex), b.pairs("exclude", o.Exclude)
	if b.err != nil {
		return nil, b.err
	}
	if o.LogicalOp != "legacy" && o.LogicalOp != "" && len(keep) > 0 && len(drop) > 0 {
		return nil, &config.OptionError{Option: "logical_op", Reason: fmt.Sprintf(
			"%s combines several regex or several exclude, not both kinds: use two filters", o.LogicalOp)}
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
			return nil, errors.New("<and> takes <regexp> or <exclude>, not both: use two of them")
		}
		g.require = append(g.require, b.sections(and.Regexps)...)
		g.refuseAll = append(g.refuseAll, b.sections(and.Excludes)...)
	}
	for _, or := range o.Or {
		if len(or.Regexps) > 0 && len(or.Excludes) > 0 {
			return nil, errors.New("<or> takes <regexp> or <exclude>, not both: use two of them")
		}
		g.requireOne = append(g.requireOne, b.sections(or.Regexps)...)
		g.refuse = append(g.refuse, b.sections(or.Excludes)...)
	}
	if b.err != nil {
		return nil, b.err
	}
	return g, nil
}
