package enrich

import (
	"bytes"

	"github.com/firelane/firelane/record"
)

// A constant is a field of a record: its name, and its value as MessagePack.
type constant struct {
	name  string
	value []byte
}

// constants sets fields that are the same in every event: the step that every task on ECS has. It costs one look at
// the names that are there, and two copies. A field that is there already is replaced: no name is there twice.
type constants struct {
	fields []constant
	tail   []byte // the fields, encoded
	whole  []byte // the same with a map's header
	names  nameSet
}

func newConstants(fields []constant) *constants {
	c := &constants{}
	for _, f := range fields {
		c.set(f)
	}
	c.whole = record.AppendMapHeader(nil, len(c.fields))
	head := len(c.whole)
	for _, f := range c.fields {
		c.whole = append(record.AppendStr(c.whole, f.name), f.value...)
		c.names.add(f.name)
	}
	c.tail = c.whole[head:]
	return c
}

// set adds a field; the last one of a name holds.
func (c *constants) set(f constant) {
	for i := range c.fields {
		if c.fields[i].name == f.name {
			c.fields[i].value = f.value
			return
		}
	}
	c.fields = append(c.fields, f)
}

func (c *constants) Apply(ev *record.Event, s *Scratch) bool {
	n, rest, err := record.MapHeader(ev.Body)
	if err != nil {
		return true
	}
	out := s.Take()
	if c.names.meets(rest, n) {
		out = c.override(out, ev.Body)
	} else {
		out = record.AppendMapHeader(out, n+len(c.fields))
		out = append(out, rest...)
	}
	ev.Body = s.Keep(append(out, c.tail...))
	return true
}

// override appends the header and the members that stay.
func (c *constants) override(out, body []byte) []byte {
	stay := 0
	for f := record.FieldsOf(body); f.Next(); {
		if !c.names.has(f.Key()) {
			stay++
		}
	}
	out = record.AppendMapHeader(out, stay+len(c.fields))
	for f := record.FieldsOf(body); f.Next(); {
		if !c.names.has(f.Key()) {
			out = append(append(out, f.RawKey()...), f.Value()...)
		}
	}
	return out
}

// lastConstants are constants with no step behind them that looks for them. Where there is nothing to replace, they leave
// the body alone and are the event's Tail.
type lastConstants struct{ *constants }

func (c lastConstants) Apply(ev *record.Event, s *Scratch) bool {
	if n, rest, err := record.MapHeader(ev.Body); err == nil && !c.names.meets(rest, n) {
		ev.Tail = c.whole
		return true
	}
	return c.constants.Apply(ev, s)
}

// A passer is a step that may not have to look at a Tail.
type passer interface {
	// behind is the step for events with or without a Tail of c's fields, nil if they must be in the body.
	behind(c *constants) Step
}

// Defer makes constants at the end of the steps, but for such as pass a Tail on, the Tail of the events that they can be,
// so that each body needn't be copied for them. steps are what Merge returned; behind them nothing may look at a body and
// not at the Tail.
func Defer(steps []Step) []Step {
	for i := len(steps) - 1; i >= 0; i-- {
		if c, ok := steps[i].(*constants); ok && len(c.fields) > 0 {
			return deferTo(steps, i, c)
		}
		if _, ok := steps[i].(passer); !ok {
			break
		}
	}
	return steps
}

// deferTo makes c, which is step i, a Tail, if all behind it agree.
func deferTo(steps []Step, i int, c *constants) []Step {
	deferred := append(append([]Step(nil), steps[:i]...), lastConstants{c})
	for _, s := range steps[i+1:] {
		if s = s.(passer).behind(c); s == nil {
			return steps
		}
		deferred = append(deferred, s)
	}
	return deferred
}

// Merge makes adjacent steps that set constant fields into one. It changes nothing about what comes out.
func Merge(steps []Step) []Step {
	var out []Step
	for _, s := range steps {
		c, ok := s.(*constants)
		if ok && len(out) > 0 {
			if last, ok := out[len(out)-1].(*constants); ok {
				out[len(out)-1] = newConstants(append(append([]constant(nil), last.fields...), c.fields...))
				continue
			}
		}
		out = append(out, s)
	}
	return out
}

// A nameSet is a few names to look for. Most names in an event are told apart by their length alone.
type nameSet struct {
	names   [][]byte
	lengths lengthSet
}

// lengthSet is a set of lengths: bit n for n bytes, bit 63 for 63 or more.
type lengthSet uint64

func (s *lengthSet) add(name []byte) { *s |= 1 << min(len(name), 63) }

func (s lengthSet) has(name []byte) bool { return s>>min(len(name), 63)&1 != 0 }

func (ns *nameSet) add(name string) {
	ns.names = append(ns.names, []byte(name))
	ns.lengths.add([]byte(name))
}

func (ns *nameSet) has(name []byte) bool {
	return ns.lengths.has(name) && ns.find(name)
}

func (ns *nameSet) find(name []byte) bool {
	if name == nil {
		return false // a key that is no text
	}
	for _, n := range ns.names {
		if bytes.Equal(n, name) {
			return true
		}
	}
	return false
}

// meets reports whether one of n members, encoded one behind the other in b, has one of the names. The first two
// cases of key and value are what log drivers write; everything else is left to package record.
func (ns *nameSet) meets(b []byte, n int) bool {
	for ; n > 0 && len(b) > 1; n-- {
		c := b[0]
		if size := int(c & 0x1f); c&0xe0 == 0xa0 && size+3 < len(b) {
			if ns.lengths>>size&1 != 0 && ns.find(b[1:1+size]) {
				return true
			}
			b = b[1+size:]
		} else {
			key, rest, err := record.Str(b)
			if err != nil {
				if rest, err = record.Skip(b); err != nil {
					return false
				}
			} else if ns.has(key) {
				return true
			}
			if b = rest; len(b) < 3 {
				break // this was the last: another one would need a byte for its name and one for its value
			}
		}
		switch c := b[0]; {
		case c&0xe0 == 0xa0 && int(c&0x1f) < len(b):
			b = b[1+int(c&0x1f):]
		case c == 0xd9 && int(b[1])+1 < len(b):
			b = b[2+int(b[1]):]
		case c == 0xda && int(b[1])<<8+int(b[2])+2 < len(b):
			b = b[3+int(b[1])<<8+int(b[2]):]
		default:
			rest, err := record.Skip(b)
			if err != nil {
				return false
			}
			b = rest
		}
	}
	return false
}
