// Package field has what a configuration uses to refer to a record: the path to a value (Accessor), text with placeholders
// (Template) and formats of time (Strftime). Each is parsed once, in the notation of either dialect, and is then safe for
// concurrent use; appending allocates only room in dst.
package field

import "github.com/firelane/firelane/record"

// An Accessor is the path to a value of a record: the name of a field, then names and indices inside of it. The zero
// value is the path to no value.
type Accessor []step

// A step goes to the member called name, or to an element of an array, counted from its end if index is negative.
type step struct {
	name    string
	index   int
	isIndex bool
}

// Name is the accessor of the record's field of that name, which may have any characters.
func Name(name string) Accessor { return Accessor{{name: name}} }

// Path is the accessor of a member in a member, by their names.
func Path(names ...string) Accessor {
	a := make(Accessor, len(names))
	for i, name := range names {
		a[i].name = name
	}
	return a
}

// Top is the name of the record's field that has the value, or is the value; "" for the zero value.
func (a Accessor) Top() string {
	if len(a) == 0 {
		return ""
	}
	return a[0].name
}

// Last is the name of the member that is the value; "" if that is an element of an array.
func (a Accessor) Last() string {
	if len(a) == 0 {
		return ""
	}
	return a[len(a)-1].name
}

// Nested reports whether the value is inside another one, and not a field of the record itself.
func (a Accessor) Nested() bool { return len(a) > 1 }

// Get returns the value's MessagePack, which aliases body.
func (a Accessor) Get(body []byte) (value []byte, ok bool) {
	value = body
	for i := range a {
		if a[i].isIndex {
			value, ok = element(value, a[i].index)
		} else {
			value, ok = record.Find(value, a[i].name)
		}
		if !ok {
			return nil, false
		}
	}
	return value, ok
}

// Find is Get for an event, whose fields are in the Body or in the Tail.
func (a Accessor) Find(ev *record.Event) (value []byte, ok bool) {
	if value, ok = a.Get(ev.Body); !ok && len(ev.Tail) > 0 {
		return a.Get(ev.Tail)
	}
	return value, ok
}

// FindScalar is Find for text, numbers and booleans: a map, an array or nil counts as missing.
func (a Accessor) FindScalar(ev *record.Event) (value []byte, ok bool) {
	if value, ok = a.Find(ev); !ok || len(value) == 0 {
		return nil, false
	}
	switch record.KindOf(value[0]) {
	case record.KindMap, record.KindArray, record.KindNil:
		return nil, false
	}
	return value, true
}

// element is element i of an array, counted from its end if i is negative.
func element(array []byte, i int) (value []byte, ok bool) {
	n, rest, err := record.ArrayHeader(array)
	if err != nil {
		return nil, false
	}
	if i < 0 {
		i += n
	}
	if i < 0 || i >= n {
		return nil, false
	}
	for ; ; i-- {
		after, err := record.Skip(rest)
		if err != nil {
			return nil, false
		}
		if i == 0 {
			return rest[:len(rest)-len(after)], true
		}
		rest = after
	}
}

// AppendWithout appends the map or array at the start of value without the value that a leads to, unchanged if there is none.
func (a Accessor) AppendWithout(dst, value []byte) []byte {
	rest, err := record.Skip(value)
	if err != nil {
		return dst
	}
	value = value[:len(value)-len(rest)]
	if _, ok := a.Get(value); !ok {
		return append(dst, value...)
	}
	if a[0].isIndex {
		return a.appendArrayWithout(dst, value)
	}
	n := 0
	for f := record.FieldsOf(value); f.Next(); {
		if len(a) > 1 || string(f.Key()) != a[0].name {
			n++
		}
	}
	dst = record.AppendMapHeader(dst, n)
	for f := record.FieldsOf(value); f.Next(); {
		switch {
		case string(f.Key()) != a[0].name:
			dst = append(append(dst, f.RawKey()...), f.Value()...)
		case len(a) > 1:
			dst = a[1:].AppendWithout(append(dst, f.RawKey()...), f.Value())
		}
	}
	return dst
}

func (a Accessor) appendArrayWithout(dst, value []byte) []byte {
	n, rest, _ := record.ArrayHeader(value) // Get has validated it
	at := a[0].index
	if at < 0 {
		at += n
	}
	dst = record.AppendArrayHeader(dst, n-1+min(len(a)-1, 1))
	for i := range n {
		after, err := record.Skip(rest)
		if err != nil {
			return dst
		}
		switch element := rest[:len(rest)-len(after)]; {
		case i != at:
			dst = append(dst, element...)
		case len(a) > 1:
			dst = a[1:].AppendWithout(dst, element)
		}
		rest = after
	}
	return dst
}
