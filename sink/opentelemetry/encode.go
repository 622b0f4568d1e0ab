package opentelemetry

import (
	"encoding/hex"
	"slices"
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
	wanted                                        wanted           // the top fields of all of them
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
	e.wanted = newWanted(slices.Concat(e.body, []field.Accessor{e.severityText, e.severityNumber, e.traceID, e.spanID}))
	return e, nil
}

// wanted tells in one walk over a record which of several fields it has: most records have one of them, and looking for each
// of the others would be a walk of its own.
type wanted struct {
	names   []string
	lengths uint64 // bit n: a name has n bytes, or n+64 …
}

func newWanted(list []field.Accessor) (w wanted) {
	for _, a := range list {
		if name := a.Top(); a != nil && !slices.Contains(w.names, name) {
			w.names = append(w.names, name)
			w.lengths |= 1 << (len(name) % 64)
		}
	}
	return w
}

// in returns which fields a record has, by their place in names; places over 63 count as there.
func (w *wanted) in(body []byte) (set uint64) {
	for f := record.FieldsOf(body); f.Next(); {
		key := f.Key()
		if w.lengths&(1<<(len(key)%64)) == 0 {
			continue
		}
		for i, name := range w.names[:min(len(w.names), 64)] {
			if string(key) == name {
				set |= 1 << i
			}
		}
	}
	return set
}

// find is a.Find for a record that has the fields of set.
func (w *wanted) find(a field.Accessor, r *sink.Record, set uint64) ([]byte, bool) {
	if i := slices.Index(w.names, a.Top()); i < 0 || i < 64 && set&(1<<i) == 0 {
		return nil, false
	}
	return a.Find(&r.Event)
}

// readsTails reports whether all that depends on most tails is the Resource: not where all fields become attributes.
func (e *encoder) readsTails() bool { return !e.attributes }

// appendTail appends the Resource of a tail. It isn't apart if it has a field that is a part of the LogRecord.
func (e *encoder) appendTail(dst, tail []byte) (out []byte, apart bool) {
	if !e.readsTails() || e.wanted.in(tail) != 0 {
		return dst, false
	}
	var f ecsFields
	f.read(tail)
	return f.append(dst), true
}

// highestSeverity is the highest SeverityNumber (OpenTelemetry, "Logs Data Model").
const highestSeverity = 24

// append appends r as a LogRecord, a field of its ScopeLogs.
func (e *encoder) append(dst []byte, r *sink.Record) []byte {
	r.EncodeTail(e.appendTail)
	set := e.wanted.in(r.Body)
	dst, entry := wire.Open(dst, scopeLogsRecords)
	dst = wire.AppendFixed64(dst, logAt, uint64(r.Time.Sec)*1e9+uint64(r.Time.Nsec))
	if v, ok := e.wanted.find(e.severityNumber, r, set); ok {
		if n, _, err := record.Int(v); err == nil && n >= 1 && n <= highestSeverity {
			dst = wire.AppendVarint(dst, logSeverityNumber, uint64(n))
		}
	}
	if v, ok := e.wanted.find(e.severityText, r, set); ok && record.KindOf(v[0]) == record.KindStr {
		dst = appendString(dst, logSeverityText, v)
	}
	value, from := []byte(nil), field.Accessor(nil)
	for _, a := range e.body {
		if v, ok := e.wanted.find(a, r, set); ok {
			value, from = v, a
			break
		}
	}
	if from == nil {
		value = r.Whole()
	}
	dst, start := wire.Open(dst, logBody)
	dst = wire.Close(appendValue(dst, value, 1), start)
	if e.attributes && from != nil {
		dst = appendRest(dst, r.Body, from)
	}
	dst = e.appendID(dst, logTraceID, 16, e.traceID, r, set)
	dst = e.appendID(dst, logSpanID, 8, e.spanID, r, set)
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
func (e *encoder) appendID(dst []byte, number, size int, a field.Accessor, r *sink.Record, set uint64) []byte {
	v, ok := e.wanted.find(a, r, set)
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
