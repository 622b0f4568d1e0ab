package systemd

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/firelane/firelane/config"
)

// A filter says which entries are taken: those that fulfil a group. A group is a list of clauses, all of which must hold; a clause a
// list of fields, one of which an entry must have. Without groups all entries are taken.
type filter struct {
	texts  map[string]int // FIELD=VALUE, by its number
	groups [][][]int
}

func newFilter(o *Options, d config.Dialect) (filter, error) {
	f := filter{texts: map[string]int{}}
	if d == config.Fluentd {
		return f, f.matches(o)
	}
	var all [][]int
	for _, c := range o.Filters {
		n, err := f.number(c.Value)
		if err != nil {
			return f, &config.OptionError{Option: "systemd_filter", Reason: err.Error()}
		}
		all = append(all, []int{n})
	}
	switch {
	case o.FilterType == "and" && all != nil:
		f.groups = [][][]int{all}
	default:
		for _, clause := range all {
			f.groups = append(f.groups, [][]int{clause})
		}
	}
	return f, nil
}

// number is the number of a FIELD=VALUE.
func (f *filter) number(text string) (int, error) {
	if err := condition(text); err != nil {
		return 0, err
	}
	n, ok := f.texts[text]
	if !ok {
		if n = len(f.texts); n == maxFilters {
			return 0, fmt.Errorf("there are more than %d conditions", maxFilters)
		}
		f.texts[text] = n
	}
	return n, nil
}

// matches reads Fluentd's matches.
func (f *filter) matches(o *Options) error {
	option, text := "matches", o.Matches
	if text == "" {
		option, text = "filters", o.Old
	}
	if text == "" {
		return nil
	}
	var list []map[string]any
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return &config.OptionError{Option: option, Reason: `is not a JSON array of objects; want, for example, [{ "_SYSTEMD_UNIT": "docker.service" }]`}
	}
	for _, members := range list {
		var group [][]int
		for name, value := range members {
			values, ok := value.([]any)
			if !ok {
				values = []any{value}
			}
			var clause []int
			for _, v := range values {
				n, err := f.number(name + "=" + fmt.Sprint(v))
				if err != nil {
					return &config.OptionError{Option: option, Reason: err.Error()}
				}
				clause = append(clause, n)
			}
			group = append(group, clause)
		}
		if len(group) > 0 {
			f.groups = append(f.groups, group)
		}
	}
	return nil
}

// find returns the number of the condition that a field is, -1 for none.
func (f *filter) find(name, value []byte, buf []byte) (int, []byte) {
	if len(f.texts) == 0 {
		return -1, buf
	}
	buf = append(append(append(buf[:0], name...), '='), value...)
	if n, ok := f.texts[string(buf)]; ok {
		return n, buf
	}
	return -1, buf
}

// takes reports whether an entry with these conditions is taken.
func (f *filter) takes(has []int) bool {
	if len(f.groups) == 0 {
		return true
	}
	one := func(clause []int) bool {
		return slices.ContainsFunc(clause, func(n int) bool { return slices.Contains(has, n) })
	}
	return slices.ContainsFunc(f.groups, func(group [][]int) bool {
		return !slices.ContainsFunc(group, func(clause []int) bool { return !one(clause) })
	})
}
