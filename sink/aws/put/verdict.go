package put

import (
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

// An Entry is what an answer says of one record: a record that is stored has neither a code nor a message.
type Entry struct{ ErrorCode, ErrorMessage string }

// Results makes the results of the entries of an answer.
func Results(entries []Entry) ([]Result, error) {
	if len(entries) == 0 {
		return nil, errNoResults
	}
	results := make([]Result, len(entries))
	for i, e := range entries {
		if e.ErrorCode != "" {
			results[i] = Result{Code: e.ErrorCode, Message: httpsend.Clip(e.ErrorMessage, httpsend.MaxReason)}
		}
	}
	return results, nil
}

// failed returns the reply for a call that failed as a whole.
func (s *Sender) failed(err error, stream string, c *call) sink.Reply {
	r := aws.Reply(err)
	if errors.Is(err, context.DeadlineExceeded) && s.Timeout > 0 {
		r.Err = fmt.Errorf("no reply in time (%s)", s.Timeout)
	}
	refusal := aws.RefusalOf(err)
	hint := ""
	if refusal != nil {
		hint = s.refused(&r, refusal)
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

// refused refines the verdict on a call by what is known of the services, and returns what a person should do, "" if that
// isn't known.
func (s *Sender) refused(r *sink.Reply, refusal *aws.Refusal) (hint string) {
	switch code := strings.TrimSuffix(refusal.Code, "Exception"); code {
	case "ResourceNotFound":
		return "; create it, or correct the output's name of it or region"
	case "ResourceInUse":
		return "; it is being created or deleted"
	case "KMSAccessDenied", "KMSDisabled", "KMSInvalidState", "KMSNotFound", "KMSOptInRequired", "InvalidKMSResource":
		return "; its KMS key can't be used: enable the key, or allow kms:GenerateDataKey"
	case "InvalidSource":
		return "; it takes records from another source only: choose one with Direct PUT"
	case "KMSThrottling":
		r.Cause = sink.Throttled
	case "InvalidArgument", "Validation":
		if strings.Contains(strings.ToLower(refusal.Message), "size exceeds") {
			r.Split = sink.BySize
		}
	case "AccessDenied":
		return "; allow the task's role to write to it"
	}
	return ""
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
