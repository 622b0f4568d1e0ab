package ruby

import (
	"github.com/firelane/firelane/record"
)

// hashMethod adds a method of hashes.
func hashMethod(t map[string]method, name string, min, max int, f func(c *call) (value, error)) {
	t[name] = method{min: min, max: max, call: func(c *call) (value, error) {
		if c.on.kind != kHash {
			return c.none()
		}
		return f(c)
	}}
}

func hashMethods(t map[string]method) {
	hashMethod(t, "key?", 1, 1, func(c *call) (value, error) {
		_, ok := member(c.on, c.args[0])
		return boolean(ok), nil
	})
	hashMethod(t, "value?", 1, 1, func(c *call) (value, error) {
		for f := record.FieldsOf(c.on.b); f.Next(); {
			if read(f.Value()).equal(c.args[0]) {
				return boolean(true), nil
			}
		}
		return boolean(false), nil
	})
	hashMethod(t, "key", 1, 1, func(c *call) (value, error) {
		for f := record.FieldsOf(c.on.b); f.Next(); {
			if read(f.Value()).equal(c.args[0]) {
				return read(f.RawKey()), nil
			}
		}
		return value{}, nil
	})
	hashMethod(t, "keys", 0, 0, func(c *call) (value, error) {
		out := list{m: c.m}
		for f := record.FieldsOf(c.on.b); f.Next(); {
			out.add(f.RawKey())
		}
		return out.array()
	})
	hashMethod(t, "values", 0, 0, func(c *call) (value, error) {
		out := list{m: c.m}
		for f := record.FieldsOf(c.on.b); f.Next(); {
			out.add(f.Value())
		}
		return out.array()
	})
	hashesOfHashes(t)
	t["delete"] = method{min: 1, max: 1, call: func(c *call) (value, error) { return c.none() }} // the parser makes a deleteNode of every supported call
}

// hashesOfHashes adds the methods of hashes that return hashes.
func hashesOfHashes(t map[string]method) {
	hashMethod(t, "merge", 0, -1, func(c *call) (value, error) {
		v := c.on
		var err error
		for _, more := range c.args {
			if more.kind != kHash {
				return value{}, typeError(more, "Hash")
			}
			if v, err = c.m.merge(v, more); err != nil {
				return value{}, err
			}
		}
		return v, nil
	})
	hashMethod(t, "except", 0, -1, func(c *call) (value, error) {
		out := list{m: c.m}
		for f := record.FieldsOf(c.on.b); f.Next(); {
			if !among(c.args, read(f.RawKey())) {
				out.addMember(&f)
			}
		}
		return out.hash()
	})
	hashMethod(t, "invert", 0, 0, func(c *call) (value, error) {
		out := list{m: c.m}
		for f := record.FieldsOf(c.on.b); f.Next(); {
			out.addValue(str(appendText(nil, read(f.Value()))))
			out.add(f.RawKey())
		}
		return out.hash()
	})
}

// among reports whether a key is in keys. A symbol and a string with the same text are the same key.
func among(keys []value, key value) bool {
	for _, k := range keys {
		if k.equal(key) || k.isText() && key.isText() && string(k.b) == string(key.b) {
			return true
		}
	}
	return false
}

// sliceHash is slice of a hash.
func sliceHash(c *call) (value, error) {
	out := list{m: c.m}
	for f := record.FieldsOf(c.on.b); f.Next(); {
		if among(c.args, read(f.RawKey())) {
			out.addMember(&f)
		}
	}
	return out.hash()
}

// merge returns the hash v with the members of the hash more, which replace members with the same key.
func (m *Machine) merge(v, more value) (value, error) {
	if err := m.step(sizeOf(v) + sizeOf(more)); err != nil {
		return value{}, err
	}
	places := map[string][]byte{} // values of more, by key
	for f := record.FieldsOf(more.b); f.Next(); {
		places[string(f.RawKey())] = f.Value()
	}
	out := list{m: m}
	for f := record.FieldsOf(v.b); f.Next(); {
		out.add(f.RawKey())
		if with, ok := places[string(f.RawKey())]; ok {
			out.add(with)
			delete(places, string(f.RawKey()))
		} else {
			out.add(f.Value())
		}
	}
	for f := record.FieldsOf(more.b); f.Next(); {
		if with, ok := places[string(f.RawKey())]; ok {
			out.add(f.RawKey())
			out.add(with)
			delete(places, string(f.RawKey()))
		}
	}
	return out.hash()
}
