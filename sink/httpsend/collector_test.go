package httpsend

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dial"
)

func TestACollectorsStatusesAreSorted(t *testing.T) {
	for status, want := range map[int]sink.Reply{
		400: {Verdict: sink.Again, Cause: sink.Answered, Split: sink.ByItem},
		401: {Verdict: sink.Again, Cause: sink.Unauthorised},
		403: {Verdict: sink.Again, Cause: sink.Unauthorised},
		404: {Verdict: sink.Again, Cause: sink.Answered},
		405: {Verdict: sink.Again, Cause: sink.Answered},
		407: {Verdict: sink.Again, Cause: sink.Unauthorised},
		408: {Verdict: sink.Again, Cause: sink.Throttled},
		413: {Verdict: sink.Again, Cause: sink.Answered, Split: sink.BySize},
		415: {Verdict: sink.Again, Cause: sink.Answered},
		422: {Verdict: sink.Again, Cause: sink.Answered, Split: sink.ByItem},
		429: {Verdict: sink.Again, Cause: sink.Throttled},
		500: {Verdict: sink.Again, Cause: sink.Answered},
		503: {Verdict: sink.Again, Cause: sink.Throttled},
		301: {Verdict: sink.Again, Cause: sink.Answered},
	} {
		f := &Failure{Status: status, Header: http.Header{}}
		r := f.Collector(2)
		if r.Verdict != want.Verdict || r.Cause != want.Cause || r.Split != want.Split || r.Err == nil || r.Status != status {
			t.Errorf("%d: got %+v, want %+v", status, r, want)
		}
		if one := f.Collector(1); (one.Verdict == sink.Never) != (want.Split == sink.ByItem) {
			t.Errorf("%d with one item: got %+v", status, one)
		}
	}
}

func TestARefusalByAProxyOrAPortWithTLSGivesNoItemUp(t *testing.T) {
	for name, f := range map[string]*Failure{
		"nginx": {Status: 400, Header: http.Header{}, Reason: "The plain HTTP request was sent to HTTPS port"},
		"Go":    {Status: 400, Header: http.Header{}, Reason: "Client sent an HTTP request to an HTTPS server."},
		"proxy": {Status: 400, Header: http.Header{"Content-Type": {"text/html"}}, Reason: "Bad Request"},
	} {
		if r := f.Collector(1); r.Verdict != sink.Again || r.Split != sink.No || r.Cause != sink.Answered {
			t.Errorf("%s: got %+v", name, r)
		}
	}
}

func TestATokenInTheURLIsInNoMessage(t *testing.T) {
	u, err := url.Parse("https://collector.example/in/t0ken?key=s3cr3t")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []*Failure{
		{Status: 404, Header: http.Header{}, Reason: "/in/t0ken?key=s3cr3t was not found"},
		{Status: 404, Header: http.Header{}, Reason: "/in/t0ken was not found, with key=s3cr3t"},
		{Status: 301, Header: http.Header{"Location": {"https://www.collector.example/in/t0ken?key=s3cr3t"}}},
	} {
		f.Hide(u)
		if text := f.Collector(1).Err.Error(); strings.Contains(text, "t0ken") || strings.Contains(text, "s3cr3t") || !strings.Contains(text, "***") {
			t.Errorf("got %s", text)
		}
	}
	root := &Failure{Status: 404, Header: http.Header{}, Reason: "/ was not found"}
	if root.Hide(&url.URL{Scheme: "http", Host: "h", Path: "/"}); root.Reason != "/ was not found" {
		t.Errorf("got %q", root.Reason)
	}
}

func TestWhatIsAroundTheBodyIsSentWithIt(t *testing.T) {
	gz, err := SharedCompressor(nil, "gzip")
	if err != nil {
		t.Fatal(err)
	}
	sn, err := SharedCompressor(nil, "snappy")
	if err != nil {
		t.Fatal(err)
	}
	var signed []byte
	sign := func(_ context.Context, _ *http.Request, body []byte) error { signed = body; return nil }
	for name, c := range map[string]struct {
		x    Exchange
		read func([]byte) []byte
	}{
		"plain":  {Exchange{}, func(b []byte) []byte { return b }},
		"signed": {Exchange{Post: Post{Sign: sign}}, func(b []byte) []byte { return b }},
		"gzip": {Exchange{Compress: gz}, func(b []byte) []byte {
			r, err := gzip.NewReader(bytes.NewReader(b))
			if err != nil {
				return nil
			}
			b, _ = io.ReadAll(r)
			return b
		}},
		"snappy": {Exchange{Compress: sn}, func(b []byte) []byte { b, _ = snappy.Decode(nil, b); return b }},
	} {
		c.x.Before, c.x.Body, c.x.After = []byte("["), []byte("1,2"), []byte("]")
		r := send(t, c.x, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if got := c.read(body); string(got) != "[1,2]" || int(r.ContentLength) != len(body) {
				t.Errorf("%s: got %q of %d bytes, Content-Length %d", name, got, len(body), r.ContentLength)
			}
		})
		if r.Err != nil {
			t.Errorf("%s: %v", name, r.Err)
		}
	}
	if string(signed) != "[1,2]" {
		t.Errorf("signed %q", signed)
	}
}

func TestAPayloadsPartsAreReadInOrderAndAgainAfterASeek(t *testing.T) {
	p := NewPayload([]byte("ab"), nil, []byte("cd"))
	if b, err := io.ReadAll(p); string(b) != "abcd" || err != nil || p.Len() != 4 {
		t.Fatalf("got %q, %v", b, err)
	}
	if _, err := p.Seek(1, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	var lent []string
	for {
		err := p.Lend(10, func(b []byte) int { lent = append(lent, string(b)); return len(b) })
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(lent) != 2 || lent[0] != "b" || lent[1] != "cd" {
		t.Errorf("lent %q", lent)
	}
}

func TestAProxyOfAnOptionIsUsedInsteadOfTheServer(t *testing.T) {
	asked := ""
	proxy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked = r.URL.String() }))
	defer proxy.Close()
	p, err := ParseProxy("proxy", proxy.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	u := &url.URL{Scheme: "http", Host: "collector.example", Path: "/in"}
	c, err := New(Config{URL: u, Proxy: p, Name: "collector", Timeout: DefaultTimeout, Net: &dial.NetOptions{Keepalive: true}, TLS: &dial.TLSOptions{}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdle()
	r := (&Servers{Clients: []*Client{c}}).Send(t.Context(), Exchange{})
	if r.Err != nil || asked != "http://collector.example/in" {
		t.Errorf("got %+v after the proxy was asked for %q", r, asked)
	}
	for _, wrong := range []string{"ftp://x", "http://", "http://a b"} {
		if _, err := ParseProxy("proxy", wrong); err == nil {
			t.Errorf("%q: got no error", wrong)
		}
	}
}

func TestAnUnknownCompressionIsNone(t *testing.T) {
	for text, want := range map[string]struct{ gzip, warns bool }{
		"gzip": {true, false}, "GZIP": {true, false}, "": {}, "off": {}, "snappy": {false, true},
	} {
		if gzip, warning := GzipOnly(text); gzip != want.gzip || (warning != "") != want.warns {
			t.Errorf("%q: got %v, %q", text, gzip, warning)
		}
	}
}

func TestAHashOfFluentdIsReadInBothNotations(t *testing.T) {
	want := []config.Pair{{Key: "X-A", Value: "1:2"}, {Key: "b", Value: "${tag}"}}
	for _, text := range []string{`{"X-A":"1:2","b":"${tag}"}`, "X-A:1:2, b:${tag}"} {
		got, err := ParseHash("headers", text)
		if err != nil || len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
			t.Errorf("%s: got %v, %v; want %v", text, got, err, want)
		}
	}
	for _, wrong := range []string{`{"a":1}`, `{"a":"b"`, `{"a":"b"} x`, "a"} {
		if got, err := ParseHash("headers", wrong); err == nil {
			t.Errorf("%s: got %v, want an error", wrong, got)
		}
	}
}
