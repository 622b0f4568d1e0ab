package opentelemetry

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/httpsend"
	"github.com/firelane/firelane/sink/wire"
)

// maxReply is how much of the reply to an accepted request is read, in bytes.
const maxReply = 64 << 10

// judgeAccepted judges a 2xx. A server may reject some of the records (OTLP, "Partial Success"): it says how many, but not
// which, and the request must not be sent again. So that none is lost without a trace, all of the request's records go to the
// dead letter then, with the server's reason, which says that the others were stored. Only CloudWatch Logs tells more.
func judgeAccepted(resp *http.Response, req *sink.Request) sink.Reply {
	r := sink.Reply{Cause: sink.Answered, RetryAfter: httpsend.RetryAfter(resp.Header, time.Now())}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return r // accepted; what a broken reply said of single records isn't known
	}
	httpsend.Drain(resp)
	rejected, message := readPartial(resp.Header.Get("Content-Type"), body)
	if rejected <= 0 {
		return r
	}
	which, reason := allOf(req.Len()), "the server rejected the record: "+message
	if rejected < int64(req.Len()) {
		if told := byTime(req, rejected, message); told != nil {
			which = told
		} else {
			reason = fmt.Sprintf("the server rejected %d of the %d records of this request, and doesn't say which; the others are stored: %s", rejected, req.Len(), message)
		}
	}
	for _, i := range which {
		r.Items = append(r.Items, sink.ItemReply{Index: i, Verdict: sink.Never, Status: resp.StatusCode, Type: "partial_success", Reason: reason})
	}
	return r
}

func allOf(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// byTime returns the items that CloudWatch Logs rejected: its message has the numbers of those that are too old, or older than
// the log group's retention, and of those that are too new (Amazon CloudWatch Logs, "Sending logs using the OTLP endpoint").
// These are the oldest and the newest of the request. Nil: the message says something else.
func byTime(req *sink.Request, rejected int64, message string) []int {
	var counts struct {
		Old     int64 `json:"tooOldLogEventCount"`
		Expired int64 `json:"expiredLogEventCount"`
		New     int64 `json:"tooNewLogEventCount"`
	}
	if json.Unmarshal([]byte(message), &counts) != nil || counts.Old+counts.Expired+counts.New != rejected {
		return nil
	}
	for _, n := range [...]int64{counts.Old, counts.Expired, counts.New} {
		if n < 0 || n > rejected { // the sum may have overflowed
			return nil
		}
	}
	items := allOf(req.Len())
	slices.SortStableFunc(items, func(a, b int) int { return cmp.Compare(timeOf(req.Item(a)), timeOf(req.Item(b))) })
	which := slices.Concat(items[:counts.Old+counts.Expired], items[len(items)-int(counts.New):])
	slices.Sort(which)
	return which
}

// timeOf reads the time of an item that append wrote, in nanoseconds.
func timeOf(item []byte) uint64 {
	_, _, entry, _, _ := wire.Next(item)
	_, at, _, _, _ := wire.Next(entry)
	return at
}

// readPartial reads how many records were rejected, and why.
func readPartial(contentType string, body []byte) (rejected int64, message string) {
	if strings.HasPrefix(contentType, "application/json") {
		var reply struct {
			Partial struct {
				Rejected json.Number `json:"rejectedLogRecords"`
				Message  string      `json:"errorMessage"`
			} `json:"partialSuccess"`
		}
		if json.Unmarshal(body, &reply) != nil {
			return 0, ""
		}
		rejected, _ = reply.Partial.Rejected.Int64()
		return rejected, httpsend.Clip(reply.Partial.Message, httpsend.MaxReason)
	}
	for number, _, content, rest, ok := wire.Next(body); ok; number, _, content, rest, ok = wire.Next(rest) {
		if number != responsePartial {
			continue
		}
		for number, value, text, rest, ok := wire.Next(content); ok; number, value, text, rest, ok = wire.Next(rest) {
			switch number {
			case partialRejected:
				rejected = int64(value)
			case partialMessage:
				message = httpsend.Clip(strings.ToValidUTF8(string(text), "\ufffd"), httpsend.MaxReason)
			}
		}
	}
	return rejected, message
}

// judgeRefused judges any other status for a request with that many items. OTLP allows repeating a request only after 429,
// 502, 503 and 504 ("Failures"). 408 says that the request came too slowly, as a proxy's 504 does. But 401, 403 and 404 are mistakes in the configuration, and 500 is what proxies and older
// Collectors answer to trouble that ends: records wait for these. A 400 is about the records: halving finds those that the
// server can't take.
func judgeRefused(f *httpsend.Failure, items int) sink.Reply {
	if text := statusText(f); text != "" {
		f.Reason = text
	}
	r := f.Reply()
	if r.Split != sink.No || r.Cause != sink.Answered {
		return r
	}
	switch f.Status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		switch {
		case !f.AboutRequest():
			return r
		case f.Status == http.StatusBadRequest && strings.Contains(f.Type+" "+f.Reason, codeMissing):
			return missing(f, r, items)
		case items > 1:
			r.Split = sink.ByItem
			return r
		}
		r.Items = []sink.ItemReply{{Verdict: sink.Never, Status: f.Status, Type: f.Type, Reason: f.Reason}}
	case http.StatusUnsupportedMediaType:
		r.Err = errors.Join(r.Err, errors.New("does the server take OTLP/HTTP in Protocol Buffers here, and this compression? check port, logs_uri and compress"))
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		r.Err = fmt.Errorf("%w; check host, port and logs_uri", r.Err)
	}
	return r
}

// codeMissing is what CloudWatch Logs answers with 400 while the log group or stream doesn't exist.
const codeMissing = "ResourceNotFoundException"

// missing is the reply of a CloudWatch Logs that has no such log group or stream yet: all records wait for it.
func missing(f *httpsend.Failure, r sink.Reply, items int) sink.Reply {
	r.Verdict = sink.Done
	r.Trouble = &sink.Trouble{Kind: sink.Missing, What: "has no such log group or stream", Want: "create it, or correct the headers x-aws-log-group and x-aws-log-stream"}
	for _, i := range allOf(items) {
		r.Items = append(r.Items, sink.ItemReply{Index: i, Verdict: sink.Again, Status: f.Status, Type: codeMissing, Reason: f.Reason, Busy: true})
	}
	return r
}

// statusText reads the message of a google.rpc.Status, which OTLP prescribes for refusals; "" if the body isn't one.
func statusText(f *httpsend.Failure) (message string) {
	if !strings.HasPrefix(f.Header.Get("Content-Type"), "application/x-protobuf") {
		return ""
	}
	for number, _, content, rest, ok := wire.Next(f.Body); ok; number, _, content, rest, ok = wire.Next(rest) {
		if number == statusMessage {
			message = httpsend.Clip(strings.ToValidUTF8(string(content), "\ufffd"), httpsend.MaxReason)
		}
	}
	return message
}
