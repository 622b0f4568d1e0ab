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

// A Field is a field of a record: its name, and its value as MessagePack.
type Field struct {
	Name  string
	Value []byte
}

// NewFields makes a Filter that sets fields, in that order. A field of the event with one of the names is replaced.
func NewFields(fields []Field) Filter {
	list := make([]constant, 0, len(fields))
	for _, f := range fields {
		list = append(list, constant{f.Name, f.Value})
	}
	return newConstants(list)
}

// constants is the Filter that sets fields that are the same in every event, as ECS configures for every task. It costs one
// scan of the event's names, and two copies. A field of the event with one of the names is replaced, so that no name occurs
// twice.
type constants struct {
	fields []constant
	tail   []byte // the fields, encoded
	whole  []byte // the fields as a map
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

// set adds a field, or replaces the one of that name.
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
	if c.isLast(ev.Body, rest, n) {
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

// isLast reports whether the n members of body, which begin at members, end with the constants, and have none of their names
// before. So it is with an event that has passed the filter already and was rerouted.
func (c *constants) isLast(body, members []byte, n int) bool {
	if before := n - len(c.fields); before >= 0 && len(c.tail) > 0 && bytes.HasSuffix(body, c.tail) {
		after, met := c.names.walk(members, before)
		return !met && bytes.Equal(after, c.tail)
	}
	return false
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

// TailConstants are constants that set the event's Tail, and leave the body alone, where there is nothing to replace.
type TailConstants struct{ *constants }

// OnlyTailConstants returns the filter if there is one only and it is TailConstants, for LiftAfter; nil otherwise. ECS configures
// that for every task.
func OnlyTailConstants(filters []Filter) *TailConstants {
	if len(filters) == 1 {
		if c, ok := filters[0].(TailConstants); ok {
			return &c
		}
	}
	return nil
}

// Apply implements Filter.
func (c TailConstants) Apply(ev *record.Event, s *Scratch) bool {
	if n, rest, err := record.MapHeader(ev.Body); err == nil && !c.names.meets(rest, n) {
		ev.Tail = c.whole
		return true
	}
	return c.constants.Apply(ev, s)
}

// A tailAccepter is a Filter that may come after constants that set a Tail.
type tailAccepter interface {
	// withTail returns the filter for events with or without a Tail of c's fields, nil if it needs them in the body.
	withTail(c *constants) Filter
}

// DeferConstants makes the last constants of a path set the Tail, so that no body is copied for them, if all filters after
// them accept one. filters are the last ones of a path, after MergeConstants: only outputs come after them.
func DeferConstants(filters []Filter) []Filter {
	for i := len(filters) - 1; i >= 0; i-- {
		if c, ok := filters[i].(*constants); ok && len(c.fields) > 0 {
			return deferAt(filters, i, c)
		}
		if _, ok := filters[i].(tailAccepter); !ok {
			break
		}
	}
	return filters
}

// deferAt makes c, which is filter i, set the Tail, if all filters after it accept one.
func deferAt(filters []Filter, i int, c *constants) []Filter {
	deferred := append(append([]Filter(nil), filters[:i]...), TailConstants{c})
	for _, f := range filters[i+1:] {
		if f = f.(tailAccepter).withTail(c); f == nil {
			return filters
		}
		deferred = append(deferred, f)
	}
	return deferred
}

// MergeConstants replaces adjacent filters that set constant fields by one with the same result.
func MergeConstants(filters []Filter) []Filter {
	var out []Filter
	for _, f := range filters {
		c, ok := f.(*constants)
		if ok && len(out) > 0 {
			if last, ok := out[len(out)-1].(*constants); ok {
				out[len(out)-1] = newConstants(append(append([]constant(nil), last.fields...), c.fields...))
				continue
			}
		}
		out = append(out, f)
	}
	return out
}

// A nameSet is a few names to look for. The lengths alone rule out most names of an event.
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
		return false // the key isn't a str or bin
	}
	for _, n := range ns.names {
		if bytes.Equal(n, name) {
			return true
		}
	}
	return false
}

// meets reports whether one of the n members encoded in b has one of the names.
func (ns *nameSet) meets(b []byte, n int) bool {
	_, met := ns.walk(b, n)
	return met
}

// walk reports whether one of the n members encoded in b has one of the names, and returns what follows them; nil where that isn't
// known. The first cases of key and value are what log drivers write; package record reads everything else.
func (ns *nameSet) walk(b []byte, n int) (rest []byte, met bool) {
	for ; n > 0 && len(b) > 1; n-- {
		c := b[0]
		if size := int(c & 0x1f); c&0xe0 == 0xa0 && size+3 < len(b) {
			if ns.lengths>>size&1 != 0 && ns.find(b[1:1+size]) {
				return nil, true
			}
			b = b[1+size:]
		} else {
			key, rest, err := record.Str(b)
			if err != nil {
				if rest, err = record.Skip(b); err != nil {
					return nil, false
				}
			} else if ns.has(key) {
				return nil, true
			}
			if b = rest; len(b) < 3 {
				return nil, false // this was the last: another one would have two bytes at least
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
				return nil, false
			}
			b = rest
		}
	}
	return b, false
}
