package vm

func (s *localStmt) compile(c *compiler) execFn {
	if len(s.locals) == 1 && len(s.values) == 1 {
		set, value := s.locals[0].maker(), s.values[0].compile(c)
		return func(fr *frame) flow {
			set(fr, value(fr))
			return flowNext
		}
	}
	sets := make([]setFn, len(s.locals))
	for i, l := range s.locals {
		sets[i] = l.maker()
	}
	if len(s.values) == 0 {
		return func(fr *frame) flow {
			for _, set := range sets {
				set(fr, Nil)
			}
			return flowNext
		}
	}
	return c.assign(sets, s.values)
}

// assign evaluates all values before it sets the first variable.
func (c *compiler) assign(sets []setFn, nodes []node) execFn {
	top := c.top
	defer func() { c.top = top }()
	n := max(len(sets), len(nodes))
	base := c.temps(n)
	values, last := c.list(nodes)
	return func(fr *frame) flow {
		for i, v := range values {
			fr.slots[base+i] = v(fr)
		}
		i := len(values)
		if last != nil {
			more := last(fr)
			i += copy(fr.slots[base+i:base+n], more)
		}
		if i < n {
			clear(fr.slots[base+i : base+n])
		}
		for i, set := range sets {
			set(fr, fr.slots[base+i])
		}
		return flowNext
	}
}

func (s *assignStmt) compile(c *compiler) execFn {
	if len(s.targets) == 1 && len(s.values) == 1 {
		return c.assignOne(s.targets[0], s.values[0])
	}
	top := c.top
	defer func() { c.top = top }()
	sets := make([]setFn, len(s.targets))
	var before []execFn // tables and keys are evaluated before the values
	for i, t := range s.targets {
		n, ok := t.(*indexNode)
		if !ok {
			sets[i] = c.setter(t)
			continue
		}
		at := c.temps(2)
		obj, key, line, name := n.obj.compile(c), n.key.compile(c), n.line, describe(n.obj)
		before = append(before, func(fr *frame) flow {
			fr.slots[at] = obj(fr)
			fr.slots[at+1] = key(fr)
			return flowNext
		})
		sets[i] = func(fr *frame, v Value) {
			fr.line = line
			fr.th.setIndex(fr.slots[at], fr.slots[at+1], v, name)
		}
	}
	assign := c.assign(sets, s.values)
	return func(fr *frame) flow {
		for _, b := range before {
			b(fr)
		}
		return assign(fr)
	}
}

func (c *compiler) assignOne(target, value node) execFn {
	n, ok := target.(*indexNode)
	if !ok {
		set, v := c.setter(target), value.compile(c)
		return func(fr *frame) flow {
			set(fr, v(fr))
			return flowNext
		}
	}
	top := c.top
	defer func() { c.top = top }()
	at := c.temps(1) // the object stays reachable while the value is evaluated
	obj, key, v, line, name := n.obj.compile(c), n.key.compile(c), value.compile(c), n.line, describe(n.obj)
	return func(fr *frame) flow {
		o := obj(fr)
		fr.slots[at] = o
		k := key(fr)
		x := v(fr)
		fr.line = line
		fr.th.setIndex(o, k, x, name)
		return flowNext
	}
}

func (s *callStmt) compile(c *compiler) execFn {
	call := s.call.compileMulti(c)
	return func(fr *frame) flow {
		call(fr)
		return flowNext
	}
}

func (s *doStmt) compile(c *compiler) execFn { return c.block(s.body) }

func (s *whileStmt) compile(c *compiler) execFn {
	cond, body := c.cond(s.cond), c.block(s.body)
	return func(fr *frame) flow {
		for cond(fr) {
			if f := body(fr); f == flowBreak {
				break
			} else if f != flowNext {
				return f
			}
		}
		return flowNext
	}
}

func (s *repeatStmt) compile(c *compiler) execFn {
	body, cond := c.block(s.body), c.cond(s.cond)
	return func(fr *frame) flow {
		for {
			if f := body(fr); f == flowBreak {
				break
			} else if f != flowNext {
				return f
			}
			if cond(fr) {
				break
			}
		}
		return flowNext
	}
}

func (s *ifStmt) compile(c *compiler) execFn {
	conds := make([]condFn, len(s.conds))
	blocks := make([]execFn, len(s.blocks))
	for i := range s.conds {
		conds[i], blocks[i] = c.cond(s.conds[i]), c.block(s.blocks[i])
	}
	otherwise := func(*frame) flow { return flowNext }
	if s.otherwise != nil {
		otherwise = c.block(s.otherwise)
	}
	if len(conds) == 1 {
		cond, block := conds[0], blocks[0]
		return func(fr *frame) flow {
			if cond(fr) {
				return block(fr)
			}
			return otherwise(fr)
		}
	}
	return func(fr *frame) flow {
		for i, cond := range conds {
			if cond(fr) {
				return blocks[i](fr)
			}
		}
		return otherwise(fr)
	}
}

func (s *forStmt) compile(c *compiler) execFn {
	from, to, line := s.from.compile(c), s.to.compile(c), s.line
	step := func(*frame) Value { return Number(1) }
	if s.step != nil {
		step = s.step.compile(c)
	}
	set, body := s.v.maker(), c.block(s.body)
	return func(fr *frame) flow {
		a, b, d := from(fr), to(fr), step(fr)
		fr.line = line
		i, limit, by := fr.th.forNumber(a, "initial value"), fr.th.forNumber(b, "limit"), fr.th.forNumber(d, "step")
		for ; by > 0 && i <= limit || by <= 0 && i >= limit; i += by {
			set(fr, Number(i))
			if f := body(fr); f == flowBreak {
				break
			} else if f != flowNext {
				return f
			}
		}
		return flowNext
	}
}

func (s *forInStmt) compile(c *compiler) execFn {
	top := c.top
	defer func() { c.top = top }()
	base := c.temps(3) // the function, its state and the first variable
	init := c.assign([]setFn{
		func(fr *frame, v Value) { fr.slots[base] = v },
		func(fr *frame, v Value) { fr.slots[base+1] = v },
		func(fr *frame, v Value) { fr.slots[base+2] = v },
	}, s.values)
	sets := make([]setFn, len(s.vars))
	for i, v := range s.vars {
		sets[i] = v.maker()
	}
	body, line := c.block(s.body), s.line
	return func(fr *frame) flow {
		init(fr)
		if f := fr.slots[base]; f.k == KindFunction && f.function().isNext && fr.slots[base+1].k == KindTable && fr.slots[base+2].k == KindNil {
			return forPairs(fr, (*Table)(fr.slots[base+1].p), sets, body)
		}
		for {
			args := fr.slots[base+1 : base+3 : base+3]
			fr.line = line
			r := fr.th.callValue(fr.slots[base], args, "for iterator 'for iterator'")
			if len(r) == 0 || r[0].k == KindNil {
				return flowNext
			}
			fr.slots[base+2] = r[0]
			setAll(fr, sets, r)
			if f := body(fr); f == flowBreak {
				return flowNext
			} else if f != flowNext {
				return f
			}
		}
	}
}

// setAll sets loop variables; those without a value are nil. values may be overwritten by the next call.
func setAll(fr *frame, sets []setFn, values []Value) {
	for i, set := range sets {
		if i < len(values) {
			set(fr, values[i])
		} else {
			set(fr, Nil)
		}
	}
}

// forPairs loops over a table with next, without a call for each member.
func forPairs(fr *frame, t *Table, sets []setFn, body execFn) flow {
	for at := 0; ; {
		k, v, next, ok := t.Next(at)
		if !ok {
			return flowNext
		}
		at = next
		fr.th.pair = [2]Value{k, v}
		setAll(fr, sets, fr.th.pair[:])
		if f := body(fr); f == flowBreak {
			return flowNext
		} else if f != flowNext {
			return f
		}
	}
}

func (s *localFunc) compile(c *compiler) execFn {
	make, set := s.l.maker(), s.l.setter()
	fn := s.fn.compile(c)
	return func(fr *frame) flow {
		make(fr, Nil) // the function sees its own name
		set(fr, fn(fr))
		return flowNext
	}
}

func (s *returnStmt) compile(c *compiler) execFn {
	if len(s.values) == 0 {
		return func(fr *frame) flow {
			fr.th.ret = fr.th.ret[:0]
			return flowReturn
		}
	}
	if len(s.values) == 1 {
		if m := c.multi(s.values[0]); m != nil {
			return func(fr *frame) flow {
				r := m(fr)
				fr.th.ret = append(fr.th.ret[:0], r...)
				return flowReturn
			}
		}
		value := s.values[0].compile(c)
		return func(fr *frame) flow {
			v := value(fr)
			fr.th.ret = append(fr.th.ret[:0], v)
			return flowReturn
		}
	}
	top := c.top
	defer func() { c.top = top }()
	base := c.temps(len(s.values))
	values, last := c.list(s.values)
	return func(fr *frame) flow {
		for i, v := range values {
			fr.slots[base+i] = v(fr)
		}
		var more []Value
		if last != nil {
			more = last(fr)
			if len(more) > 0 && len(values) > 0 { // values may alias ret
				more = append([]Value(nil), more...)
			}
		}
		fr.th.ret = append(append(fr.th.ret[:0], fr.slots[base:base+len(values)]...), more...)
		return flowReturn
	}
}

func (*breakStmt) compile(*compiler) execFn { return func(*frame) flow { return flowBreak } }
func (s *labelStmt) compile(*compiler) execFn {
	return func(*frame) flow { return flowNext }
}

func (s *gotoStmt) compile(*compiler) execFn {
	name := s.name
	return func(fr *frame) flow {
		fr.label = name
		return flowGoto
	}
}
