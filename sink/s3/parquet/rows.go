package parquet

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/firelane/firelane/record"
)

// GroupBytes is the size of a row group's records, as MessagePack, in bytes. The records are in memory twice: as records and as
// columns.
const GroupBytes = 1 << 20

// maxColumns is the maximum number of columns of a file, besides Other.
const maxColumns = 128

// Other is the column for fields that fit no other column, as a JSON object: values of another type than their column's, fields
// beyond 128 columns, and the repeats of a name in a record.
const Other = "_other"

// Line is the column of lines that aren't JSON objects.
const Line = "log"

// A kind is the type of a column.
type kind int

// Types of parquet.thrift.
const (
	boolean kind = 0
	integer kind = 2 // INT64
	double  kind = 5
	text    kind = 6 // BYTE_ARRAY; also of maps and arrays, as JSON
)

// A column is a column's name and type.
type column struct {
	name string
	kind kind
}

// columnRows are a column's rows in the row group that is being made.
type columnRows struct {
	defined []bool // one for each row, up to the last row that has a value
	values  []byte // PLAIN
	bits    []bool // the values of a boolean
}

// Rows are the records of the row group that is being made. The zero value is empty.
type Rows struct {
	raw  []byte // maps, in MessagePack
	n    int
	line []byte // the beginning of a line that hasn't ended
}

// Len is the size of the records in bytes.
func (r *Rows) Len() int { return len(r.raw) }

// Whole reports whether the last line that was added is complete.
func (r *Rows) Whole() bool { return len(r.line) == 0 }

// Reset removes all records.
func (r *Rows) Reset() {
	if r.raw = r.raw[:0]; cap(r.raw) > 2*GroupBytes {
		r.raw = nil
	}
	r.n, r.line = 0, nil
}

// Add adds the records of JSON lines. The last line may continue in the next call. A line that isn't a JSON object becomes a record
// with the field Line.
func (r *Rows) Add(lines []byte) {
	for {
		line, rest, ended := bytes.Cut(lines, []byte("\n")) // JSON has no newline in a string
		if !ended {
			r.line = append(r.line, line...)
			return
		}
		if lines = rest; len(r.line) > 0 {
			line = append(r.line, line...)
			r.line = nil
		}
		r.add(line)
	}
}

// end adds the last line, which has no newline.
func (r *Rows) end() {
	r.add(r.line)
	r.line = nil
}

func (r *Rows) add(line []byte) {
	if len(line) == 0 {
		return
	}
	r.n++
	if line[0] == '{' {
		if out, err := record.AppendFromJSON(r.raw, line); err == nil {
			r.raw = out
			return
		}
	}
	r.raw = record.AppendStr(record.AppendMapHeader(r.raw, 1), Line)
	r.raw = record.AppendStrBytes(r.raw, bytes.ToValidUTF8(line, []byte("\ufffd")))
}

// each calls f with each record.
func (r *Rows) each(f func(row int, body []byte)) {
	rest := r.raw
	for row := range r.n {
		n, err := record.Check(rest)
		if err != nil {
			return // impossible: Add made it
		}
		f(row, rest[:n])
		rest = rest[n:]
	}
}

// kindOf returns the type of column for a value; false for null.
func kindOf(value []byte) (kind, bool) {
	switch record.KindOf(value[0]) {
	case record.KindNil, record.KindInvalid:
		return 0, false
	case record.KindBool:
		return boolean, true
	case record.KindInt:
		return integer, true
	case record.KindFloat:
		return double, true
	}
	return text, true
}

// wider returns the type that takes the values of both types.
func wider(a, b kind) kind {
	switch {
	case a == b:
		return a
	case a == integer && b == double, a == double && b == integer:
		return double
	}
	return text
}

// append sets the value of a row in a column of type t. It returns false if the value doesn't fit.
func (c *columnRows) append(t kind, row int, value []byte) bool {
	if len(c.defined) > row {
		return false // the record has the name twice
	}
	switch k, _ := kindOf(value); {
	case t == text:
		start := len(c.values)
		c.values = record.AppendText(append(c.values, 0, 0, 0, 0), value)
		binary.LittleEndian.PutUint32(c.values[start:], uint32(len(c.values)-start-4))
	case t == boolean && k == boolean:
		v, _, _ := record.Bool(value)
		c.bits = append(c.bits, v)
	case t == integer && k == integer:
		v, _, err := record.Int(value)
		if err != nil {
			return false // beyond int64
		}
		c.values = binary.LittleEndian.AppendUint64(c.values, uint64(v))
	case t == double && (k == double || k == integer):
		v, _, err := record.Float(value)
		if k == integer {
			var n int64
			if n, _, err = record.Int(value); err == nil {
				v = float64(n)
			}
			if err != nil || n > 1<<53 || n < -1<<53 {
				return false // not exact as a double
			}
		}
		if err != nil {
			return false
		}
		c.values = binary.LittleEndian.AppendUint64(c.values, math.Float64bits(v))
	default:
		return false
	}
	c.skipTo(row)
	c.defined = append(c.defined, true)
	return true
}

// skipTo marks the rows before row that have no value yet as null.
func (c *columnRows) skipTo(row int) {
	for len(c.defined) < row {
		c.defined = append(c.defined, false)
	}
}

// page appends the column's page of n rows, without its header.
func (c *columnRows) page(dst []byte, n int) []byte {
	c.skipTo(n)
	dst = appendLevels(dst, c.defined)
	return append(appendBits(dst, c.bits), c.values...)
}
