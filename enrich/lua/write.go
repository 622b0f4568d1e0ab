package lua

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"github.com/firelane/firelane/enrich/lua/vm"
	"github.com/firelane/firelane/record"
)

// types are the names of the fields whose type is set by an option.
type types struct{ ints, arrays map[string]bool }

// A writer converts values to MessagePack, by the rules of Fluent Bit's flb_lua_tomsgpack. It copies values that the script hasn't
// changed: they keep their types, and numbers keep all digits.
type writer struct {
	types   *types
	convert bool // types isn't empty
	nulls   bool // null is flb_null
	left    int  // bytes that may still be written
}

var (
	errTooLarge = fmt.Errorf("it returned more than %d MiB, or several records of more than %d MiB", maxOutput>>20, maxSplit>>20)
	errTooDeep  = fmt.Errorf("it returned a table that is nested more than %d levels deep, or contains itself", record.MaxDepth)
)

// arrayLen reports whether a table becomes an array, and of how many elements. A table of the record stays an array or a map. A
// metatable's type decides for its table: 1 is an array. Any other table with a positive number as a key is an array.
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
	if !used && w.copies(source) {
		dst = append(w.grow(dst, len(source)), source...)
		return dst, w.check(dst)
	}
	if n, array := w.arrayLen(t); array {
		return w.array(dst, t, n, source, depth)
	}
	if n, ok := t.Poked(); ok && w.copies(source) {
		if out, ok, err := w.poked(dst, t, n, source, depth); ok {
			return out, err
		}
	}
	return w.members(record.AppendMapHeader(dst, t.Count()), t, source, depth)
}

// copies reports whether an unchanged part of the source may be copied. It may not if an option converts fields, or if the source
// may have a null: null is nil to a script, so the field is removed, unless it
// is flb_null. 0xc0 is MessagePack's null, and never occurs in UTF-8.
func (w *writer) copies(source string) bool {
	return !w.convert && (w.nulls || strings.IndexByte(source, 0xc0) < 0)
}

// poked appends a map that isn't loaded, with the n members of vm.Table.Poked. ok is false if the map has to be loaded after all:
// the source has a name twice that was set, or a key that isn't a string.
func (w *writer) poked(dst []byte, t *vm.Table, n int, source string, depth int) (_ []byte, ok bool, err error) {
	old := record.FieldsOf(bytesOf(source))
	count, _, _ := record.MapHeader(bytesOf(source))
	start := len(dst)
	var room [5]byte
	header := len(record.AppendMapHeader(room[:0], count+n)) // large enough for the maximum number of members
	dst = append(dst, room[:header]...)
	count = 0
	var seen uint64  // bit i: poked member i is in the source
	from, to := 0, 0 // part of the source that is still to be copied
	for old.Next() {
		if old.Key() == nil {
			return dst[:start], false, nil
		}
		end := len(source) - len(old.Rest())
		begin := end - len(old.RawKey()) - len(old.Value())
		i := pokedAt(t, n, old.Key())
		switch {
		case i >= 0 && seen>>i&1 != 0:
			return dst[:start], false, nil
		case i < 0:
			count++
			if begin != to {
				dst = append(dst, source[from:to]...)
				from = begin
			}
			to = end
			continue
		}
		dst = append(dst, source[from:to]...)
		from, to = end, end
		seen |= 1 << i
		_, val := t.PokedMember(i)
		if val.Kind() == vm.KindNil {
			continue
		}
		count++
		if w.same("", val, old.Value()) {
			from = begin
			continue
		}
		if dst, err = w.value(append(dst, old.RawKey()...), "", val, depth); err != nil {
			return dst, true, err
		}
	}
	dst = append(dst, source[from:to]...)
	for i := range n {
		key, val := t.PokedMember(i)
		if seen>>i&1 != 0 || val.Kind() == vm.KindNil {
			continue
		}
		count++
		if dst, err = w.value(record.AppendStr(dst, key.Text()), "", val, depth); err != nil {
			return dst, true, err
		}
	}
	putMapHeader(dst[start:start+header], count)
	return dst, true, w.check(dst)
}

// pokedAt returns the index of the poked member with a name, or -1.
func pokedAt(t *vm.Table, n int, name []byte) int {
	for i := range n {
		if key, _ := t.PokedMember(i); key.Text() == string(name) {
			return i
		}
	}
	return -1
}

// putMapHeader writes a map header for n members that is exactly as long as b.
func putMapHeader(b []byte, n int) {
	switch len(b) {
	case 1:
		b[0] = 0x80 | byte(n)
	case 3:
		b[0], b[1], b[2] = 0xde, byte(n>>8), byte(n)
	default:
		b[0] = 0xdf
		binary.BigEndian.PutUint32(b[1:], uint32(n))
	}
}

// members appends a map's members. Members that are unchanged since the source are copied, runs of them at once.
func (w *writer) members(dst []byte, t *vm.Table, source string, depth int) (_ []byte, err error) {
	old := record.FieldsOf(bytesOf(source))
	from, to := 0, 0 // part of the source that is still to be copied
	for at := 0; ; {
		key, val, next, ok := t.Next(at)
		if !ok {
			dst = append(dst, source[from:to]...)
			return dst, w.check(dst)
		}
		at = next
		found := false // loaded members come first, in the order of the source
		for !found && old.Next() {
			found = sameKey(&old, key)
		}
		name := key.Text()
		if found && w.same(name, val, old.Value()) {
			end := len(source) - len(old.Rest())
			if begin := end - len(old.RawKey()) - len(old.Value()); begin != to {
				dst = append(dst, source[from:to]...)
				from = begin
			}
			to = end
			continue
		}
		dst = append(dst, source[from:to]...)
		from = to
		if found {
			dst = append(dst, old.RawKey()...)
		} else if dst, err = w.value(dst, "", key, depth); err != nil {
			return dst, err
		}
		if dst, err = w.value(dst, name, val, depth); err != nil {
			return dst, err
		}
	}
}

// sameKey reports whether a member of the source has the key of a table's member.
func sameKey(f *record.Fields, key vm.Value) bool {
	switch key.Kind() {
	case vm.KindString:
		text := f.Key()
		return text != nil && string(text) == key.Text()
	case vm.KindNumber:
		v, _, err := record.Float(f.RawKey())
		return err == nil && v == key.Float()
	}
	return false
}

// same reports whether v is still the value that raw was converted to, and would be written as the same bytes.
func (w *writer) same(name string, v vm.Value, raw []byte) bool {
	switch v.Kind() {
	case vm.KindString:
		if text, ok := record.Text(raw); ok {
			return string(text) == v.Text()
		}
		return record.KindOf(raw[0]) == record.KindExt && string(extContent(raw)) == v.Text()
	case vm.KindNumber:
		if k := record.KindOf(raw[0]); k != record.KindInt && (k != record.KindFloat || w.types.ints[name]) {
			return false
		}
		if note := v.Note(); note != nil {
			return string(note) == string(raw)
		}
		was := numberOf(raw)
		return was.Note() == nil && was.Float() == v.Float()
	case vm.KindTable:
		source, used := v.Table().Source()
		return !used && source == stringOf(raw) && w.copies(source)
	case vm.KindBool:
		return v.True() && raw[0] == 0xc3 || !v.True() && raw[0] == 0xc2
	}
	return v.Kind() == vm.KindNull && raw[0] == 0xc0
}

func (w *writer) array(dst []byte, t *vm.Table, n int, source string, depth int) ([]byte, error) {
	if n > w.left {
		return dst, errTooLarge
	}
	if depth > record.MaxDepth {
		return dst, errTooDeep
	}
	_, old, err := record.ArrayHeader(bytesOf(source))
	if err != nil {
		old = nil
	}
	dst = record.AppendArrayHeader(dst, n)
	for i := range n {
		v := t.Get(vm.Number(float64(i + 1)))
		if size, err := record.Check(old); err == nil {
			raw := old[:size]
			if old = old[size:]; w.same("", v, raw) {
				dst = append(dst, raw...)
				continue
			}
		}
		if dst, err = w.value(dst, "", v, depth); err != nil {
			return dst, err
		}
	}
	return dst, w.check(dst)
}

// value appends a value, with the type that an option sets for fields of that name, if any.
func (w *writer) value(dst []byte, name string, v vm.Value, depth int) ([]byte, error) {
	switch v.Kind() {
	case vm.KindTable:
		t := v.Table()
		if w.convert && w.types.arrays[name] {
			source, _ := t.Source()
			return w.array(dst, t, t.Len(), source, depth+1)
		}
		return w.table(dst, t, depth+1)
	case vm.KindString:
		text := v.Text()
		dst = record.AppendStr(w.grow(dst, len(text)), text)
	case vm.KindBool:
		dst = record.AppendBool(dst, v.True())
	case vm.KindNumber:
		dst = w.number(dst, name, v)
	default: // also functions and coroutines: Fluent Bit writes nothing for them, which makes the record invalid
		dst = record.AppendNil(dst)
	}
	return dst, w.check(dst)
}

// number appends a number: as it was in the record, or otherwise as an integer if it is whole.
func (w *writer) number(dst []byte, name string, v vm.Value) []byte {
	f, note := v.Float(), v.Note()
	switch {
	case w.convert && w.types.ints[name] && (note == nil || record.KindOf(note[0]) != record.KindInt):
		return record.AppendInt(dst, toInt(f))
	case note != nil:
		return append(dst, note...)
	case f == math.Trunc(f) && f >= math.MinInt64 && f < math.MaxInt64:
		return record.AppendInt(dst, int64(f))
	}
	return record.AppendFloat(dst, f)
}

// toInt truncates a number to an integer. Numbers out of range become the nearest int64.
func toInt(f float64) int64 {
	switch {
	case f != f:
		return 0
	case f >= math.MaxInt64:
		return math.MaxInt64
	case f <= math.MinInt64:
		return math.MinInt64
	}
	return int64(f)
}

// largeText is the size in bytes from which on a text makes the buffer grow to twice its size at once.
const largeText = 4 << 10

// grow makes room for a large text. append grows a large slice by a quarter at a time, and all those copies add up to several
// times the memory.
func (w *writer) grow(dst []byte, n int) []byte {
	if n < largeText || cap(dst)-len(dst) >= n || len(dst)+n > w.left {
		return dst
	}
	return append(make([]byte, 0, max(2*cap(dst), len(dst)+n+largeText)), dst...)
}

// check returns errTooLarge if too much was written.
func (w *writer) check(dst []byte) error {
	if len(dst) > w.left {
		return errTooLarge
	}
	return nil
}
