package ruby

import (
	"slices"

	"github.com/firelane/firelane/record"
)

// arrayMethod adds a method of arrays.
func arrayMethod(t map[string]method, name string, min, max int, f func(c *call) (value, error)) {
	t[name] = method{min: min, max: max, call: func(c *call) (value, error) {
		if c.on.kind != kArray {
			return c.none()
		}
		return f(c)
	}}
}

func arrayMethods(t map[string]method) {
	arrayMethod(t, "join", 0, 1, func(c *call) (value, error) {
		var by []byte
		if c.arg(0).kind != kNil {
			var err error
			if by, err = c.textArg(0); err != nil {
				return value{}, err
			}
		}
		return c.m.join(c.on, by, 0)
	})
	arrayMethod(t, "uniq", 0, 0, func(c *call) (value, error) { return c.m.uniq(c.on) })
	arrayMethod(t, "flatten", 0, 1, func(c *call) (value, error) {
		depth, err := c.intArg(0, record.MaxDepth)
		out := list{m: c.m}
		out.flatten(c.on.b, depth)
		if err != nil {
			return value{}, err
		}
		return out.array()
	})
	arrayMethod(t, "take", 1, 1, func(c *call) (value, error) {
		n, err := c.intArg(0, 0)
		if err != nil {
			return value{}, err
		}
		return c.m.slice(c.on, 0, n)
	})
	arrayMethod(t, "drop", 1, 1, func(c *call) (value, error) {
		n, err := c.intArg(0, 0)
		if err != nil || n < 0 {
			return value{}, &Error{"ArgumentError", "want a number of elements"}
		}
		size := int64(sizeOf(c.on))
		return c.m.slice(c.on, min(n, size), size)
	})
	arrayMethod(t, "sort", 0, 0, func(c *call) (value, error) {
		keys, err := c.m.sorted(c.on, nil)
		if err != nil {
			return value{}, err
		}
		out := list{m: c.m}
		for _, k := range keys {
			out.addValue(k.of)
		}
		return out.array()
	})
	arrayMethod(t, "min", 0, 0, extreme)
	arrayMethod(t, "max", 0, 0, extreme)
	arrayMethod(t, "push", 0, -1, func(c *call) (value, error) {
		out := list{m: c.m}
		out.addAll(c.on.b)
		for _, v := range c.args {
			out.addValue(v)
		}
		return out.array()
	})
}

// join returns the elements as one text, separated by by.
func (m *Machine) join(v value, by []byte, depth int) (value, error) {
	var out []byte
	first := true
	for e := elementsOf(v.b); e.next(); first = false {
		if !first {
			out = append(out, by...)
		}
		of := read(e.value)
		if of.kind == kArray && depth < record.MaxDepth {
			inner, err := m.join(of, by, depth+1)
			if err != nil {
				return value{}, err
			}
			of = inner
		}
		was := len(out)
		out = appendText(out, of)
		if err := m.room(len(out) - was + len(by)); err != nil {
			return value{}, err
		}
	}
	return str(out), m.step(1)
}

// flatten adds the elements of an array, and those of arrays in it up to depth.
func (l *list) flatten(b []byte, depth int64) {
	for e := elementsOf(b); e.next() && l.err == nil; {
		if record.KindOf(e.value[0]) == record.KindArray && depth != 0 {
			l.flatten(e.value, depth-1)
		} else {
			l.add(e.value)
		}
	}
}

func (m *Machine) uniq(v value) (value, error) {
	out := list{m: m}
	for e := elementsOf(v.b); e.next(); {
		of := read(e.value)
		twice := false
		rest := out.b
		for range out.n {
			n, err := record.Check(rest)
			if err != nil {
				break
			}
			if err := m.step(1); err != nil {
				return value{}, err
			}
			if twice = read(rest[:n]).equal(of); twice {
				break
			}
			rest = rest[n:]
		}
		if !twice {
			out.add(e.value)
		}
	}
	return out.array()
}

// A sortKey is a value (of) and the value that it is sorted by (by).
type sortKey struct{ by, of value }

// sorted sorts the elements of an array, or the pairs of a hash, by what the block returns.
func (m *Machine) sorted(v value, by func(of value) (value, error)) ([]sortKey, error) {
	var keys []sortKey
	for e := elementsOf(v.b); e.next(); {
		k := sortKey{of: read(e.value)}
		k.by = k.of
		if by != nil {
			var err error
			if k.by, err = by(k.of); err != nil {
				return nil, err
			}
		}
		keys = append(keys, k)
		if err := m.room(200); err != nil { // approximate bytes of a sortKey
			return nil, err
		}
	}
	var failed error
	slices.SortStableFunc(keys, func(a, b sortKey) int {
		n, ok := a.by.compare(b.by)
		if !ok && failed == nil {
			failed = &Error{"ArgumentError", "comparison of " + a.by.class() + " with " + b.by.class() + " failed"}
		}
		return n
	})
	return keys, failed
}

// sortBy is sort_by, min_by and max_by.
func sortBy(c *call) (value, error) {
	on, err := toA(c)
	if err != nil {
		return value{}, err
	}
	keys, err := c.m.sorted(on, c.yield)
	switch {
	case err != nil:
		return value{}, err
	case c.name == "sort_by":
		out := list{m: c.m}
		for _, k := range keys {
			out.addValue(k.of)
		}
		return out.array()
	case len(keys) == 0:
		return value{}, nil
	case c.name == "min_by":
		return keys[0].of, nil
	}
	return keys[len(keys)-1].of, nil
}

// extreme is min and max.
func extreme(c *call) (value, error) {
	var best value
	for e := elementsOf(c.on.b); e.next(); {
		v := read(e.value)
		if best.kind == kNil {
			best = v
			continue
		}
		n, ok := v.compare(best)
		if !ok {
			return value{}, &Error{"ArgumentError", "comparison of " + v.class() + " with " + best.class() + " failed"}
		}
		if n < 0 == (c.name == "min") && n != 0 {
			best = v
		}
	}
	return best, nil
}
