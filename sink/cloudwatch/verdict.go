package cloudwatch

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
	"github.com/firelane/firelane/sink/httpsend"
)

// Codes of the service's refusals ("PutLogEvents", "CreateLogStream" and "CreateLogGroup - Amazon CloudWatch Logs", Errors).
const (
	codeMissing   = "ResourceNotFoundException"
	codeExists    = "ResourceAlreadyExistsException"
	codeAccepted  = "DataAlreadyAcceptedException"
	codeInvalid   = "InvalidParameterException"
	codeAborted   = "OperationAbortedException" // of two operations on one group at once
	codeQuota     = "LimitExceededException"    // of groups or streams
	codeDenied    = "AccessDeniedException"
	codeMalformed = "SerializationException"
	codeNotValid  = "ValidationException"
	codeToken     = "InvalidSequenceTokenException"
)

const statusOK = http.StatusOK

// isMissing reports whether the group or the stream doesn't exist.
func isMissing(r *aws.Refusal) bool { return r.Code == codeMissing }

// judge gives the verdict for an error of a batch.
func (d *Destination) judge(err error, b *batch) sink.Reply {
	reply := d.verdict(err, b)
	reply.Trouble = d.trouble(err, b)
	return reply
}

// maxShownName is how much of a group's or a stream's name is logged, in bytes.
const maxShownName = 120

// trouble says in words what an error of a batch means; nil if its cause and status say it.
func (d *Destination) trouble(err error, b *batch) *sink.Trouble {
	op, action, r := (*opError)(nil), "logs:PutLogEvents", aws.RefusalOf(err)
	if errors.As(err, &op) {
		action = "logs:" + op.op
	}
	t := aws.TroubleOf(err, action)
	switch {
	case errors.Is(err, errNoGroup):
		t = &sink.Trouble{Kind: sink.Missing, What: "has no %s", Want: "create it, or turn " + d.creator.option + " on"}
	case r != nil && isMissing(r) && d.creator.streams:
		t = &sink.Trouble{Kind: sink.Refusing, What: "has no %s yet", Want: "nothing, if it was just created", Target: "log stream"}
	case errors.Is(err, errNoStream), r != nil && isMissing(r):
		t = &sink.Trouble{Kind: sink.Missing, What: "has no %s", Want: "create it, or turn auto_create_stream on", Target: "log stream"}
	case r != nil && r.Code == codeQuota:
		t = &sink.Trouble{Kind: sink.Misconfigured, What: "may create no more log groups or streams", Want: "raise the quota, or use fewer names"}
	}
	if t == nil {
		return nil
	}
	of := *t
	group, stream := splitKey(b.key)
	name := "log group " + httpsend.Clip(string(group), maxShownName)
	if of.Target != "" {
		name = of.Target + " " + httpsend.Clip(string(stream), maxShownName) + " of " + name
	}
	of.Target = name
	return &of
}

// verdict is judge, without the words.
func (d *Destination) verdict(err error, b *batch) sink.Reply {
	reply := aws.Reply(err)
	var op *opError
	if errors.As(err, &op) {
		reply.Err = err
	}
	r := aws.RefusalOf(err)
	switch {
	case errors.Is(err, errNoGroup), errors.Is(err, errNoStream):
		return allItems(sink.Reply{Err: &opError{"PutLogEvents", string(b.key), err}}, b, sink.ItemReply{
			Verdict: sink.Again, Status: http.StatusBadRequest, Type: codeMissing, Busy: true,
		})
	case r == nil:
		return reply
	case b.large && r.Status >= 400 && r.Status < 500 && reply.Cause == sink.Answered && !isMissing(r),
		(r.Code == codeInvalid || r.Code == codeNotValid) && namesName(r.Message):
		return allItems(sink.Reply{Err: err}, b, sink.ItemReply{Verdict: sink.Never, Status: r.Status, Type: r.Code})
	case r.Code == codeInvalid, r.Code == codeNotValid, r.Code == codeMalformed:
		reply.Split = cmp.Or(reply.Split, sink.ByItem)
		return reply
	case isMissing(r), r.Code == codeAborted, r.Code == codeQuota, r.Code == codeDenied && !d.names.group.constant():
		// It concerns this group or stream, and others may work.
		return allItems(sink.Reply{Err: err}, b, sink.ItemReply{Verdict: sink.Again, Status: r.Status, Type: r.Code, Busy: true})
	}
	return reply
}

// namesName reports whether the service refuses the name of the group or stream, not an event.
func namesName(message string) bool {
	return strings.Contains(message, "logGroupName") || strings.Contains(message, "logStreamName")
}

// allItems is the reply of a service that works, but refuses all items of a batch.
func allItems(reply sink.Reply, b *batch, item sink.ItemReply) sink.Reply {
	reply.Cause, reply.Status, item.Reason = sink.Answered, item.Status, reply.Err.Error()
	items := slices.Clone(b.items)
	slices.Sort(items)
	for _, i := range items {
		item.Index = i
		reply.Items = append(reply.Items, item)
	}
	return reply
}

// Types and reasons of rejected events ("RejectedLogEventsInfo - Amazon CloudWatch Logs", "PutLogEvents - Amazon CloudWatch
// Logs").
const (
	typeTooOld  = "too_old"
	typeTooNew  = "too_new"
	typeExpired = "expired"

	reasonTooOld  = "CloudWatch Logs rejects the event as too old: it takes those of the last 14 days"
	reasonTooNew  = "CloudWatch Logs rejects the event as too new: it takes those of up to 2 hours in the future"
	reasonExpired = "CloudWatch Logs rejects the event as expired: it is older than the log group's retention"
)

// A rejection says which events of a call the service has rejected: their indices in the call. The ends are exclusive, the start is
// inclusive; nil: none.
type rejection struct {
	TooNewStart *int `json:"tooNewLogEventStartIndex"`
	TooOldEnd   *int `json:"tooOldLogEventEndIndex"`
	ExpiredEnd  *int `json:"expiredLogEventEndIndex"`
}

// rejected returns the verdict on the events that the service rejected, of those of a call that it has accepted otherwise.
func rejected(info rejection, items []int) (replies []sink.ItemReply) {
	index := func(p *int, otherwise int) int {
		if p == nil {
			return otherwise
		}
		return min(max(*p, 0), len(items))
	}
	tooOld, expired := index(info.TooOldEnd, 0), index(info.ExpiredEnd, 0)
	tooNew := index(info.TooNewStart, len(items))
	for i, item := range items {
		reply := sink.ItemReply{Index: item, Verdict: sink.Never, Status: statusOK}
		switch {
		case i < tooOld:
			reply.Type, reply.Reason = typeTooOld, reasonTooOld
		case i < expired:
			reply.Type, reply.Reason = typeExpired, reasonExpired
		case i >= tooNew:
			reply.Type, reply.Reason = typeTooNew, reasonTooNew
		default:
			continue
		}
		replies = append(replies, reply)
	}
	sortItems(replies)
	return replies
}

func sortItems(items []sink.ItemReply) {
	slices.SortFunc(items, func(a, b sink.ItemReply) int { return a.Index - b.Index })
}

// combine makes one reply of those of several calls.
func combine(batches []batch) sink.Reply {
	worst, split, whole, delivered := &batches[0].reply, sink.No, true, false
	for i := range batches {
		r := &batches[i].reply
		if severity(r) > severity(worst) {
			worst = r
		}
		split = max(split, r.Split)
		if r.Verdict == sink.Done {
			whole = false
			delivered = delivered || len(r.Items) < len(batches[i].items)
		}
	}
	reply := sink.Reply{Cause: worst.Cause, Err: worst.Err, Status: worst.Status, RetryAfter: worst.RetryAfter, CutOff: worst.CutOff, Trouble: worst.Trouble}
	switch {
	case split != sink.No && !delivered: // else halving would send again what was delivered
		reply.Verdict, reply.Cause, reply.Split = sink.Again, sink.Answered, split
		return reply
	case whole:
		reply.Verdict = sink.Again
		return reply
	case worst.Cause == sink.Unauthorised:
		reply.Cause = sink.Answered // the credentials work for other streams
	}
	for i := range batches {
		b := &batches[i]
		if b.reply.Verdict == sink.Done {
			reply.Items = append(reply.Items, b.reply.Items...)
			continue
		}
		item := sink.ItemReply{Verdict: sink.Again, Status: b.reply.Status, Type: typeOf(b.reply.Err), Busy: b.reply.Split == sink.No}
		reply.Items = append(reply.Items, allItems(sink.Reply{Err: b.reply.Err}, b, item).Items...)
	}
	sortItems(reply.Items)
	return reply
}

// severity orders replies by what the request as a whole says of the destination.
func severity(r *sink.Reply) int {
	switch {
	case r.Err == nil:
		return 0
	case r.Cause == sink.Answered:
		return 1
	case r.Cause == sink.Unauthorised:
		return 2
	case r.Cause == sink.Unreached:
		return 3
	}
	return 4 // Throttled
}

// typeOf is the code of a refusal.
func typeOf(err error) string {
	if r := aws.RefusalOf(err); r != nil {
		return r.Code
	}
	return ""
}
