package ruby

import (
	"github.com/firelane/firelane/record"
)

// each calls one for each element of an array, or each member of a hash as a pair, until one returns false. v is what the block
// returns for it.
func (c *call) each(one func(raw []byte, f *record.Fields, v value) (more bool)) error {
	switch c.on.kind {
	case kRange:
		on, err := toA(c)
		if err != nil {
			return err
		}
		c.on = on
		fallthrough
	case kArray:
		for e := elementsOf(c.on.b); e.next(); {
			v, err := c.result(read(e.value))
			if err != nil {
				return err
			}
			if !one(e.value, nil, v) {
				return nil
			}
		}
		return nil
	case kHash:
		for f := record.FieldsOf(c.on.b); f.Next(); {
			v, err := c.resultOf(&f)
			if err != nil {
				return err
			}
			if !one(nil, &f, v) {
				return nil
			}
		}
		return nil
	}
	_, err := c.none()
	return err
}

// result returns what the block returns for an element; without a block, the element itself.
func (c *call) result(v value) (value, error) {
	if c.block == nil {
		return v, c.m.step(1)
	}
	return c.yield(v)
}

func (c *call) resultOf(f *record.Fields) (value, error) {
	switch {
	case c.block == nil:
		return boolean(true), c.m.step(1)
	case c.name == "select" || c.name == "filter" || c.name == "reject" || c.name == "count":
		return c.yieldMember(f)
	}
	return c.yieldPair(f)
}

func blockMethods(t map[string]method) {
	t["map"] = method{block: needsBlock, call: mapping}
	t["flat_map"] = t["map"]
	t["filter_map"] = t["map"]
	t["select"] = method{block: needsBlock, call: filter}
	t["reject"] = t["select"]
	t["find"] = method{block: needsBlock, call: find}
	t["any?"] = method{block: mayBlock, call: quantify}
	t["all?"] = t["any?"]
	t["none?"] = t["any?"]
	t["count"] = method{max: 1, block: mayBlock, call: count}
	t["transform_values"] = method{block: needsBlock, call: transform}
	t["transform_keys"] = t["transform_values"]
	t["to_h"] = method{block: mayBlock, call: toH}
	t["sum"] = method{block: mayBlock, call: sum}
	t["inject"] = method{max: 2, block: mayBlock, call: reduce}
	t["reduce"] = t["inject"]
	t["sort_by"] = method{block: needsBlock, call: sortBy}
	t["min_by"] = method{block: needsBlock, call: sortBy}
	t["max_by"] = method{block: needsBlock, call: sortBy}
}

func mapping(c *call) (value, error) {
	out := list{m: c.m}
	err := c.each(func(_ []byte, _ *record.Fields, v value) bool {
		switch {
		case c.name == "filter_map" && !v.truthy():
		case (c.name == "flat_map" || c.name == "collect_concat") && v.kind == kArray:
			out.addAll(v.b)
		default:
			out.addValue(v)
		}
		return out.err == nil
	})
	if err != nil {
		return value{}, err
	}
	return out.array()
}

// filter is select and reject.
func filter(c *call) (value, error) {
	out := list{m: c.m}
	err := c.each(func(raw []byte, f *record.Fields, v value) bool {
		switch {
		case v.truthy() == (c.name == "reject"):
		case f != nil:
			out.addMember(f)
		default:
			out.add(raw)
		}
		return out.err == nil
	})
	switch {
	case err != nil:
		return value{}, err
	case c.on.kind == kHash:
		return out.hash()
	}
	return out.array()
}

func find(c *call) (value, error) {
	var found value
	var failed error
	err := c.each(func(raw []byte, f *record.Fields, v value) bool {
		if v.truthy() {
			if f != nil {
				found, failed = c.m.pair(f)
			} else {
				found = read(raw)
			}
		}
		return !v.truthy()
	})
	if err == nil {
		err = failed
	}
	return found, err
}

// quantify is any?, all? and none?.
func quantify(c *call) (value, error) {
	result := c.name != "any?"
	err := c.each(func(_ []byte, _ *record.Fields, v value) bool {
		if v.truthy() != (c.name == "all?") {
			result = !result
			return false
		}
		return true
	})
	return boolean(result), err
}

func count(c *call) (value, error) {
	if c.on.isText() && len(c.args) == 1 {
		set := expandSet(c.args[0].b)
		n := int64(0)
		for _, r := range string(c.on.b) {
			for _, s := range set {
				if r == s {
					n++
					break
				}
			}
		}
		return integer(n), c.m.step(len(c.on.b) / 64)
	}
	n := int64(0)
	err := c.each(func(_ []byte, _ *record.Fields, v value) bool {
		if c.block == nil && len(c.args) == 0 || len(c.args) == 1 && v.equal(c.args[0]) || c.block != nil && v.truthy() {
			n++
		}
		return true
	})
	return integer(n), err
}

// transform is transform_values and transform_keys.
func transform(c *call) (value, error) {
	if c.on.kind != kHash {
		return c.none()
	}
	out := list{m: c.m}
	for f := record.FieldsOf(c.on.b); f.Next(); {
		if c.name == "transform_keys" {
			key, err := c.yield(read(f.RawKey()))
			if err != nil {
				return value{}, err
			}
			out.addValue(str(appendText(nil, key)))
			out.add(f.Value())
			continue
		}
		v, err := c.yield(read(f.Value()))
		if err != nil {
			return value{}, err
		}
		out.add(f.RawKey())
		out.addValue(v)
	}
	return out.hash()
}

// toH makes a hash of pairs.
func toH(c *call) (value, error) {
	if c.block == nil {
		switch c.on.kind {
		case kHash:
			return c.on, nil
		case kNil:
			return hash([]byte{0x80}), nil
		}
	}
	out := list{m: c.m}
	bad := false
	err := c.each(func(_ []byte, _ *record.Fields, v value) bool {
		if bad = v.kind != kArray || sizeOf(v) != 2; bad {
			return false
		}
		out.addValue(str(appendText(nil, element(v, 0))))
		out.addValue(element(v, 1))
		return out.err == nil
	})
	if err == nil && bad {
		err = &Error{"TypeError", "want pairs for a hash"}
	}
	if err != nil {
		return value{}, err
	}
	return out.hash()
}

func sum(c *call) (value, error) {
	total := integer(0)
	var failed error
	err := c.each(func(_ []byte, _ *record.Fields, v value) bool {
		total, failed = arithmetic("+", total, v)
		return failed == nil
	})
	if err == nil {
		err = failed
	}
	return total, err
}

// reduce is inject, with a block or with the name of an operator.
func reduce(c *call) (value, error) {
	args := c.args
	op := ""
	if n := len(args); n > 0 && c.block == nil {
		op, args = string(args[n-1].b), args[:n-1]
	}
	var total value
	has := len(args) > 0
	if has {
		total = args[0]
	}
	on, err := toA(c)
	if err != nil {
		return value{}, err
	}
	for e := elementsOf(on.b); e.next(); has = true {
		v := read(e.value)
		switch {
		case !has:
			total = v
			continue
		case c.block == nil:
			total, err = (&binaryNode{op, constNode(total), constNode(v)}).eval(c.m)
		case len(c.block.params) == 2:
			c.m.vars[c.block.params[0]], c.m.vars[c.block.params[1]] = total, v
			if err = c.m.step(2); err == nil {
				total, err = c.block.body.eval(c.m)
			}
		default:
			return value{}, &Error{"ArgumentError", c.name + " needs a block with two parameters"}
		}
		if err != nil {
			return value{}, err
		}
	}
	return total, nil
}
