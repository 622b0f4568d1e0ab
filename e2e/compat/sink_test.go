package compat

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// A sink is the server that an output under test sends to, at the port SINK.
type sink struct {
	ln net.Listener

	mu       sync.Mutex
	requests []string
}

// startSink starts the server of an output: http, tcp or forward; others need none.
func startSink(t *testing.T, output string) *sink {
	t.Helper()
	s := &sink{}
	serve, ok := map[string]func(net.Conn){"tcp": s.takeBytes, "forward": s.takeForward}[output]
	if !ok && output != "http" {
		return s
	}
	var err error
	if s.ln, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	if output == "http" {
		server := &http.Server{Handler: s, ReadTimeout: time.Minute}
		all.Go(func() { server.Serve(s.ln) })
		t.Cleanup(func() { server.Close(); all.Wait() })
		return s
	}
	all.Go(func() {
		for {
			conn, err := s.ln.Accept()
			if err != nil {
				return
			}
			conn.SetDeadline(time.Now().Add(time.Minute))
			all.Go(func() { defer conn.Close(); serve(conn) })
		}
	})
	t.Cleanup(func() { s.ln.Close(); all.Wait() })
	return s
}

func (s *sink) port() int {
	if s.ln == nil {
		return 0
	}
	return s.ln.Addr().(*net.TCPAddr).Port
}

// text returns what has arrived. Requests are in alphabetical order, since connections may be parallel.
func (s *sink) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(slices.Sorted(slices.Values(s.requests)), "")
}

func (s *sink) add(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, text)
}

// shown are the headers that are compared.
var shown = []string{"Content-Type", "Authorization", "X-Case"}

// madeID matches the _id of a _bulk action that firelane generated.
var madeID = regexp.MustCompile(`,"_id":"[0-9a-zA-Z_-]{16,24}"`)

// ServeHTTP records a request: a line with its method and path, its headers, its body. Every request succeeds.
func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" && err == nil {
		var z *gzip.Reader
		if z, err = gzip.NewReader(bytes.NewReader(body)); err == nil {
			body, err = io.ReadAll(z)
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	query := r.URL.Query()
	query.Del("filter_path") // what firelane asks the server to leave out of its reply
	r.URL.RawQuery = query.Encode()
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", r.Method, r.URL.RequestURI())
	for _, name := range shown {
		if v := r.Header.Get(name); v != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, v)
		}
	}
	body = madeID.ReplaceAll(body, nil)
	var compact bytes.Buffer
	if json.Compact(&compact, body) == nil { // one value, perhaps over several lines
		body = compact.Bytes()
	}
	b.Write(body)
	if len(body) > 0 && body[len(body)-1] != '\n' {
		b.WriteByte('\n')
	}
	s.add(b.String())
	w.Header().Set("Content-Type", "application/json")
	if strings.HasSuffix(r.URL.Path, "/_bulk") {
		w.Write(bulkReply(body))
	}
}

// bulkReply says that each item of a _bulk request was created.
func bulkReply(body []byte) []byte {
	var items []string
	for line := range bytes.Lines(body) {
		var action map[string]json.RawMessage
		if json.Unmarshal(line, &action) == nil && len(action) == 1 && (action["create"] != nil || action["index"] != nil) {
			items = append(items, `{"create":{"status":201}}`)
		}
	}
	return fmt.Appendf(nil, `{"took":1,"errors":false,"items":[%s]}`, strings.Join(items, ","))
}

// takeBytes records a connection's bytes unchanged, except NUL, which ends GELF messages.
func (s *sink) takeBytes(conn net.Conn) {
	b := make([]byte, 64<<10)
	s.mu.Lock()
	at := len(s.requests)
	s.requests = append(s.requests, "")
	s.mu.Unlock()
	for {
		n, err := conn.Read(b)
		s.mu.Lock()
		s.requests[at] += strings.ReplaceAll(string(b[:n]), "\x00", "\n")
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// takeForward records events of the forward protocol, one a line, and acknowledges them.
func (s *sink) takeForward(conn net.Conn) {
	dec := msgpack.NewDecoder(conn)
	for {
		message, err := dec.DecodeSlice()
		if err != nil || len(message) < 2 {
			return
		}
		tag := fmt.Sprint(message[0])
		option := map[string]any{}
		if m, ok := message[len(message)-1].(map[string]any); ok && len(message) > 2 {
			option = m
		}
		switch entries := message[1].(type) {
		case []any:
			for _, e := range entries {
				if pair, ok := e.([]any); ok && len(pair) == 2 {
					s.addEvent(tag, pair[0], pair[1])
				}
			}
		case []byte:
			s.addPacked(tag, entries, option["compressed"] == "gzip")
		case string:
			s.addPacked(tag, []byte(entries), option["compressed"] == "gzip")
		default:
			s.addEvent(tag, message[1], message[2])
		}
		if chunk, ok := option["chunk"]; ok {
			reply, _ := msgpack.Marshal(map[string]any{"ack": chunk})
			conn.Write(reply)
		}
	}
}

func (s *sink) addPacked(tag string, entries []byte, compressed bool) {
	if compressed {
		z, err := gzip.NewReader(bytes.NewReader(entries))
		if err != nil {
			s.add(err.Error() + "\n")
			return
		}
		entries, _ = io.ReadAll(z)
	}
	dec := msgpack.NewDecoder(bytes.NewReader(entries))
	for {
		pair, err := dec.DecodeSlice()
		if err != nil || len(pair) != 2 {
			return
		}
		s.addEvent(tag, pair[0], pair[1])
	}
}

func (s *sink) addEvent(tag string, when, event any) {
	if pair, ok := when.([]any); ok && len(pair) == 2 { // Fluent Bit's time and metadata
		when = pair[0]
	}
	text := fmt.Sprint(when)
	if t, ok := when.(*eventTimeExt); ok {
		text = window{}.spell(time.Time(*t))
	}
	body, err := json.Marshal(event)
	if err != nil {
		body = []byte(err.Error())
	}
	s.add(fmt.Sprintf("[%q, %s, %s]\n", tag, text, body))
}

// eventTimeExt is an EventTime of the forward protocol, extension type 0.
type eventTimeExt time.Time

func (e *eventTimeExt) UnmarshalMsgpack(b []byte) error {
	if len(b) != 8 {
		return fmt.Errorf("an EventTime of %d bytes", len(b))
	}
	sec := int64(b[0])<<24 | int64(b[1])<<16 | int64(b[2])<<8 | int64(b[3])
	nsec := int64(b[4])<<24 | int64(b[5])<<16 | int64(b[6])<<8 | int64(b[7])
	*e = eventTimeExt(time.Unix(sec, nsec))
	return nil
}

func (e eventTimeExt) MarshalMsgpack() ([]byte, error) { return nil, fmt.Errorf("not written") }
