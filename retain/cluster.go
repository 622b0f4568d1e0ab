package retain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/httpsend"
)

// requestLimit is how long one request to the cluster may take. Its master waits 30 s for its own nodes.
const requestLimit = 40 * time.Second

// A cluster is asked and told by requests.
type cluster struct {
	sink.Retainer
}

// A refusal is an answer that isn't what was asked for.
type refusal struct {
	status       int
	kind, reason string
}

func (r *refusal) Error() string {
	text := fmt.Sprintf("%d %s", r.status, http.StatusText(r.status))
	if r.kind != "" {
		text += ", " + r.kind
	}
	if r.reason != "" {
		text += ": " + r.reason
	}
	return text
}

// missing reports whether what was asked for isn't there.
func (r *refusal) missing() bool { return r.status == http.StatusNotFound && !r.unknown() }

// denied reports whether the user has no permission. 401 is not that: the credentials may be replaced.
func (r *refusal) denied() bool { return r.status == http.StatusForbidden && !r.throttled() }

// throttled reports whether AWS refuses more requests for now, which it says by 403, too.
func (r *refusal) throttled() bool { return strings.Contains(r.reason, "Request throttled") }

// unknown reports whether the cluster doesn't have this part of the API: without its plugin, in another distribution, or
// because AWS doesn't let it through.
func (r *refusal) unknown() bool {
	switch r.status {
	case http.StatusBadRequest:
		return strings.Contains(r.reason, "no handler found") || r.kind == "invalid_index_name_exception" && strings.Contains(r.reason, "[_")
	case http.StatusNotFound: // Elasticsearch 7 reads /_ilm/policy/x as a document of the index _ilm
		return r.kind == "index_not_found_exception" && strings.Contains(r.reason, "[_")
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return true
	case http.StatusUnauthorized, http.StatusForbidden:
		return strings.Contains(r.reason, "is not allowed")
	}
	return false
}

// conflict reports whether another writer was faster.
func (r *refusal) conflict() bool {
	return r.status == http.StatusConflict || r.status == http.StatusBadRequest && strings.Contains(r.reason, "already exists")
}

// passing reports whether the refusal may be over later.
func (r *refusal) passing() bool {
	switch r.status {
	case http.StatusTooManyRequests, http.StatusUnauthorized, http.StatusRequestTimeout:
		return true
	}
	return r.status >= 500 && r.status != http.StatusNotImplemented || r.throttled() || r.status >= 300 && r.status < 400
}

// call makes a request to the cluster, and reads the answer into out, nil for not at all. The error is a *refusal if the cluster refused.
func (c cluster) call(ctx context.Context, method, path string, body, out any) error {
	return c.exchange(ctx, c.Administer, method, path, body, out)
}

// exchange is call by way of send, which makes a request to the cluster or to Dashboards.
func (c cluster) exchange(ctx context.Context, send func(context.Context, string, string, []byte) (int, []byte, error), method, path string, body, out any) error {
	ctx, cancel := context.WithTimeoutCause(ctx, requestLimit, fmt.Errorf("no reply in time (%s)", requestLimit))
	defer cancel()
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return fmt.Errorf("making the request %s %s: %w", method, path, err)
		}
	}
	status, answer, err := send(ctx, method, path, text)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s %s: %w", method, path, context.Cause(ctx))
	case err != nil:
		return err
	case status < 200 || status >= 300:
		return readRefusal(status, answer)
	case out == nil:
		return nil
	}
	if err := decode(answer, out); err != nil {
		// Not what such a cluster says: a login page, or an answer that is too long.
		return fmt.Errorf("the answer to %s %s isn't JSON: %q", method, path, httpsend.Snippet(answer))
	}
	return nil
}

// readRefusal reads the reasons that Elasticsearch, OpenSearch and AWS give.
func readRefusal(status int, answer []byte) *refusal {
	r := &refusal{status: status, reason: httpsend.Snippet(answer)}
	var doc struct {
		Error   json.RawMessage
		Message string // AWS; Dashboards, whose Error is the status in words
	}
	if json.Unmarshal(answer, &doc) != nil {
		return r
	}
	var cause struct{ Type, Reason string }
	var text string
	switch {
	case json.Unmarshal(doc.Error, &cause) == nil && cause.Type != "":
		r.kind, r.reason = clip(cause.Type), clip(cause.Reason)
	case doc.Message != "":
		r.reason = clip(doc.Message)
	case json.Unmarshal(doc.Error, &text) == nil && text != "":
		r.reason = clip(text)
	}
	return r
}

// clip is a server's text, short enough for a log line and without what would control a terminal.
func clip(s string) string {
	s = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(s, "?"))
	return httpsend.Clip(s, httpsend.MaxReason)
}

// refused returns the refusal in an error, nil if there was no answer.
func refused(err error) *refusal {
	var r *refusal
	if errors.As(err, &r) {
		return r
	}
	return nil
}

// An api is a cluster's way to have policies.
type api uint8

const (
	apiNone   api = iota
	apiISM        // OpenSearch's index state management
	apiOldISM     // the same, in Open Distro and old domains of AWS
	apiILM        // Elasticsearch's index lifecycle management
)

// path is where the api's policies are.
func (a api) path() string {
	switch a {
	case apiISM:
		return "/_plugins/_ism"
	case apiOldISM:
		return "/_opendistro/_ism"
	}
	return "/_ilm"
}

// policyPath is where the policy called name is.
func (a api) policyPath(name string) string {
	if a == apiILM {
		return "/_ilm/policy/" + escape(name)
	}
	return a.path() + "/policies/" + escape(name)
}

// apis returns the ways to try, the likely one first. That of an unknown cluster is OpenSearch's.
func (c cluster) apis(ctx context.Context) ([]api, error) {
	var about struct {
		Version struct{ Distribution string }
		Tagline string
	}
	err := c.call(ctx, http.MethodGet, "/", nil, &about)
	if r := refused(err); err != nil && (r == nil || r.passing() && r.status != http.StatusUnauthorized) {
		return nil, err
	}
	opensearch := err != nil || about.Version.Distribution == "opensearch" || strings.Contains(about.Tagline, "OpenSearch")
	if opensearch {
		return []api{apiISM, apiOldISM, apiILM}, nil
	}
	return []api{apiILM, apiOldISM, apiISM}, nil
}
