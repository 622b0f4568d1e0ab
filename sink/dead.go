package sink

import (
	"sync/atomic"
	"time"

	"github.com/firelane/firelane/record"
	"github.com/rs/zerolog"
)

// A DeadLetter takes the records that a destination will never take. It is safe for concurrent use.
type DeadLetter interface {
	// Put keeps d, and says where. It always finds a place: where its own can't be written, the router's log. d and
	// its record are valid only during the call.
	Put(d *DeadRecord) (where string)
	// Close gives back what it holds.
	Close() error
}

// A DeadRecord is a record that will never be delivered, and why.
type DeadRecord struct {
	Time   time.Time // when it was given up
	Output string
	Target string // where it was to go, such as an index; "" where that isn't known
	Status int    // the destination's code, 0 for none
	Type   string // the destination's error type
	Reason string
	Record *Record // its body whole
}

// appendJSON appends d as one line of JSON, the newline included. DeadEntry reads it.
func (d *DeadRecord) appendJSON(b []byte) []byte {
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
	str(`"reason"`, cutText(d.Reason, maxDeadReason))
	str(`"id"`, d.Record.ID.String())
	str(`"tag"`, d.Record.Tag)
	t := time.Unix(int64(d.Record.Time.Sec), int64(d.Record.Time.Nsec)).UTC()
	str(`"record_time"`, t.Format(time.RFC3339Nano))
	b = append(b, `"record":`...)
	b = record.AppendJSON(b, d.Record.Body)
	return append(b, '}', '\n')
}

const (
	// maxDeadReason is how much of a destination's reason is kept, in bytes.
	maxDeadReason = 4 << 10
	// maxDeadLogged is how much of a record's line the router's own log gets, in bytes.
	maxDeadLogged = 8 << 10
)

// DeadLog is the dead letter where no folder can be written: each record is a line of the router's log.
type DeadLog struct {
	log zerolog.Logger
	n   atomic.Int64
}

// NewDeadLog makes one.
func NewDeadLog(log zerolog.Logger) *DeadLog { return &DeadLog{log: log} }

// Put logs d; a long record is cut.
func (l *DeadLog) Put(d *DeadRecord) string {
	l.n.Add(1)
	line := d.appendJSON(nil)
	line = line[:len(line)-1]
	if len(line) > maxDeadLogged {
		l.log.Warn().Str("entry", string(line[:maxDeadLogged])).Int("bytes", len(line)).Msg("dead letter, cut")
		return "log"
	}
	l.log.Warn().RawJSON("entry", line).Msg("dead letter")
	return "log"
}

// Logged is how many records went to the log.
func (l *DeadLog) Logged() int64 { return l.n.Load() }

// Close does nothing.
func (l *DeadLog) Close() error { return nil }
