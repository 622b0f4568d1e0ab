package forward

import (
	"context"
	"errors"

	"github.com/firelane/firelane/record"
)

// A Receiver takes the events that one connection brings. It belongs to that connection and is not called
// concurrently.
type Receiver interface {
	// Add takes one event. tag and body alias the connection's read buffer and are valid only during the call;
	// body is one MessagePack map that record.Check has accepted. The event is not safe before Flush returns.
	Add(tag []byte, t record.Time, body []byte)

	// Reject counts n events, or pieces of input that would have been events, that were refused for reason: a
	// constant of a few words such as "not a map". The server calls it and logs; the receiver only keeps the accounts.
	Reject(n int, reason string)

	// Flush queues everything that was added since the last Flush: when it returns nil the events are in the queue of
	// every output that they are routed to, and may be acknowledged. It blocks while a queue is full (back-pressure: the
	// connection isn't read meanwhile).
	//
	// ErrHeld means that everything is queued but what a step still holds, such as a part of a line. Nothing that was added
	// since the last nil may be acknowledged before a Flush returns nil; it may be called again at any time, with or
	// without an Add between. A step releases what it holds within seconds of the last event that was added to it.
	//
	// Any other error means that ctx ended first; nothing may be acknowledged, and the events are gone only if the client
	// doesn't send them again.
	Flush(ctx context.Context) error

	// Close gives back what the receiver holds. Events added after the last Flush are discarded.
	Close()
}

// ErrHeld is returned by Flush where everything that could be queued is, but a step still holds events that were added.
var ErrHeld = errors.New("events are held by a step")
