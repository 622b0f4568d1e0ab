package ruby

import (
	"bytes"
	"unicode/utf8"

	"github.com/firelane/firelane/record"
)

// commonMethods are those of strings, arrays and hashes.
func commonMethods(t map[string]method) {
	t["length"] = method{call: length}
	t["empty?"] = method{call: func(c *call) (value, error) {
		n, err := length(c)
		return boolean(n.n == 0), err
	}}
	t["include?"] = method{min: 1, max: 1, call: include}
	t["[]"] = method{min: 1, max: 2, call: at}
	t["dig"] = method{min: 1, max: -1, call: dig}
	t["fetch"] = method{min: 1, max: 2, block: mayBlock, call: fetch}
	t["index"] = method{min: 1, max: 1, call: index}
	t["rindex"] = t["index"]
	t["reverse"] = method{call: reverse}
	t["first"] = method{max: 1, call: firstOrLast}
	t["last"] = t["first"]
	t["to_a"] = method{call: toA}
	t["compact"] = method{call: compact}
	t["values_at"] = method{min: 1, max: -1, call: func(c *call) (value, error) {
		if c.on.kind != kHash && c.on.kind != kArray {
			return c.none()
		}
		var out []value
		for _, key := range c.args {
			v, err := c.m.at(c.on, key)
			if err != nil {
				return value{}, err
			}
			out = append(out, v)
		}
		return c.m.array(out)
	}}
}

func length(c *call) (value, error) {
	switch c.on.kind {
	case kStr, kSym:
		return integer(int64(runeCount(c.on.b))), nil
	case kArray, kHash:
		return integer(int64(sizeOf(c.on))), nil
	}
	return c.none()
}

func include(c *call) (value, error) {
	arg := c.args[0]
	switch c.on.kind {
	case kStr:
		text, err := c.textArg(0)
		return boolean(bytes.Contains(c.on.b, text)), err
	case kArray:
		found, err := c.m.has(c.on.b, arg)
		return boolean(found), err
	case kHash:
		_, ok := member(c.on, arg)
		return boolean(ok), nil
	case kRange:
		return boolean(c.on.covers(arg)), nil
	}
	return c.none()
}

// member returns the value of a hash's member; ok is false if there is none.
func member(h, key value) (v value, ok bool) {
	if h.kind != kHash || key.kind == kArray || key.kind == kHash {
		return value{}, false
	}
	b, ok := []byte(nil), false
	if key.isText() {
		b, ok = record.Find(h.b, string(key.b))
	} else {
		for f := record.FieldsOf(h.b); f.Next(); {
			if read(f.RawKey()).equal(key) {
				b, ok = f.Value(), true
			}
		}
	}
	if !ok {
		return value{}, false
	}
	return read(b), true
}

// at is recv[key] and recv[start, length].
func at(c *call) (value, error) {
	if len(c.args) == 1 || c.on.kind == kHash {
		if c.on.kind == kHash && c.name == "slice" {
			return sliceHash(c)
		}
		return c.m.at(c.on, c.args[0])
	}
	if re := c.args[0].re; re != nil && c.on.isText() {
		_, err := c.m.first(re, c.on.b)
		return c.m.groupNamed(c.args[1]), err
	}
	start, err := c.intArg(0, 0)
	if err != nil {
		return value{}, err
	}
	n, err := c.intArg(1, 0)
	if err != nil {
		return value{}, err
	}
	return c.m.slice(c.on, start, n)
}

// at is v[key].
func (m *Machine) at(v, key value) (value, error) {
	switch {
	case v.kind == kHash:
		found, _ := member(v, key)
		return found, nil
	case v.kind == kMatch:
		return m.groupNamed(key), nil
	case v.kind != kArray && !v.isText():
		if v.kind == kInt && key.kind == kInt {
			return boolToInt(key.n >= 0 && key.n < 64 && v.n>>uint(key.n)&1 == 1), nil
		}
		return value{}, noMethod("[]", v)
	case key.kind == kRange:
		return m.sliceRange(v, key)
	case key.kind == kInt && v.kind == kArray:
		return element(v, key.n), nil
	case key.kind == kInt:
		if s, err := m.slice(v, key.n, 1); err != nil || len(s.b) > 0 {
			return s, err
		}
		return value{}, nil
	case v.isText() && key.kind == kStr:
		if bytes.Contains(v.b, key.b) {
			return key, nil
		}
		return value{}, nil
	case v.isText() && key.kind == kRegexp:
		_, err := m.first(key.re, v.b)
		return m.group(0), err
	}
	return value{}, typeError(key, "Integer")
}

func boolToInt(b bool) value { return integer(boolean(b).n) }

// element returns element n of an array, counted from the end if n is negative; nil if there is none.
func element(v value, n int64) value {
	if n < 0 {
		n += int64(sizeOf(v))
	}
	for e := elementsOf(v.b); n >= 0 && e.next(); n-- {
		if n == 0 {
			return read(e.value)
		}
	}
	return value{}
}

func dig(c *call) (value, error) {
	v := c.on
	for _, key := range c.args {
		switch v.kind {
		case kNil:
			return v, nil
		case kHash, kArray:
		default:
			if v.kind == c.on.kind {
				return c.none()
			}
			return value{}, &Error{"TypeError", v.class() + " does not have #dig method"}
		}
		var err error
		if v, err = c.m.at(v, key); err != nil {
			return value{}, err
		}
	}
	return v, nil
}

func fetch(c *call) (value, error) {
	key := c.args[0]
	switch c.on.kind {
	case kHash:
		if v, ok := member(c.on, key); ok {
			return v, nil
		}
	case kArray:
		n, err := c.intArg(0, 0)
		if size := int64(sizeOf(c.on)); err != nil || n < size && n >= -size {
			return element(c.on, n), err
		}
	default:
		return c.none()
	}
	switch {
	case len(c.args) > 1:
		return c.args[1], nil
	case c.block != nil:
		return c.yield(key)
	}
	return value{}, &Error{"KeyError", "key not found: " + string(appendText(nil, key))}
}

// index is index and rindex: the position of a text in characters, or of an element.
func index(c *call) (value, error) {
	if c.on.kind == kArray {
		n := int64(0)
		found := value{}
		for e := elementsOf(c.on.b); e.next(); n++ {
			if err := c.m.step(1); err != nil {
				return value{}, err
			}
			if read(e.value).equal(c.args[0]) && (found.kind == kNil || c.name == "rindex") {
				found = integer(n)
			}
		}
		return found, nil
	}
	if !c.on.isText() {
		return c.none()
	}
	if c.args[0].kind == kRegexp && c.name == "index" {
		return c.m.search(c.on, c.args[0])
	}
	text, err := c.textArg(0)
	if err != nil {
		return value{}, err
	}
	i := bytes.Index(c.on.b, text)
	if c.name == "rindex" {
		i = bytes.LastIndex(c.on.b, text)
	}
	if i < 0 {
		return value{}, nil
	}
	return integer(int64(runeCount(c.on.b[:i]))), nil
}

func reverse(c *call) (value, error) {
	if err := c.m.room(len(c.on.b)); err != nil {
		return value{}, err
	}
	switch c.on.kind {
	case kStr:
		out := make([]byte, len(c.on.b))
		at := len(out)
		for b := c.on.b; len(b) > 0; {
			_, n := utf8.DecodeRune(b)
			at -= n
			copy(out[at:], b[:n])
			b = b[n:]
		}
		return str(out), nil
	case kArray:
		out := make([]byte, len(c.on.b))
		at := len(out)
		for e := elementsOf(c.on.b); e.next(); {
			at -= len(e.value)
			copy(out[at:], e.value)
		}
		return array(append(record.AppendArrayHeader(nil, sizeOf(c.on)), out[at:]...)), nil
	}
	return c.none()
}

// firstOrLast is first and last.
func firstOrLast(c *call) (value, error) {
	on := c.on
	if on.kind == kHash {
		var err error
		if on, err = toA(c); err != nil {
			return value{}, err
		}
	}
	if on.kind != kArray {
		return c.none()
	}
	if len(c.args) == 0 {
		if c.name == "first" {
			return element(on, 0), nil
		}
		return element(on, -1), nil
	}
	n, err := c.intArg(0, 0)
	if err != nil || n < 0 {
		return value{}, &Error{"ArgumentError", "want a number of elements"}
	}
	if c.name == "first" {
		return c.m.slice(on, 0, n)
	}
	size := int64(sizeOf(on))
	return c.m.slice(on, max(size-n, 0), n)
}

func toA(c *call) (value, error) {
	switch c.on.kind {
	case kArray:
		return c.on, nil
	case kNil:
		return c.m.array(nil)
	case kHash:
		out := list{m: c.m}
		for f := record.FieldsOf(c.on.b); f.Next(); {
			if err := c.m.step(1); err != nil {
				return value{}, err
			}
			pair, err := c.m.pair(&f)
			if err != nil {
				return value{}, err
			}
			out.addValue(pair)
		}
		return out.array()
	case kRange:
		out := list{m: c.m}
		end := c.on.end
		if c.on.excl {
			end--
		}
		for n := c.on.n; !c.on.open && n <= end; n++ {
			if err := c.m.step(1); err != nil {
				return value{}, err
			}
			out.addValue(integer(n))
		}
		return out.array()
	}
	return c.none()
}

func compact(c *call) (value, error) {
	out := list{m: c.m}
	switch c.on.kind {
	case kArray:
		for e := elementsOf(c.on.b); e.next(); {
			if record.KindOf(e.value[0]) != record.KindNil {
				out.add(e.value)
			}
		}
		return out.array()
	case kHash:
		for f := record.FieldsOf(c.on.b); f.Next(); {
			if record.KindOf(f.Value()[0]) != record.KindNil {
				out.addMember(&f)
			}
		}
		return out.hash()
	}
	return c.none()
}
