package opentelemetry

import (
	"encoding/binary"
	"math"

	"github.com/firelane/firelane/record"
)

// The fields of the published schema that are read (opentelemetry-proto: common.proto, resource.proto, logs.proto,
// logs_service.proto).
const (
	requestResourceLogs = 1 // ExportLogsServiceRequest

	logsResource = 1 // ResourceLogs
	logsScopes   = 2
	logsSchema   = 3

	scopeScope   = 1 // ScopeLogs
	scopeRecords = 2
	scopeSchema  = 3

	resourceAttributes = 1 // Resource
	resourceDropped    = 2

	scopeName       = 1 // InstrumentationScope
	scopeVersion    = 2
	scopeAttributes = 3
	scopeDropped    = 4

	logAt           = 1 // LogRecord
	logSeverity     = 2
	logSeverityText = 3
	logBody         = 5
	logAttributes   = 6
	logDropped      = 7
	logFlags        = 8
	logTraceID      = 9
	logSpanID       = 10
	logObserved     = 11
	logName         = 12

	valueString = 1 // AnyValue
	valueBool   = 2
	valueInt    = 3
	valueDouble = 4
	valueArray  = 5
	valueMap    = 6
	valueBytes  = 7

	pairKey    = 1 // KeyValue
	pairValue  = 2
	listValues = 1 // ArrayValue, KeyValueList

	statusCode    = 1 // google.rpc.Status
	statusMessage = 2
)

// The wire types (protobuf.dev, "Encoding").
const (
	typeVarint  = 0
	typeFixed64 = 1
	typeLen     = 2
	typeFixed32 = 5
)

// A fields walks over the fields of a message.
type fields struct {
	rest   []byte
	err    error
	number int
	kind   int
	value  uint64 // of a number
	bytes  []byte // of a text or a message
}

// next moves on to the next field.
func (f *fields) next() bool {
	if len(f.rest) == 0 || f.err != nil {
		return false
	}
	tag, n := binary.Uvarint(f.rest)
	if n <= 0 || tag>>3 == 0 || tag>>3 > math.MaxInt32 {
		f.err = errWire
		return false
	}
	b := f.rest[n:]
	f.number, f.kind, f.value, f.bytes = int(tag>>3), int(tag&7), 0, nil
	switch {
	case f.kind == typeVarint:
		if f.value, n = binary.Uvarint(b); n <= 0 {
			f.err = errWire
			return false
		}
	case f.kind == typeFixed64 && len(b) >= 8:
		f.value, n = binary.LittleEndian.Uint64(b), 8
	case f.kind == typeFixed32 && len(b) >= 4:
		f.value, n = uint64(binary.LittleEndian.Uint32(b)), 4
	case f.kind == typeLen:
		size, head := binary.Uvarint(b)
		if head <= 0 || size > uint64(len(b)-head) {
			f.err = errWire
			return false
		}
		n = head + int(size)
		f.bytes = b[head:n:n]
	default: // groups, which OTLP has none of
		f.err = errWire
		return false
	}
	f.rest = b[n:]
	return true
}

// each calls fn for each field of that number that is a message or text.
func each(b []byte, number int, fn func(content []byte) error) error {
	f := fields{rest: b}
	for f.next() {
		if f.number == number && f.kind == typeLen {
			if err := fn(f.bytes); err != nil {
				return err
			}
		}
	}
	return f.err
}

// protobuf converts an ExportLogsServiceRequest.
func (c *converter) protobuf(b []byte) error {
	return each(b, requestResourceLogs, func(logs []byte) error {
		if err := c.readResource(logs); err != nil {
			return err
		}
		return each(logs, logsScopes, func(scope []byte) error {
			if err := c.readScope(scope); err != nil {
				return err
			}
			return each(scope, scopeRecords, c.readLog)
		})
	})
}

// readResource reads the resource of a ResourceLogs.
func (c *converter) readResource(logs []byte) (err error) {
	var resource, schema []byte
	for f := (fields{rest: logs}); f.next(); {
		switch f.number {
		case logsResource:
			resource = f.bytes
		case logsSchema:
			schema = f.bytes
		}
	}
	m := members{out: append(c.resource[:0], 0)}
	if m.out, err = m.attributes(resource, resourceAttributes); err != nil {
		return err
	}
	f := fields{rest: resource}
	for f.next() {
		if f.number == resourceDropped {
			m.number("dropped_attributes_count", f.value)
		}
	}
	m.text("schema_url", schema)
	c.resource = m.end()
	return f.err
}

// readScope reads the scope of a ScopeLogs.
func (c *converter) readScope(logs []byte) (err error) {
	var scope, schema []byte
	for f := (fields{rest: logs}); f.next(); {
		switch f.number {
		case scopeScope:
			scope = f.bytes
		case scopeSchema:
			schema = f.bytes
		}
	}
	m := members{out: append(c.scope[:0], 0)}
	var name, version []byte
	var dropped uint64
	f := fields{rest: scope}
	for f.next() {
		switch f.number {
		case scopeName:
			name = f.bytes
		case scopeVersion:
			version = f.bytes
		case scopeDropped:
			dropped = f.value
		}
	}
	m.text("name", name)
	m.text("version", version)
	if m.out, err = m.attributes(scope, scopeAttributes); err != nil {
		return err
	}
	m.number("dropped_attributes_count", dropped)
	m.text("schema_url", schema)
	c.scope = m.end()
	return f.err
}

// attributes appends the attributes of a message as a member, if there are any.
func (m *members) attributes(message []byte, number int) ([]byte, error) {
	if n := count(message, number); n == 0 {
		return m.out, nil
	}
	m.key("attributes")
	return appendPairs(m.out, message, number, 1)
}

// readLog converts a LogRecord.
func (c *converter) readLog(b []byte) (err error) {
	l := &c.log
	l.reset()
	f := fields{rest: b}
	for f.next() {
		switch f.number {
		case logAt:
			l.at = f.value
		case logObserved:
			l.observed = f.value
		case logSeverity:
			l.severity = f.value
		case logSeverityText:
			l.severityText = f.bytes
		case logBody:
			l.body, err = appendAny(l.body[:0], f.bytes, 1)
		case logDropped:
			l.dropped = f.value
		case logFlags:
			l.flags = f.value
		case logTraceID:
			l.traceID = f.bytes
		case logSpanID:
			l.span = f.bytes
		case logName:
			l.name = f.bytes
		}
		if err != nil {
			return err
		}
	}
	if f.err != nil {
		return f.err
	}
	if count(b, logAttributes) > 0 {
		if l.attributes, err = appendPairs(l.attributes[:0], b, logAttributes, 1); err != nil {
			return err
		}
	}
	return c.emit()
}

// count is how many fields of that number a message has.
func count(b []byte, number int) (n int) {
	for f := (fields{rest: b}); f.next(); {
		if f.number == number && f.kind == typeLen {
			n++
		}
	}
	return n
}

// appendPairs appends the KeyValues that are fields of that number as a map.
func appendPairs(dst, b []byte, number, depth int) ([]byte, error) {
	if depth > maxNested {
		return dst, errDeep
	}
	dst = record.AppendMapHeader(dst, count(b, number))
	err := each(b, number, func(pair []byte) error {
		var key, value []byte
		f := fields{rest: pair}
		for f.next() {
			switch f.number {
			case pairKey:
				key = f.bytes
			case pairValue:
				value = f.bytes
			}
		}
		if f.err != nil {
			return f.err
		}
		var err error
		dst, err = appendAny(record.AppendStrBytes(dst, key), value, depth+1)
		return err
	})
	return dst, err
}

// appendAny appends an AnyValue. Without a field it is nil.
func appendAny(dst, b []byte, depth int) ([]byte, error) {
	f := fields{rest: b}
	var last fields // of several, the last one counts
	for f.next() {
		if f.number <= valueBytes {
			last = f
		}
	}
	if f.err != nil {
		return dst, f.err
	}
	switch last.number {
	case valueString:
		return record.AppendStrBytes(dst, last.bytes), nil
	case valueBool:
		return record.AppendBool(dst, last.value != 0), nil
	case valueInt:
		return record.AppendInt(dst, int64(last.value)), nil
	case valueDouble:
		return record.AppendFloat(dst, math.Float64frombits(last.value)), nil
	case valueMap:
		return appendPairs(dst, last.bytes, listValues, depth)
	case valueBytes:
		return record.AppendBin(dst, last.bytes), nil
	case valueArray:
		if depth > maxNested {
			return dst, errDeep
		}
		dst = record.AppendArrayHeader(dst, count(last.bytes, listValues))
		err := each(last.bytes, listValues, func(v []byte) (err error) {
			dst, err = appendAny(dst, v, depth+1)
			return err
		})
		return dst, err
	}
	return record.AppendNil(dst), nil
}

// appendStatus appends a google.rpc.Status.
func appendStatus(dst []byte, code int, message string) []byte {
	dst = append(dst, statusCode<<3|typeVarint, byte(code), statusMessage<<3|typeLen)
	return append(binary.AppendUvarint(dst, uint64(len(message))), message...)
}
