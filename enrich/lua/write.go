package lua

import (
	"fmt"
	"math"

	"github.com/firelane/firelane/enrich/lua/vm"
	"github.com/firelane/firelane/record"
)

// types are the fields that have another type than their value says.
type types struct{ ints, arrays map[string]bool }

// A writer converts values to MessagePack, by the rules of Fluent Bit's flb_lua_tomsgpack. What the script has left as it was
// is copied: it keeps its type, and all digits of its number.
type writer struct {
	types *types
	s     *step
	left  int // bytes that may still be written
}

var (
	errTooLarge = fmt.Errorf("it returned more than %d MiB", maxOutput>>20)
	errTooDeep  = fmt.Errorf("it returned a table that is nested more than %d levels deep, or contains itself", record.MaxDepth)
)

// arrayLen reports whether a table becomes an array, and of how many elements. A table of the record stays what it was, and a
// metatable with a type says what its table is: 1 for an array. Any other table with a positive number as a key is an array.
func (w *writer) arrayLen(t *vm.Table) (n int, array bool) {
	kind := t.Origin
	if t.Meta != nil {
		kind = 0
		if v := t.Meta.Get(vm.String("type")); v.Kind() == vm.KindNumber && v.Float() >= 0 {
			kind = mapOrigin
			if v.Float() == arrayOrigin {
				kind = arrayOrigin
			}
		}
	}
	switch kind {
	case arrayOrigin:
		return t.Len(), true
	case mapOrigin:
		return 0, false
	}
	if most := t.MaxN(); most >= 1 && most == math.Trunc(most) {
		return int(min(most, math.MaxInt32)), true
	}
	return 0, false
}

// table appends a table that is nested depth levels deep.
func (w *writer) table(dst []byte, t *vm.Table, depth int) ([]byte, error) {
	if depth > record.MaxDepth {
		return dst, errTooDeep
	}
	source, used := t.Source()
	if !used && len(w.types.ints)+len(w.types.arrays) == 0 {
		dst = append(dst, source...)
		return dst, w.check(dst)
	}
	if n, array := w.arrayLen(t); array {
		return w.array(dst, t, n, source, depth)
	}
	dst = record.AppendMapHeader(dst, t.Count())
	old := record.FieldsOf(bytesOf(source))
	for at := 0; ; {
		key, val, next, ok := t.Next(at)
		if !ok {
			return dst, w.check(dst)
		}
		at = next
		var raw []byte // the member as it was: members that were loaded come first, in their order
		for old.Next() {
			if sameKey(old.RawKey(), key) {
				raw = old.Value()
				break
			}
		}
		var err error
		if raw != nil {
			dst = append(dst, old.RawKey()...)
		} else if dst, err = w.value(dst, key, nil, depth); err != nil {
			return dst, err
		}
		if dst, err = w.member(dst, key.Text(), val, raw, depth); err != nil {
			return dst, err
		}
	}
}

// sameKey reports whether a key in MessagePack is that of a table.
func sameKey(raw []byte, key vm.Value) bool {
	switch key.Kind() {
	case vm.KindString:
		text, ok := record.Text(raw)
		return ok && string(text) == key.Text()
	case vm.KindNumber:
		f, _, err := record.Float(raw)
		return err == nil && f == key.Float()
	}
	return false
}

// member appends a member's value, of the type that an option may give it.
func (w *writer) member(dst []byte, name string, v vm.Value, raw []byte, depth int) ([]byte, error) {
	if v.Kind() == vm.KindNumber && w.types.ints[name] {
		if note := v.Note(); note == nil || record.KindOf(note[0]) != record.KindInt {
			return appendInt(dst, v.Float()), w.check(dst)
		}
	}
	if t := v.Table(); t != nil && w.types.arrays[name] {
		if depth >= record.MaxDepth {
			return dst, errTooDeep
		}
		source, _ := t.Source()
		return w.array(dst, t, t.Len(), source, depth+1)
	}
	return w.value(dst, v, raw, depth)
}

// appendInt appends a number without its fraction.
func appendInt(dst []byte, f float64) []byte {
	switch {
	case f != f:
		f = 0
	case f >= math.MaxInt64:
		return record.AppendInt(dst, math.MaxInt64)
	case f <= math.MinInt64:
		return record.AppendInt(dst, math.MinInt64)
	}
	return record.AppendInt(dst, int64(f))
}

func (w *writer) array(dst []byte, t *vm.Table, n int, source string, depth int) ([]byte, error) {
	if n > w.left {
		return dst, errTooLarge
	}
	_, old, err := record.ArrayHeader(bytesOf(source))
	if err != nil {
		old = nil
	}
	dst = record.AppendArrayHeader(dst, n)
	for i := range n {
		var raw []byte
		if size, err := record.Check(old); err == nil {
			raw, old = old[:size], old[size:]
		}
		if dst, err = w.value(dst, t.Get(vm.Number(float64(i+1))), raw, depth); err != nil {
			return dst, err
		}
	}
	return dst, w.check(dst)
}

// value appends a value; raw is what it was in the record, nil if it is new.
func (w *writer) value(dst []byte, v vm.Value, raw []byte, depth int) ([]byte, error) {
	if raw != nil && w.same(v, raw) {
		dst = append(dst, raw...)
		return dst, w.check(dst)
	}
	switch v.Kind() {
	case vm.KindTable:
		return w.table(dst, v.Table(), depth+1)
	case vm.KindString:
		dst = record.AppendStr(dst, v.Text())
	case vm.KindBool:
		dst = record.AppendBool(dst, v.True())
	case vm.KindNumber:
		f := v.Float()
		if note := v.Note(); note != nil {
			dst = append(dst, note...)
		} else if f == math.Trunc(f) && f >= math.MinInt64 && f < math.MaxInt64 {
			dst = record.AppendInt(dst, int64(f))
		} else {
			dst = record.AppendFloat(dst, f)
		}
	default: // functions and coroutines, too: Fluent Bit writes nothing for them, which makes the record unreadable
		dst = record.AppendNil(dst)
	}
	return dst, w.check(dst)
}

// same reports whether a string is that of raw, which may be a bin or an ext. Numbers have a note where they need one.
func (w *writer) same(v vm.Value, raw []byte) bool {
	switch v.Kind() {
	case vm.KindString:
		if text, ok := record.Text(raw); ok {
			return string(text) == v.Text()
		}
		return record.KindOf(raw[0]) == record.KindExt && string(extContent(raw)) == v.Text()
	}
	return false
}

// check reports whether too much was written.
func (w *writer) check(dst []byte) error {
	if len(dst) > w.left {
		return errTooLarge
	}
	return nil
}
