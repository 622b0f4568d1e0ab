package vm

// A script is compiled to closures: each node becomes a Go function that evaluates it in a frame. Names are resolved by the
// parser, so that a local variable is a slot of the frame.
type (
	evalFn  func(fr *frame) Value
	condFn  func(fr *frame) bool
	multiFn func(fr *frame) []Value // valid until the next call
	execFn  func(fr *frame) flow
	setFn   func(fr *frame, v Value)
)

// A flow says where execution goes on after a statement.
type flow uint8

const (
	flowNext flow = iota
	flowBreak
	flowReturn // the values are in the thread's ret
	flowGoto   // jump to the frame's label
)

// A compiler compiles one function. Slots above its locals hold the arguments of calls.
type compiler struct {
	fn   *funcBody
	top  int
	most int
}

// A proto is a compiled function.
type proto struct {
	name     string
	source   string // the script
	line     int
	params   int
	boxed    []int // parameters that inner functions capture
	dots     bool
	slots    int
	weight   int // of a call in the limit of the depth of calls
	upvalues []upvalue
	body     execFn
}

func compileBody(source string, f *funcBody) *proto {
	c := &compiler{fn: f, top: f.most, most: f.most}
	p := &proto{name: f.name, source: source, line: f.line, params: len(f.params), dots: f.dots, upvalues: f.upvalues}
	for _, l := range f.params {
		if l.captured {
			p.boxed = append(p.boxed, l.slot)
		}
	}
	c.source(source)
	p.body = c.block(f.body)
	p.slots = c.most
	p.weight = 4 + f.depth + p.slots/8
	return p
}

// source is remembered for the functions inside.
func (c *compiler) source(s string) {
	for f := c.fn; f != nil; f = f.parent {
		if f.parent == nil {
			f.name = s
		}
	}
}

func (c *compiler) scriptName() string {
	f := c.fn
	for f.parent != nil {
		f = f.parent
	}
	return f.name
}

// temps reserves n slots; the caller returns them by setting c.top back.
func (c *compiler) temps(n int) int {
	at := c.top
	c.top += n
	c.most = max(c.most, c.top)
	return at
}

func (c *compiler) evals(nodes []node) []evalFn {
	fns := make([]evalFn, len(nodes))
	for i, n := range nodes {
		fns[i] = n.compile(c)
	}
	return fns
}

// multi compiles an expression with all its results. It returns nil if the expression always has exactly one.
func (c *compiler) multi(n node) multiFn {
	if m, ok := n.(multiNode); ok {
		return m.compileMulti(c)
	}
	return nil
}

// list compiles expressions. The last one may have several results.
func (c *compiler) list(nodes []node) (fixed []evalFn, last multiFn) {
	if n := len(nodes); n > 0 {
		if m, ok := nodes[n-1].(multiNode); ok {
			fixed = c.evals(nodes[:n-1])
			return fixed, m.compileMulti(c)
		}
	}
	return c.evals(nodes), nil
}

// block compiles statements. Each entry into the block spends its steps.
func (c *compiler) block(b *block) execFn {
	list := make([]execFn, 0, len(b.stmts))
	labels := map[string]int{}
	for _, s := range b.stmts {
		if l, ok := s.(*labelStmt); ok {
			labels[l.name] = len(list)
			continue
		}
		list = append(list, s.compile(c))
	}
	cost := b.cost
	if len(labels) > 0 {
		return blockWithLabels(list, labels, cost)
	}
	if len(list) == 1 {
		only := list[0]
		return func(fr *frame) flow {
			fr.th.st.spend(cost)
			return only(fr)
		}
	}
	return func(fr *frame) flow {
		fr.th.st.spend(cost)
		for _, s := range list {
			if f := s(fr); f != flowNext {
				return f
			}
		}
		return flowNext
	}
}

func blockWithLabels(list []execFn, labels map[string]int, cost int) execFn {
	return func(fr *frame) flow {
		fr.th.st.spend(cost)
		for i := 0; i < len(list); i++ {
			f := list[i](fr)
			if f == flowGoto {
				if at, ok := labels[fr.label]; ok {
					fr.th.st.spend(cost)
					i, f = at-1, flowNext
				}
			}
			if f != flowNext {
				return f
			}
		}
		return flowNext
	}
}

// cond compiles an expression to a condition: only its truth is used.
func (c *compiler) cond(n node) condFn {
	switch n := n.(type) {
	case *cmpNode:
		return n.cond(c)
	case *parenNode:
		return c.cond(n.inner)
	case *logicNode:
		l, r := c.cond(n.l), c.cond(n.r)
		if n.and {
			return func(fr *frame) bool { return l(fr) && r(fr) }
		}
		return func(fr *frame) bool { return l(fr) || r(fr) }
	case *unaryNode:
		if n.op == kwNot {
			x := c.cond(n.x)
			return func(fr *frame) bool { return !x(fr) }
		}
	}
	x := n.compile(c)
	return func(fr *frame) bool { return x(fr).True() }
}

// setter compiles an assignment to a variable.
func (c *compiler) setter(n node) setFn {
	switch n := n.(type) {
	case *localNode:
		return n.l.setter()
	case *upNode:
		i := n.index
		return func(fr *frame, v Value) { fr.fn.ups[i].v = v }
	case *globalNode:
		key, line := String(n.name), n.line
		return func(fr *frame, v Value) {
			fr.line = line
			fr.th.setIndex(TableValue(fr.fn.env), key, v, "")
		}
	}
	return nil
}

// setter assigns to a variable that exists.
func (l *local) setter() setFn {
	slot := l.slot
	if l.captured {
		return func(fr *frame, v Value) { fr.slots[slot].cell().v = v }
	}
	return func(fr *frame, v Value) { fr.slots[slot] = v }
}

// maker compiles the creation of a new local variable.
func (l *local) maker() setFn {
	slot := l.slot
	if l.captured {
		return func(fr *frame, v Value) {
			fr.th.st.allocate(functionBytes)
			fr.slots[slot] = cellValue(&cell{v})
		}
	}
	return func(fr *frame, v Value) { fr.slots[slot] = v }
}

// describe returns the name of an expression for error messages.
func describe(n node) string {
	switch n := n.(type) {
	case *localNode:
		return "local '" + n.l.name + "'"
	case *upNode:
		return "upvalue '" + n.name + "'"
	case *globalNode:
		return "global '" + n.name + "'"
	case *indexNode:
		if k, ok := n.key.(*constNode); ok && k.v.k == KindString {
			return "field '" + k.v.str() + "'"
		}
		return "field '?'"
	case *callNode:
		if n.method != "" {
			return "method '" + n.method + "'"
		}
	case *parenNode:
		return describe(n.inner)
	}
	return ""
}
