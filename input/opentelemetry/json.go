package opentelemetry

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/firelane/firelane/record"
)

var errJSON = errors.New("the body is not an ExportLogsServiceRequest in JSON")

// json converts an ExportLogsServiceRequest in JSON (OpenTelemetry Protocol Specification, "JSON Protobuf Encoding": names in
// camel case, ids in hexadecimal, 64-bit integers as numbers or texts).
func (c *converter) json(b []byte) error {
	doc, err := record.AppendFromJSON(make([]byte, 0, len(b)), b)
	if err != nil {
		return fmt.Errorf("the body is not JSON: %w", err)
	}
	if record.KindOf(doc[0]) != record.KindMap {
		return errJSON
	}
	return list(doc, "resourceLogs", func(logs []byte) error {
		var err error
		resource, _ := record.Find(logs, "resource")
		m := members{out: append(c.resource[:0], 0)}
		if err = m.jsonAttributes(resource); err != nil {
			return err
		}
		m.number("dropped_attributes_count", number(resource, "droppedAttributesCount"))
		m.text("schema_url", text(logs, "schemaUrl"))
		c.resource = m.end()
		return list(logs, "scopeLogs", func(logs []byte) error {
			scope, _ := record.Find(logs, "scope")
			m := members{out: append(c.scope[:0], 0)}
			m.text("name", text(scope, "name"))
			m.text("version", text(scope, "version"))
			if err = m.jsonAttributes(scope); err != nil {
				return err
			}
			m.number("dropped_attributes_count", number(scope, "droppedAttributesCount"))
			m.text("schema_url", text(logs, "schemaUrl"))
			c.scope = m.end()
			return list(logs, "logRecords", c.readJSON)
		})
	})
}

// list calls fn for each element of the member of that name, if it is there: maps in an array.
func list(v []byte, name string, fn func(element []byte) error) error {
	a, ok := record.Find(v, name)
	if !ok || a[0] == 0xc0 {
		return nil
	}
	n, rest, err := record.ArrayHeader(a)
	if err != nil {
		return fmt.Errorf("%w: %s is not an array", errJSON, name)
	}
	for range n {
		size, err := record.Check(rest)
		if err != nil || record.KindOf(rest[0]) != record.KindMap {
			return fmt.Errorf("%w: an element of %s is not an object", errJSON, name)
		}
		if err := fn(rest[:size]); err != nil {
			return err
		}
		rest = rest[size:]
	}
	return nil
}

// text is the member of that name, if it is a text.
func text(v []byte, name string) []byte {
	m, ok := record.Find(v, name)
	if !ok {
		return nil
	}
	s, _ := record.Text(m)
	return s
}

// number is the member of that name, a number or its text; 0 if it is neither, or negative.
func number(v []byte, name string) uint64 {
	m, ok := record.Find(v, name)
	if !ok {
		return 0
	}
	if n, _, err := record.Int(m); err == nil {
		return uint64(max(n, 0))
	}
	s, _ := record.Text(m)
	n, err := strconv.ParseUint(string(s), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// id is the member of that name, bytes in hexadecimal.
func id(v []byte, name string) []byte {
	b, err := hex.DecodeString(string(text(v, name)))
	if err != nil {
		return nil
	}
	return b
}

func (m *members) jsonAttributes(v []byte) (err error) {
	if n := length(v, "attributes"); n == 0 {
		return nil
	}
	m.key("attributes")
	m.out, err = appendJSONPairs(m.out, v, "attributes", 1)
	return err
}

// length is how many elements the array of that name has.
func length(v []byte, name string) int {
	a, _ := record.Find(v, name)
	n, _, err := record.ArrayHeader(a)
	if err != nil {
		return 0
	}
	return n
}

// readJSON converts a LogRecord.
func (c *converter) readJSON(v []byte) (err error) {
	l := &c.log
	l.reset()
	l.at, l.observed = number(v, "timeUnixNano"), number(v, "observedTimeUnixNano")
	l.severity, l.severityText = number(v, "severityNumber"), text(v, "severityText")
	l.dropped, l.flags, l.name = number(v, "droppedAttributesCount"), number(v, "flags"), text(v, "eventName")
	l.traceID, l.span = id(v, "traceId"), id(v, "spanId")
	if body, ok := record.Find(v, "body"); ok {
		if l.body, err = appendJSONAny(l.body[:0], body, 1); err != nil {
			return err
		}
	}
	if length(v, "attributes") > 0 {
		if l.attributes, err = appendJSONPairs(l.attributes[:0], v, "attributes", 1); err != nil {
			return err
		}
	}
	return c.emit()
}

// appendJSONPairs appends the KeyValues of the member of that name as a map.
func appendJSONPairs(dst, v []byte, name string, depth int) ([]byte, error) {
	if depth > maxNested {
		return dst, errDeep
	}
	dst = record.AppendMapHeader(dst, length(v, name))
	err := list(v, name, func(pair []byte) (err error) {
		value, _ := record.Find(pair, "value")
		dst, err = appendJSONAny(record.AppendStrBytes(dst, text(pair, "key")), value, depth+1)
		return err
	})
	return dst, err
}

// appendJSONAny appends an AnyValue. Without a field it is nil.
func appendJSONAny(dst, v []byte, depth int) (out []byte, err error) {
	f := record.FieldsOf(v)
	if len(v) == 0 || !f.Next() {
		return record.AppendNil(dst), nil
	}
	value := f.Value()
	switch string(f.Key()) {
	case "stringValue":
		if s, ok := record.Text(value); ok {
			return record.AppendStrBytes(dst, s), nil
		}
	case "boolValue":
		if b, _, err := record.Bool(value); err == nil {
			return record.AppendBool(dst, b), nil
		}
	case "intValue":
		if n, _, err := record.Int(value); err == nil {
			return record.AppendInt(dst, n), nil
		}
		if s, ok := record.Text(value); ok {
			if n, err := strconv.ParseInt(string(s), 10, 64); err == nil {
				return record.AppendInt(dst, n), nil
			}
		}
	case "doubleValue":
		if n, ok := double(value); ok {
			return record.AppendFloat(dst, n), nil
		}
	case "bytesValue":
		if s, ok := record.Text(value); ok {
			if b, err := base64.StdEncoding.DecodeString(string(s)); err == nil {
				return record.AppendBin(dst, b), nil
			}
		}
	case "kvlistValue":
		return appendJSONPairs(dst, value, "values", depth)
	case "arrayValue":
		if depth > maxNested {
			return dst, errDeep
		}
		dst = record.AppendArrayHeader(dst, length(value, "values"))
		err = list(value, "values", func(element []byte) (err error) {
			dst, err = appendJSONAny(dst, element, depth+1)
			return err
		})
		return dst, err
	default:
		return record.AppendNil(dst), nil
	}
	return dst, fmt.Errorf("%w: a value is not what its name %s says", errJSON, f.Key())
}

// double is a number, or the text of one that JSON has no number for.
func double(v []byte) (float64, bool) {
	if n, _, err := record.Float(v); err == nil {
		return n, true
	}
	s, _ := record.Text(v)
	switch string(s) {
	case "NaN":
		return math.NaN(), true
	case "Infinity":
		return math.Inf(1), true
	case "-Infinity":
		return math.Inf(-1), true
	}
	n, err := strconv.ParseFloat(string(s), 64)
	return n, err == nil
}
