// Package httpsend is what destinations over HTTP share: a client for one server, one exchange with it, gzip, and the
// verdict that a status means.
package httpsend

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink/dial"
)

const (
	// DefaultTimeout is how long one exchange may take, from the first byte sent to the last one read, where no option
	// says otherwise. A cluster waits a minute for its own shards before it answers.
	DefaultTimeout = 90 * time.Second
	// maxIdle is how many connections to one server are kept for the next requests.
	maxIdle = 16
	// maxReplyHeader caps the headers of a reply in bytes.
	maxReplyHeader = 64 << 10
)

// Config is what a Client is made of.
type Config struct {
	URL     *url.URL    // of every request
	Name    string      // of the server, for people: http://host:9200
	Header  http.Header // of every request
	Timeout time.Duration
	Net     *dial.NetOptions
	TLS     *dial.TLSOptions
	Secrets bool // requests carry credentials
	Dialect config.Dialect
	Log     zerolog.Logger
}

// A Client makes requests to one server. It is safe for concurrent use.
type Client struct {
	Config
	http   *http.Client
	failed atomic.Int64 // when an exchange last broke, in Unix nanoseconds; 0: the last one went through
}

// New prepares connections; none is made yet.
func New(c Config) (*Client, error) {
	t := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            c.Net.Dialer().DialContext,
		TLSHandshakeTimeout:    c.Net.Connect(),
		DisableKeepAlives:      c.Dialect == config.FluentBit && !c.Net.Keepalive,
		DisableCompression:     true,
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    maxIdle,
		MaxConnsPerHost:        c.Net.MaxConnections,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: maxReplyHeader,
		WriteBufferSize:        4 << 10,
		ReadBufferSize:         16 << 10,
	}
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	if c.Net.ProxyEnvIgnore {
		t.Proxy = nil
	}
	if c.Net.KeepaliveIdle > 0 {
		t.IdleConnTimeout = c.Net.KeepaliveIdle
	}
	if c.URL.Scheme == "https" {
		conf, err := c.TLS.Config(c.Dialect, c.URL.Hostname(), c.Secrets, c.Log)
		if err != nil {
			return nil, fmt.Errorf("preparing TLS for %s: %w", c.URL.Hostname(), err)
		}
		t.TLSClientConfig = conf
	}
	return &Client{Config: c, http: &http.Client{
		Transport: t,
		// A redirect would turn the POST into a GET, or sign for the wrong host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// CloseIdle closes the connections that no exchange uses.
func (c *Client) CloseIdle() { c.http.CloseIdleConnections() }

// A Post is one request.
type Post struct {
	Body     []byte
	Encoding string // of Body: gzip; "" for none
	// Sign adds what proves who sends the request; nil: nothing.
	Sign func(ctx context.Context, req *http.Request, body []byte) error
}

// A SignError is the error of a Post's Sign: nothing was sent.
type SignError struct{ Err error }

func (e *SignError) Error() string { return e.Err.Error() }
func (e *SignError) Unwrap() error { return e.Err }

var errNoReply = errors.New("no reply in time")

// Do makes one exchange, and calls answered with the reply, whose body is readable until answered returns. The error says
// that there was none: a SignError, or that the connection failed. p.Body is not used after Do has returned.
func (c *Client) Do(ctx context.Context, p Post, answered func(ctx context.Context, resp *http.Response)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.Timeout, fmt.Errorf("%w (%s)", errNoReply, c.Timeout))
	defer cancel()
	u, body := *c.URL, &payload{data: p.Body}
	defer body.release()
	req := (&http.Request{
		Method: http.MethodPost, URL: &u, Host: u.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: c.Header.Clone(), Body: body, ContentLength: int64(len(p.Body)),
	}).WithContext(ctx)
	if p.Encoding != "" {
		req.Header.Set("Content-Encoding", p.Encoding)
	}
	if p.Sign != nil {
		if err := p.Sign(ctx, req, p.Body); err != nil {
			return &SignError{err}
		}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		c.failed.Store(time.Now().UnixNano())
		return PlainError(ctx, err)
	}
	defer resp.Body.Close()
	c.failed.Store(0)
	answered(ctx, resp)
	return nil
}

// PlainError takes off err the URL, which the caller names, and says what a time-out was about.
func PlainError(ctx context.Context, err error) error {
	if errors.Is(err, context.DeadlineExceeded) && errors.Is(context.Cause(ctx), errNoReply) {
		return context.Cause(ctx)
	}
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// deadTime is how long a server that couldn't be reached is passed over, where there are others.
const deadTime = 30 * time.Second

// Servers are the clients of several servers, which are used in turn.
type Servers struct {
	Clients []*Client
	next    atomic.Uint32
}

// Take returns the next server that hasn't failed lately, or simply the next one where all have.
func (s *Servers) Take() *Client {
	n := uint32(len(s.Clients))
	first := s.next.Add(1) - 1
	for i := range n {
		c := s.Clients[(first+i)%n]
		if f := c.failed.Load(); f == 0 || time.Since(time.Unix(0, f)) > deadTime {
			return c
		}
	}
	return s.Clients[first%n]
}

// CloseIdle closes the connections that no exchange uses.
func (s *Servers) CloseIdle() {
	for _, c := range s.Clients {
		c.CloseIdle()
	}
}
