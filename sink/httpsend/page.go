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
	// pageWait is the minimum wait after one. Its cause is unlikely to go away soon, and a proxy may have passed the request on before
	// it answered, so that each retry may duplicate the records.
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

// notService is the verdict for a web page with a status 2xx: the answer isn't the service's, so nothing is known to be stored.
func notService(resp *http.Response) sink.Reply {
	f := ReadFailure(resp)
	return sink.Reply{
		Verdict: sink.Again, Status: f.Status, RetryAfter: pageWait,
		Err:     fmt.Errorf("%s with a web page instead of the service's answer: %s", resp.Status, f.Reason),
		Trouble: &sink.Trouble{Kind: sink.Misconfigured, What: "isn't at this address (it answered with a web page)", Want: "correct host, port, path and tls, or the proxy; the field error has the page"},
	}
}
