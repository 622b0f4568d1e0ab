package ruby

import (
	"strings"

	"github.com/firelane/firelane/record"
)

// A node is a part of an expression.
type node interface {
	eval(m *Machine) (value, error)
}

type (
	constNode    value
	varNode      int    // a slot
	groupNode    int    // $1
	libraryNode  string // receiver of a library's method; never evaluated
	tagPartsNode string // tag_parts, tag_prefix, tag_suffix
	recordNode   struct{}
	tagNode      struct{}
	timeNode     struct{}
	sequence     []node // statements
	textNode     []node // a string of parts
	arrayNode    []node
	hashNode     []node // keys and values in turn
)

type ifNode struct{ cond, yes, no node } // no may be nil
type logicNode struct {
	left, right node
	and         bool
}
type notNode struct{ of node }
type assignNode struct {
	slot int
	of   node
}
type binaryNode struct {
	op          string
	left, right node
}
type rangeNode struct {
	from, to node // to nil: without an end
	excl     bool
}

// A rescueNode is body, or handler if body raises an error, whose text is then in slot unless that is negative.
type rescueNode struct {
	body, handler node
	slot          int
}
type caseNode struct {
	subject node // nil: the values are conditions
	whens   []when
	no      node
}
type when struct {
	values []node
	body   node
}

// A block is the block of a method call.
type block struct {
	params []int // slots of the parameters
	body   node
}

func (n constNode) eval(*Machine) (value, error)   { return value(n), nil }
func (n varNode) eval(m *Machine) (value, error)   { return m.vars[n], nil }
func (n libraryNode) eval(*Machine) (value, error) { return value{}, nil }
func (recordNode) eval(m *Machine) (value, error)  { return hash(m.record), nil }
func (tagNode) eval(m *Machine) (value, error)     { return str([]byte(m.ev.Tag)), nil }

func (timeNode) eval(m *Machine) (value, error) {
	return value{kind: kTime, n: int64(m.ev.Time.Sec)*1e9 + int64(m.ev.Time.Nsec)}, nil
}

func (n groupNode) eval(m *Machine) (value, error) { return m.group(int(n)), nil }

func (n tagPartsNode) eval(m *Machine) (value, error) {
	tag := m.ev.Tag
	count := strings.Count(tag, ".") + 1
	if err := m.step(count); err != nil {
		return value{}, err
	}
	start := len(m.arena)
	b := record.AppendArrayHeader(m.arena, count)
	at := 0
	for range count {
		end := len(tag)
		if i := strings.IndexByte(tag[at:], '.'); i >= 0 {
			end = at + i
		}
		switch n {
		case "tag_parts":
			b = record.AppendStr(b, tag[at:end])
		case "tag_prefix":
			b = record.AppendStr(b, tag[:end])
		default:
			b = record.AppendStr(b, tag[at:])
		}
		at = end + 1
	}
	b, err := m.keep(b, start)
	return array(b), err
}

func (n sequence) eval(m *Machine) (v value, err error) {
	for _, s := range n {
		if v, err = s.eval(m); err != nil {
			return v, err
		}
	}
	return v, nil
}

// values evaluates nodes onto the stack. The caller cuts the stack to its old length.
func (m *Machine) values(nodes []node) error {
	if err := m.step(1 + len(nodes)); err != nil {
		return err
	}
	for _, n := range nodes {
		v, err := n.eval(m)
		if err != nil {
			return err
		}
		m.stack = append(m.stack, v)
	}
	return nil
}

func (n textNode) eval(m *Machine) (value, error) {
	base := len(m.stack)
	defer func() { m.stack = m.stack[:base] }()
	if err := m.values(n); err != nil {
		return value{}, err
	}
	start := len(m.arena)
	b := m.arena
	for _, v := range m.stack[base:] {
		if b = appendText(b, v); len(b)-start > maxBytes {
			return value{}, errBytes
		}
	}
	b, err := m.keep(b, start)
	return str(b), err
}

func (n arrayNode) eval(m *Machine) (value, error) {
	base := len(m.stack)
	defer func() { m.stack = m.stack[:base] }()
	if err := m.values(n); err != nil {
		return value{}, err
	}
	return m.array(m.stack[base:])
}

// array makes an array of values.
func (m *Machine) array(list []value) (value, error) {
	size := 5
	for _, v := range list {
		size += len(v.b) + 9
	}
	if err := m.room(size); err != nil {
		return value{}, err
	}
	start := len(m.arena)
	b := record.AppendArrayHeader(m.arena, len(list))
	for _, v := range list {
		b = appendValue(b, v)
	}
	b, err := m.keep(b, start)
	return array(b), err
}

func (n hashNode) eval(m *Machine) (value, error) {
	base := len(m.stack)
	defer func() { m.stack = m.stack[:base] }()
	if err := m.values(n); err != nil {
		return value{}, err
	}
	list := m.stack[base:]
	size := 5
	for _, v := range list {
		size += len(v.b) + 9
	}
	if err := m.room(size); err != nil {
		return value{}, err
	}
	start := len(m.arena)
	b := record.AppendMapHeader(m.arena, len(list)/2)
	for i := 0; i < len(list); i += 2 {
		b = appendPair(b, list[i], list[i+1])
	}
	b, err := m.keep(b, start)
	return hash(b), err
}

func (n *ifNode) eval(m *Machine) (value, error) {
	c, err := n.cond.eval(m)
	switch {
	case err != nil:
		return value{}, err
	case c.truthy():
		return n.yes.eval(m)
	case n.no != nil:
		return n.no.eval(m)
	}
	return value{}, nil
}

func (n *logicNode) eval(m *Machine) (value, error) {
	v, err := n.left.eval(m)
	if err != nil || v.truthy() != n.and {
		return v, err
	}
	return n.right.eval(m)
}

func (n *notNode) eval(m *Machine) (value, error) {
	v, err := n.of.eval(m)
	return boolean(!v.truthy()), err
}

func (n *assignNode) eval(m *Machine) (value, error) {
	v, err := n.of.eval(m)
	if err == nil {
		m.vars[n.slot] = v
	}
	return v, err
}

func (n *rangeNode) eval(m *Machine) (value, error) {
	from, err := n.from.eval(m)
	if err != nil {
		return value{}, err
	}
	r := value{kind: kRange, n: from.n, excl: n.excl, open: n.to == nil}
	to := value{kind: kInt}
	if n.to != nil {
		if to, err = n.to.eval(m); err != nil {
			return value{}, err
		}
	}
	if from.kind != kInt || to.kind != kInt {
		return value{}, &Error{"ArgumentError", "bad value for range; want integers"}
	}
	r.end = to.n
	return r, nil
}

func (n *rescueNode) eval(m *Machine) (value, error) {
	depth := len(m.stack)
	v, err := n.body.eval(m)
	raised, ok := err.(*Error)
	if !ok {
		return v, err
	}
	m.stack = m.stack[:depth]
	if n.slot >= 0 {
		m.vars[n.slot] = str([]byte(raised.Text))
	}
	return n.handler.eval(m)
}

func (n *caseNode) eval(m *Machine) (value, error) {
	var subject value
	var err error
	if n.subject != nil {
		if subject, err = n.subject.eval(m); err != nil {
			return value{}, err
		}
	}
	for _, w := range n.whens {
		for _, of := range w.values {
			v, err := of.eval(m)
			if err == nil && n.subject != nil {
				v, err = m.caseEqual(v, subject)
			}
			if err != nil {
				return value{}, err
			}
			if v.truthy() {
				return w.body.eval(m)
			}
		}
	}
	if n.no != nil {
		return n.no.eval(m)
	}
	return value{}, nil
}
