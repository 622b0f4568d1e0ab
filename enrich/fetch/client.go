package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// A Client gets small documents from services on the same machine or network. It uses no proxy, follows no redirects and keeps no
// connections.
type Client struct{ http *http.Client }

// Limits of a Client.
const (
	dialTime  = time.Second     // for connecting
	replyTime = 5 * time.Second // for the first byte of a reply
	maxHeader = 16 << 10        // header of a reply, in bytes
)

// NewClient makes a Client. tlsConfig may be nil: Go's defaults.
func NewClient(tlsConfig *tls.Config) *Client {
	dialer := &net.Dialer{Timeout: dialTime}
	return &Client{&http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSClientConfig: tlsConfig, TLSHandshakeTimeout: replyTime, ResponseHeaderTimeout: replyTime,
			MaxResponseHeaderBytes: maxHeader, DisableKeepAlives: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// A StatusError is a reply with a status other than 200.
type StatusError struct {
	URL    string
	Status int
}

func (e *StatusError) Error() string { return fmt.Sprintf("%s: status %d", e.URL, e.Status) }

// StatusOf returns the status of a StatusError in err's chain, or 0.
func StatusOf(err error) int {
	var s *StatusError
	if errors.As(err, &s) {
		return s.Status
	}
	return 0
}

// Do makes a request without a body, with headers as pairs of name and value. It returns the body of a reply with status 200.
// A body of more than limit bytes is an error. The error for another status is a *StatusError.
func (c *Client) Do(ctx context.Context, method, url string, limit int64, headers ...string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "firelane")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	reply, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		return nil, &StatusError{url, reply.StatusCode}
	}
	body, err := io.ReadAll(io.LimitReader(reply.Body, limit+1))
	if err == nil && int64(len(body)) > limit {
		err = fmt.Errorf("%s: the reply has more than %d bytes", url, limit)
	}
	return body, err
}
