package enrich

import (
	"cmp"
	"slices"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
)

// NestOptions are those of Fluent Bit's nest.
type NestOptions struct {
	Operation    string   `fluentbit:"operation" required:"true" oneof:"nest,lift" help:"nest: move fields into a map; lift: move a map's fields up"`
	Wildcard     []string `fluentbit:"wildcard" help:"nest: field to move; a * at the end matches any ending"`
	NestUnder    string   `fluentbit:"nest_under" help:"nest: field that gets the map; another name of nested_under"`
	NestedUnder  string   `fluentbit:"nested_under" help:"lift: field that has the map; another name of nest_under"`
	PrefixWith   string   `fluentbit:"prefix_with" help:"as add_prefix"`
	AddPrefix    string   `fluentbit:"add_prefix" help:"prefix to put before the names of the fields that are moved"`
	RemovePrefix string   `fluentbit:"remove_prefix" help:"prefix to take away from the names of the fields that are moved"`
}

// Check implements config's check after binding.
func (o *NestOptions) Check(config.Dialect) error {
	if o.prefix() != "" && o.RemovePrefix != "" {
		return &config.OptionError{Option: "remove_prefix", Reason: "excludes add_prefix; use one of them"}
	}
	return nil
}

// Warnings says that the filter changes nothing.
func (o *NestOptions) Warnings() []string {
	switch {
	case o.field() != "":
		return nil
	case o.lifts():
		return []string{"nested_under is missing, so the filter changes nothing; want the field whose map is lifted"}
	}
	return []string{"nest_under is missing, so the filter changes nothing; want the field that gets the map"}
}

// field is the field that has or gets the map: to Fluent Bit both names are one option.
func (o *NestOptions) field() string {
	if o.lifts() {
		return cmp.Or(o.NestedUnder, o.NestUnder)
	}
	return cmp.Or(o.NestUnder, o.NestedUnder)
}

func (o *NestOptions) lifts() bool { return strings.EqualFold(o.Operation, "lift") }

// prefix is the prefix to add.
func (o *NestOptions) prefix() string {
	if o.AddPrefix != "" {
		return o.AddPrefix
	}
	return o.PrefixWith
}

// nest is the filter.
type nest struct {
	lift   bool
	moved  func(m *member) bool
	under  []byte // the field's name as MessagePack
	add    string
	remove string
	lists  memberLists
}

// NewNest makes the step of a nest.
func NewNest(o *NestOptions, d config.Dialect, _ Env) (Filter, error) {
	if err := o.Check(d); err != nil {
		return nil, err
	}
	n := &nest{lift: o.lifts(), add: o.prefix(), remove: o.RemovePrefix, under: record.AppendStr(nil, o.field())}
	if o.field() == "" {
		n.moved = func(*member) bool { return false }
		return n, nil
	}
	if n.lift {
		n.moved = func(m *member) bool { return m.is(o.field()) && record.KindOf(m.value[0]) == record.KindMap }
		return n, nil
	}
	var names, prefixes []string
	for _, w := range o.Wildcard {
		names = append(names, w)
		if prefix, wild := strings.CutSuffix(w, "*"); wild {
			prefixes = append(prefixes, prefix)
		}
	}
	n.moved = func(m *member) bool {
		return slices.ContainsFunc(prefixes, m.begins) || slices.ContainsFunc(names, m.is)
	}
	return n, nil
}

// Apply implements Filter.
func (n *nest) Apply(ev *record.Event, s *Scratch) bool {
	list := n.lists.of(ev.Body)
	defer n.lists.put(list)
	moved := n.lists.of(nil)
	defer n.lists.put(moved)
	list.without(func(m *member) bool {
		if !n.moved(m) {
			return false
		}
		if !n.lift {
			*moved = append(*moved, *m)
			return true
		}
		for f := record.FieldsOf(m.value); f.Next(); {
			*moved = append(*moved, member{f.RawKey(), f.Value()})
		}
		return true
	})
	if len(*moved) == 0 && !n.lift {
		return true
	}
	out := s.Take()
	if n.lift {
		out = record.AppendMapHeader(out, len(*list)+len(*moved))
		out = list.appendMembers(out)
	} else {
		out = record.AppendMapHeader(out, len(*list)+1)
		out = append(list.appendMembers(out), n.under...)
		out = record.AppendMapHeader(out, len(*moved))
	}
	nested := false
	for i := range *moved {
		m := &(*moved)[i]
		out = append(n.appendKey(out, m.key), m.value...)
		kind := record.KindOf(m.value[0])
		nested = nested || kind == record.KindMap || kind == record.KindArray
	}
	if !n.lift && nested && tooDeep(out) {
		return true // it would be nested deeper than a record may be
	}
	ev.Body = s.Keep(out)
	return true
}

// appendKey appends the key of a field that is moved.
func (n *nest) appendKey(dst, key []byte) []byte {
	name, ok := record.Text(key)
	switch {
	case !ok:
	case n.add != "":
		dst = record.AppendStrHeader(dst, len(n.add)+len(name))
		return append(append(dst, n.add...), name...)
	case n.remove != "" && len(name) >= len(n.remove) && string(name[:len(n.remove)]) == n.remove:
		return record.AppendStrBytes(dst, name[len(n.remove):])
	}
	return append(dst, key...)
}
