package httpsend

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestReleasedBodyIsNotReadAgain(t *testing.T) {
	p := &payload{data: []byte("abc")}
	var b [2]byte
	if n, err := p.Read(b[:]); n != 2 || err != nil {
		t.Fatalf("got %d bytes and error %v, want 2", n, err)
	}
	p.release()
	if n, err := p.Read(b[:]); n != 0 || !errors.Is(err, errReleased) {
		t.Fatalf("after release: got %d bytes and error %v, want none and %v", n, err, errReleased)
	}
}

func TestReleasedBodyIsNotLentAgain(t *testing.T) {
	p := &payload{data: []byte("abcd")}
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
	p.release()
	if err := p.Lend(2, take); !errors.Is(err, errReleased) || lent != "abbc" {
		t.Fatalf("after release: got %q lent and error %v, want nothing more and %v", lent, err, errReleased)
	}
	all := &payload{data: []byte("a"), off: 1}
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

// TestConnectionClosedUnderAWriteIsCutOff: net/http closes a connection whose server has gone, while a body is written to it.
func TestConnectionClosedUnderAWriteIsCutOff(t *testing.T) {
	if err := (&net.OpError{Op: "write", Net: "tcp", Err: net.ErrClosed}); !isCutOff(err) {
		t.Errorf("%v: got not cut off, want cut off", err)
	}
}

// A server that refuses a large request by its headers resets the connection before the first byte of the body is sent.
func TestABodyIsStartedEvenIfTheConnectionTakesNoneOfIt(t *testing.T) {
	p := &payload{data: []byte("body")}
	if p.started() {
		t.Error("the body is started before the transport asks for it")
	}
	if err := p.Lend(4, func([]byte) int { return 0 }); err != nil || !p.started() {
		t.Errorf("the body is not started (%v), want it started", err)
	}
}
