package kafka

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/format"
)

// idLen is the length of a record's id as text.
const idLen = 22

// An encoder turns records into items. An item is
//
//	id         22 bytes    the record's id, as text
//	time       8 bytes     ms since the epoch; 0: when it is sent
//	partition  4 bytes     -1: by the key
//	key        text
//	headers    text*       of headers_from_record
//	value      the rest
//
// where a text is its length plus one as a varint, and its bytes; 0 is none. The topic is the item's key.
type encoder struct {
	topics     topics
	value      format.Func
	keyField   string
	defaultKey []byte
	partition  string // field with the partition; "": none
	fallback   int32  // partition of other records
	eventTime  bool
	idHeader   string
	fixed      []kgo.RecordHeader
	fromRecord []header
}

// A header's value is a field of the record.
type header struct {
	name string
	at   field.Accessor
}

func newEncoder(o *Options, d config.Dialect, env sink.Env) (*encoder, error) {
	e := &encoder{fallback: -1, eventTime: o.EventTime, idHeader: o.IDHeader}
	switch o.IDHeader {
	case "false", "off", "no":
		e.idHeader = ""
	}
	var err error
	if e.topics, err = newTopics(o, d); err != nil {
		return nil, err
	}
	if d == config.FluentBit {
		e.keyField, e.defaultKey = o.MessageField, []byte(o.MessageKey)
		e.value = fluentBitValue(o)
		return e, nil
	}
	e.keyField, e.defaultKey, e.partition = o.MessageKeyKey, []byte(o.DefaultMessageKey), o.PartitionKey
	if o.DefaultPartition != nil {
		e.fallback = int32(*o.DefaultPartition)
	}
	if err := e.headers(o); err != nil {
		return nil, err
	}
	e.value, err = fluentdValue(o, env)
	return e, err
}

func (e *encoder) headers(o *Options) error {
	fixed, err := hash("headers", o.Headers)
	if err != nil {
		return err
	}
	for _, p := range fixed {
		e.fixed = append(e.fixed, kgo.RecordHeader{Key: p.Key, Value: []byte(p.Value)})
	}
	from, err := hash("headers_from_record", o.HeadersFromRecord)
	if err != nil {
		return err
	}
	for _, p := range from {
		at, err := field.ParseAccessor(p.Value, config.Fluentd)
		if err != nil {
			return &config.OptionError{Option: "headers_from_record", Reason: err.Error()}
		}
		e.fromRecord = append(e.fromRecord, header{p.Key, at})
	}
	return nil
}

// fluentBitValue returns the format of Fluent Bit's options.
func fluentBitValue(o *Options) format.Func {
	switch o.Format {
	case "msgpack":
		return messagePack(o.TimestampKey, o.TimestampForm)
	case "gelf":
		return newGelf(&o.Gelf).append
	case "raw":
		return func(dst []byte, r *sink.Record) ([]byte, error) {
			if v, ok := record.Find(r.Body, o.RawLogKey); ok {
				if text, ok := record.Text(v); ok {
					return append(dst, text...), nil
				}
			}
			return dst, fmt.Errorf("the record has no text in the field %s (raw_log_key)", o.RawLogKey)
		}
	}
	return format.JSON(o.TimestampKey, o.TimestampForm, "")
}

// messagePack writes a map: the record's time, and its members.
func messagePack(key, form string) format.Func {
	return func(dst []byte, r *sink.Record) ([]byte, error) {
		n, members, err := record.MapHeader(r.Body)
		if err != nil {
			return dst, err
		}
		dst = record.AppendStr(record.AppendMapHeader(dst, n+1), key)
		switch form {
		case "iso8601", "iso8601_ns":
			digits := 6
			if form == "iso8601_ns" {
				digits = 9
			}
			var iso [40]byte
			dst = record.AppendStrBytes(dst, record.AppendTimeISO(iso[:0], r.Time, digits))
		default:
			dst = record.AppendFloat(dst, float64(r.Time.Sec)+float64(r.Time.Nsec)/1e9)
		}
		return append(dst, members...), nil
	}
}

var errNotMap = errors.New("the field of record_key is not a map, which only format json can send")

// fluentdValue returns the format of Fluentd's options.
func fluentdValue(o *Options, env sink.Env) (format.Func, error) {
	opts := format.Options{Type: "json", Newline: "lf", Replacement: " ", MessageKey: "message", OutputTime: true, OutputTag: true, ForceQuotes: true}
	if o.FluentdFormat != nil {
		opts = *o.FluentdFormat
	}
	kind := cmp.Or(opts.Type, "json")
	write, err := format.Fluentd(opts, kind)
	if err != nil {
		return nil, err
	}
	// Fluentd's plugin writes json and ltsv itself, without a newline; other formats have one, unless add_newline is false.
	if kind == "json" || kind == "ltsv" || opts.AddNewline != nil && !*opts.AddNewline {
		write = withoutNewline(write, opts.Newline)
	}
	if o.RecordKey != "" {
		at, err := field.ParseAccessor(o.RecordKey, config.Fluentd)
		if err != nil {
			return nil, &config.OptionError{Option: "record_key", Reason: err.Error()}
		}
		write = only(at, o.RecordKey, kind, write)
	}
	if write, err = without(o, write); err != nil {
		return nil, err
	}
	inject, err := format.NewInjector(o.Inject, env)
	if err != nil {
		return nil, err
	}
	return inject.Wrap(write), nil
}

func withoutNewline(write format.Func, newline string) format.Func {
	n := 1
	if newline == "crlf" {
		n = 2
	}
	return func(dst []byte, r *sink.Record) ([]byte, error) {
		start := len(dst)
		dst, err := write(dst, r)
		if err == nil && len(dst)-start >= n && dst[len(dst)-1] == '\n' {
			dst = dst[:len(dst)-n]
		}
		return dst, err
	}
}

// only writes the value at a field of the record.
func only(at field.Accessor, name, kind string, write format.Func) format.Func {
	return func(dst []byte, r *sink.Record) ([]byte, error) {
		v, ok := at.Get(r.Body)
		if !ok {
			return dst, fmt.Errorf("the record has no field %s (record_key)", name)
		}
		if rest, err := record.Skip(v); err == nil {
			v = v[:len(v)-len(rest)]
		}
		if record.KindOf(v[0]) != record.KindMap {
			if kind != "json" {
				return dst, errNotMap
			}
			return record.AppendJSON(dst, v), nil
		}
		part := *r
		part.Body = v
		return write(dst, &part)
	}
}

// without returns write for records without the fields that are not sent.
func without(o *Options, write format.Func) (format.Func, error) {
	var drop []field.Accessor
	for _, f := range []struct {
		on   bool
		name string
	}{{o.ExcludeTopic, o.TopicKey}, {o.ExcludeKey, o.MessageKeyKey}, {o.ExcludePartition, o.PartitionKey}} {
		if f.on && f.name != "" {
			drop = append(drop, field.Name(f.name))
		}
	}
	for _, name := range o.ExcludeFields {
		at, err := field.ParseAccessor(name, config.Fluentd)
		if err != nil {
			return nil, &config.OptionError{Option: "exclude_fields", Reason: err.Error()}
		}
		drop = append(drop, at)
	}
	if len(drop) == 0 {
		return write, nil
	}
	pool := sync.Pool{New: func() any { return new([2][]byte) }}
	return func(dst []byte, r *sink.Record) ([]byte, error) {
		bufs := pool.Get().(*[2][]byte)
		defer pool.Put(bufs)
		rest := *r
		for i, at := range drop {
			b := &bufs[i%2]
			*b = at.AppendWithout((*b)[:0], rest.Body)
			rest.Body = *b
		}
		dst, err := write(dst, &rest)
		for i := range bufs {
			if cap(bufs[i]) > sink.MaxKept {
				bufs[i] = nil
			}
		}
		return dst, err
	}, nil
}

// append appends r's item. On an error body is returned as it came.
func (e *encoder) append(body []byte, r *sink.Record) ([]byte, error) {
	start := len(body)
	body = r.ID.Append(body)
	var at uint64
	if e.eventTime {
		at = uint64(r.Time.Sec)*1000 + uint64(r.Time.Nsec)/1e6
	}
	body = binary.BigEndian.AppendUint64(body, at)
	body = binary.BigEndian.AppendUint32(body, uint32(e.partitionOf(r)))
	body = e.appendKey(body, r)
	for i := range e.fromRecord {
		v, ok := e.fromRecord[i].at.FindScalar(&r.Event)
		body = appendValue(body, v, ok)
	}
	out, err := e.value(body, r)
	if err != nil {
		return body[:start], err
	}
	return out, nil
}

func (e *encoder) partitionOf(r *sink.Record) int32 {
	if e.partition != "" {
		if v, ok := record.Find(r.Body, e.partition); ok {
			if n, _, err := record.Int(v); err == nil && n >= 0 && n < 1<<31 {
				return int32(n)
			}
		}
	}
	return e.fallback
}

// appendKey appends the message key. In Fluent Bit it must be text.
func (e *encoder) appendKey(body []byte, r *sink.Record) []byte {
	if e.keyField != "" {
		if v, ok := record.Find(r.Body, e.keyField); ok {
			if text, ok := record.Text(v); ok && len(text) > 0 {
				return append(binary.AppendUvarint(body, uint64(len(text))+1), text...)
			}
		}
	}
	if len(e.defaultKey) == 0 {
		return append(body, 0)
	}
	return append(binary.AppendUvarint(body, uint64(len(e.defaultKey))+1), e.defaultKey...)
}

// appendValue appends a scalar as a text; none if it isn't ok.
func appendValue(body, v []byte, ok bool) []byte {
	if !ok {
		return append(body, 0)
	}
	if text, isText := record.Text(v); isText {
		return append(binary.AppendUvarint(body, uint64(len(text))+1), text...)
	}
	var digits [64]byte
	text := record.AppendText(digits[:0], v)
	return append(binary.AppendUvarint(body, uint64(len(text))+1), text...)
}

var errItem = errors.New("an item is malformed")

// decode makes of an item what the client sends. rec aliases item, and its headers are in headers, to which they are appended.
func (e *encoder) decode(rec *kgo.Record, headers []kgo.RecordHeader, item []byte) ([]kgo.RecordHeader, error) {
	var err error
	if len(item) < idLen+12 {
		return headers, errItem
	}
	*rec = kgo.Record{Partition: int32(binary.BigEndian.Uint32(item[idLen+8:]))}
	if at := binary.BigEndian.Uint64(item[idLen:]); at > 0 {
		rec.Timestamp = time.UnixMilli(int64(at))
	}
	first := len(headers)
	if e.idHeader != "" {
		headers = append(headers, kgo.RecordHeader{Key: e.idHeader, Value: item[:idLen:idLen]})
	}
	headers = append(headers, e.fixed...)
	rest := item[idLen+12:]
	if rec.Key, rest, err = cutText(rest); err != nil {
		return headers, err
	}
	for i := range e.fromRecord {
		var v []byte
		if v, rest, err = cutText(rest); err != nil {
			return headers, err
		}
		if v != nil {
			headers = append(headers, kgo.RecordHeader{Key: e.fromRecord[i].name, Value: v})
		}
	}
	rec.Value, rec.Headers = rest, headers[first:len(headers):len(headers)]
	return headers, nil
}

func cutText(b []byte) (text, rest []byte, err error) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size)+1 {
		return nil, nil, errItem
	}
	if n == 0 {
		return nil, b[size:], nil
	}
	end := size + int(n) - 1
	return b[size:end:end], b[end:], nil
}
