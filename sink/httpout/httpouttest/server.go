// Package httpouttest is a stand-in of a collector of logs that takes what Fluent Bit's and Fluentd's http send. It reads
// each body by its Content-Type, as "HTTP output" of the Fluent Bit Official Manual and "http" of Fluentd's documentation
// describe them, and refuses what isn't exactly that.
package httpouttest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"

	"github.com/firelane/firelane/internal/webtest"
	"github.com/firelane/firelane/record"
)

// Options say how the server behaves.
type Options struct {
	webtest.Options
	Authorization string            // the header that is required; "" for none
	Bad           func([]byte) bool // a record, as JSON, for which the whole request is refused with 400
	Status        int               // of a request that is accepted; 0: 200
	Discard       bool              // records are counted, and not kept
}

// Server is the stand-in.
type Server struct {
	*webtest.Server
	opts Options

	mu      sync.Mutex
	records []string
	count   int
	by      map[string]int // records by the request's path and query
	last    *http.Request
}

// New makes a server.
func New(o Options) *Server {
	o.Encodings = []string{"gzip", "zstd", "snappy"}
	if o.Status == 0 {
		o.Status = http.StatusOK
	}
	return &Server{Server: webtest.New(o.Options), opts: o, by: map[string]int{}}
}

// Records are the records that were accepted, as JSON, in their order.
func (s *Server) Records() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.records)
}

// Count is how many records were accepted.
func (s *Server) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// By is how many records were accepted at a path with its query.
func (s *Server) By(uri string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.by[uri]
}

// Last is the last request that was accepted. Its body is read.
func (s *Server) Last() *http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, done, ok := s.Read(w, r)
	if !ok {
		return
	}
	if r.Method != http.MethodPost && r.Method != http.MethodPut {
		done(http.StatusMethodNotAllowed, "want POST or PUT")
		return
	}
	if a := s.opts.Authorization; a != "" && r.Header.Get("Authorization") != a {
		done(http.StatusUnauthorized, "the credentials are wrong")
		return
	}
	records, err := parse(r.Header.Get("Content-Type"), body)
	if err == nil && s.opts.Bad != nil && slices.ContainsFunc(records, s.opts.Bad) {
		err = errors.New("a record is invalid")
	}
	if err != nil {
		done(http.StatusBadRequest, err.Error())
		return
	}
	s.mu.Lock()
	s.count += len(records)
	s.by[r.URL.RequestURI()] += len(records)
	s.last = r
	if !s.opts.Discard {
		for _, record := range records {
			s.records = append(s.records, string(record))
		}
	}
	s.mu.Unlock()
	done(s.opts.Status, "")
}

// parse returns the records of a body.
func parse(contentType string, body []byte) (records [][]byte, err error) {
	if len(body) == 0 {
		return nil, errors.New("the body is empty")
	}
	switch contentType {
	case "application/json":
		return parseJSON(body)
	case "application/x-ndjson":
		if body[len(body)-1] != '\n' {
			return nil, errors.New("the last line has no end")
		}
		for line := range bytes.Lines(body) {
			if line = bytes.TrimSuffix(line, []byte("\n")); !isObject(line) {
				return nil, fmt.Errorf("%q is not an object", line)
			}
			records = append(records, line)
		}
		return records, nil
	case "application/msgpack":
		return parseMessagePack(body)
	case "application/x-msgpack":
		for len(body) > 0 {
			n, err := record.Check(body)
			if err != nil || record.KindOf(body[0]) != record.KindMap {
				return nil, fmt.Errorf("not a record: %w", err)
			}
			records, body = append(records, record.AppendJSON(nil, body[:n])), body[n:]
		}
		return records, nil
	case "text/plain":
		return [][]byte{body}, nil
	}
	return nil, fmt.Errorf("Content-Type %q is unknown", contentType)
}

func isObject(b []byte) bool { return len(b) > 0 && b[0] == '{' && json.Valid(b) }

// parseJSON reads an array of objects, or objects one after the other.
func parseJSON(body []byte) (records [][]byte, err error) {
	if body[0] == '[' {
		var list []json.RawMessage
		if err := json.Unmarshal(body, &list); err != nil {
			return nil, err
		}
		for _, record := range list {
			if !isObject(record) {
				return nil, fmt.Errorf("%q is not an object", record)
			}
			records = append(records, record)
		}
		return records, nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	for {
		var object json.RawMessage
		switch err := d.Decode(&object); {
		case errors.Is(err, io.EOF):
			return records, nil
		case err != nil:
			return nil, err
		case !isObject(object):
			return nil, fmt.Errorf("%q is not an object", object)
		}
		records = append(records, object)
	}
}

// parseMessagePack reads [[time, metadata], record] one after the other: "Event format" of the Fluent Bit Official Manual.
func parseMessagePack(body []byte) (records [][]byte, err error) {
	for len(body) > 0 {
		end, err := record.Check(body)
		if err != nil {
			return nil, err
		}
		n, rest, err := record.ArrayHeader(body)
		if err != nil || n != 2 {
			return nil, errors.New("an event is not an array of two")
		}
		if n, rest, err = record.ArrayHeader(rest); err != nil || n != 2 {
			return nil, errors.New("an event's header is not an array of two")
		}
		if _, rest, err = record.ReadTime(rest); err != nil {
			return nil, err
		}
		if n, rest, err = record.MapHeader(rest); err != nil || n != 0 {
			return nil, errors.New("an event's metadata is not an empty map")
		}
		if record.KindOf(rest[0]) != record.KindMap {
			return nil, errors.New("an event's record is not a map")
		}
		records, body = append(records, record.AppendJSON(nil, rest)), body[end:]
	}
	return records, nil
}
