package record

// Check finds the end of the first value in b and says whether it is well-formed: it returns its length in bytes, or
// ErrShort, ErrInvalid or ErrDepth. It looks at every byte of structure and at no byte of a string.
func Check(b []byte) (n int, err error) { panic("not written yet") }

// Skip returns what follows the first value in b. Its errors are those of Check.
func Skip(b []byte) (rest []byte, err error) { panic("not written yet") }

// MapHeader reads the header of a map: n pairs follow in rest. The count is the input's word and proves nothing.
// ErrShort, or ErrType if b begins with something else.
func MapHeader(b []byte) (n int, rest []byte, err error) { panic("not written yet") }

// ArrayHeader reads the header of an array: n values follow in rest, if the input is right about it.
func ArrayHeader(b []byte) (n int, rest []byte, err error) { panic("not written yet") }

// Str reads a str or bin: its content, which aliases b, and what follows.
func Str(b []byte) (s, rest []byte, err error) { panic("not written yet") }

// Int reads an integer that fits int64. ErrRange for a larger one, ErrType for another type.
func Int(b []byte) (v int64, rest []byte, err error) { panic("not written yet") }

// Float reads a float or an integer as a float.
func Float(b []byte) (v float64, rest []byte, err error) { panic("not written yet") }

// Bool reads a bool.
func Bool(b []byte) (v bool, rest []byte, err error) { panic("not written yet") }

// ReadTime reads an event's time: an EventTime (fixext8 or ext8 of type 0), an integer or a float of seconds, or a pair
// [time, metadata]. ErrRange says that it is none that a Time can hold; ErrType that it is something else (nil).
func ReadTime(b []byte) (t Time, rest []byte, err error) { panic("not written yet") }

// Fields walks over the members of a map. The zero value has none.
type Fields struct {
	rest       []byte
	left       int
	key, value []byte
}

// FieldsOf begins a walk over the map at the start of body; of anything else there are no fields.
func FieldsOf(body []byte) Fields { panic("not written yet") }

// Next moves on to the next member and reports whether there is one. It stops early where body is malformed.
func (f *Fields) Next() bool { panic("not written yet") }

// Key is the content of a key that is a str or bin, nil for one of another type.
func (f *Fields) Key() []byte { panic("not written yet") }

// RawKey is the key's MessagePack.
func (f *Fields) RawKey() []byte { return f.key }

// Value is the value's MessagePack.
func (f *Fields) Value() []byte { return f.value }

// Find returns the MessagePack of the member called key (a str or bin) of the map at the start of body. Where several
// are, it is the last, which is also the one that AppendJSON writes.
func Find(body []byte, key string) (value []byte, ok bool) { panic("not written yet") }

// Lookup is Find along a path of nested maps.
func Lookup(body []byte, path []string) (value []byte, ok bool) { panic("not written yet") }

// Text returns the content of a str or bin.
func Text(value []byte) (s []byte, ok bool) { panic("not written yet") }

// AppendText appends the value at the start of b as text: strings as they are, other scalars as in JSON, containers as
// JSON.
func AppendText(dst, b []byte) []byte { panic("not written yet") }

// AppendMapHeader appends the shortest header of a map of n pairs.
func AppendMapHeader(dst []byte, n int) []byte { panic("not written yet") }

// AppendArrayHeader appends the shortest header of an array of n values.
func AppendArrayHeader(dst []byte, n int) []byte { panic("not written yet") }

// AppendStr appends s as a str.
func AppendStr(dst []byte, s string) []byte { panic("not written yet") }

// AppendStrBytes appends s as a str.
func AppendStrBytes(dst, s []byte) []byte { panic("not written yet") }

// AppendBin appends s as a bin.
func AppendBin(dst, s []byte) []byte { panic("not written yet") }

// AppendInt appends v in the shortest form.
func AppendInt(dst []byte, v int64) []byte { panic("not written yet") }

// AppendUint appends v in the shortest form.
func AppendUint(dst []byte, v uint64) []byte { panic("not written yet") }

// AppendFloat appends v as a float64.
func AppendFloat(dst []byte, v float64) []byte { panic("not written yet") }

// AppendBool appends v.
func AppendBool(dst []byte, v bool) []byte { panic("not written yet") }

// AppendNil appends nil.
func AppendNil(dst []byte) []byte { return append(dst, 0xc0) }

// AppendTime appends t as an EventTime (fixext8).
func AppendTime(dst []byte, t Time) []byte { panic("not written yet") }

// AppendTimeISO appends t as 2006-01-02T15:04:05.000000000Z with digits (0–9) of fraction; 0 leaves out the point.
func AppendTimeISO(dst []byte, t Time, digits int) []byte { panic("not written yet") }

// JSONOptions change what AppendJSONMembers writes. The zero value and nil change nothing.
type JSONOptions struct {
	// ReplaceDots writes _ for every dot in a key, at every level.
	ReplaceDots bool
	// Omit are keys of the outermost map that are left out, as they would be written (after ReplaceDots).
	Omit []string
}

// AppendJSON appends the value at the start of b as JSON.
func AppendJSON(dst, b []byte) []byte { panic("not written yet") }

// AppendJSONMembers appends the members of the map at the start of body as JSON, with commas between them and neither
// braces around nor a comma before them. Nothing is appended where there are none.
func AppendJSONMembers(dst, body []byte, opt *JSONOptions) []byte { panic("not written yet") }

// AppendJSONString appends s as a JSON string, quotes included.
func AppendJSONString(dst, s []byte) []byte { panic("not written yet") }

// AppendFromJSON appends the MessagePack of the one JSON value that json is. On an error dst is returned as it came.
func AppendFromJSON(dst, json []byte) (out []byte, err error) { panic("not written yet") }

// NextFromJSON is AppendFromJSON for a stream of JSON values: it converts the first one and returns what follows.
// ErrShort says that json ends inside a value.
func NextFromJSON(dst, json []byte) (out, rest []byte, err error) { panic("not written yet") }

// Batch builds a batch. The zero value is empty and ready.
type Batch struct {
	buf     []byte
	records int
	group   int // where the open group's entries begin; 0: no group is open
	tag     int // where its tag begins
}

// Add appends one event. A tag that is longer than MaxTag is cut. body must be one map that Check has accepted; it is
// copied.
func (b *Batch) Add(tag string, t Time, body []byte) { panic("not written yet") }

// Bytes is the batch. It is the builder's own memory, valid until the next Add or Reset.
func (b *Batch) Bytes() []byte { return b.buf }

// Records is the number of events added.
func (b *Batch) Records() int { return b.records }

// Len is the batch's length in bytes.
func (b *Batch) Len() int { return len(b.buf) }

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() { panic("not written yet") }

// BatchReader reads a batch, event by event.
type BatchReader struct {
	rest, entries []byte
	err           error
	tag           string
}

// ReadBatch begins to read batch.
func ReadBatch(batch []byte) BatchReader { panic("not written yet") }

// Reset begins to read another batch; tags that were read before cost nothing again.
func (r *BatchReader) Reset(batch []byte) { panic("not written yet") }

// Next reads the next event into ev and reports whether there was one. ev.Body aliases the batch; ev.Tag doesn't.
func (r *BatchReader) Next(ev *Event) bool { panic("not written yet") }

// Err says why Next ended before the batch did; nil if it didn't.
func (r *BatchReader) Err() error { return r.err }
