// Package pace reads connections that bring many small writes with few wake-ups: a net.Listener that wraps another.
//
// Docker's driver makes one write of every record. Being woken for each costs ten times what the record does, so a
// connection that has run dry is left alone for some milliseconds: by then more has come, which one read takes. One that
// brings bytes steadily is read by the clock, together with the others; one that doesn't, some time after its next byte.
// Go's own poller can't be used for that: it is edge-triggered, and wakes a thread at every write whether anybody waits
// for it or not. Hence an epoll instance of its own, where a connection is armed for one event only.
//
// Elsewhere than on Linux connections are read as Go does.
package pace

import "net"

// ReadSize is the size in bytes of the buffer that a connection should be read with: the pauses are chosen so that one
// read takes all that has come.
const ReadSize = 32 << 10

// Conn is what an accepted connection is where it is paced. One goroutine calls Count, reads and writes; deadlines and
// Close may be used by any. Once it has been written to it is never paced again, for its client waits for answers.
type Conn interface {
	net.Conn

	// Poll reads what is there. Without an error, 0 means that nothing is: Await then returns when that may have changed, or
	// a deadline has passed, or the connection was closed. MayWait reports whether Await may take long. So a buffer is needed
	// only from Await to Poll.
	Poll(b []byte) (int, error)
	Await() error
	MayWait() bool

	// Offer writes as much of b as there is room for now, as Write otherwise does.
	Offer(b []byte) (int, error)

	// Count tells how many events have been found in what was read since the last call: from it follows how large a
	// client's writes are, and how long its socket takes to fill.
	Count(events int)
}
