package httpsend

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"

	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dial"
)

// send makes one exchange with a server.
func send(t *testing.T, x Exchange, server http.HandlerFunc) sink.Reply {
	t.Helper()
	s := httptest.NewServer(server)
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(Config{URL: u, Name: s.URL, Timeout: DefaultTimeout, Net: &dial.NetOptions{Keepalive: true}, TLS: &dial.TLSOptions{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdle)
	return (&Servers{Clients: []*Client{c}}).Send(t.Context(), x)
}

func TestAnExchangeIsRepeatedOnceForABrokenConnectionAndForCredentials(t *testing.T) {
	for name, c := range map[string]struct {
		answers  []int // statuses; 0: the server closes
		want     sink.Reply
		requests int
	}{
		"closed once":     {[]int{0, 200}, sink.Reply{Cause: sink.Answered, Status: 200}, 2},
		"closed twice":    {[]int{0, 0}, sink.Reply{Verdict: sink.Again, CutOff: true}, 2},
		"new credentials": {[]int{403, 204}, sink.Reply{Cause: sink.Answered, Status: 204}, 2},
		"refused":         {[]int{401, 401}, sink.Reply{Verdict: sink.Again, Cause: sink.Unauthorised, Status: 401}, 2},
		"overloaded":      {[]int{503}, sink.Reply{Verdict: sink.Again, Cause: sink.Throttled, Status: 503}, 1},
	} {
		var requests atomic.Int32
		r := send(t, Exchange{Post: Post{Body: []byte("body")}, Renew: func() bool { return true }}, func(w http.ResponseWriter, r *http.Request) {
			status := c.answers[min(int(requests.Add(1))-1, len(c.answers)-1)]
			_, _ = io.Copy(io.Discard, r.Body)
			if status == 0 {
				panic(http.ErrAbortHandler)
			}
			w.WriteHeader(status)
		})
		if (r.Err == nil) != (c.want.Verdict == sink.Done) || r.Verdict != c.want.Verdict || r.Cause != c.want.Cause ||
			r.Status != c.want.Status || r.CutOff != c.want.CutOff || int(requests.Load()) != c.requests {
			t.Errorf("%s: got %+v after %d requests, want %+v after %d", name, r, requests.Load(), c.want, c.requests)
		}
	}
}

func TestAPostMayHaveAMethodAURLAndHeadersOfItsOwn(t *testing.T) {
	x := Exchange{Post: Post{Method: http.MethodPut, Header: http.Header{"X-Own": {"1"}}}}
	send(t, x, func(_ http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPut || r.Header.Get("X-Own") != "1" {
			t.Errorf("got %s with %v", r.Method, r.Header)
		}
	})
}

func TestWhatIsCompressedCanBeRead(t *testing.T) {
	body := bytes.Repeat([]byte("a line of a log, "), 1000)
	for name, read := range map[string]func([]byte) ([]byte, error){
		"gzip": func(b []byte) ([]byte, error) {
			r, err := gzip.NewReader(bytes.NewReader(b))
			if err != nil {
				return nil, err
			}
			return io.ReadAll(r)
		},
		"zstd": func(b []byte) ([]byte, error) {
			r, err := zstd.NewReader(nil)
			if err != nil {
				return nil, err
			}
			defer r.Close()
			return r.DecodeAll(b, nil)
		},
		"snappy": func(b []byte) ([]byte, error) { return snappy.Decode(nil, b) },
	} {
		c, err := SharedCompressor(&sink.Common{}, name)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time with the memory of the first
			z := c.Compress(body)
			if got, err := read(z.Bytes()); err != nil || !bytes.Equal(got, body) || c.Encoding() != name || len(z.Bytes()) > len(body)/4 {
				t.Errorf("%s: got %d bytes that are read as %d, and error %v", name, len(z.Bytes()), len(got), err)
			}
			c.Put(z)
		}
	}
	if c, err := SharedCompressor(nil, "off"); c != nil || err != nil {
		t.Errorf("off: got %v and error %v, want none", c, err)
	}
	if _, err := SharedCompressor(nil, "brotli"); err == nil {
		t.Error("got no error for brotli")
	}
}

func TestAPayloadOfSeveralPiecesIsReadAsOne(t *testing.T) {
	p := NewPayload([]byte("head "), nil, []byte("items"), []byte(" tail"), nil)
	if err := iotest.TestReader(p, []byte("head items tail")); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		offset int64
		whence int
		want   string
	}{{0, io.SeekStart, "head items tail"}, {5, io.SeekStart, "items tail"}, {-4, io.SeekEnd, "tail"}, {0, io.SeekEnd, ""}, {-15, io.SeekCurrent, "head items tail"}} {
		if _, err := p.Seek(c.offset, c.whence); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(p); err != nil || string(got) != c.want {
			t.Errorf("from %d: got %q and error %v, want %q", c.offset, got, err, c.want)
		}
	}
	_, _ = p.Seek(3, io.SeekStart)
	var lent []string
	for p.Lend(100, func(b []byte) int { lent = append(lent, string(b)); return len(b) }) == nil {
	}
	if got := strings.Join(lent, "|"); got != "d |items| tail" {
		t.Errorf("lent %q, want each piece without a copy", got)
	}
	p.Release()
	if _, err := p.Read(make([]byte, 1)); err == nil {
		t.Error("a released payload can still be read")
	}
}
