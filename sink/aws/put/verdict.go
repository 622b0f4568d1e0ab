package put

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
	"github.com/firelane/firelane/sink/httpsend"
)

var errNoResults = errors.New("the answer has no results")

// An Entry is what an answer says of one record: a record that is stored has an id, of Firehose or Kinesis, and neither a code nor a
// message.
type Entry struct {
	ErrorCode, ErrorMessage string
	Firehose                string `json:"RecordId"`
	Kinesis                 string `json:"SequenceNumber"`
}

// codeUnconfirmed is the code of a record that has neither an id nor a code.
const codeUnconfirmed = "Unconfirmed"

// Results makes the results of the entries of an answer.
func Results(entries []Entry) ([]Result, error) {
	if len(entries) == 0 {
		return nil, errNoResults
	}
	results := make([]Result, len(entries))
	for i, e := range entries {
		if e.ErrorCode != "" || e.Firehose+e.Kinesis == "" {
			results[i] = Result{Code: cmp.Or(e.ErrorCode, codeUnconfirmed), Message: httpsend.Clip(e.ErrorMessage, httpsend.MaxReason)}
		}
	}
	return results, nil
}

// failed returns the reply for a call that failed as a whole.
func (s *Sender) failed(err error, stream string, c *call) sink.Reply {
	r := aws.Reply(err)
	if errors.Is(err, context.DeadlineExceeded) && s.Timeout > 0 {
		r.Err = fmt.Errorf("no reply in time (%s): %w", s.Timeout, context.DeadlineExceeded)
	}
	r.Trouble = aws.TroubleOf(err, s.Action)
	refusal := aws.RefusalOf(err)
	if refusal != nil {
		s.refused(&r, refusal)
	}
	hint := ""
	if t := r.Trouble; t != nil {
		of := *t
		of.Target = "stream " + httpsend.Clip(stream, maxStream)
		if r.Trouble = &of; t.Kind != sink.Overloaded {
			hint = "; " + t.Want
		}
	}
	r.Err = fmt.Errorf("sending to %s %s: %w%s", s.What, stream, r.Err, hint)
	if hint != "" && r.Cause == sink.Answered && r.Split == sink.No {
		// The stream is the cause, not the records: they wait, and that doesn't count against the user's Retry_Limit.
		r.Verdict, r.Items = sink.Done, appendItems(nil, c.items, sink.ItemReply{
			Verdict: sink.Again, Status: r.Status, Type: refusal.Code, Reason: r.Err.Error(), Busy: true,
		})
	}
	return r
}

// maxStream is how much of a stream's name is logged, in bytes. Those of the services are shorter.
const maxStream = 128

// refused refines the verdict on a call by what is known of the services.
func (s *Sender) refused(r *sink.Reply, refusal *aws.Refusal) {
	switch code := strings.TrimSuffix(refusal.Code, "Exception"); code {
	case "ResourceNotFound":
		r.Trouble = &sink.Trouble{Kind: sink.Missing, What: "has no %s", Want: "create it, or correct the output's name of it or region"}
	case "ResourceInUse":
		r.Trouble = &sink.Trouble{Kind: sink.Refusing, What: "is creating or deleting %s", Want: "wait until it is active, or create it again"}
	case "KMSAccessDenied", "KMSDisabled", "KMSInvalidState", "KMSNotFound", "KMSOptInRequired", "InvalidKMSResource":
		r.Trouble = &sink.Trouble{Kind: sink.Misconfigured, What: "can't use the KMS key of %s", Want: "enable the key, or allow kms:GenerateDataKey"}
	case "InvalidSource":
		r.Trouble = &sink.Trouble{Kind: sink.Misconfigured, What: "takes records for %s from another source only", Want: "choose one with Direct PUT"}
	case "KMSThrottling":
		r.Cause = sink.Throttled
	case "InvalidArgument", "Validation":
		if strings.Contains(strings.ToLower(refusal.Message), "size exceeds") {
			r.Split = sink.BySize
		}
	}
}

// judge returns the reply for a call that the service answered, record by record.
func (s *Sender) judge(results []Result, stream string, c *call) sink.Reply {
	r := sink.Reply{Cause: sink.Answered, Status: http.StatusOK}
	if len(results) == 0 {
		return r
	}
	if len(results) != len(c.ends) {
		r.Verdict = sink.Again
		r.Err = fmt.Errorf("sending to %s %s: the answer has results for %d records, want %d", s.What, stream, len(results), len(c.ends))
		return r
	}
	failed, throttled, start := 0, 0, 0
	var first Result
	for k, result := range results {
		items := c.items[start:c.ends[k]]
		start = c.ends[k]
		if result.Code == "" {
			continue
		}
		if failed++; failed == 1 {
			first = result
		}
		item := verdict(result)
		if item.Status == http.StatusTooManyRequests {
			throttled++
		}
		r.Items = appendItems(r.Items, items, item)
	}
	if failed > 0 {
		r.Err = fmt.Errorf("sending to %s %s: %d of %d records are refused for now: %s: %s", s.What, stream, failed, len(results), first.Code, first.Message)
	}
	if throttled > 0 {
		r.Trouble = &sink.Trouble{Kind: sink.Overloaded, What: "throttles records (" + first.Code + ")", Target: "stream " + httpsend.Clip(stream, maxStream),
			Want: "add shards, use the on-demand mode or raise the quota, if it lasts"}
	}
	if throttled > len(results)/2 {
		// Not just one shard of many: the stream as a whole has more to take than it can.
		r.Cause = sink.Throttled
	}
	return r
}

// verdict returns the verdict on a record that the service didn't store. What it answers for a single record is always for now:
// it checks all else before it takes any record of a call.
func verdict(result Result) sink.ItemReply {
	item := sink.ItemReply{Verdict: sink.Again, Status: http.StatusBadRequest, Type: result.Code, Reason: result.Message}
	switch strings.TrimSuffix(result.Code, "Exception") {
	case "ProvisionedThroughputExceeded", "ServiceUnavailable", "Throttling", "KMSThrottling":
		item.Status, item.Busy = http.StatusTooManyRequests, true
	case "InternalFailure", "InternalServerError":
		item.Status, item.Busy = http.StatusServiceUnavailable, true
	}
	return item
}
