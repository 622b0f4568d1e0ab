// Package enrich is what happens to an event between the socket and the queue: fields are added and removed, events
// are filtered, text is parsed, lines that Docker split are joined.
package enrich

import "github.com/firelane/firelane/record"

// A Step changes one event or drops it. Steps are shared by all connections and must be safe for concurrent use:
// whatever they need for one event they take from the Scratch.
type Step interface {
	// Apply works on ev in place and reports whether the event goes on; false means that it was filtered out.
	// It may set ev.Time, and replace ev.Body by a slice of its own making that s owns. ev comes without a Tail; only
	// Defer makes steps that leave one, or that one passes.
	Apply(ev *record.Event, s *Scratch) bool
}

// Scratch is the memory that steps work in, one for each connection. A step that rewrites a body appends the new one
// to Take() and hands the result to Keep(); the two buffers behind them take turns, so that the body being read is
// never the one being written.
type Scratch struct {
	bufs [2][]byte
	next int
}

// maxScratch is the largest buffer in bytes that a Scratch keeps for the next event; a larger one is left to the
// garbage collector.
const maxScratch = 256 << 10

// Take returns an empty buffer to append a new body to. It is valid until the second Keep after it.
func (s *Scratch) Take() []byte { return s.bufs[s.next][:0] }

// Keep remembers b, which grew out of the last Take, and returns it.
func (s *Scratch) Keep(b []byte) []byte {
	if cap(b) <= maxScratch {
		s.bufs[s.next] = b
	}
	s.next ^= 1
	return b
}
