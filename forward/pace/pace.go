// Package pace reads connections that bring many small writes with few wake-ups: a net.Listener that wraps another.
//
// Docker's driver writes each record separately. Being woken for each costs ten times what the record does, so a connection
// with nothing left to read is left alone for some milliseconds: by then more has come, which one read takes. One that
// brings bytes steadily is read at a fixed time, together with others; one that doesn't, some time after its next byte.
// Go's own poller can't be used for that: it is edge-triggered, and wakes a thread at every write whether anybody waits
// for it or not. So this package has an epoll instance, in which a connection is armed for one event at a time.
//
// On other systems than Linux, connections are read by Go's poller.
package pace

import "net"

// ReadSize is the size in bytes of the buffer that a connection should be read with: the pauses are chosen so that one
// read takes all that has come.
const ReadSize = 32 << 10

// Conn is an accepted connection that is paced. Only one goroutine may call Count, Read and Write; any may set deadlines and
// call Close. After the first Write the connection is not paced any more, since its client waits for answers.
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

	// Count reports how many events were in what has been read since the last call: they show how large a client's writes
	// are, and how long its socket takes to fill.
	Count(events int)
}
