// Package record is one event as MessagePack bytes: reading it, changing it and writing it as JSON, without ever
// building a value in memory.
//
// An event is a time and a map. The map stays the MessagePack that came from the wire, in a slice that somebody else
// owns; every function here either reads such a slice or appends to one that the caller passes in (dst []byte in,
// []byte out, as append does), so that a steady stream of events allocates nothing.
//
// # Batches
//
// Events travel in batches, from the socket through the queue to a destination. A batch is a sequence of groups:
//
//	batch   = group*
//	group   = 0x92 tag entries          the array header of two elements
//	        | 0x93 tag tail entries     of three
//	tag     = str8 or fixstr            at most MaxTag bytes
//	tail    = one MessagePack map       the Tail of every event in the group
//	entries = bin32 of entry*
//	entry   = 0x92 time body            the array header of two elements
//	        | 0x93 time origin body     of three
//	time    = 0xd7 0x00 sec nsec        EventTime as fixext8: two big-endian uint32
//	origin  = 0xc4 0x10 queue pos       the Origin as bin8 of 16 bytes: Queue, and the 48 bits of Pos, big-endian
//	body    = one MessagePack map       that Check has accepted
//
// Queues write batches to disk as they are. A group without a tail and origins is a message of the forward protocol, in
// PackedForward mode without options; the tail and the origin are the project's own additions.
package record

import (
	"errors"
	"slices"
)

// Limits that hold for every event.
const (
	// MaxDepth is how deep maps and arrays may be nested, the outermost map counting as one. Deeper events are
	// refused. (OpenSearch's own limit for a mapping is 20; Jackson, which parses the request there, stops at 1,000.)
	MaxDepth = 100
	// MaxTag is the longest tag in bytes; a longer one is refused.
	MaxTag = 255
)

// Errors of Check and the readers, to be compared with errors.Is: ErrInvalid and ErrDepth are wrapped with the offset at
// which reading failed. ErrShort is returned as it is, without an allocation, since it is common when reading a stream.
var (
	// ErrShort means that the bytes end inside a value: more input may complete it.
	ErrShort = errors.New("value is cut short")
	// ErrInvalid means that no continuation of the bytes can be valid MessagePack (the byte 0xc1).
	ErrInvalid = errors.New("not MessagePack")
	// ErrDepth means that a value is nested deeper than MaxDepth.
	ErrDepth = errors.New("nested too deep")
	// ErrType means that a value has another type than the one asked for.
	ErrType = errors.New("unexpected type")
	// ErrSyntax means that a text isn't JSON. It is returned as it is, since most log lines that are tried aren't JSON.
	ErrSyntax = errors.New("not JSON")
	// ErrRange means that a number or a time is out of the range of the type asked for.
	ErrRange = errors.New("out of range")
)

// Time is an event's time since the Unix epoch, UTC, as the forward protocol's EventTime carries it: seconds up to
// the year 2106 and nanoseconds 0–999,999,999.
type Time struct {
	Sec  uint32
	Nsec uint32
}

// Event is one event. Tag, Body and Tail alias buffers of the caller that passes the event, and are valid only until that
// call returns.
//
// Fields that many events share (those that ECS's configuration adds, those of one container) needn't be in each Body: they
// may be the Tail, which a Batch holds once. The memory of a Tail that was added to a Batch must not change. The event is
// then one map of Body's members, with Tail's after them, and no key is in both.
type Event struct {
	Tag  string
	Time Time
	Body []byte // exactly one MessagePack map that Check has accepted
	Tail []byte // the same, or empty

	// Origin is the identity that the event has at its source, if the source may offer it again, to this process or to
	// another one: it is the same each time, and becomes the record's id. nil: it has none; then the queue gives it an id. It is
	// valid for as long as Body.
	Origin *ID
}

// Fold moves the members of Tail to the end of Body, in buf's memory or, where that is too small, in a new buffer. It
// returns the buffer, to be passed to the next Fold. An event without a Tail stays as it is.
func (ev *Event) Fold(buf []byte) []byte {
	if len(ev.Tail) == 0 {
		return buf
	}
	n, members, _ := MapHeader(ev.Body)
	more, tail, _ := MapHeader(ev.Tail)
	buf = slices.Grow(buf[:0], 5+len(members)+len(tail))
	buf = append(AppendMapHeader(buf, n+more), members...)
	ev.Body, ev.Tail = append(buf, tail...), nil
	return ev.Body
}
