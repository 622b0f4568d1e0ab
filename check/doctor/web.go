package doctor

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/firelane/firelane/sink/httpsend"
	"github.com/firelane/firelane/sink/probe"
)

// A client asks one HTTP server.
type client struct {
	*exam
	http *http.Client
}

// An answer is what the server answered.
type answer struct {
	status int
	header http.Header
	body   []byte
	long   bool // the body has more than maxAnswer bytes
}

// newClient makes a client with the output's own options for the network and TLS. The caller closes it.
func (e *exam) newClient() (*client, bool) {
	t, err := httpsend.NewTransport(*e.HTTP)
	if err != nil {
		e.fail("options", "correct the option", "%v", err)
		return nil, false
	}
	return &client{e, &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, true
}

func (c *client) close() { c.http.CloseIdleConnections() }

// ask makes one request. secrets: with the output's headers and signature.
func (c *client) ask(ctx context.Context, method string, u *url.URL, body string, secrets bool) (*answer, error) {
	ctx, cancel := limited(ctx, c.step)
	defer cancel()
	to := *u
	to.User = nil
	req, err := http.NewRequestWithContext(ctx, method, "http://host", strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.URL, req.Host = &to, to.Host
	if secrets {
		maps.Copy(req.Header, c.HTTP.Header)
	}
	req.Header.Set("User-Agent", "firelane")
	req.Header.Set("Content-Type", "application/json")
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	if secrets && c.Sign != nil {
		if err := c.Sign(ctx, req, []byte(body)); err != nil {
			return nil, err
		}
	}
	sent := c.now()
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, plain(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return nil, errors.New("the server answers 101 Switching Protocols, which it was not asked for")
	}
	a := &answer{status: resp.StatusCode, header: resp.Header}
	if a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1)); err != nil {
		return nil, plain(ctx, err)
	}
	if a.long = len(a.body) > maxAnswer; a.long {
		a.body = a.body[:maxAnswer]
	}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		c.clock(date, sent)
	}
	return a, nil
}

// unanswered says that a request got no answer.
func (c *client) unanswered(ctx context.Context, what string, err error) {
	if c.TLS == nil && ctx.Err() == nil && !errors.Is(err, errSlow) && c.speaksTLS(ctx) {
		c.wantsTLS()
		return
	}
	c.fail("http", "the server's log may say why; check that the port is that of an HTTP server", "no answer to %s: %v", what, err)
}

func (e *exam) wantsTLS() {
	e.fail("tls", "turn TLS on: tls On; in Fluentd scheme https", "the server speaks TLS on port %d, and this output doesn't", e.Port)
}

// saysTLS reports whether a server answered that it was spoken to without TLS, as nginx, Go's and other servers do.
func (a *answer) saysTLS() bool {
	text := strings.ToLower(string(a.body[:min(len(a.body), 1<<10)]))
	return a.status == http.StatusBadRequest && (strings.Contains(text, "https") || strings.Contains(text, "tls") || strings.Contains(text, "ssl"))
}

// greet asks an HTTP server for nothing in particular: OPTIONS / (RFC 9110, 9.3.7: without an action on the server), without
// credentials. Any other request might be taken for a record. (OPTIONS * would be better still; nginx refuses it.)
func (e *exam) greet(ctx context.Context) {
	c, ok := e.newClient()
	if !ok {
		return
	}
	defer c.close()
	u := &url.URL{Scheme: e.HTTP.URL.Scheme, Host: e.HTTP.URL.Host, Path: "/"}
	a, err := c.ask(ctx, http.MethodOptions, u, "", false)
	switch {
	case err != nil:
		c.unanswered(ctx, "OPTIONS /", err)
	case e.TLS == nil && (a.saysTLS() || a.status == http.StatusBadRequest && e.speaksTLS(ctx)):
		e.wantsTLS()
	case a.status >= http.StatusInternalServerError && a.status != http.StatusNotImplemented: // it doesn't know OPTIONS
		e.warn("http", "see the server's log, or that of the load balancer before it", "the server answers %d to OPTIONS /: it has a problem, or the service that it passes requests to", a.status)
	default:
		e.ok("http", "the server speaks HTTP (it answers %d to OPTIONS /); whether it accepts records is not known without sending one", a.status)
	}
}

// health asks the path by which the server says whether it is well.
func (e *exam) health(ctx context.Context) {
	c, ok := e.newClient()
	if !ok {
		return
	}
	defer c.close()
	u := &url.URL{Scheme: e.HTTP.URL.Scheme, Host: e.HTTP.URL.Host, Path: e.Health}
	a, err := c.ask(ctx, http.MethodGet, u, "", false)
	switch {
	case err != nil:
		c.unanswered(ctx, "GET "+e.Health, err)
	case a.saysTLS() && e.TLS == nil:
		e.wantsTLS()
	case a.status == http.StatusOK:
		e.ok("health", "GET %s answers 200: %s; whether it accepts records is not known without sending one", e.Health, c.excerpt(a))
	case a.status >= http.StatusInternalServerError:
		e.fail("health", "see the server's log", "the server says that it has a problem: GET %s answers %d: %s", e.Health, a.status, c.excerpt(a))
	default:
		e.note("health", "not known: GET %s answers %d; a gateway before the server may not pass it on", e.Health, a.status)
	}
}

// excerptBytes is how much of an answer is shown.
const excerptBytes = 200

// excerpt is the beginning of the answer's body. Secrets are hidden before it is cut: a part of one would not be recognized.
func (c *client) excerpt(a *answer) string {
	text := strings.TrimSpace(c.mask.hide(string(a.body[:min(len(a.body), 64*excerptBytes)])))
	if text == "" {
		return "no text"
	}
	if len(text) > excerptBytes {
		return text[:excerptBytes] + "…"
	}
	return text
}

// Differences of clocks.
const (
	skewWarning = time.Minute
	// skewError is the difference from which AWS refuses signatures ("Troubleshooting Signature Version 4": 5 minutes; some services
	// take 15).
	skewError = 5 * time.Minute
)

// clock compares the clock of a server with this host's. sent is when the request was.
func (e *exam) clock(server, sent time.Time) {
	if e.seen || server.IsZero() {
		return
	}
	e.seen = true
	now := e.now()
	skew := server.Sub(now)
	if server.Before(now) && server.After(sent.Add(-time.Second)) { // the header has no fraction of a second
		skew = 0
	}
	text := skew.Round(time.Second).String()
	fix := "set this host's clock: on EC2 and Fargate, Amazon Time Sync; on a machine of your own, chrony or NTP"
	switch {
	case skew.Abs() > skewError && e.AWS != nil:
		e.fail("clock", fix, "the server's clock is %s from this host's, and AWS refuses signatures from %s on", text, skewError)
	case skew.Abs() > skewWarning:
		e.warn("clock", fix, "the server's clock is %s from this host's: a record's time, and so its index, may be wrong", text)
	default:
		e.say(probe.Fact{Step: "clock", Text: "this host's clock is right, by the server's answer"})
	}
}
