package vm

import "math"

func (n *constNode) compile(*compiler) evalFn {
	v := n.v
	return func(*frame) Value { return v }
}

func (n *localNode) compile(*compiler) evalFn {
	slot := n.l.slot
	if n.l.captured {
		return func(fr *frame) Value { return fr.slots[slot].cell().v }
	}
	return func(fr *frame) Value { return fr.slots[slot] }
}

func (n *upNode) compile(*compiler) evalFn {
	i := n.index
	return func(fr *frame) Value { return fr.fn.ups[i].v }
}

func (n *globalNode) compile(*compiler) evalFn {
	key, line := String(n.name), n.line
	return func(fr *frame) Value {
		if v := fr.fn.env.Get(key); v.k != KindNil || fr.fn.env.Meta == nil {
			return v
		}
		fr.line = line
		return fr.th.index(TableValue(fr.fn.env), key, "")
	}
}

func (n *indexNode) compile(c *compiler) evalFn {
	obj, line, name := n.obj.compile(c), n.line, describe(n.obj)
	if k, ok := n.key.(*constNode); ok && k.v.k == KindString {
		key := k.v
		return func(fr *frame) Value {
			o := obj(fr)
			if o.k == KindTable {
				t := (*Table)(o.p)
				if v := t.getStr(key); v.k != KindNil || t.Meta == nil {
					return v
				}
			}
			fr.line = line
			return fr.th.index(o, key, name)
		}
	}
	key := n.key.compile(c)
	return func(fr *frame) Value {
		o := obj(fr)
		k := key(fr)
		if o.k == KindTable {
			t := (*Table)(o.p)
			if v := t.Get(k); v.k != KindNil || t.Meta == nil {
				return v
			}
		}
		fr.line = line
		return fr.th.index(o, k, name)
	}
}

func (n *parenNode) compile(c *compiler) evalFn { return n.inner.compile(c) }

func (n *dotsNode) compile(*compiler) evalFn {
	return func(fr *frame) Value {
		if len(fr.varargs) == 0 {
			return Nil
		}
		return fr.varargs[0]
	}
}

func (n *dotsNode) compileMulti(*compiler) multiFn {
	return func(fr *frame) []Value { return fr.varargs }
}

func (n *callNode) compile(c *compiler) evalFn {
	call := n.compileMulti(c)
	return func(fr *frame) Value {
		if r := call(fr); len(r) > 0 {
			return r[0]
		}
		return Nil
	}
}

func (n *callNode) compileMulti(c *compiler) multiFn {
	top := c.top
	defer func() { c.top = top }()
	fn, line, name := n.fn.compile(c), n.line, describe(n.fn)
	self := 0
	var method Value
	if n.method != "" {
		self, method, name = 1, String(n.method), describe(n)
	}
	owner := describe(n.fn)
	base := c.temps(self + len(n.args))
	args, last := c.list(n.args)
	count := self + len(args)
	return func(fr *frame) []Value {
		f := fn(fr)
		if self > 0 {
			fr.slots[base] = f
			fr.line = line
			f = fr.th.index(f, method, owner)
		}
		for i, arg := range args {
			fr.slots[base+self+i] = arg(fr)
		}
		values := fr.slots[base : base+count : base+count]
		if last != nil {
			more := last(fr)
			fr.th.st.allocate(len(more) * valueBytes)
			values = append(values, more...)
		}
		fr.line = line
		if f.k == KindFunction {
			return fr.th.call(f.function(), values)
		}
		return fr.th.callValue(f, values, name)
	}
}

func (n *funcNode) compile(c *compiler) evalFn {
	p := compileBody(c.scriptName(), n.body)
	return func(fr *frame) Value {
		fr.th.st.allocate(functionBytes + 8*len(p.upvalues))
		f := &Function{proto: p, env: fr.fn.env, ups: make([]*cell, len(p.upvalues))}
		for i, u := range p.upvalues {
			if u.fromLocal != nil {
				f.ups[i] = fr.slots[u.fromLocal.slot].cell()
			} else {
				f.ups[i] = fr.fn.ups[u.fromUp]
			}
		}
		return functionValue(f)
	}
}

func (n *unaryNode) compile(c *compiler) evalFn {
	x, line, name := n.x.compile(c), n.line, describe(n.x)
	switch n.op {
	case kwNot:
		return func(fr *frame) Value { return Bool(!x(fr).True()) }
	case '#':
		return func(fr *frame) Value {
			v := x(fr)
			if v.k == KindTable {
				return Number(float64((*Table)(v.p).Len()))
			}
			fr.line = line
			return fr.th.length(v, name)
		}
	}
	return func(fr *frame) Value {
		v := x(fr)
		if v.k == KindNumber {
			return Number(-v.num())
		}
		fr.line = line
		return fr.th.arith(opUnm, v, v, name, name)
	}
}

func (n *binaryNode) compile(c *compiler) evalFn {
	l, r, line := n.l.compile(c), n.r.compile(c), n.line
	lname, rname := describe(n.l), describe(n.r)
	slow := func(fr *frame, op int, a, b Value) Value {
		fr.line = line
		return fr.th.arith(op, a, b, lname, rname)
	}
	switch n.op {
	case '+':
		return func(fr *frame) Value {
			a, b := l(fr), r(fr)
			if a.k == KindNumber && b.k == KindNumber {
				return Number(a.num() + b.num())
			}
			return slow(fr, opAdd, a, b)
		}
	case '-':
		return func(fr *frame) Value {
			a, b := l(fr), r(fr)
			if a.k == KindNumber && b.k == KindNumber {
				return Number(a.num() - b.num())
			}
			return slow(fr, opSub, a, b)
		}
	case '*':
		return func(fr *frame) Value {
			a, b := l(fr), r(fr)
			if a.k == KindNumber && b.k == KindNumber {
				return Number(a.num() * b.num())
			}
			return slow(fr, opMul, a, b)
		}
	}
	op := map[token]int{'/': opDiv, '%': opMod, '^': opPow}[n.op]
	return func(fr *frame) Value {
		a, b := l(fr), r(fr)
		if a.k == KindNumber && b.k == KindNumber {
			return Number(compute(op, a.num(), b.num()))
		}
		return slow(fr, op, a, b)
	}
}

// compute is arithmetic.
func compute(op int, a, b float64) float64 {
	switch op {
	case opAdd:
		return a + b
	case opSub:
		return a - b
	case opMul:
		return a * b
	case opDiv:
		return a / b
	case opMod:
		return a - math.Floor(a/b)*b
	case opPow:
		return math.Pow(a, b)
	}
	return -a
}

func (n *cmpNode) compile(c *compiler) evalFn {
	cond := n.cond(c)
	return func(fr *frame) Value { return Bool(cond(fr)) }
}

func (n *cmpNode) cond(c *compiler) condFn {
	l, r, line := n.l.compile(c), n.r.compile(c), n.line
	switch n.op {
	case tokEq, tokNe:
		want := n.op == tokEq
		return func(fr *frame) bool {
			a, b := l(fr), r(fr)
			if a.k == KindTable && b.k == KindTable && a.p != b.p {
				fr.line = line
				return fr.th.equal(a, b) == want
			}
			return rawEqual(a, b) == want
		}
	case '>', tokGe: // a > b is b < a, evaluated in the order of the text
		orEqual := n.op == tokGe
		return func(fr *frame) bool {
			a, b := l(fr), r(fr)
			fr.line = line
			return fr.th.less(b, a, orEqual)
		}
	}
	orEqual := n.op == tokLe
	return func(fr *frame) bool {
		a, b := l(fr), r(fr)
		fr.line = line
		return fr.th.less(a, b, orEqual)
	}
}

func (n *logicNode) compile(c *compiler) evalFn {
	l, r := n.l.compile(c), n.r.compile(c)
	if n.and {
		return func(fr *frame) Value {
			if v := l(fr); !v.True() {
				return v
			}
			return r(fr)
		}
	}
	return func(fr *frame) Value {
		if v := l(fr); v.True() {
			return v
		}
		return r(fr)
	}
}

func (n *concatNode) compile(c *compiler) evalFn {
	top := c.top
	defer func() { c.top = top }()
	base := c.temps(len(n.parts))
	parts, line := c.evals(n.parts), n.line
	names := make([]string, len(parts))
	for i, p := range n.parts {
		names[i] = describe(p)
	}
	return func(fr *frame) Value {
		for i, p := range parts {
			fr.slots[base+i] = p(fr)
		}
		fr.line = line
		return fr.th.concat(fr.slots[base:base+len(parts)], names)
	}
}

func (n *tableNode) compile(c *compiler) evalFn {
	top := c.top
	defer func() { c.top = top }()
	self := c.temps(1)
	keys, vals := c.evals(n.keys), c.evals(n.vals)
	elems, last := c.list(n.elems)
	line := n.line
	return func(fr *frame) Value {
		t := &Table{}
		fr.th.st.allocate(tableBytes + len(keys)*entryBytes + len(elems)*valueBytes)
		t.Reserve(len(keys), len(elems))
		fr.slots[self] = TableValue(t)
		for _, e := range elems {
			v := e(fr)
			t.arr = append(t.arr, v)
		}
		if last != nil {
			more := last(fr)
			fr.th.st.allocate(len(more) * valueBytes)
			t.arr = append(t.arr, more...)
		}
		listed := float64(len(t.arr))
		t.trim()
		for i, k := range keys {
			key := k(fr)
			v := vals[i](fr)
			fr.line = line
			if f := key.Float(); f < 1 || f > listed || f != math.Trunc(f) { // an element of the constructor takes precedence
				fr.th.rawSet(t, key, v)
			}
		}
		return TableValue(t)
	}
}
