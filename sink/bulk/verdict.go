package bulk

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/firelane/firelane/sink"
)

// maxRetryAfter is the longest that a server may ask to be left alone.
const maxRetryAfter = 5 * time.Minute

// An itemResult is what a bulk reply says about one item.
type itemResult struct {
	op      string // create, index, update
	status  int
	errType string
	reason  string
}

// A judgement is what one answer comes to.
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

// A failure is a whole request that was refused: a status that isn't 2xx, and the start of the body.
type failure struct {
	status     int
	header     http.Header
	errType    string // as a server writes it; "" where the body is something else
	reason     string // the server's reason, or the start of the body
	gzipped    bool   // how the request was sent
	fromServer bool   // the body is an error of Elasticsearch or OpenSearch, not a proxy's
}

// judgeRequest sorts a request that was refused as a whole. items is how many it had.
func judgeRequest(f *failure, items int) (sink.Reply, lesson) {
	r := sink.Reply{Verdict: sink.Again, Status: f.status, Reached: true, Err: f.err()}
	switch {
	case f.status == http.StatusRequestEntityTooLarge:
		r.TooLarge = true
		if items <= 1 {
			r.Verdict = sink.Never
		}
		return r, noLesson
	case f.gzipped && f.unreadable():
		return r, plainBodies
	case f.status == http.StatusBadRequest && lessonOf(f.reason) != noLesson:
		return r, lessonOf(f.reason)
	case f.throttled():
		r.Throttled, r.RetryAfter = true, retryAfter(f.header, time.Now())
	case f.status == http.StatusUnauthorized, f.status == http.StatusForbidden, f.expired():
		r.Unauthorised = true
	case f.status == http.StatusBadRequest && f.fromServer:
		// One item makes the whole request invalid. Halving finds it; by itself it is refused for good.
		r.TooLarge = items > 1
		if items == 1 {
			r.Items = []sink.ItemReply{{Verdict: sink.Never, Status: f.status, Type: f.errType, Reason: f.reason}}
		}
	}
	return r, noLesson
}

// throttled recognises a server, or what stands before it, that asks for less.
func (f *failure) throttled() bool {
	switch f.status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return isBusy(f.errType, f.reason) ||
		strings.Contains(f.reason, "Request throttled") || strings.Contains(f.errType, "Throttling")
}

// expired recognises temporary credentials that are over, as AWS words it.
func (f *failure) expired() bool {
	return strings.Contains(f.errType+f.reason, "ExpiredToken") ||
		strings.Contains(f.reason, "security token included in the request is expired")
}

// unreadable recognises a server that couldn't make sense of a gzipped body.
func (f *failure) unreadable() bool {
	if f.status == http.StatusUnsupportedMediaType {
		return true
	}
	if f.status != http.StatusBadRequest && f.status != http.StatusInternalServerError {
		return false
	}
	text := strings.ToLower(f.errType + " " + f.reason)
	for _, sign := range []string{"gzip", "zlib", "zip", "decompress", "deflate", "content-encoding", "ctrl-char, code 31"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

// err is the line that people read.
func (f *failure) err() error {
	text := strconv.Itoa(f.status) + " " + http.StatusText(f.status)
	if f.errType != "" {
		text += ", " + f.errType
	}
	if f.reason != "" {
		text += ": " + f.reason
	}
	if loc := f.header.Get("Location"); f.status >= 300 && f.status < 400 && loc != "" {
		return fmt.Errorf("%s: the server redirects to %s: is that the right host, port and tls?", text, loc)
	}
	if strings.Contains(f.reason, "plain HTTP request was sent to HTTPS port") {
		return fmt.Errorf("%s: TLS is off for a port that wants it", text)
	}
	return errors.New(text)
}

// retryAfter reads Retry-After: seconds, or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0
	}
	if sec, err := strconv.ParseUint(v, 10, 32); err == nil {
		return min(time.Duration(sec)*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(v); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}
