package httpsend

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/firelane/firelane/sink"
)

const (
	// pageHead is how much of a reply is read to see whether it is a web page, in bytes.
	pageHead = 512
	// pageWait is the minimum wait after one: it is unlikely to change soon, and the service behind a strange proxy may have stored the
	// records.
	pageWait = time.Minute
)

// isPage reports whether a reply is a web page: its type says so, and it begins with a tag. The body can be read as before.
func isPage(resp *http.Response) bool {
	if kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || kind != "text/html" {
		return false
	}
	in := bufio.NewReaderSize(resp.Body, pageHead)
	head, _ := in.Peek(pageHead) // an error is that of a shorter body
	resp.Body = struct {
		io.Reader
		io.Closer
	}{in, resp.Body}
	return bytes.HasPrefix(bytes.TrimSpace(head), []byte{'<'})
}

// notService is the verdict for a web page with a status 2xx: the service has not been reached, and nothing is stored.
func notService(resp *http.Response) sink.Reply {
	f := ReadFailure(resp)
	return sink.Reply{
		Verdict: sink.Again, Status: f.Status, RetryAfter: pageWait,
		Err:     fmt.Errorf("%s with a web page instead of the service's answer: %s", resp.Status, f.Reason),
		Trouble: &sink.Trouble{Kind: sink.Misconfigured, What: "isn't at this address (a web page answers)", Want: "correct host, port, path and tls, or the proxy; the field error has the page"},
	}
}
