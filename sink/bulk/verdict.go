package bulk

import (
	"net/http"
	"strings"
	"time"

	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/httpsend"
)

// An itemResult is what a bulk reply says about one item.
type itemResult struct {
	op      string // create, index, update
	status  int
	errType string
	reason  string
}

// A judgement is the verdict on one item.
type judgement struct {
	verdict      sink.Verdict
	pressure     bool // the server is busy or full: it should be left alone
	unauthorised bool
	lesson       lesson
}

// A lesson is what an answer teaches about how items must be written.
type lesson uint8

const (
	noLesson    lesson = iota
	dropType           // the server refuses _type
	addType            // the server wants _type (Elasticsearch 6)
	dropID             // the collection refuses ids
	plainBodies        // the server can't read gzip
)

// lessonOf finds what an error's text teaches.
func lessonOf(reason string) lesson {
	switch {
	case strings.Contains(reason, "unknown parameter [_type]"),
		strings.Contains(reason, "would have more than 1 type"):
		return dropType
	case strings.Contains(reason, "type is missing"):
		return addType
	case strings.Contains(reason, "Document ID is not supported"):
		return dropID
	}
	return noLesson
}

// judgeItem sorts what a reply says about one item.
func judgeItem(it *itemResult) judgement {
	again := judgement{verdict: sink.Again}
	busy := judgement{verdict: sink.Again, pressure: true}
	switch {
	case it.status >= 200 && it.status < 300:
		return judgement{verdict: sink.Done}
	case it.status == http.StatusConflict && it.op == "create":
		return judgement{verdict: sink.Done} // a document of this id is there: an earlier attempt's, or the user's own
	case it.status == http.StatusConflict:
		return again // somebody else changed the document in the meantime
	case it.status == http.StatusTooManyRequests, it.status >= 500, isBusy(it.errType, it.reason):
		return busy
	case it.status == http.StatusUnauthorized, it.status == http.StatusForbidden:
		return judgement{verdict: sink.Again, unauthorised: true}
	case it.status == http.StatusBadRequest && lessonOf(it.reason) != noLesson:
		return judgement{verdict: sink.Again, lesson: lessonOf(it.reason)}
	case it.status >= 400:
		return judgement{verdict: sink.Never}
	}
	return again // no status: the reply is not what it should be
}

// isBusy recognises what passes by itself or by an operator's hand, whatever its status: queues that are full, blocks
// (disk full is 403 in old versions, read-only always), and a cluster that has all the shards it may have.
func isBusy(errType, reason string) bool {
	return strings.Contains(errType, "rejected_execution") ||
		errType == "cluster_block_exception" ||
		errType == "circuit_breaking_exception" ||
		strings.Contains(reason, "maximum") && strings.Contains(reason, "shards open")
}

// A failure is a whole request that was refused.
type failure struct {
	*httpsend.Failure
	gzipped    bool // how the request was sent
	fromServer bool // the body is an error of Elasticsearch or OpenSearch, not a proxy's
}

// judgeRequest sorts a request that was refused as a whole. items is how many it had.
func judgeRequest(f *failure, items int) (sink.Reply, lesson) {
	r := f.Reply()
	switch {
	case r.Split != sink.No:
	case f.gzipped && f.unreadable():
		return r, plainBodies
	case f.Status == http.StatusBadRequest && lessonOf(f.Reason) != noLesson:
		return r, lessonOf(f.Reason)
	case isBusy(f.Type, f.Reason):
		r.Cause, r.RetryAfter = sink.Throttled, httpsend.RetryAfter(f.Header, time.Now())
	case r.Cause == sink.Answered && f.Status == http.StatusBadRequest && f.fromServer:
		// One item makes the whole request invalid. Halving finds it; by itself it is refused for good.
		if items > 1 {
			r.Split = sink.ByItem
		} else {
			r.Items = []sink.ItemReply{{Verdict: sink.Never, Status: f.Status, Type: f.Type, Reason: f.Reason}}
		}
	}
	return r, noLesson
}

// unreadable recognises a server that couldn't make sense of a gzipped body.
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
