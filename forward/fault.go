package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/record"
)

// Reasons for which events are refused: constants, by which they are counted.
const (
	notMessage = "not a message"
	notPack    = "not MessagePack"
	badTime    = "bad time"
	notMap     = "record is not a map"
	tooDeep    = "record is nested too deep"
	badEntry   = "bad entry"
	badPayload = "bad payload"
	badOption  = "bad option"
	badSignal  = "not logs"
	overLimit  = "message too large"
	badJSON    = "bad JSON"
)

// wantMessage is what the messages of notMessage end with.
const wantMessage = "; want [tag, time, record] or [tag, entries]"

// A fault is something wrong with what a client sends. Either an event or a message is skipped for it, or the connection
// is closed.
type fault struct {
	reason  string // constant: what it is counted as
	message string // constant: what is wrong, and what is wanted

	// What varies, for the fields of the log line.
	err          error
	got          string
	hostname     string
	bytes, limit int
	events       int
}

func (f *fault) Error() string { return f.message }

// Faults without anything that varies.
var (
	errBadEntry   = &fault{reason: badEntry, message: "an entry is too short or not an array; want [time, record]"}
	errBadTime    = &fault{reason: badTime, message: "the time of an event has a wrong type; want an EventTime or a number of seconds"}
	errTooDeep    = &fault{reason: tooDeep, message: fmt.Sprintf("a record is nested too deep; want at most %d levels", record.MaxDepth)}
	errBadLine    = &fault{reason: badJSON, message: "a line is not JSON; want a JSON object on each line"}
	errUnfinished = &fault{reason: badJSON, message: "a value is not complete; want a JSON object on each line, or on several"}
	errCutShort   = &fault{reason: "cut short", message: "the connection ended in the middle of a message, which is discarded"}
	errStalled    = &fault{reason: "stalled", message: fmt.Sprintf("the client sent nothing for %v in the middle of a message", stallTime)}
	errSlow       = &fault{reason: "too slow", message: fmt.Sprintf("the client took more than %v for a message, and a second for each %d bytes of it", messageTime, slowestRate)}
	errSignIn     = &fault{reason: "handshake", message: fmt.Sprintf("the client did not sign in within %v", signInTime)}
	errHurried    = &fault{reason: "too slow", message: "the client was too slow in the middle of a message while others wait for its memory"}
	errUnread     = &fault{reason: "acks not read", message: fmt.Sprintf("the client did not read its acks for %v", ackTime)}
	errHeld       = &fault{reason: "held too long", message: fmt.Sprintf("a step held events of a message for %v; no ack is sent", heldTime)}
)

var errStopped = errors.New("the server is stopping")

// with is f with err, the error that revealed it.
func (f fault) with(err error) *fault {
	f.err = err
	return &f
}

// log logs what is wrong with what peer has sent, and the outcome: what was done about it.
func (f *fault) log(log zerolog.Logger, peer, outcome string) {
	e := log.Warn().Str("peer", peer).Str("reason", f.reason)
	if f.got != "" {
		e = e.Str("got", f.got)
	}
	if f.hostname != "" {
		e = e.Str("hostname", f.hostname)
	}
	if f.bytes > 0 {
		e = e.Int("bytes", f.bytes)
	}
	if f.limit > 0 {
		e = e.Int("limit_bytes", f.limit)
	}
	if f.events > 0 {
		e = e.Int("events", f.events)
	}
	e.Err(f.err).Msg(f.message + ": " + outcome)
}

// broken turns an error of reading MessagePack into a fault, except for ErrShort, which it returns.
func broken(err error) error {
	if errors.Is(err, record.ErrShort) {
		return record.ErrShort
	}
	return &fault{reason: notPack, err: err,
		message: "not MessagePack, which clients of the forward protocol send; use the same protocol, with or without TLS, on both sides"}
}

// faultOf turns err, which ended the connection, into a fault; nil where the connection ended normally.
func (c *conn) faultOf(err error) *fault {
	var f *fault
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, errTooLarge):
		return &fault{reason: "event too large", message: "an event is too large", limit: c.in.limit}
	case errors.Is(err, input.ErrNoMemory):
		return &fault{reason: "no memory", message: "other connections hold all the memory that there is"}
	case c.added > 0 && c.s.flushing.Err() != nil:
		return &fault{reason: "stopped", message: "events were not queued before the server stopped", events: c.added}
	case err == nil, errors.Is(err, errStopped) && !c.inMessage, errors.Is(err, context.Canceled), errors.Is(err, net.ErrClosed):
		return nil
	case c.inMessage && (errors.Is(err, errStopped) || isEnd(err)):
		return errCutShort
	case isEnd(err):
		return nil
	}
	return &fault{reason: "connection", message: "reading or writing failed", err: err}
}

// isEnd reports whether err means that the client hung up.
func isEnd(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
