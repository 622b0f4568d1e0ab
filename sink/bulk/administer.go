package bulk

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/httpsend"
)

var _ sink.Retainer = (*Destination)(nil)

// Retention implements sink.Retainer.
func (d *Destination) Retention() *sink.Retention { return d.retention }

// Administer implements sink.Retainer. It makes the request with the same servers, TLS and credentials as a bulk request. Like
// Send it gets new credentials once if they are refused.
func (d *Destination) Administer(ctx context.Context, method, path string, body []byte) (status int, answer []byte, err error) {
	return d.administer(ctx, d.servers.Take(), method, path, body)
}

// Dashboards implements sink.Retainer, with the credentials of a bulk request. Dashboards wants a header against forged requests,
// which has another name in Kibana, and the tenant whose index patterns all users see.
func (d *Destination) Dashboards(ctx context.Context, method, path string, body []byte) (status int, answer []byte, err error) {
	return d.administer(ctx, d.dashboards, method, path, body)
}

// administer makes a request to the server of c.
func (d *Destination) administer(ctx context.Context, c *httpsend.Client, method, path string, body []byte) (status int, answer []byte, err error) {
	u, err := url.Parse(strings.TrimSuffix(c.Name, "/") + path)
	if err != nil {
		return 0, nil, fmt.Errorf("making the URL of %s %s: %w", method, path, err)
	}
	post := httpsend.Post{Method: method, URL: u, Body: body, Header: http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}}}
	if d.signer != nil {
		post.Sign = d.signer.Sign
	}
	for attempt := range 2 {
		var broken error
		err = c.Do(ctx, post, func(_ context.Context, resp *http.Response) {
			status = resp.StatusCode
			answer, broken = io.ReadAll(io.LimitReader(resp.Body, sink.MaxAdminAnswer))
		})
		if err == nil {
			err = broken
		}
		refused := status == http.StatusUnauthorized || status == http.StatusForbidden
		if attempt > 0 || err != nil || !refused || d.signer == nil || !d.signer.Invalidate() {
			break
		}
	}
	if err != nil {
		return 0, nil, fmt.Errorf("%s %s of %s: %w", method, u.Path, c.Name, err)
	}
	return status, answer, nil
}
