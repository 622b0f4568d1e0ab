package parquet

import "encoding/binary"

// The metadata of a file is in Thrift's compact protocol ("Thrift Compact protocol encoding" of Apache Thrift's specification).

// A thriftType is the type of a field, or of the elements of a list.
type thriftType byte

const (
	thriftI32    thriftType = 5
	thriftI64    thriftType = 6
	thriftBinary thriftType = 8
	thriftList   thriftType = 9
	thriftStruct thriftType = 12
)

// A thrift is a struct that is being written. Its fields are written in the order of their ids, with at most 15 between two ids.
type thrift struct {
	b    []byte
	last byte // id of the last field
}

func (t *thrift) field(id byte, kind thriftType) {
	t.b = append(t.b, (id-t.last)<<4|byte(kind))
	t.last = id
}

func (t *thrift) i32(id byte, v int) {
	t.field(id, thriftI32)
	t.b = binary.AppendVarint(t.b, int64(v))
}

func (t *thrift) i64(id byte, v int64) {
	t.field(id, thriftI64)
	t.b = binary.AppendVarint(t.b, v)
}

func (t *thrift) binary(id byte, s string) {
	t.field(id, thriftBinary)
	t.text(s)
}

// text writes an element of a list of binaries.
func (t *thrift) text(s string) {
	t.b = append(binary.AppendUvarint(t.b, uint64(len(s))), s...)
}

// list begins a list of n elements, which follow.
func (t *thrift) list(id byte, kind thriftType, n int) {
	t.field(id, thriftList)
	if n < 15 {
		t.b = append(t.b, byte(n)<<4|byte(kind))
		return
	}
	t.b = binary.AppendUvarint(append(t.b, 0xf0|byte(kind)), uint64(n))
}

// structure writes a struct: an element of a list, or a field's value after a call of field. write writes the struct's fields.
func (t *thrift) structure(write func()) {
	outer := t.last
	t.last = 0
	write()
	t.b = append(t.b, 0) // no more fields
	t.last = outer
}
