package bulk

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/firelane/firelane/config"
)

const (
	// replyLimit is how long one exchange may take, from the first byte sent to the last one read, where neither
	// request_timeout nor net.io_timeout is set. A cluster waits a minute for its own shards before it answers.
	replyLimit = 90 * time.Second
	// maxIdle is how many connections to one server are kept for the next requests.
	maxIdle = 16
	// replyHeaderLimit caps the headers of a reply in bytes.
	replyHeaderLimit = 64 << 10
)

// A server is one place with its connections.
type server struct {
	base   string // for people: http://host:9200
	bulk   *url.URL
	header http.Header // of every request
	client *http.Client
	failed atomic.Int64 // when an exchange last broke, Unix nanoseconds; 0: it didn't since one went through
}

// newServer prepares connections to p; none is made yet.
func newServer(p place, o *Options, d config.Dialect, env Env) (*server, error) {
	u, err := url.Parse(p.url() + "/_bulk")
	if err != nil {
		return nil, fmt.Errorf("making the URL of %s: %w", p.host, err)
	}
	u.RawQuery = bulkQuery(o)
	t, err := newTransport(p, o, d, env)
	if err != nil {
		return nil, err
	}
	s := &server{base: p.url(), bulk: u, client: &http.Client{
		Transport: t,
		// A redirect would turn the POST into a GET, or sign for the wrong host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	s.header = http.Header{
		"Content-Type": {"application/x-ndjson"},
		"User-Agent":   {"firelane"},
	}
	if o.CustomHeaders != "" {
		var custom map[string]string
		_ = json.Unmarshal([]byte(o.CustomHeaders), &custom) // Check has seen it
		for k, v := range custom {
			s.header.Set(k, v)
		}
	}
	switch {
	case o.APIKey != "":
		s.header.Set("Authorization", "ApiKey "+string(o.APIKey))
	case p.user != "":
		s.header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(p.user+":"+p.password)))
	}
	return s, nil
}

// bulkQuery is the query of every request. filter_path leaves of the reply what is read here: errors, and each item's
// status, without which the positions would be lost. Serverless collections aren't asked for it.
func bulkQuery(o *Options) string {
	q := url.Values{}
	if o.Pipeline != "" {
		q.Set("pipeline", o.Pipeline)
	}
	if !o.serverless() {
		q.Set("filter_path", "took,errors,items.*.status,items.*.error")
	}
	return q.Encode()
}

func newTransport(p place, o *Options, d config.Dialect, env Env) (*http.Transport, error) {
	t := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            o.Dialer().DialContext,
		TLSHandshakeTimeout:    o.Connect(),
		DisableKeepAlives:      d == config.FluentBit && !o.Keepalive,
		DisableCompression:     true,
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    maxIdle,
		MaxConnsPerHost:        o.MaxConnections,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: replyHeaderLimit,
		WriteBufferSize:        4 << 10,
		ReadBufferSize:         16 << 10,
	}
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	if o.ProxyEnvIgnore {
		t.Proxy = nil
	}
	if o.KeepaliveIdle > 0 {
		t.IdleConnTimeout = o.KeepaliveIdle
	}
	if p.scheme == "https" {
		c, err := o.TLSOptions.Config(d, p.host, env.Log)
		if err != nil {
			return nil, fmt.Errorf("preparing TLS for %s: %w", p.host, err)
		}
		t.TLSClientConfig = c
	}
	return t, nil
}

// timeout is the limit of one exchange.
func (o *Options) timeout() time.Duration {
	if o.RequestTimeout != nil && *o.RequestTimeout > 0 {
		return *o.RequestTimeout
	}
	return replyLimit
}

var errReleased = errors.New("the request's body was taken back")

// payload is a request's body. The transport may go on reading a body after it has returned (a server that answers
// early, a request that is cancelled), while the bytes belong to the caller: release cuts it off from them.
type payload struct {
	mu       sync.Mutex
	data     []byte
	off      int
	released bool
}

func (p *payload) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.released {
		return 0, errReleased
	}
	if p.off == len(p.data) {
		return 0, io.EOF
	}
	n := copy(b, p.data[p.off:])
	p.off += n
	return n, nil
}

// Lend is for the connection, which sends the bytes from where they are.
func (p *payload) Lend(max int, use func([]byte) int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.released {
		return errReleased
	}
	rest := p.data[p.off:]
	if len(rest) == 0 {
		return io.EOF
	}
	p.off += use(rest[:min(len(rest), max)])
	return nil
}

// Close is the transport's; the bytes are the caller's until release.
func (p *payload) Close() error { return nil }

// release waits for a Read that is under way; later ones fail.
func (p *payload) release() {
	p.mu.Lock()
	p.data, p.released = nil, true
	p.mu.Unlock()
}

// newRequest makes a POST of body, which must stay as it is until p.release returns.
func (s *server) newRequest(ctx context.Context, body []byte, gzipped bool) (*http.Request, *payload) {
	u := *s.bulk
	p := &payload{data: body}
	req := &http.Request{
		Method: http.MethodPost, URL: &u, Host: u.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: s.header.Clone(), Body: p, ContentLength: int64(len(body)),
	}
	if gzipped {
		req.Header.Set("Content-Encoding", "gzip")
	}
	return req.WithContext(ctx), p
}
