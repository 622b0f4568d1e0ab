package sink

import "time"

// A Verdict says what becomes of a record after an attempt to deliver it. Every destination sorts its own errors into
// these three, in one place.
type Verdict uint8

const (
	// Done: the destination has the record.
	Done Verdict = iota
	// Again: it may be accepted later; the record is sent again, without those that are done.
	Again
	// Never: no attempt can succeed; the record goes to the dead letter with the reason.
	Never
)

// A Cause says why an attempt did not deliver everything, as far as it concerns the request as a whole.
type Cause uint8

const (
	// Unreached: the destination did not answer. Nothing has been refused.
	Unreached Cause = iota
	// Answered: the destination answered. Only such refusals use up the user's Retry_Limit.
	Answered
	// Throttled: the destination asks for less. It closes the gate: until an attempt passes, one is in progress at a time.
	Throttled
	// Unauthorised: the destination refuses the credentials.
	Unauthorised
)

// A Split says that a request must be halved. A single item that can't be halved is Never.
type Split uint8

const (
	// No: the request is not too large.
	No Split = iota
	// ByItem: one of the items spoils the request; halving finds it.
	ByItem
	// BySize: the request is too large. No request of that size is made again.
	BySize
)

// A Reply is the outcome of one attempt. The zero value says that everything is done.
type Reply struct {
	// Verdict holds for every item that Items doesn't name.
	Verdict Verdict
	// Cause is about the request as a whole, whatever the verdicts on its items are.
	Cause Cause
	// Err says what was being done to what, and what went wrong; nil only where Verdict is Done.
	Err error
	// Status is the destination's own code (HTTP status), 0 where there was none.
	Status int
	// Items are the items whose verdict differs from Verdict, in ascending order of Index.
	Items []ItemReply
	// RetryAfter is how long the destination asked to be left alone; 0 where it didn't.
	RetryAfter time.Duration
	// Split says that the request must be halved; the other fields then say why.
	Split Split
	// Reencode says that the destination has learned to write items in another way (without _type, without ids): the
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
