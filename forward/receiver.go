package forward

import (
	"context"

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

	// Flush makes everything that was added since the last Flush safe: when it returns nil the events are in the
	// queue of every output that they are routed to, and may be acknowledged. It blocks while a queue is full
	// (back-pressure: the connection isn't read meanwhile). An error means that ctx ended first; nothing may be
	// acknowledged, and the events are gone only if the client doesn't send them again.
	Flush(ctx context.Context) error

	// Close gives back what the receiver holds. Events added after the last Flush are discarded.
	Close()
}
