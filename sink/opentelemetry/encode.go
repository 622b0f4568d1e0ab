package opentelemetry

import (
	"encoding/hex"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/wire"
)

// An encoder makes LogRecords of records. It is safe for concurrent use.
type encoder struct {
	body                                          []field.Accessor // the first that a record has is its body
	attributes                                    bool             // the other fields become attributes
	severityText, severityNumber, traceID, spanID field.Accessor   // nil: none
}

func newEncoder(o *Options) (*encoder, error) {
	e := &encoder{attributes: o.BodyAttributes}
	keys := o.BodyKeys
	if len(keys) == 0 {
		keys = []string{"$log", "$message"}
	}
	for _, k := range keys {
		a, err := field.ParseAccessor(strings.TrimSpace(k), config.FluentBit)
		if err != nil {
			return nil, &config.OptionError{Option: "logs_body_key", Reason: err.Error()}
		}
		e.body = append(e.body, a)
	}
	for _, f := range []struct {
		option, key string
		at          *field.Accessor
	}{
		{"logs_severity_text_message_key", o.SeverityText, &e.severityText},
		{"logs_severity_number_message_key", o.SeverityNumber, &e.severityNumber},
		{"logs_trace_id_message_key", o.TraceID, &e.traceID},
		{"logs_span_id_message_key", o.SpanID, &e.spanID},
	} {
		if f.key == "" {
			continue
		}
		var err error
		if *f.at, err = field.ParseAccessor(f.key, config.FluentBit); err != nil {
			return nil, &config.OptionError{Option: f.option, Reason: err.Error()}
		}
	}
	return e, nil
}

// highestSeverity is the highest SeverityNumber (OpenTelemetry, "Logs Data Model").
const highestSeverity = 24

// append appends r as a LogRecord, a field of its ScopeLogs.
func (e *encoder) append(dst []byte, r *sink.Record) []byte {
	dst, entry := wire.Open(dst, scopeLogsRecords)
	dst = wire.AppendFixed64(dst, logAt, uint64(r.Time.Sec)*1e9+uint64(r.Time.Nsec))
	if v, ok := e.severityNumber.Find(&r.Event); ok {
		if n, _, err := record.Int(v); err == nil && n >= 1 && n <= highestSeverity {
			dst = wire.AppendVarint(dst, logSeverityNumber, uint64(n))
		}
	}
	if v, ok := e.severityText.Find(&r.Event); ok && record.KindOf(v[0]) == record.KindStr {
		dst = appendString(dst, logSeverityText, v)
	}
	value, from := r.Body, field.Accessor(nil)
	for _, a := range e.body {
		if v, ok := a.Find(&r.Event); ok {
			value, from = v, a
			break
		}
	}
	dst, start := wire.Open(dst, logBody)
	dst = wire.Close(appendValue(dst, value, 1), start)
	if e.attributes && from != nil {
		dst = appendRest(dst, r.Body, from)
	}
	dst = appendID(dst, logTraceID, 16, e.traceID, r)
	dst = appendID(dst, logSpanID, 8, e.spanID, r)
	return wire.Close(dst, entry)
}

// appendRest appends the fields other than the one at from as attributes.
func appendRest(dst, body []byte, from field.Accessor) []byte {
	for f := record.FieldsOf(body); f.Next(); {
		value := f.Value()
		if string(f.Key()) == from.Top() {
			if !from.Nested() {
				continue
			}
			value = from[1:].AppendWithout(nil, value) // the only case that allocates
		}
		dst = appendPair(dst, logAttributes, f.RawKey(), value, 1)
	}
	return dst
}

// appendID appends an id of size bytes, if the field at a is one: as bytes, or as hexadecimal digits.
func appendID(dst []byte, number, size int, a field.Accessor, r *sink.Record) []byte {
	v, ok := a.Find(&r.Event)
	if !ok {
		return dst
	}
	text, ok := record.Text(v)
	if !ok {
		return dst
	}
	switch {
	case record.KindOf(v[0]) == record.KindBin && len(text) == size:
		return wire.AppendBytes(dst, number, text)
	case record.KindOf(v[0]) == record.KindStr && len(text) == 2*size:
		var id [16]byte
		if _, err := hex.Decode(id[:size], text); err == nil {
			return wire.AppendBytes(dst, number, id[:size])
		}
	}
	return dst
}
