// Package parquet writes Parquet files from JSON lines. It writes one row group after another, and never changes what it has written,
// since parts may already be in an object store. Columns are the fields of the records, all of them optional: booleans, 64-bit
// integers, doubles and strings. Maps and arrays are strings of JSON. A column's type is that of its field in the first row group
// that has the field; its rows in earlier groups are null. No value is lost: a value that doesn't fit its column is in the column
// Other.
//
// The format is that of parquet-format 2 (README.md, Encodings.md, parquet.thrift): data pages of version 1, in the encoding
// PLAIN, one for each column of a row group.
package parquet

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/firelane/firelane/record"
)

const magic = "PAR1"

// A File is a file that is being written. Rollback undoes what was appended since the last Commit. A File isn't safe for concurrent
// use.
type File struct {
	e       *Encoder
	columns []column
	index   map[string]int
	other   int // index of the column Other, -1 for none
	groups  []group
	size    int64 // bytes
	rows    int64

	saved state // at the last Commit
}

// A group is a row group.
type group struct {
	rows   int
	chunks []chunk // of the columns that existed then; fill adds the others
}

// A chunk is the part of a column in one row group.
type chunk struct {
	offset        int64
	plain, packed int // bytes before and after compression, with the page's header
}

// state is the state that Rollback restores.
type state struct {
	columns, groups, other int
	size, rows             int64
}

// New begins a file.
func New(e *Encoder) *File {
	return &File{e: e, index: map[string]int{}, other: -1, saved: state{other: -1}}
}

// Size is the size of the file so far, in bytes.
func (f *File) Size() int64 { return f.size }

// Commit saves the current state for Rollback.
func (f *File) Commit() {
	f.saved = state{len(f.columns), len(f.groups), f.other, f.size, f.rows}
}

// Rollback restores the state of the last Commit, or an empty file if there was none. The caller discards the bytes.
func (f *File) Rollback() {
	for _, c := range f.columns[f.saved.columns:] {
		delete(f.index, c.name)
	}
	f.columns, f.groups = f.columns[:f.saved.columns], f.groups[:f.saved.groups]
	f.other, f.size, f.rows = f.saved.other, f.saved.size, f.saved.rows
}

// Append appends the records of r to dst as a row group, and removes them from r. dst is the end of the file. An error is that of
// the compression.
func (f *File) Append(dst *bytes.Buffer, r *Rows) error {
	if r.end(); r.n == 0 {
		return nil
	}
	f.begin(dst)
	f.e.clear()
	f.learn(r)
	r.each(f.add)
	if len(f.columns) == 0 {
		f.addOther()
	}
	g := group{rows: r.n}
	for i := range f.columns {
		f.e.page = f.e.row(i).page(f.e.page[:0], r.n)
		ch, err := f.write(dst, r.n)
		if err != nil {
			return err
		}
		g.chunks = append(g.chunks, ch)
	}
	f.groups = append(f.groups, g)
	f.rows += int64(r.n)
	r.Reset()
	return nil
}

func (f *File) begin(dst *bytes.Buffer) {
	if f.size == 0 {
		f.size += int64(len(magic))
		dst.WriteString(magic)
	}
}

// clear empties all columns, and frees the memory of large records.
func (e *Encoder) clear() {
	if cap(e.page)+cap(e.packed)+cap(e.json) > 4*GroupBytes {
		e.page, e.packed, e.json, e.rows = nil, nil, nil, nil
	}
	for i := range e.rows {
		c := &e.rows[i]
		c.defined, c.values, c.bits = c.defined[:0], c.values[:0], c.bits[:0]
	}
}

// row returns the rows of column i.
func (e *Encoder) row(i int) *columnRows {
	for len(e.rows) <= i {
		e.rows = append(e.rows, columnRows{})
	}
	return &e.rows[i]
}

// learn adds the columns for fields that have none.
func (f *File) learn(r *Rows) {
	known := len(f.columns)
	r.each(func(_ int, body []byte) {
		for m := record.FieldsOf(body); m.Next(); {
			k, ok := kindOf(m.Value())
			if !ok {
				continue
			}
			i, seen := f.index[string(m.Key())]
			switch {
			case seen && i >= known:
				f.columns[i].kind = wider(f.columns[i].kind, k)
			case !seen && len(f.columns) < maxColumns && string(m.Key()) != Other:
				f.addColumn(string(m.Key()), k)
			}
		}
	})
}

func (f *File) addColumn(name string, k kind) {
	f.index[name] = len(f.columns)
	f.columns = append(f.columns, column{name: name, kind: k})
}

func (f *File) addOther() {
	f.other = len(f.columns)
	f.addColumn(Other, text)
}

// add adds a record to the columns.
func (f *File) add(row int, body []byte) {
	other := f.e.json[:0]
	for m := record.FieldsOf(body); m.Next(); {
		if _, ok := kindOf(m.Value()); !ok {
			continue
		}
		if i, ok := f.index[string(m.Key())]; ok && i != f.other && f.e.row(i).append(f.columns[i].kind, row, m.Value()) {
			continue
		}
		other = append(record.AppendJSONString(append(other, ','), m.Key()), ':')
		other = record.AppendJSON(other, m.Value())
	}
	f.e.json = other
	if len(other) == 0 {
		return
	}
	if f.other < 0 {
		f.addOther()
	}
	other[0] = '{'
	f.e.page = record.AppendStrBytes(f.e.page[:0], append(other, '}'))
	f.e.row(f.other).append(text, row, f.e.page)
}

// write compresses e.page, a page of n rows, and writes it with its header.
func (f *File) write(dst *bytes.Buffer, n int) (ch chunk, err error) {
	packed, err := f.e.compress()
	if err != nil {
		return ch, err
	}
	header := appendPageHeader(nil, n, len(f.e.page), len(packed))
	ch = chunk{f.size, len(header) + len(f.e.page), len(header) + len(packed)}
	dst.Write(header)
	dst.Write(packed)
	f.size += int64(ch.packed)
	return ch, nil
}

// Close appends the file's footer to dst, after pages of nulls for columns that earlier row groups don't have. An error is that of
// the compression.
func (f *File) Close(dst *bytes.Buffer) error {
	f.begin(dst)
	if len(f.columns) == 0 {
		f.addOther() // a file must have a column
	}
	groups, err := f.fill(dst)
	if err != nil {
		return err
	}
	meta := f.metadata(groups)
	dst.Write(meta)
	_, _ = dst.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(meta))))
	dst.WriteString(magic)
	f.size += int64(len(meta) + 4 + len(magic))
	return nil
}

// fill returns the groups with all columns: it writes pages of nulls for columns that are newer than a group.
func (f *File) fill(dst *bytes.Buffer) ([]group, error) {
	groups := slices.Clone(f.groups) // Rollback may discard the pages of nulls
	for i := range groups {
		g := &groups[i]
		g.chunks = slices.Clone(g.chunks)
		for len(g.chunks) < len(f.columns) {
			f.e.page = appendLevels(f.e.page[:0], make([]bool, g.rows))
			ch, err := f.write(dst, g.rows)
			if err != nil {
				return nil, err
			}
			g.chunks = append(g.chunks, ch)
		}
	}
	return groups, nil
}

// metadata returns the FileMetaData.
func (f *File) metadata(groups []group) []byte {
	var t thrift
	t.structure(func() {
		t.i32(1, 1) // version
		t.list(2, thriftStruct, 1+len(f.columns))
		t.structure(func() {
			t.binary(4, "schema")
			t.i32(5, len(f.columns))
		})
		for i := range f.columns {
			t.structure(func() { f.columns[i].schema(&t) })
		}
		t.i64(3, f.rows)
		t.list(4, thriftStruct, len(groups))
		for i := range groups {
			t.structure(func() { f.group(&t, &groups[i]) })
		}
		t.binary(6, "firelane")
	})
	return t.b
}

// schema writes a SchemaElement.
func (c *column) schema(t *thrift) {
	t.i32(1, int(c.kind))
	t.i32(3, optional)
	t.binary(4, c.name)
	if c.kind == text {
		t.i32(6, utf8Text)
		t.field(10, thriftStruct)
		t.structure(func() {
			t.field(logicalString, thriftStruct)
			t.structure(func() {})
		})
	}
}

// group writes a RowGroup.
func (f *File) group(t *thrift, g *group) {
	size := 0
	t.list(1, thriftStruct, len(g.chunks))
	for i, ch := range g.chunks {
		size += ch.plain
		t.structure(func() {
			t.i64(2, 0) // file_offset, which is deprecated
			t.field(3, thriftStruct)
			t.structure(func() {
				t.i32(1, int(f.columns[i].kind))
				t.list(2, thriftI32, 2)
				t.b = binary.AppendVarint(binary.AppendVarint(t.b, encodingPlain), encodingRLE)
				t.list(3, thriftBinary, 1)
				t.text(f.columns[i].name)
				t.i32(4, int(f.e.number))
				t.i64(5, int64(g.rows))
				t.i64(6, int64(ch.plain))
				t.i64(7, int64(ch.packed))
				t.i64(9, ch.offset)
			})
		})
	}
	t.i64(2, int64(size))
	t.i64(3, int64(g.rows))
}
