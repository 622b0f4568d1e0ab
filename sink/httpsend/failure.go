package httpsend

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/firelane/firelane/sink"
)

const (
	// maxBody is how much of the reply to a refused request is read, in bytes.
	maxBody = 32 << 10
	// MaxReason is how much of a refusal's reason is kept, in bytes. Servers quote documents in theirs.
	MaxReason = 400
	// maxSnippet is how much of a reply that isn't JSON is logged, in bytes.
	maxSnippet = 200
	// maxRetryAfter is the longest Retry-After that is honoured.
	maxRetryAfter = 5 * time.Minute
)

// A Failure is the reply to a request that was refused as a whole: the status is not 2xx.
type Failure struct {
	Status int
	Header http.Header
	Type   string // the error type, as AWS gives it; "" if there is none
	Reason string // the server's reason, or the start of the body
	Body   []byte // the start of the body, at most maxBody bytes
}

// ReadFailure reads the reply to a request that was refused as a whole.
func ReadFailure(resp *http.Response) *Failure {
	f := &Failure{Status: resp.StatusCode, Header: resp.Header}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err == nil {
		Drain(resp)
	}
	f.Body = body
	var answer struct {
		Message string `json:"message"` // AWS; Go matches Message as well
		Code    string `json:"__type"`
	}
	f.Reason = Snippet(body)
	if json.Unmarshal(body, &answer) == nil && (answer.Message != "" || answer.Code != "") {
		f.Type, f.Reason = answer.Code, Clip(answer.Message, MaxReason)
	}
	if t := resp.Header.Get("X-Amzn-ErrorType"); f.Type == "" && t != "" {
		f.Type, _, _ = strings.Cut(t, ":")
	}
	return f
}

// Drain reads up to maxBody bytes of a reply: a connection can be used again only if its last reply was read to the end.
func Drain(resp *http.Response) { _, _ = io.CopyN(io.Discard, resp.Body, maxBody) }

// Snippet returns the start of a body on one line, without HTML tags.
func Snippet(body []byte) string {
	var b strings.Builder
	inTag := false
	for _, c := range strings.ToValidUTF8(string(body), "?") {
		switch {
		case c == '<':
			inTag = true
			b.WriteByte(' ')
		case c == '>':
			inTag = false
		case !inTag && (unicode.IsPrint(c) || unicode.IsSpace(c)):
			b.WriteRune(c)
		}
	}
	return Clip(strings.Join(strings.Fields(b.String()), " "), maxSnippet)
}

// Clip returns s, or its first n bytes and an ellipsis.
func Clip(s string, n int) string {
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "") + "…"
	}
	return s
}

// Reply returns the verdict for the status alone. A destination may refine it by what it knows of its server.
func (f *Failure) Reply() sink.Reply {
	r := sink.Reply{Verdict: sink.Again, Cause: sink.Answered, Status: f.Status, Err: f.err(), Trouble: f.trouble()}
	switch {
	case f.Status == http.StatusRequestEntityTooLarge:
		r.Split = sink.BySize
	case f.throttled():
		r.Cause, r.RetryAfter = sink.Throttled, RetryAfter(f.Header, time.Now())
	case f.Status == http.StatusUnauthorized, f.Status == http.StatusForbidden, f.expired():
		r.Cause = sink.Unauthorised
	}
	return r
}

// throttled reports whether the server, or a proxy before it, is overloaded, or says that the request came too slowly (408).
func (f *Failure) throttled() bool {
	switch f.Status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return strings.Contains(f.Reason, "Request throttled") || strings.Contains(f.Type, "Throttling")
}

// expired reports whether AWS refused temporary credentials because they have expired.
func (f *Failure) expired() bool {
	return strings.Contains(f.Type+f.Reason, "ExpiredToken") ||
		strings.Contains(f.Reason, "security token included in the request is expired")
}

// err describes the failure for people.
func (f *Failure) err() error {
	text := strconv.Itoa(f.Status) + " " + http.StatusText(f.Status)
	if f.Type != "" {
		text += ", " + f.Type
	}
	if f.Reason != "" {
		text += ": " + f.Reason
	}
	if loc := f.Header.Get("Location"); f.Status >= 300 && f.Status < 400 && loc != "" {
		return fmt.Errorf("%s: the server redirects to %s; check host, port and tls", text, loc)
	}
	if f.needsTLS() {
		return fmt.Errorf("%s: this port needs tls; turn it on", text)
	}
	return errors.New(text)
}

// trouble says in words that requests go to the wrong place; nil if they don't.
func (f *Failure) trouble() *sink.Trouble {
	switch {
	case f.needsTLS():
		return &sink.Trouble{Kind: sink.Misconfigured, What: "wants TLS at this port", Want: "turn tls on"}
	case f.Status >= 300 && f.Status < 400, f.Status == http.StatusMethodNotAllowed, f.Status == http.StatusNotFound:
		return &sink.Trouble{Kind: sink.Misconfigured, What: "isn't at this address (" + strconv.Itoa(f.Status) + ")", Want: "correct host, port, path and tls; the field error has the answer"}
	}
	return nil
}

// needsTLS reports whether the server, nginx or one in Go, says that it wants TLS.
func (f *Failure) needsTLS() bool {
	return strings.Contains(f.Reason, "plain HTTP request was sent to HTTPS port") || strings.Contains(f.Reason, "HTTP request to an HTTPS server")
}

// AboutRequest reports whether the refusal is about what was sent: not if a proxy answers with a page, or if the port wants
// TLS. Only then may records be given up because of it.
func (f *Failure) AboutRequest() bool {
	return !f.needsTLS() && !strings.HasPrefix(f.Header.Get("Content-Type"), "text/html")
}

// RetryAfter parses the header Retry-After, seconds or a date; 0 if it is missing.
func RetryAfter(h http.Header, now time.Time) time.Duration {
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
