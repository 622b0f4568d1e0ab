package opentelemetry

import (
	"math"
	"strings"
	"unicode/utf8"

	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink/wire"
)

// The fields of the published schema (opentelemetry-proto: common.proto, resource.proto, logs.proto, logs_service.proto).
const (
	requestResourceLogs = 1 // ExportLogsServiceRequest
	resourceLogsOf      = 1 // ResourceLogs
	resourceLogsScopes  = 2
	resourceAttributes  = 1 // Resource
	scopeLogsRecords    = 2 // ScopeLogs

	logAt             = 1 // LogRecord
	logSeverityNumber = 2
	logSeverityText   = 3
	logBody           = 5
	logAttributes     = 6
	logTraceID        = 9
	logSpanID         = 10

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

	responsePartial = 1 // ExportLogsServiceResponse
	partialRejected = 1 // ExportLogsPartialSuccess
	partialMessage  = 2
	statusMessage   = 2 // google.rpc.Status
)

// maxNested is how deep maps and arrays may be nested in a value; what is deeper is JSON in a string. A map takes three
// messages, and receivers stop at 100 (protobuf.dev: the limit of C++ and Java).
const maxNested = 24

// appendValue appends the fields of the AnyValue that value is. Nil is an AnyValue without fields.
func appendValue(dst, value []byte, depth int) []byte {
	if len(value) == 0 {
		return dst
	}
	kind := record.KindOf(value[0])
	if depth > maxNested && (kind == record.KindMap || kind == record.KindArray) {
		dst, start := wire.Open(dst, valueString)
		return wire.Close(record.AppendJSON(dst, value), start)
	}
	switch kind {
	case record.KindNil:
		return dst
	case record.KindBool:
		v, _, _ := record.Bool(value)
		n := uint64(0)
		if v {
			n = 1
		}
		return wire.AppendVarint(dst, valueBool, n)
	case record.KindInt:
		if v, _, err := record.Int(value); err == nil {
			return wire.AppendVarint(dst, valueInt, uint64(v))
		}
	case record.KindFloat:
		v, _, _ := record.Float(value)
		return wire.AppendFixed64(dst, valueDouble, math.Float64bits(v))
	case record.KindBin:
		b, _ := record.Text(value)
		return wire.AppendBytes(dst, valueBytes, b)
	case record.KindArray:
		return appendArray(dst, value, depth)
	case record.KindMap:
		dst, start := wire.Open(dst, valueMap)
		for f := record.FieldsOf(value); f.Next(); {
			dst = appendPair(dst, listValues, f.RawKey(), f.Value(), depth+1)
		}
		return wire.Close(dst, start)
	}
	// A string, a number that int64 can't hold, or an ext.
	dst, start := wire.Open(dst, valueString)
	return wire.Close(valid(record.AppendText(dst, value), start), start)
}

func appendArray(dst, value []byte, depth int) []byte {
	n, rest, _ := record.ArrayHeader(value)
	dst, start := wire.Open(dst, valueArray)
	for range n {
		after, err := record.Skip(rest)
		if err != nil {
			break
		}
		var element int
		dst, element = wire.Open(dst, listValues)
		dst = wire.Close(appendValue(dst, rest[:len(rest)-len(after)], depth+1), element)
		rest = after
	}
	return wire.Close(dst, start)
}

// appendPair appends a KeyValue.
func appendPair(dst []byte, field int, key, value []byte, depth int) []byte {
	dst, pair := wire.Open(dst, field)
	dst = appendString(dst, pairKey, key)
	dst, start := wire.Open(dst, pairValue)
	return wire.Close(wire.Close(appendValue(dst, value, depth), start), pair)
}

// appendString appends a value as a string field, which is left out if it is empty.
func appendString(dst []byte, field int, value []byte) []byte {
	before := len(dst)
	dst, start := wire.Open(dst, field)
	if dst = valid(record.AppendText(dst, value), start); len(dst) == start {
		return dst[:before]
	}
	return wire.Close(dst, start)
}

// appendText appends a KeyValue of two texts.
func appendText(dst []byte, field int, key string, value []byte) []byte {
	dst, pair := wire.Open(dst, field)
	dst = wire.AppendString(dst, pairKey, key)
	dst, start := wire.Open(dst, pairValue)
	dst, text := wire.Open(dst, valueString)
	dst = wire.Close(valid(append(dst, value...), text), text)
	return wire.Close(wire.Close(dst, start), pair)
}

// valid replaces what isn't UTF-8 in dst[at:]: a string of a message must be.
func valid(dst []byte, at int) []byte {
	if utf8.Valid(dst[at:]) {
		return dst
	}
	return append(dst[:at], strings.ToValidUTF8(string(dst[at:]), "\ufffd")...)
}
