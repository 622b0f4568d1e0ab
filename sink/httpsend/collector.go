package httpsend

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/firelane/firelane/sink"
)

// Collector returns the verdict of a service that answers a request of n items with nothing but a status, as collectors of
// logs do. 400 and 422 are about the content, unless a proxy says it or the port wants TLS: the request is halved until the
// item is found, which is given up. 413 is halved, too. 408 and 429 ask to wait, and so do a proxy's 502 to 504. 401, 403 and 407 refuse the credentials. Any other
// status (404, 405, 415, 500, a redirect) says more about the configuration or the service than about an item: it is sent
// again.
func (f *Failure) Collector(n int) sink.Reply {
	r := f.Reply()
	switch f.Status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		if f.AboutRequest() {
			r = RefusedContent(r, n)
		}
	case http.StatusProxyAuthRequired:
		r.Cause = sink.Unauthorised
	}
	return r
}

// Hide removes the path and the query of a request's URL from what the server says. Some services have their token there, and
// servers repeat it: "/bulk/TOKEN was not found".
func (f *Failure) Hide(u *url.URL) {
	location := f.Header.Get("Location")
	for _, secret := range []string{u.RequestURI(), u.Path, u.EscapedPath(), u.RawQuery} {
		if len(secret) > 1 {
			f.Reason = strings.ReplaceAll(f.Reason, secret, "***")
			location = strings.ReplaceAll(location, secret, "/***")
		}
	}
	if location != "" {
		f.Header.Set("Location", location)
	}
}

// RefusedContent makes r, the reply to a request of n items, say that its content is refused for good: a request of several
// items is halved to find the one that is wrong.
func RefusedContent(r sink.Reply, n int) sink.Reply {
	r.Cause, r.RetryAfter, r.Split, r.Verdict = sink.Answered, 0, sink.No, sink.Never
	if n > 1 {
		r.Split, r.Verdict = sink.ByItem, sink.Again
	}
	return r
}
