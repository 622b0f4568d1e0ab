package bulk

import (
	"net/http"
	"strings"
	"time"

	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/httpsend"
)

// An itemResult is one item's entry in a bulk reply.
type itemResult struct {
	op      string // create, index, update
	status  int
	errType string
	reason  string
}

// A judgement is the verdict on one item.
type judgement struct {
	verdict    sink.Verdict
	pressure   bool // the server is overloaded
	blocked    bool // the item's index doesn't take it until somebody repairs something
	adaptation adaptation
}

// An adaptation is a change of how requests are encoded, made because the server refused them as they were.
type adaptation uint8

const (
	noAdaptation adaptation = iota
	dropType                // the server refuses _type
	addType                 // the server requires _type (Elasticsearch 6)
	dropID                  // the collection refuses ids
	plainBodies             // the server can't read gzip
)

// adaptationFor returns the adaptation that a refusal with this reason calls for.
func adaptationFor(reason string) adaptation {
	switch {
	case strings.Contains(reason, "unknown parameter [_type]"),
		strings.Contains(reason, "would have more than 1 type"):
		return dropType
	case strings.Contains(reason, "type is missing"):
		return addType
	case strings.Contains(reason, "Document ID is not supported"):
		return dropID
	}
	return noAdaptation
}

// judgeItem returns the judgement on one item.
func judgeItem(it *itemResult) judgement {
	again := judgement{verdict: sink.Again}
	switch {
	case it.status >= 200 && it.status < 300:
		return judgement{verdict: sink.Done}
	case it.status == http.StatusConflict && it.op == "create":
		return judgement{verdict: sink.Done} // a document with this id exists, from an earlier attempt or another writer
	case it.status == http.StatusConflict:
		return again // another writer changed the document meanwhile
	case isBusy(it.errType):
		return judgement{verdict: sink.Again, pressure: true}
	case repairFor(it.errType, it.reason) != nil, it.status == http.StatusUnauthorized, it.status == http.StatusForbidden:
		return judgement{verdict: sink.Again, blocked: true}
	case it.status == http.StatusTooManyRequests:
		return judgement{verdict: sink.Again, pressure: true}
	case it.status >= 500: // its shard failed, or an ingest pipeline
		return again
	case it.status == http.StatusBadRequest && adaptationFor(it.reason) != noAdaptation:
		return judgement{verdict: sink.Again, adaptation: adaptationFor(it.reason)}
	case it.status >= 400:
		return judgement{verdict: sink.Never}
	}
	return again // the entry has no status, which servers never do
}

// isBusy recognises an overload, which ends by itself, whatever the status.
func isBusy(errType string) bool {
	return strings.Contains(errType, "rejected_execution") || errType == "circuit_breaking_exception"
}

// A failure is the reply to a request that was refused as a whole.
type failure struct {
	*httpsend.Failure
	gzipped    bool // the request was sent compressed
	fromServer bool // the body is an error of Elasticsearch or OpenSearch, not a proxy's
}

// judgeRequest judges a request with that many items which was refused as a whole.
func judgeRequest(f *failure, items int) (sink.Reply, adaptation) {
	r := f.Reply()
	switch {
	case r.Split != sink.No:
	case f.gzipped && f.unreadable():
		return r, plainBodies
	case f.Status == http.StatusBadRequest && adaptationFor(f.Reason) != noAdaptation:
		return r, adaptationFor(f.Reason)
	case isBusy(f.Type), repairFor(f.Type, f.Reason) != nil:
		r.Cause, r.RetryAfter = sink.Throttled, httpsend.RetryAfter(f.Header, time.Now())
	case r.Cause == sink.Answered && f.Status == http.StatusBadRequest && f.fromServer:
		// One item makes the whole request invalid. Halving finds it; refused alone, it will never be accepted.
		if items > 1 {
			r.Split = sink.ByItem
		} else {
			r.Items = []sink.ItemReply{{Verdict: sink.Never, Status: f.Status, Type: f.Type, Reason: f.Reason}}
		}
	}
	return r, noAdaptation
}

// unreadable reports whether the server couldn't read a gzipped body.
func (f *failure) unreadable() bool {
	if f.Status == http.StatusUnsupportedMediaType {
		return true
	}
	if f.Status != http.StatusBadRequest && f.Status != http.StatusInternalServerError {
		return false
	}
	text := strings.ToLower(f.Type + " " + f.Reason)
	for _, sign := range []string{"gzip", "zlib", "zip", "decompress", "deflate", "content-encoding", "ctrl-char, code 31"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}
