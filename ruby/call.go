package ruby

import (
	"fmt"

	"github.com/firelane/firelane/record"
)

// Whether a method takes a block.
const (
	noBlock = iota
	mayBlock
	needsBlock
)

// A method is the method of one name, for all classes of values that have it. Calling it on another value raises NoMethodError.
type method struct {
	min, max int // arguments; max -1: any number
	block    int // noBlock, mayBlock or needsBlock
	call     func(c *call) (value, error)
}

// counts returns how many arguments the method takes, for messages.
func (m method) counts() string {
	switch {
	case m.max < 0:
		return fmt.Sprintf("%d arguments or more", m.min)
	case m.min == m.max && m.min == 1:
		return "one argument"
	case m.min == m.max:
		return fmt.Sprintf("%d arguments", m.min)
	}
	return fmt.Sprintf("%d to %d arguments", m.min, m.max)
}

// A call is one call of a method. args are on the Machine's stack.
type call struct {
	m     *Machine
	name  string
	on    value
	args  []value
	block *block
}

// none raises the error of a value that doesn't have the method.
func (c *call) none() (value, error) { return value{}, noMethod(c.name, c.on) }

// arg is argument n, nil if it isn't given.
func (c *call) arg(n int) value {
	if n < len(c.args) {
		return c.args[n]
	}
	return value{}
}

// intArg is argument n as an integer, def if it isn't given.
func (c *call) intArg(n int, def int64) (int64, error) {
	v := c.arg(n)
	switch {
	case n >= len(c.args):
		return def, nil
	case v.kind == kInt:
		return v.n, nil
	case v.kind == kFloat && v.f > -1e15 && v.f < 1e15:
		return int64(v.f), nil
	}
	return 0, typeError(v, "Integer")
}

// textArg is argument n. It is an error if that isn't text.
func (c *call) textArg(n int) ([]byte, error) {
	if v := c.arg(n); v.isText() {
		return v.b, nil
	}
	return nil, typeError(c.arg(n), "String")
}

// callNode calls a method.
type callNode struct {
	on     node
	name   string
	method method
	safe   bool // &.
	args   []node
	block  *block
}

func (n *callNode) eval(m *Machine) (value, error) {
	on, err := n.on.eval(m)
	if err != nil || n.safe && on.kind == kNil {
		return on, err
	}
	base := len(m.stack)
	defer func() { m.stack = m.stack[:base] }()
	if err := m.values(n.args); err != nil {
		return value{}, err
	}
	if err := m.step(on.cost()); err != nil {
		return value{}, err
	}
	if m.depth == len(m.calls) {
		m.calls = append(m.calls, new(call))
	}
	c := m.calls[m.depth]
	m.depth++
	defer func() { m.depth-- }()
	*c = call{m: m, name: n.name, on: on, args: m.stack[base:len(m.stack):len(m.stack)], block: n.block}
	return n.method.call(c)
}

// yield calls the block with one value. If the block has several parameters and the value is an array, it gets the elements.
func (c *call) yield(v value) (value, error) {
	p := c.block.params
	if err := c.m.step(2); err != nil {
		return value{}, err
	}
	if len(p) < 2 || v.kind != kArray {
		for i, slot := range p {
			if c.m.vars[slot] = (value{}); i == 0 {
				c.m.vars[slot] = v
			}
		}
		return c.block.body.eval(c.m)
	}
	e := elementsOf(v.b)
	for _, slot := range p {
		if c.m.vars[slot] = (value{}); e.next() {
			c.m.vars[slot] = read(e.value)
		}
	}
	return c.block.body.eval(c.m)
}

// yieldMember calls the block with the key and the value of a hash's member.
func (c *call) yieldMember(f *record.Fields) (value, error) {
	if err := c.m.step(2); err != nil {
		return value{}, err
	}
	for i, slot := range c.block.params {
		switch i {
		case 0:
			c.m.vars[slot] = read(f.RawKey())
		case 1:
			c.m.vars[slot] = read(f.Value())
		default:
			c.m.vars[slot] = value{}
		}
	}
	return c.block.body.eval(c.m)
}

// pair returns a member of a hash as an array of key and value.
func (m *Machine) pair(f *record.Fields) (value, error) {
	start := len(m.arena)
	b := append(append(record.AppendArrayHeader(m.arena, 2), f.RawKey()...), f.Value()...)
	b, err := m.keep(b, start)
	return array(b), err
}

// yieldPair calls the block with a member of a hash: with key and value, or with an array of both if the block has one parameter.
func (c *call) yieldPair(f *record.Fields) (value, error) {
	if len(c.block.params) != 1 {
		return c.yieldMember(f)
	}
	v, err := c.m.pair(f)
	if err != nil {
		return value{}, err
	}
	return c.yield(v)
}

// deleteNode deletes a member of the record, or of a map in it, and returns its value.
type deleteNode struct {
	on   node
	keys []node
	safe bool
}

func (n *deleteNode) eval(m *Machine) (value, error) {
	on, err := n.on.eval(m)
	if err != nil || n.safe && on.kind == kNil {
		return value{}, err
	}
	if on.kind != kHash {
		return value{}, noMethod("delete", on)
	}
	base := len(m.stack)
	defer func() { m.stack = m.stack[:base] }()
	if err := m.values(n.keys); err != nil {
		return value{}, err
	}
	keys := m.stack[base:]
	last := keys[len(keys)-1]
	found, ok := record.Find(on.b, string(appendText(nil, last)))
	if !ok {
		return value{}, nil
	}
	if err := m.room(2 * len(m.record)); err != nil {
		return value{}, err
	}
	m.record = appendWithout(nil, m.record, keys)
	if len(keys) > 1 {
		m.shared = appendWithout(nil, m.shared, keys)
	}
	return read(found), nil
}

// appendWithout appends a map or array without the member that keys lead to.
func appendWithout(dst, b []byte, keys []value) []byte {
	v := read(b)
	if v.kind == kArray && keys[0].kind == kInt {
		at := int(keys[0].n)
		if at < 0 {
			at += sizeOf(v)
		}
		dst = record.AppendArrayHeader(dst, sizeOf(v))
		e := elementsOf(b)
		for i := 0; e.next(); i++ {
			if i == at && len(keys) > 1 {
				dst = appendWithout(dst, e.value, keys[1:])
			} else {
				dst = append(dst, e.value...)
			}
		}
		return dst
	}
	if v.kind != kHash {
		return append(dst, b...)
	}
	key := string(appendText(nil, keys[0]))
	count := 0
	for f := record.FieldsOf(b); f.Next(); {
		if len(keys) > 1 || f.Key() == nil || string(f.Key()) != key {
			count++
		}
	}
	dst = record.AppendMapHeader(dst, count)
	for f := record.FieldsOf(b); f.Next(); {
		switch same := f.Key() != nil && string(f.Key()) == key; {
		case !same:
			dst = append(append(dst, f.RawKey()...), f.Value()...)
		case len(keys) > 1:
			dst = appendWithout(append(dst, f.RawKey()...), f.Value(), keys[1:])
		}
	}
	return dst
}
