package opentelemetry

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"

	"github.com/firelane/firelane/input/serve"
	"github.com/firelane/firelane/record"
)

// maxNested is how deep arrays and maps may be nested in a value. With the maps around it that is less than record.MaxDepth.
const maxNested = 64

// maxID is how many bytes of a trace's or span's id are kept: twice what the data model has.
const maxID = 32

var (
	errTooMany = fmt.Errorf("the log records become more than %d events or %d bytes, each with its resource; send fewer at a time", serve.MaxEvents, serve.MaxBody)
	errDeep    = fmt.Errorf("a value is nested too deep; want at most %d levels", maxNested)
	errWire    = errors.New("the body is not an ExportLogsServiceRequest")
)

// A shape is how a log record becomes an event.
type shape struct {
	bodyKey     string // "": a map is the record, and other values the field log
	metadataKey string // "": none
}

// A converter converts a request to events: pairs of a time, or nil, and a map.
type converter struct {
	shape
	x     *serve.Exchange
	out   []byte
	count int
	log   logRecord

	resource, scope []byte // of the current log record, as maps
	id              []byte // a trace's or span's, as text
}

// A logRecord is what a log record has, as MessagePack. Its slices are reused for the next one.
type logRecord struct {
	at, observed  uint64 // nanoseconds
	severity      uint64
	severityText  []byte // text
	body          []byte // a value; empty: none
	attributes    []byte // a map; empty: none
	dropped       uint64 // attributes
	traceID, span []byte // bytes
	flags         uint64
	name          []byte // text
}

func (l *logRecord) reset() {
	*l = logRecord{body: l.body[:0], attributes: l.attributes[:0]}
}

// emit appends the event of the current log record.
func (c *converter) emit() error {
	l := &c.log
	if c.count++; c.count > serve.MaxEvents || c.x.Size(c.out) > serve.MaxBody {
		return errTooMany
	}
	ns := l.at
	if ns == 0 {
		ns = l.observed
	}
	if sec := ns / 1e9; ns == 0 || sec > math.MaxUint32 {
		c.out = record.AppendNil(c.out)
	} else {
		c.out = record.AppendTime(c.out, record.Time{Sec: uint32(sec), Nsec: uint32(ns % 1e9)})
	}
	more := 0
	if c.metadataKey != "" {
		more = 1
	}
	if len(l.body) == 0 {
		l.body = record.AppendNil(l.body)
	}
	if n, members, err := record.MapHeader(l.body); err == nil && c.bodyKey == "" {
		c.out = append(record.AppendMapHeader(c.out, n+more), members...)
	} else {
		key := c.bodyKey
		if key == "" {
			key = "log"
		}
		c.out = append(record.AppendStr(record.AppendMapHeader(c.out, 1+more), key), l.body...)
	}
	if more > 0 {
		c.out = c.appendMetadata(record.AppendStr(c.out, c.metadataKey))
	}
	c.out = c.x.Drain(c.out)
	return nil
}

// appendMetadata appends all but the body, as Fluent Bit names it, with the resource and the scope.
func (c *converter) appendMetadata(dst []byte) []byte {
	l := &c.log
	m := members{out: dst, head: len(dst)}
	m.out = append(m.out, 0)
	m.number("observed_timestamp", l.observed)
	m.number("timestamp", l.at)
	if l.severity <= 24 {
		m.number("severity_number", l.severity)
	}
	m.text("severity_text", l.severityText)
	m.value("attributes", l.attributes)
	m.number("dropped_attributes_count", l.dropped)
	c.id = hex.AppendEncode(c.id[:0], l.traceID[:min(len(l.traceID), maxID)])
	m.text("trace_id", c.id)
	c.id = hex.AppendEncode(c.id[:0], l.span[:min(len(l.span), maxID)])
	m.text("span_id", c.id)
	m.number("trace_flags", l.flags&0xff)
	m.text("event_name", l.name)
	m.value("resource", c.resource)
	m.value("scope", c.scope)
	return m.end()
}

// members appends the members of a map that has fewer than 16. Those that are empty are left out.
type members struct {
	out  []byte
	head int
	n    byte
}

func (m *members) key(name string) {
	m.n++
	m.out = record.AppendStr(m.out, name)
}

func (m *members) number(name string, v uint64) {
	if v > 0 {
		m.key(name)
		m.out = record.AppendUint(m.out, v)
	}
}

func (m *members) text(name string, v []byte) {
	if len(v) > 0 {
		m.key(name)
		m.out = record.AppendStrBytes(m.out, v)
	}
}

// value appends a map, unless it is empty.
func (m *members) value(name string, v []byte) {
	if len(v) > 0 && v[0] != 0x80 {
		m.key(name)
		m.out = append(m.out, v...)
	}
}

func (m *members) end() []byte {
	m.out[m.head] = 0x80 | m.n
	return m.out
}
