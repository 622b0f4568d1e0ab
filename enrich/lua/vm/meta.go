package vm

// Operators that have metamethods.
const (
	opAdd = iota
	opSub
	opMul
	opDiv
	opMod
	opPow
	opUnm
)

var operators = [...]string{"__add", "__sub", "__mul", "__div", "__mod", "__pow", "__unm"}

// meta returns a metamethod of a value, or nil.
func (th *Thread) meta(v Value, event string) Value {
	var m *Table
	switch v.k {
	case KindTable:
		m = (*Table)(v.p).Meta
	case KindString:
		m = th.st.stringMeta
	case kindFile:
		m = th.st.fileMeta
	}
	if m == nil {
		return Nil
	}
	return m.Get(String(event))
}

// index is o[k]. name describes o in an error.
func (th *Thread) index(o, k Value, name string) Value {
	for range maxMetaChain {
		if o.k == KindTable {
			t := (*Table)(o.p)
			if v := t.Get(k); v.k != KindNil || t.Meta == nil {
				return v
			}
		}
		h := th.meta(o, "__index")
		switch {
		case h.k == KindFunction:
			return th.call1(h, o, k)
		case h.k != KindNil:
			o = h
			continue
		case o.k == KindTable:
			return Nil
		}
		th.fail("attempt to index %s", name1(o, name))
	}
	th.fail("loop in gettable")
	return Nil
}

// setIndex is o[k] = v.
func (th *Thread) setIndex(o, k, v Value, name string) {
	for range maxMetaChain {
		var h Value
		if o.k == KindTable {
			t := (*Table)(o.p)
			if t.Meta == nil || t.Get(k).k != KindNil {
				th.rawSet(t, k, v)
				return
			}
			if h = t.Meta.Get(String("__newindex")); h.k == KindNil {
				th.rawSet(t, k, v)
				return
			}
		} else if h = th.meta(o, "__newindex"); h.k == KindNil {
			th.fail("attempt to index %s", name1(o, name))
		}
		if h.k == KindFunction {
			th.callValue(h, []Value{o, k, v}, "")
			return
		}
		o = h
	}
	th.fail("loop in settable")
}

// rawSet sets a member without metamethods.
func (th *Thread) rawSet(t *Table, k, v Value) {
	switch {
	case k.k == KindNil:
		th.fail("table index is nil")
	case k.k == KindNumber && k.num() != k.num():
		th.fail("table index is NaN")
	}
	n := 0
	if k.borrowed {
		k = k.own()
		n += k.size()
	}
	if v.borrowed {
		v = v.own()
		n += v.size()
	}
	th.st.allocate(n + t.Set(k, v))
}

// arith is an arithmetic operator whose operands aren't both numbers.
func (th *Thread) arith(op int, a, b Value, aname, bname string) Value {
	if x, ok := a.ToNumber(); ok {
		if y, ok := b.ToNumber(); ok {
			return Number(compute(op, x, y))
		}
	}
	h := th.meta(a, operators[op])
	if h.k == KindNil {
		h = th.meta(b, operators[op])
	}
	if h.k == KindNil {
		if _, ok := a.ToNumber(); ok {
			a, aname = b, bname
		}
		th.fail("attempt to perform arithmetic on %s", name1(a, aname))
	}
	return th.call1(h, a, b)
}

// equal compares two different tables, with __eq.
func (th *Thread) equal(a, b Value) bool {
	h, other := th.meta(a, "__eq"), th.meta(b, "__eq")
	return h.k != KindNil && rawEqual(h, other) && th.call1(h, a, b).True()
}

// less is a < b or, with orEqual, a <= b.
func (th *Thread) less(a, b Value, orEqual bool) bool {
	if a.k == b.k {
		switch {
		case a.k == KindNumber && orEqual:
			return a.num() <= b.num()
		case a.k == KindNumber:
			return a.num() < b.num()
		case a.k == KindString && orEqual:
			return a.str() <= b.str()
		case a.k == KindString:
			return a.str() < b.str()
		}
	}
	event := "__lt"
	if orEqual {
		event = "__le"
	}
	if h := th.either(a, b, event); h.k != KindNil {
		return th.call1(h, a, b).True()
	}
	if orEqual {
		if h := th.either(a, b, "__lt"); h.k != KindNil {
			return !th.call1(h, b, a).True()
		}
	}
	if a.k == b.k {
		th.fail("attempt to compare two %s values", a.k)
	}
	th.fail("attempt to compare %s with %s", a.k, b.k)
	return false
}

func (th *Thread) either(a, b Value, event string) Value {
	if h := th.meta(a, event); h.k != KindNil {
		return h
	}
	return th.meta(b, event)
}

// length is #v for a value that isn't a table.
func (th *Thread) length(v Value, name string) Value {
	if v.k == KindString {
		return Number(float64(v.n))
	}
	th.fail("attempt to get length of %s", name1(v, name))
	return Nil
}

// concat is a row of "..". names describe the parts.
func (th *Thread) concat(parts []Value, names []string) Value {
	n := 0
	for _, v := range parts {
		switch v.k {
		case KindString:
			n += int(v.n)
		case KindNumber:
			n += 8
		default:
			return th.concatMeta(parts, names)
		}
	}
	if n > MaxString {
		th.st.makeString(n)
	}
	b := grow(th.st.spare[:0], n)
	for _, v := range parts {
		b = appendText(b, v)
	}
	th.st.keep(b)
	return th.st.text(b)
}

// maxSpare is how many bytes of the buffer for building strings are kept.
const maxSpare = 64 << 10

// keep keeps b as the buffer for the next string.
func (st *State) keep(b []byte) {
	if cap(b) <= maxSpare {
		st.spare = b[:0]
	}
}

// concatMeta concatenates from the right, with __concat where a part is neither string nor number.
func (th *Thread) concatMeta(parts []Value, names []string) Value {
	v := parts[len(parts)-1]
	name := names[len(names)-1]
	for i := len(parts) - 2; i >= 0; i-- {
		a := parts[i]
		if isText(a) && isText(v) {
			th.st.makeString(textLen(a) + textLen(v))
			v = String(string(appendText(appendText(nil, a), v)))
		} else if h := th.either(a, v, "__concat"); h.k != KindNil {
			v = th.call1(h, a, v)
		} else {
			what := names[i]
			if isText(a) {
				a, what = v, name
			}
			th.fail("attempt to concatenate %s", name1(a, what))
		}
		name = ""
	}
	return v
}

func isText(v Value) bool { return v.k == KindString || v.k == KindNumber }

func textLen(v Value) int {
	if v.k == KindString {
		return int(v.n)
	}
	return 24
}

// appendText appends a string or a number.
func appendText(b []byte, v Value) []byte {
	if v.k == KindNumber {
		return appendNumber(b, v.num())
	}
	return append(b, v.Text()...)
}

// forNumber is the initial value, limit or step of a for loop.
func (th *Thread) forNumber(v Value, what string) float64 {
	f, ok := v.ToNumber()
	if !ok {
		th.fail("'for' %s must be a number", what)
	}
	return f
}
