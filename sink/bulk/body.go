package bulk

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/firelane/firelane/sink/httpsend"
)

const (
	// replyBuffer is the memory in bytes for reading a reply of any size.
	replyBuffer = 16 << 10
	// maxReply is how much of a reply is read, in bytes. Servers send some 100 bytes an item, more with its error.
	maxReply = 32 << 20
	// maxHead is how much of a reply's beginning is kept for the error, in bytes.
	maxHead = 256
	// strangeReplyWait is the minimum wait after a complete reply that isn't a bulk reply: the server may have stored the
	// records, and its answer is unlikely to change soon.
	strangeReplyWait = time.Minute
)

var errReplyTooLong = fmt.Errorf("it is longer than %d MiB", maxReply>>20)

// replyReaders is a pool of readers for replies.
type replyReaders struct{ pool sync.Pool }

func (p *replyReaders) get(r io.Reader) *replyReader {
	b, ok := p.pool.Get().(*replyReader)
	if !ok {
		b = &replyReader{Reader: bufio.NewReaderSize(nil, replyBuffer)}
	}
	b.body = replyBody{r: r}
	b.Reset(&b.body)
	return b
}

func (p *replyReaders) put(b *replyReader) {
	b.body = replyBody{}
	b.Reset(nil)
	p.pool.Put(b)
}

// A replyReader reads a reply, at most maxReply bytes of it.
type replyReader struct {
	*bufio.Reader
	body replyBody
}

// unread returns the error for a reply that couldn't be read to its end, because of err.
func (r *replyReader) unread(err error) error {
	_, _ = r.Peek(maxHead) // complete the head
	b := &r.body
	return &unreadError{err: err, head: string(b.head[:min(b.n, maxHead)]), complete: b.ended, bytes: b.n}
}

// A replyBody is the body of a reply, limited to maxReply bytes. It keeps the first maxHead bytes.
type replyBody struct {
	r     io.Reader
	n     int // bytes read
	head  [maxHead]byte
	ended bool // all was read
}

func (b *replyBody) Read(p []byte) (int, error) {
	if b.n >= maxReply {
		return 0, errReplyTooLong
	}
	n, err := b.r.Read(p[:min(len(p), maxReply-b.n)])
	if b.n < maxHead {
		copy(b.head[b.n:], p[:n])
	}
	b.n += n
	b.ended = b.ended || err == io.EOF
	return n, err
}

// An unreadError means that a 2xx reply isn't a whole bulk reply.
type unreadError struct {
	err      error
	head     string // the reply's beginning
	complete bool   // the reply was received to its end
	bytes    int    // received
}

func (e *unreadError) Error() string {
	if e.bytes == 0 && e.complete {
		return "the reply is empty; want Elasticsearch's or OpenSearch's reply to a bulk request"
	}
	return fmt.Sprintf("reading the reply, which begins %q: %v", httpsend.Snippet([]byte(e.head)), e.err)
}

func (e *unreadError) Unwrap() error { return e.err }

// strange reports whether the reply is complete but not a bulk reply.
func (e *unreadError) strange() bool {
	return e.complete || errors.Is(e.err, errNotJSON) || errors.Is(e.err, errReplyTooLong)
}

// bare reports whether the body is empty or only the text of the status.
func (e *unreadError) bare(status int) bool {
	text := strings.TrimSpace(e.head)
	return e.complete && e.bytes <= maxHead && (text == "" || text == fmt.Sprintf("%d %s", status, http.StatusText(status)))
}

// answersBare reports whether the server is a pipeline of Data Prepper or OpenSearch Ingestion, which accepts all of a
// bulk request or none of it, and answers with a bare status. From any other server a bare status shows that something is
// wrong.
func (d *Destination) answersBare(c *httpsend.Client, h http.Header) bool {
	return strings.EqualFold(d.opts.AWSService, "osis") ||
		strings.Contains(strings.ToLower(c.URL.Hostname()), ".osis.") ||
		strings.HasPrefix(h.Get("Server"), "Armeria") // the HTTP server of Data Prepper
}
