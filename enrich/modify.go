package enrich

import (
	"fmt"
	"slices"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/pattern"
	"github.com/firelane/firelane/record"
)

// ModifyOptions are those of Fluent Bit's modify. Its rules apply one after the other, in the order in which they are written.
type ModifyOptions struct {
	Set         []config.Ordered `fluentbit:"set" help:"set a field, as KEY VALUE; it replaces one of that name"`
	Add         []config.Ordered `fluentbit:"add,add_if_not_present" help:"add a field, as KEY VALUE, if there is none of that name"`
	Remove      []config.Ordered `fluentbit:"remove" help:"remove a field"`
	RemoveWild  []config.Ordered `fluentbit:"remove_wildcard" help:"remove the fields whose names begin so"`
	RemoveRegex []config.Ordered `fluentbit:"remove_regex" help:"remove the fields whose names match the pattern"`
	Rename      []config.Ordered `fluentbit:"rename" help:"rename a field, as OLD NEW, unless there is one of the new name"`
	HardRename  []config.Ordered `fluentbit:"hard_rename" help:"rename a field; one of the new name is removed"`
	Copy        []config.Ordered `fluentbit:"copy" help:"copy a field, as FROM TO, unless there is one of that name"`
	HardCopy    []config.Ordered `fluentbit:"hard_copy" help:"copy a field; one of that name is replaced"`
	ToStart     []config.Ordered `fluentbit:"move_to_start" help:"move the fields whose names begin so to the start; a * at the end matches any ending"`
	ToEnd       []config.Ordered `fluentbit:"move_to_end" help:"move fields to the end, as move_to_start"`
	Condition   []config.Ordered `fluentbit:"condition" help:"what must hold for the rules to apply, all of several: key_exists, key_does_not_exist, a_key_matches, no_key_matches, key_value_equals, key_value_does_not_equal, key_value_matches, key_value_does_not_match, matching_keys_have_matching_values, matching_keys_do_not_have_matching_values, with a KEY and a VALUE"`
}

// Check implements config's check after binding.
func (o *ModifyOptions) Check(d config.Dialect) error {
	_, err := NewModify(o, d, Env{})
	return err
}

// A modifyRule changes the members of an event.
type modifyRule struct {
	order int
	apply func(l *memberList)
}

// A condition reports whether the rules apply to an event.
type condition func(body []byte) bool

// modify is the filter.
type modify struct {
	conditions []condition
	rules      []modifyRule
	lists      memberLists
}

// NewModify makes the step of a modify.
func NewModify(o *ModifyOptions, _ config.Dialect, _ Env) (Filter, error) {
	m := &modify{}
	for _, kind := range []struct {
		option string
		list   []config.Ordered
		words  int
		rule   func(words []string) (func(*memberList), error)
	}{
		{"set", o.Set, 2, setRule}, {"add", o.Add, 2, addRule}, {"remove", o.Remove, 1, removeRule},
		{"remove_wildcard", o.RemoveWild, 1, removeWildRule}, {"remove_regex", o.RemoveRegex, 1, removeRegexRule},
		{"rename", o.Rename, 2, renameRule}, {"hard_rename", o.HardRename, 2, hardRenameRule},
		{"copy", o.Copy, 2, copyRule}, {"hard_copy", o.HardCopy, 2, hardCopyRule},
		{"move_to_start", o.ToStart, 1, moveRule(true)}, {"move_to_end", o.ToEnd, 1, moveRule(false)},
	} {
		for _, v := range kind.list {
			words := splitQuoted(v.Value, kind.words)
			if len(words) != kind.words {
				return nil, &config.OptionError{Option: kind.option, Reason: fmt.Sprintf("%q: want %s", v.Value, []string{"", "a KEY", "a KEY and a VALUE"}[kind.words])}
			}
			apply, err := kind.rule(words)
			if err != nil {
				return nil, &config.OptionError{Option: kind.option, Reason: err.Error()}
			}
			m.rules = append(m.rules, modifyRule{v.Order, apply})
		}
	}
	slices.SortStableFunc(m.rules, func(a, b modifyRule) int { return a.order - b.order })
	for _, v := range o.Condition {
		c, err := newCondition(splitQuoted(v.Value, 3))
		if err != nil {
			return nil, &config.OptionError{Option: "condition", Reason: fmt.Sprintf("%q: %s", v.Value, err)}
		}
		m.conditions = append(m.conditions, c)
	}
	return m, nil
}

// Apply implements Filter.
func (m *modify) Apply(ev *record.Event, s *Scratch) bool {
	for _, holds := range m.conditions {
		if !holds(ev.Body) {
			return true
		}
	}
	list := m.lists.of(ev.Body)
	defer m.lists.put(list)
	for i := range m.rules {
		m.rules[i].apply(list)
	}
	ev.Body = s.Keep(list.appendMap(s.Take()))
	return true
}

func setRule(w []string) (func(*memberList), error) {
	one := member{record.AppendStr(nil, w[0]), record.AppendStr(nil, w[1])}
	return func(l *memberList) {
		l.without(func(m *member) bool { return m.is(w[0]) })
		*l = append(*l, one)
	}, nil
}

func addRule(w []string) (func(*memberList), error) {
	one := member{record.AppendStr(nil, w[0]), record.AppendStr(nil, w[1])}
	return func(l *memberList) {
		if l.count(w[0]) == 0 {
			*l = append(*l, one)
		}
	}, nil
}

func removeRule(w []string) (func(*memberList), error) {
	return func(l *memberList) { l.without(func(m *member) bool { return m.is(w[0]) }) }, nil
}

func removeWildRule(w []string) (func(*memberList), error) {
	begin := strings.TrimSuffix(w[0], "*")
	return func(l *memberList) {
		l.without(func(m *member) bool { return m.begins(begin) })
	}, nil
}

// begins reports whether the member's name begins so.
func (m *member) begins(prefix string) bool {
	s, ok := m.name()
	return ok && len(s) >= len(prefix) && string(s[:len(prefix)]) == prefix
}

func removeRegexRule(w []string) (func(*memberList), error) {
	p, err := pattern.CompileFluentBit(w[0], nil)
	return func(l *memberList) { l.without(func(m *member) bool { return matches(p, m.key) }) }, err
}

// matches reports whether a text, or true or false as one, matches.
func matches(p *pattern.Pattern, value []byte) bool {
	if record.KindOf(value[0]) == record.KindStr {
		s, _ := record.Text(value)
		return p.Match(s)
	}
	if b, _, err := record.Bool(value); err == nil {
		return p.Match(fmt.Append(nil, b))
	}
	return false
}

func renameRule(w []string) (func(*memberList), error) {
	key := record.AppendStr(nil, w[1])
	return func(l *memberList) {
		if l.count(w[1]) == 0 {
			l.rename(w[0], key)
		}
	}, nil
}

func hardRenameRule(w []string) (func(*memberList), error) {
	key := record.AppendStr(nil, w[1])
	return func(l *memberList) {
		if l.count(w[0]) > 0 && w[0] != w[1] {
			l.without(func(m *member) bool { return m.is(w[1]) })
			l.rename(w[0], key)
		}
	}, nil
}

// rename gives the members of a name another key.
func (l memberList) rename(name string, key []byte) {
	for i := range l {
		if l[i].is(name) {
			l[i].key = key
		}
	}
}

func copyRule(w []string) (func(*memberList), error) {
	key := record.AppendStr(nil, w[1])
	return func(l *memberList) {
		if l.count(w[0]) == 1 && l.count(w[1]) == 0 {
			l.copyOf(w[0], key)
		}
	}, nil
}

func hardCopyRule(w []string) (func(*memberList), error) {
	key := record.AppendStr(nil, w[1])
	return func(l *memberList) {
		if l.count(w[0]) == 1 && l.count(w[1]) <= 1 && w[0] != w[1] {
			l.without(func(m *member) bool { return m.is(w[1]) })
			l.copyOf(w[0], key)
		}
	}, nil
}

// copyOf inserts a copy of a member after it, with another key.
func (l *memberList) copyOf(name string, key []byte) {
	for i := range *l {
		if (*l)[i].is(name) {
			*l = slices.Insert(*l, i+1, member{key, (*l)[i].value})
			return
		}
	}
}

// moveRule returns the rule that moves members to the start or the end; they keep their order.
func moveRule(start bool) func(w []string) (func(*memberList), error) {
	return func(w []string) (func(*memberList), error) {
		prefix, wild := strings.CutSuffix(w[0], "*")
		moved := func(m *member) bool { return wild && m.begins(prefix) || m.is(w[0]) }
		return func(l *memberList) {
			slices.SortStableFunc(*l, func(a, b member) int {
				switch x, y := moved(&a), moved(&b); {
				case x == y:
					return 0
				case x == start:
					return -1
				}
				return 1
			})
		}, nil
	}
}

// newCondition makes a condition of its words: its kind, a key or pattern, and a value or pattern.
func newCondition(w []string) (condition, error) {
	if len(w) < 2 {
		return nil, fmt.Errorf("want a kind of condition and a KEY")
	}
	kind, negated := strings.ToLower(w[0]), false
	switch kind {
	case "key_does_not_exist":
		kind, negated = "key_exists", true
	case "no_key_matches":
		kind, negated = "a_key_matches", true
	case "matching_keys_do_not_have_matching_values":
		kind, negated = "matching_keys_have_matching_values", true
	}
	c, err := plainCondition(kind, w)
	if err != nil || !negated {
		return c, err
	}
	return func(body []byte) bool { return !c(body) }, nil
}

func plainCondition(kind string, w []string) (condition, error) {
	value := ""
	if len(w) > 2 {
		value = w[2]
	}
	switch kind {
	case "key_exists":
		at, err := accessorOf(w[1])
		return func(body []byte) bool { _, ok := at.Get(body); return ok }, err
	case "a_key_matches":
		p, err := pattern.CompileFluentBit(w[1], nil)
		return func(body []byte) bool {
			for f := record.FieldsOf(body); f.Next(); {
				if matches(p, f.RawKey()) {
					return true
				}
			}
			return false
		}, err
	case "key_value_equals", "key_value_does_not_equal":
		at, err := accessorOf(w[1])
		return func(body []byte) bool {
			v, ok := at.Get(body)
			s, _ := record.Text(v)
			return ok && (string(s) == value) == (kind == "key_value_equals")
		}, err
	case "key_value_matches", "key_value_does_not_match":
		at, err := accessorOf(w[1])
		if err != nil {
			return nil, err
		}
		p, err := pattern.CompileFluentBit(value, nil)
		return func(body []byte) bool {
			v, ok := at.Get(body)
			return ok && matches(p, v) == (kind == "key_value_matches")
		}, err
	case "matching_keys_have_matching_values":
		return matchingKeys(w[1], value)
	}
	return nil, fmt.Errorf("%q is not a condition; want, for example, key_exists or key_value_equals", w[0])
}

// matchingKeys is the condition that every member whose name matches one pattern has a value that matches another.
func matchingKeys(keys, values string) (condition, error) {
	key, err := pattern.CompileFluentBit(keys, nil)
	if err != nil {
		return nil, err
	}
	value, err := pattern.CompileFluentBit(values, nil)
	return func(body []byte) bool {
		for f := record.FieldsOf(body); f.Next(); {
			if matches(key, f.RawKey()) && !matches(value, f.Value()) {
				return false
			}
		}
		return true
	}, err
}

// accessorOf parses the key of a condition, which may be nested with or without a $.
func accessorOf(key string) (field.Accessor, error) {
	if !strings.HasPrefix(key, "$") && strings.Contains(key, "[") {
		key = "$" + key
	}
	return field.ParseAccessor(key, config.FluentBit)
}
