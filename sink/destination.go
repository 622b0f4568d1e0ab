// Package sink delivers what the queues hold: the delivery loop that every destination shares, and one folder for
// each destination.
package sink

import (
	"context"
	"time"

	"github.com/firelane/firelane/record"
)

// A Verdict says what becomes of a record after an attempt to deliver it. Every destination sorts its own errors into
// these three, in one place.
type Verdict uint8

const (
	// Done: the destination has the record.
	Done Verdict = iota
	// Again: it may be accepted later; the record is sent again, by itself.
	Again
	// Never: no attempt can succeed; the record goes to the dead letter with the reason.
	Never
)

// A Record is an event taken from the queue, with the identity that it was given when it was appended there.
// Everything in it aliases memory of the loop's and is valid during the call that it is passed to. Its body is whole: it
// has a Tail only where a Tailer takes that.
type Record struct {
	record.Event
	// ID is the record's identity, the same at every attempt and after every restart.
	ID record.ID
	// Written is what the Tailer wrote of the Tail.
	Written []byte
}

// A Destination is one place that records go to. It is used by several workers at once and must be safe for
// concurrent use; what belongs to one attempt is in the Request.
type Destination interface {
	// Append encodes r as one item and appends it to body. An error says that r can never be sent, and why (the
	// dead letter's reason); body is then returned as it came.
	Append(body []byte, r *Record) ([]byte, error)

	// Send makes one attempt to deliver req and says what became of it. It returns when ctx ends, and sets a limit of
	// its own to every wait. It never retries a refusal; it may retry once, at once, on a fresh connection.
	Send(ctx context.Context, req *Request) Reply

	// Close releases connections and files. No Send is under way.
	Close() error
}

// A Targeter is a Destination that can tell from an item, as Append wrote it, where it was to go (an index), for the
// dead letter.
type Targeter interface {
	Target(item []byte) string
}

// A Tailer is a Destination that can write a record's Tail without its being part of the body, which has to be copied for
// that otherwise: once for all records in a row that have it.
type Tailer interface {
	// AppendTail appends a tail as it stands in an item; Append then copies it to where it belongs from the record's
	// Written. ok says that such an item is that of a whole body, but for its members' order. Else the loop makes the
	// body whole.
	AppendTail(dst, tail []byte) (written []byte, ok bool)
}

// A TailReader is a Destination that says whether it gains by a Tail. Only where all destinations of a record do, the router
// moves members of the body to the Tail, which changes their order.
type TailReader interface{ ReadsTails() bool }

// A Request is the items of one attempt. Body[Ends[i-1]:Ends[i]] is item i (Ends[-1] being 0), as Append wrote it.
// A destination may not change any of it, and nothing may read it any more when Send has returned: the loop writes to it.
type Request struct {
	Body []byte
	Ends []int
}

// Len is the number of items.
func (r *Request) Len() int { return len(r.Ends) }

// Item is the encoded bytes of item i.
func (r *Request) Item(i int) []byte {
	start := 0
	if i > 0 {
		start = r.Ends[i-1]
	}
	return r.Body[start:r.Ends[i]]
}

// A Reply says what one attempt came to. The zero value says that everything is done.
type Reply struct {
	// Verdict holds for every item that Items doesn't name.
	Verdict Verdict
	// Err says what was being done to what, and what went wrong; nil only where Verdict is Done.
	Err error
	// Status is the destination's own code (HTTP status), 0 where there was none.
	Status int
	// Items are the items whose verdict differs from Verdict, in ascending order of Index.
	Items []ItemReply

	// Reached says that the destination answered at all. Only refusals by a destination that was reached use up
	// the user's Retry_Limit, and of those not the throttled and not the unauthorised ones.
	Reached bool
	// Throttled closes the gate: until an attempt passes, only one is in flight at a time.
	Throttled bool
	// Unauthorised says that credentials were refused.
	Unauthorised bool
	// RetryAfter is how long the destination asked to be left alone; 0 where it didn't.
	RetryAfter time.Duration
	// TooLarge says that the request must be halved. Where Status is 413 the loop makes no request of that size again;
	// anything else is about one of the items, which halving finds. A single item that is too large is Never.
	TooLarge bool
	// Reencode says that the destination has learnt to write items another way (without _type, without ids): the
	// items that are not done are encoded afresh from their records and sent at once.
	Reencode bool
}

// An ItemReply is the verdict on one item.
type ItemReply struct {
	Index   int
	Verdict Verdict
	Status  int    // the destination's own code, such as 400
	Type    string // the destination's own error type, such as mapper_parsing_exception
	Reason  string // what a person needs to read
	// Busy says of an item to be sent again that nothing is wrong with it: the destination is full, blocked, or not open
	// to these credentials. Such a refusal doesn't use up the user's Retry_Limit.
	Busy bool
}

// Limits of the requests that a destination wants. Zero values mean the loop's own defaults.
type Limits struct {
	MaxBytes int           // encoded size at which a request is sent
	MaxItems int           // number of items at which a request is sent
	Linger   time.Duration // how long a first record waits for company
	Workers  int           // attempts in flight at once, at most
}
