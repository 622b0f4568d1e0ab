// Package dead keeps the records that a destination refuses for good, with the reason, in files of JSON lines or in the
// router's log, and reads such files.
package dead

import (
	"encoding/base64"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

// A Letter is an output's dead letter. It is safe for concurrent use.
type Letter interface {
	// Put stores d, and returns where, for the log. It never fails: d goes to the router's log if it can't be stored
	// elsewhere. d and its record are valid only during the call.
	Put(d *Record) (where string)
	// Close closes files.
	Close() error
}

// A Record is a record that will never be delivered, with the reason.
type Record struct {
	Time   time.Time // when it was given up
	Output string
	Target string // where it was to go, such as an index; "": not known
	Status int    // the destination's code; 0: none
	Type   string // the destination's error type
	Reason string
	Record *sink.Record // whole
}

// appendJSON appends d as one line of JSON, newline included. Read parses it into an Entry.
func (d *Record) appendJSON(b []byte) []byte {
	b = append(d.appendHead(b), `"record":`...)
	b = record.AppendJSON(b, d.Record.Body)
	return append(b, '}', '\n')
}

// appendHead appends the line's beginning, all but the record.
func (d *Record) appendHead(b []byte) []byte {
	str := func(key, value string) {
		b = append(append(b, key...), ':')
		b = append(record.AppendJSONString(b, []byte(value)), ',')
	}
	b = append(b, '{')
	str(`"time"`, d.Time.UTC().Format(time.RFC3339Nano))
	str(`"output"`, d.Output)
	str(`"index"`, d.Target)
	b = append(b, `"status":`...)
	b = append(record.AppendJSON(b, record.AppendInt(nil, int64(d.Status))), ',')
	str(`"type"`, d.Type)
	str(`"reason"`, Cut(d.Reason, maxReason))
	str(`"id"`, d.Record.ID.String())
	str(`"tag"`, d.Record.Tag)
	t := time.Unix(int64(d.Record.Time.Sec), int64(d.Record.Time.Nsec)).UTC()
	str(`"record_time"`, t.Format(time.RFC3339Nano))
	return b
}

// A record that is large as JSON stands in its line as MessagePack in Base64, which is written in pieces: its JSON might not
// fit into memory.
const (
	packedStart = `"msgpack":"`
	packedEnd   = "\"}\n"
)

// Packed reports whether d's record is too large to be written as JSON.
func (d *Record) Packed() bool { return !d.Record.FitsJSON(maxKeptLine) }

const (
	// maxReason is how much of a destination's reason is kept, in bytes.
	maxReason = 4 << 10
	// maxLogged is how much of a record's line is logged, in bytes.
	maxLogged = 8 << 10
)

// Cut returns s, or its first n bytes and an ellipsis.
func Cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}

// Log is a dead letter in the router's log, for when no folder is writable: each record is a line.
type Log struct {
	log zerolog.Logger
	n   atomic.Int64
}

// NewLog makes a Log. log must not suppress repeated lines.
func NewLog(log zerolog.Logger) *Log { return &Log{log: log} }

// Put logs d; a long record is cut.
func (l *Log) Put(d *Record) string {
	l.n.Add(1)
	var line []byte
	if d.Packed() {
		line = append(d.appendHead(nil), packedStart...)
		line = base64.StdEncoding.AppendEncode(line, d.Record.Body[:maxLogged])
	} else {
		line = d.appendJSON(nil)
		line = line[:len(line)-1]
	}
	if len(line) > maxLogged {
		l.log.Warn().Str("entry", string(line[:maxLogged])).Int("record_bytes", len(d.Record.Body)).Msg("dead letter, cut short")
		return "log"
	}
	l.log.Warn().RawJSON("entry", line).Msg("dead letter")
	return "log"
}

// Logged returns how many records were logged.
func (l *Log) Logged() int64 { return l.n.Load() }

// Close does nothing.
func (l *Log) Close() error { return nil }
