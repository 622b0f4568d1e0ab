package lua

import (
	"math"
	"unsafe"

	"github.com/firelane/firelane/enrich/lua/vm"
	"github.com/firelane/firelane/record"
)

// Whether a table was an array or a map in the record, as Fluent Bit's numbers: a script may read them as its metatable's type.
const (
	arrayOrigin = 1
	mapOrigin   = 2
)

// bytesOf returns the bytes of a string. Nobody writes to them.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// stringOf converts bytes of a string back to a string, without a copy.
func stringOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// Load implements vm.Loader: source is a map or an array in MessagePack. Maps and arrays inside it are loaded when they are used.
func (s *step) Load(t *vm.Table, source string) {
	b := bytesOf(source)
	if n, rest, err := record.ArrayHeader(b); err == nil {
		t.Reserve(0, n)
		for range n {
			size, err := record.Check(rest)
			if err != nil {
				return
			}
			t.Append(s.value(rest[:size]))
			rest = rest[size:]
		}
		return
	}
	n, _, _ := record.MapHeader(b)
	t.Reserve(n+2, 0)
	for f := record.FieldsOf(b); f.Next(); {
		key := s.value(f.RawKey())
		if k := key.Kind(); k == vm.KindNil || k == vm.KindNumber && key.Float() != key.Float() {
			continue // no key of a table
		}
		t.Add(key, s.value(f.Value()))
	}
}

// value converts a MessagePack value. The result may alias b.
func (s *step) value(b []byte) vm.Value {
	switch record.KindOf(b[0]) {
	case record.KindNil:
		if s.opts.FlbNull {
			return vm.Null
		}
	case record.KindBool:
		return vm.Bool(b[0] == 0xc3)
	case record.KindInt, record.KindFloat:
		return numberOf(b)
	case record.KindStr, record.KindBin:
		text, _ := record.Text(b)
		return vm.Borrow(stringOf(text))
	case record.KindExt:
		return vm.Borrow(stringOf(extContent(b)))
	case record.KindArray:
		return vm.TableValue(vm.NewPending(s, stringOf(b), arrayOrigin))
	case record.KindMap:
		return vm.TableValue(vm.NewPending(s, stringOf(b), mapOrigin))
	}
	return vm.Nil
}

// exactIntegers is the limit up to which a float64 represents every integer exactly.
const exactIntegers = 1 << 53

// numberOf converts a number. A number that would be written back differently gets a note with its MessagePack: a whole float, or
// an integer that a float64 can't represent.
func numberOf(b []byte) vm.Value {
	f, _, _ := record.Float(b)
	exact := math.Abs(f) < exactIntegers
	if record.KindOf(b[0]) == record.KindFloat {
		exact = f != math.Trunc(f) && b[0] == 0xcb
	}
	if exact {
		return vm.Number(f)
	}
	return vm.NotedNumber(f, b)
}

// extContent returns the bytes of an ext value without its type.
func extContent(b []byte) []byte {
	head := 2
	switch b[0] {
	case 0xc7:
		head = 3
	case 0xc8:
		head = 4
	case 0xc9:
		head = 6
	}
	return b[min(head, len(b)):]
}

// Find implements vm.Loader.
func (s *step) Find(source, name string) vm.Value {
	b, ok := record.Find(bytesOf(source), name)
	if !ok {
		return vm.Nil
	}
	return s.value(b)
}
