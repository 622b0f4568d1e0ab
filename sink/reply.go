package sink

import "time"

// A Verdict says what happens to a record after an attempt to deliver it. Every destination sorts its errors into these
// three, in one place.
type Verdict uint8

const (
	// Done: the destination has the record.
	Done Verdict = iota
	// Again: the destination may accept the record later. It is sent again, without the items that are done.
	Again
	// Never: no attempt can succeed; the record goes to the dead letter with the reason.
	Never
)

// A Cause says why a request as a whole was not delivered completely.
type Cause uint8

const (
	// Unreached: the destination did not answer. Nothing has been refused.
	Unreached Cause = iota
	// Answered: the destination answered. Only such refusals count against the user's Retry_Limit.
	Answered
	// Throttled: the destination is overloaded. The gate closes: until an attempt succeeds, one is made at a time.
	Throttled
	// Unauthorised: the destination refuses the credentials.
	Unauthorised
)

// A Split says whether a request must be halved, and why. A single item, which can't be halved, is then Never.
type Split uint8

const (
	// No: the request is not too large.
	No Split = iota
	// ByItem: one item makes the whole request invalid; halving finds it.
	ByItem
	// BySize: the request is too large. The loop makes no request of that size again.
	BySize
)

// A Reply is the outcome of one attempt. The zero value means that every item is done.
type Reply struct {
	// Verdict is that of every item that isn't in Items.
	Verdict Verdict
	// Cause is about the request as a whole, whatever the verdicts on its items.
	Cause Cause
	// Err says which operation failed, on what, and why. It is nil only if Verdict is Done.
	Err error
	// Status is the destination's code (an HTTP status), or 0.
	Status int
	// Items are the items whose verdict differs from Verdict, in ascending order of Index.
	Items []ItemReply
	// RetryAfter is how long the destination asked not to be sent anything; 0 if it didn't.
	RetryAfter time.Duration
	// Split other than No means that the request must be halved; Status and Err then give the reason.
	Split Split
	// CutOff means that the server closed the connection while it was sent the request, or before it answered. Repeatedly,
	// that says that requests are too large.
	CutOff bool
	// Reencode means that from now on the destination encodes items differently (without _type, without ids), because
	// the server refused them as they were: the loop encodes the items that are not done again and sends them at once.
	Reencode bool
	// Unjudged means that nobody has judged the items whose verdict is Again, because of others in the request: they are sent at
	// once, as they are, and that is no refusal.
	Unjudged bool
	// Trouble says in words what Err is about, if the destination knows more than Cause and Status say. If only some items were
	// refused for now, it is about the first of them.
	Trouble *Trouble
}

// SendsAtOnce reports whether what is left of the request is sent again at once: nobody has refused it yet.
func (r *Reply) SendsAtOnce() bool { return r.Reencode || r.Unjudged }

// An ItemReply is the verdict on one item.
type ItemReply struct {
	Index   int
	Verdict Verdict
	Status  int    // the destination's code, such as 400
	Type    string // the destination's error type, such as mapper_parsing_exception
	Reason  string // for people
	// Busy means that the item itself is not the cause: the destination is full, or its index is blocked or closed to these
	// credentials. Such a refusal counts against the user's Retry_Limit only while other records pass.
	Busy bool
}
