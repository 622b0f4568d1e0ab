// Package httpsend is shared by the destinations that use HTTP: a client for one server, one exchange with it, compression,
// and the verdict for a status.
package httpsend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink/dial"
)

const (
	// DefaultTimeout is how long one exchange may take, from connecting to the last byte read, unless an option sets
	// another limit. A cluster waits a minute for its own shards before it answers.
	DefaultTimeout = 90 * time.Second
	// maxIdle is how many idle connections to one server are kept.
	maxIdle = 16
	// maxReplyHeader is the largest size of a reply's headers, in bytes.
	maxReplyHeader = 64 << 10
)

// Config configures a Client.
type Config struct {
	URL     *url.URL    // of every request
	Name    string      // of the server, for log lines: http://host:9200
	Header  http.Header // of every request
	Timeout time.Duration
	Proxy   *url.URL // nil: the environment's
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
	failed atomic.Int64 // when the last exchange failed, in Unix nanoseconds; 0: it didn't
}

// New makes a Client, without connecting.
func New(c Config) (*Client, error) {
	t, err := NewTransport(c)
	if err != nil {
		return nil, err
	}
	return &Client{Config: c, http: &http.Client{
		Transport: t,
		// A redirect would turn the POST into a GET, or sign for the wrong host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// NewTransport makes the transport of a Client, without connecting. TLS is prepared if c.URL's scheme is https.
func NewTransport(c Config) (*http.Transport, error) {
	dialer := c.Net.Dialer()
	t := &http.Transport{
		Proxy:                  c.ProxyOf(),
		DialContext:            dialer.DialContext,
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
	if c.Net.KeepaliveIdle > 0 {
		t.IdleConnTimeout = c.Net.KeepaliveIdle
	}
	if c.URL.Scheme == "https" {
		conf, err := c.TLS.Config(c.Dialect, c.URL.Hostname(), c.Secrets, c.Log)
		if err != nil {
			return nil, fmt.Errorf("preparing TLS for %s: %w", c.URL.Hostname(), err)
		}
		t.DialTLSContext = dialer.Secure(conf, c.Net.Connect())
		t.TLSClientConfig = conf // of connections through a proxy
	}
	return t, nil
}

// ProxyOf returns the function that names a request's proxy, nil where there is none for any.
func (c *Config) ProxyOf() func(*http.Request) (*url.URL, error) {
	switch {
	case c.Proxy != nil:
		return http.ProxyURL(c.Proxy)
	case c.Net.ProxyEnvIgnore:
		return nil
	}
	return dial.Proxy
}

// CloseIdle closes the idle connections.
func (c *Client) CloseIdle() { c.http.CloseIdleConnections() }

// A Post is one request.
type Post struct {
	Method   string      // "": POST
	URL      *url.URL    // nil: the Client's
	Header   http.Header // in addition to the Client's, whose values it replaces
	Body     []byte
	Encoding string // of Body: gzip, zstd, snappy; "" for none
	// Before and After are sent around Body, such as the brackets of an array. They are compressed with it.
	Before, After []byte
	// Sign adds a signature to the request; nil: none.
	Sign func(ctx context.Context, req *http.Request, body []byte) error
}

// A SignError means that Post.Sign failed; nothing was sent.
type SignError struct{ Err error }

func (e *SignError) Error() string { return e.Err.Error() }
func (e *SignError) Unwrap() error { return e.Err }

// A CutOffError means that the server closed the connection while it was sent the request, or before it answered.
type CutOffError struct{ Err error }

func (e *CutOffError) Error() string { return e.Err.Error() }
func (e *CutOffError) Unwrap() error { return e.Err }

// IsCutOff reports whether err is what a connection that the other side closed returns. It is net.ErrClosed where the
// client noticed while it was still writing: reading ended first, and net/http closed the connection under the write.
func IsCutOff(err error) bool {
	for _, closed := range []error{syscall.ECONNRESET, syscall.EPIPE, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed} {
		if errors.Is(err, closed) {
			return true
		}
	}
	return false
}

// noReplyError is a timeout.
type noReplyError struct{}

func (noReplyError) Error() string { return "no reply in time" }

// Timeout is what net.Error has.
func (noReplyError) Timeout() bool { return true }

var (
	errNoReply  noReplyError
	errSwitched = errors.New("the server answers 101 Switching Protocols, which it was not asked for; check host and port")
)

// Do makes one exchange, and calls answered with the reply, whose body can be read until answered returns. An error means
// that there was no reply: it is a SignError, a CutOffError, or the connection failed otherwise. Do doesn't use p.Body
// after it has returned.
func (c *Client) Do(ctx context.Context, p Post, answered func(ctx context.Context, resp *http.Response)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.Timeout, fmt.Errorf("%w (%s)", errNoReply, c.Timeout))
	defer cancel()
	var begun atomic.Bool // the headers are sent; a server may refuse the body by them
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { begun.Store(true) }})
	if p.Sign != nil && len(p.Before)+len(p.After) > 0 {
		p.Body, p.Before, p.After = slices.Concat(p.Before, p.Body, p.After), nil, nil // a signer reads it at once
	}
	u, body, method := *c.URL, NewPayload(p.Before, p.Body, p.After), http.MethodPost
	defer body.Release()
	if p.URL != nil {
		u = *p.URL
	}
	if p.Method != "" {
		method = p.Method
	}
	req := (&http.Request{
		Method: method, URL: &u, Host: u.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: c.Header.Clone(), Body: body, ContentLength: int64(body.Len()),
	}).WithContext(ctx)
	if req.Header == nil {
		req.Header = http.Header{}
	}
	maps.Copy(req.Header, p.Header)
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host // net/http ignores the header
	}
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
		plain := PlainError(ctx, err)
		if begun.Load() && ctx.Err() == nil && IsCutOff(plain) {
			return &CutOffError{plain}
		}
		return plain
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		// The body would be the connection itself, which has no time limit.
		c.failed.Store(time.Now().UnixNano())
		return errSwitched
	}
	c.failed.Store(0)
	answered(ctx, resp)
	return nil
}

// PlainError returns err without the URL, which callers name themselves, and with the limit if the exchange timed out.
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

// skipFailed is how long a server is skipped after an exchange with it failed, if there are others.
const skipFailed = 30 * time.Second

// Servers are the clients of several servers, used in turn.
type Servers struct {
	Clients []*Client
	next    atomic.Uint32
}

// Take returns the next server that hasn't failed within skipFailed, or just the next one if all have.
func (s *Servers) Take() *Client {
	n := uint32(len(s.Clients))
	first := s.next.Add(1) - 1
	for i := range n {
		c := s.Clients[(first+i)%n]
		if f := c.failed.Load(); f == 0 || time.Since(time.Unix(0, f)) > skipFailed {
			return c
		}
	}
	return s.Clients[first%n]
}

// CloseIdle closes the idle connections of all servers.
func (s *Servers) CloseIdle() {
	for _, c := range s.Clients {
		c.CloseIdle()
	}
}
