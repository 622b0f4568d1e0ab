package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/firelane/firelane/pattern"
)

// A Condition selects records: a combination of rules and of further conditions.
type Condition struct {
	Any   bool // one of Rules and Of must hold; otherwise all must
	Not   bool // inverts the result
	Rules []Rule
	Of    []Condition
}

// A Rule compares a text made from a record with values.
type Rule struct {
	Field  string   // a template: $level, $request['method']; a missing field is empty
	Op     string   // one of ruleOps
	Values []string // any number for in and not_in, otherwise one

	at Pos
}

// ruleOps are the operators of Fluent Bit. eq and neq compare texts; gt, lt, gte and lte compare numbers, and a text that is not a
// number counts as 0.
var ruleOps = []string{"eq", "neq", "gt", "lt", "gte", "lte", "regex", "not_regex", "in", "not_in"}

// Limits of a condition. Fluent Bit has none.
const (
	maxRules      = 100  // rules of one condition
	maxRuleValues = 1000 // values of one rule
)

// String returns the condition in a readable form: `$level eq error and not ($n gt 5 or …)`.
func (c *Condition) String() string {
	var parts []string
	for _, r := range c.Rules {
		parts = append(parts, r.Field+" "+r.Op+" "+strings.Join(r.Values, ", "))
	}
	for i := range c.Of {
		text := c.Of[i].String()
		if len(c.Of[i].Rules)+len(c.Of[i].Of) > 1 && !c.Of[i].Not {
			text = "(" + text + ")"
		}
		parts = append(parts, text)
	}
	join := " and "
	if c.Any {
		join = " or "
	}
	text := strings.Join(parts, join)
	if c.Not {
		return "not (" + text + ")"
	}
	return text
}

// condition reads a condition of a processor or a route. byDefault reports that the route takes the records that no other route
// takes. If the condition is wrong, it reports that, and returns nil.
func (y yamlFile) condition(n *yaml.Node) (c *Condition, byDefault bool) {
	if n.Kind != yaml.MappingNode {
		y.fail(n, "condition is %s; want a map with op and rules", yamlKind(n))
		return nil, false
	}
	before := len(y.errors)
	c = &Condition{}
	for _, p := range yamlPairs(n) {
		switch p.key.Value {
		case "op":
			c.Any = strings.EqualFold(p.value.Value, "or")
			if !c.Any && !strings.EqualFold(p.value.Value, "and") {
				y.fail(p.value, "condition: op: %q is not supported; want \"and\" or \"or\"", p.value.Value)
			}
		case "rules":
			y.conditionRules(c, p.value)
		case "default":
			b, err := strconv.ParseBool(strings.ToLower(p.value.Value))
			if err != nil {
				y.fail(p.value, "condition: default: %q is not a boolean; want true or false", p.value.Value)
			}
			byDefault = b
		default:
			y.warning(y.at(p.key), fmt.Sprintf("condition: unknown option %s, which is ignored; want op, rules or default", p.key.Value))
		}
	}
	if len(c.Rules) == 0 && !byDefault && len(y.errors) == before {
		y.fail(n, "condition: want rules: a list with field, op and value in each entry")
	}
	if len(y.errors) > before {
		return nil, false
	}
	return c, byDefault
}

func (y yamlFile) conditionRules(c *Condition, n *yaml.Node) {
	if n.Kind != yaml.SequenceNode || len(n.Content) > maxRules {
		y.fail(n, "condition: rules: want a list of at most %d, with field, op and value in each entry", maxRules)
		return
	}
	for _, entry := range n.Content {
		field, op, value := yamlGet(entry, "field"), yamlGet(entry, "op"), yamlGet(entry, "value")
		context := yamlGet(entry, "context")
		switch {
		case field == nil || op == nil || value == nil || field.Kind != yaml.ScalarNode || field.Value == "":
			y.fail(entry, "condition: rules: want field, op and value in each entry")
		case !slices.Contains(ruleOps, strings.ToLower(op.Value)):
			y.fail(op, "condition: op: %q is not supported; %s", op.Value, wantOneOf(op.Value, ruleOps))
		case context != nil && !slices.Contains(bodyContexts, strings.ToLower(context.Value)):
			y.fail(context, "condition: context: %q is not supported; an event has only a body here; want body, or no context", context.Value)
		default:
			y.conditionRule(c, Rule{Field: field.Value, Op: strings.ToLower(op.Value), at: y.at(entry)}, value)
		}
	}
}

// bodyContexts are Fluent Bit's names for an event's own fields.
var bodyContexts = []string{"body", "record", "message", "record_body"}

// conditionRule adds r to c, with its value or values.
func (y yamlFile) conditionRule(c *Condition, r Rule, value *yaml.Node) {
	list := []*yaml.Node{value}
	if value.Kind == yaml.SequenceNode {
		list = value.Content
	}
	several := strings.HasSuffix(r.Op, "in")
	for _, v := range list {
		if v.Kind != yaml.ScalarNode {
			y.fail(v, "condition: value is %s; want a single value, or a list of them for in and not_in", yamlKind(v))
			return
		}
		r.Values = append(r.Values, v.Value)
	}
	if len(r.Values) == 0 || len(r.Values) > 1 && !several || len(r.Values) > maxRuleValues {
		y.fail(value, "condition: value: want one value for %s (in and not_in take at most %d)", r.Op, maxRuleValues)
		return
	}
	c.Rules = append(c.Rules, r)
}

// expandCondition expands the variables in the values of a condition, and checks them.
func (r *classicReader) expandCondition(c *Condition) {
	if c == nil {
		return
	}
	for i := range c.Rules {
		rule := &c.Rules[i]
		for n, v := range rule.Values {
			rule.Values[n] = r.expand(rule.at, v).value
		}
		if err := rule.check(); err != nil {
			r.error(rule.at, "condition: value: "+err.Error())
		}
	}
}

func (r *Rule) check() error {
	switch r.Op {
	case "gt", "lt", "gte", "lte":
		if _, err := strconv.ParseFloat(r.Values[0], 64); err != nil {
			return fmt.Errorf("%q is not a number, and %s compares numbers", r.Values[0], r.Op)
		}
	case "regex", "not_regex":
		_, err := pattern.CompileFluentBit(r.Values[0], nil)
		return err
	}
	return nil
}
