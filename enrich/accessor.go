package enrich

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
)

// An accessor is the way to a value in a record: a name, or a path through maps and arrays.
type accessor []hop

// A hop goes to the member called name or, where name is "" and index is set, to an element of an array.
type hop struct {
	name    string
	index   int
	isIndex bool
}

// newAccessor reads $a['b'][0] in both dialects and $.a.b[0] in Fluentd; in Fluent Bit $a without brackets too.
// Everything else is a name.
func newAccessor(key string, d config.Dialect) (accessor, error) {
	var a accessor
	rest := key
	switch {
	case d == config.Fluentd && strings.HasPrefix(key, "$."):
		return dotted(key)
	case d == config.Fluentd && strings.HasPrefix(key, "$["):
		rest = key[1:]
	case d == config.FluentBit && strings.HasPrefix(key, "$"):
		name, _, _ := strings.Cut(key[1:], "[")
		if name == "" {
			return nil, fmt.Errorf("%q names no field: write $name['inner']", key)
		}
		a, rest = accessor{{name: name}}, key[1+len(name):]
	default:
		return accessor{{name: key}}, nil
	}
	hops, err := brackets(rest)
	if err != nil {
		return nil, fmt.Errorf("%q can't be read: %w", key, err)
	}
	return append(a, hops...), nil
}

// dotted reads $.a.b[0].
func dotted(key string) (accessor, error) {
	var a accessor
	for step := range strings.SplitSeq(key[2:], ".") {
		name, _, _ := strings.Cut(step, "[")
		if name != "" {
			a = append(a, hop{name: name})
		}
		hops, err := brackets(step[len(name):])
		if err == nil && step == "" || strings.ContainsAny(name, " \t") {
			err = errors.New("a name is empty or has blanks in it; write $['a']['b']")
		}
		if err != nil {
			return nil, fmt.Errorf("%q can't be read: %w", key, err)
		}
		a = append(a, hops...)
	}
	return a, nil
}

// brackets reads ['a']["b"][0].
func brackets(s string) (accessor, error) {
	var a accessor
	for s != "" {
		if len(s) < 3 || s[0] != '[' {
			return nil, fmt.Errorf("%q is neither ['name'] nor [number]", s)
		}
		if quote := s[1]; quote == '\'' || quote == '"' {
			name, after, ok := strings.Cut(s[2:], string(quote)+"]")
			if !ok {
				return nil, fmt.Errorf("%q has no closing %c]", s, quote)
			}
			a, s = append(a, hop{name: name}), after
			continue
		}
		digits, after, _ := strings.Cut(s[1:], "]")
		n, err := strconv.Atoi(digits)
		if err != nil {
			return nil, fmt.Errorf("%q is neither ['name'] nor [number]", s)
		}
		a, s = append(a, hop{index: n, isIndex: true}), after
	}
	return a, nil
}

// get finds the value in a record.
func (a accessor) get(body []byte) (value []byte, ok bool) {
	value = body
	for _, h := range a {
		if h.isIndex {
			value, ok = element(value, h.index)
		} else {
			value, ok = record.Find(value, h.name)
		}
		if !ok {
			return nil, false
		}
	}
	return value, true
}

// element is an array's element, counted from the end if i is negative.
func element(array []byte, i int) (value []byte, ok bool) {
	n, rest, err := record.ArrayHeader(array)
	if err != nil {
		return nil, false
	}
	if i < 0 {
		i += n
	}
	if i < 0 || i >= n {
		return nil, false
	}
	for range i {
		if rest, err = record.Skip(rest); err != nil {
			return nil, false
		}
	}
	return rest, true
}

// top says whether a is a name in the record itself.
func (a accessor) top() bool { return len(a) == 1 && !a[0].isIndex }

// appendWithout appends the value without what a leads to, unchanged if it leads nowhere.
func (a accessor) appendWithout(dst, value []byte) []byte {
	rest, err := record.Skip(value)
	if err != nil {
		return dst
	}
	value = value[:len(value)-len(rest)]
	if _, ok := a.get(value); !ok {
		return append(dst, value...)
	}
	if a[0].isIndex {
		return a.appendArrayWithout(dst, value)
	}
	n := 0
	for f := record.FieldsOf(value); f.Next(); {
		if len(a) > 1 || string(f.Key()) != a[0].name {
			n++
		}
	}
	dst = record.AppendMapHeader(dst, n)
	for f := record.FieldsOf(value); f.Next(); {
		switch {
		case string(f.Key()) != a[0].name:
			dst = append(append(dst, f.RawKey()...), f.Value()...)
		case len(a) > 1:
			dst = a[1:].appendWithout(append(dst, f.RawKey()...), f.Value())
		}
	}
	return dst
}

func (a accessor) appendArrayWithout(dst, value []byte) []byte {
	n, rest, _ := record.ArrayHeader(value) // get has read it
	at := a[0].index
	if at < 0 {
		at += n
	}
	dst = record.AppendArrayHeader(dst, n-1+min(len(a)-1, 1))
	for i := range n {
		after, err := record.Skip(rest)
		if err != nil {
			return dst
		}
		switch element := rest[:len(rest)-len(after)]; {
		case i != at:
			dst = append(dst, element...)
		case len(a) > 1:
			dst = a[1:].appendWithout(dst, element)
		}
		rest = after
	}
	return dst
}
