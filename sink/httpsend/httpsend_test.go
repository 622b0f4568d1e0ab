package httpsend

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestReleasedBodyIsNotReadAgain(t *testing.T) {
	p := NewPayload([]byte("abc"))
	var b [2]byte
	if n, err := p.Read(b[:]); n != 2 || err != nil {
		t.Fatalf("got %d bytes and error %v, want 2", n, err)
	}
	p.Release()
	if n, err := p.Read(b[:]); n != 0 || !errors.Is(err, errReleased) {
		t.Fatalf("after release: got %d bytes and error %v, want none and %v", n, err, errReleased)
	}
}

func TestReleasedBodyIsNotLentAgain(t *testing.T) {
	p := NewPayload([]byte("abcd"))
	lent := ""
	take := func(b []byte) int {
		if lent += string(b); p.mu.TryLock() {
			t.Error("got a release that doesn't wait for what is lent, want it to wait")
		}
		return 1
	}
	for range 2 {
		if err := p.Lend(2, take); err != nil {
			t.Fatal(err)
		}
	}
	var b [1]byte
	if n, err := p.Read(b[:]); lent != "abbc" || n != 1 || err != nil || b[0] != 'c' {
		t.Fatalf("got %q lent, then %q read with error %v, want abb, then c", lent, b, err)
	}
	p.Release()
	if err := p.Lend(2, take); !errors.Is(err, errReleased) || lent != "abbc" {
		t.Fatalf("after release: got %q lent and error %v, want nothing more and %v", lent, err, errReleased)
	}
	all := &Payload{pieces: [][]byte{[]byte("a")}, off: 1}
	if err := all.Lend(2, take); err != io.EOF {
		t.Fatalf("at its end: got error %v, want %v", err, io.EOF)
	}
}

func TestRetryAfterIsReadAndBounded(t *testing.T) {
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for v, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, " 7 ": 7 * time.Second, "-1": 0, "soon": 0, "99999999": maxRetryAfter,
		"Mon, 23 Nov 2026 10:00:30 GMT": 30 * time.Second, "Mon, 23 Nov 2026 09:00:00 GMT": 0,
	} {
		if got := RetryAfter(http.Header{"Retry-After": {v}}, now); got != want {
			t.Errorf("Retry-After %q: got %v, want %v", v, got, want)
		}
	}
}

func TestRefusalsAreOneReadableLine(t *testing.T) {
	for _, tt := range []struct {
		f    Failure
		want string
	}{
		{Failure{Status: 301, Header: http.Header{"Location": {"https://x/"}}}, "redirects to https://x/"},
		{Failure{Status: 400, Reason: Snippet([]byte("<html>\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>"))}, "this port needs tls"},
	} {
		got := tt.f.err().Error()
		if !strings.Contains(got, tt.want) || strings.ContainsAny(got, "\n<>") {
			t.Errorf("%q should contain %q and be one line", got, tt.want)
		}
	}
}

// A roundTrip is a transport whose connection breaks.
type roundTrip func(*http.Request) error

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return nil, f(r) }

// TestConnectionThatTheServerClosesIsCutOff: net/http closes a connection whose server has gone, also while it is written
// to. Nothing of the body need have been sent: a server knows from the headers how long it will be.
func TestConnectionThatTheServerClosesIsCutOff(t *testing.T) {
	for name, tt := range map[string]struct {
		sent int64 // bytes of the body; -1: not even the headers
		err  error
		want bool
	}{
		"before the body":        {0, &net.OpError{Op: "write", Net: "tcp", Err: net.ErrClosed}, true},
		"during the body":        {2, &net.OpError{Op: "write", Net: "tcp", Err: net.ErrClosed}, true},
		"reset":                  {2, &net.OpError{Op: "write", Net: "tcp", Err: syscall.ECONNRESET}, true},
		"no answer":              {3, io.EOF, true},
		"in the handshake":       {-1, io.EOF, false},
		"a malformed answer":     {3, errors.New("malformed HTTP response"), false},
		"a connection timed out": {3, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ETIMEDOUT}, false},
	} {
		c := &Client{Config: Config{URL: &url.URL{Scheme: "http", Host: "h"}, Timeout: time.Hour}, http: &http.Client{Transport: roundTrip(func(r *http.Request) error {
			if tt.sent >= 0 {
				httptrace.ContextClientTrace(r.Context()).WroteHeaders()
				_, _ = io.CopyN(io.Discard, r.Body, tt.sent)
			}
			return tt.err
		})}}
		err := c.Do(t.Context(), Post{Body: []byte("abc")}, nil)
		var cut *CutOffError
		if !errors.Is(err, tt.err) || errors.As(err, &cut) != tt.want {
			t.Errorf("%s: got %T %v, want it cut off: %v", name, err, err, tt.want)
		}
	}
}

// TestPayloadIsHashedWithoutACopy: io.Copy calls WriteTo, with whole pieces; after a Seek the body is read again.
func TestPayloadIsHashedWithoutACopy(t *testing.T) {
	p := NewPayload([]byte("one "), nil, []byte("two"))
	for range 2 {
		var got strings.Builder
		if n, err := io.Copy(&got, p); n != 7 || err != nil || got.String() != "one two" {
			t.Errorf("got %q, %d bytes and %v, want all", got.String(), n, err)
		}
		if _, err := p.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.Seek(5, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(p); string(rest) != "wo" || err != nil {
		t.Errorf("got %q and %v, want the rest", rest, err)
	}
	p.Release()
	if _, err := io.Copy(io.Discard, p); err == nil {
		t.Error("a body that was released is read")
	}
}
