// Package bulktest is a small fake of Elasticsearch and OpenSearch for tests and the demo. It is as strict about requests
// as the real servers, can be told to fail, and has a store in memory that can be searched.
//
// It implements _bulk, parts of _search and _count, _cat/indices and the version, as an http.Handler.
package bulktest

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Options say how the server behaves. The zero value is an OpenSearch 2.19.1 without faults.
type Options struct {
	Distribution string // opensearch or elasticsearch
	Version      string // such as 7.10.2; decides whether _type is required, accepted or refused
	MaxBody      int64  // limit in bytes after decompression, beyond which the reply is a 413; default 100 MiB

	NoIDs       bool              // refuse ids, as time-series collections of OpenSearch Serverless do
	NoGzip      bool              // fail to parse gzipped bodies
	NoNewIndex  bool              // action.auto_create_index is off: only indices made by CreateIndex exist
	DataStreams []string          // names of data streams: they accept only create, and require @timestamp
	Fields      map[string]string // types of fields: long or date (@timestamp is always a date)

	// Trusting skips the checks of documents; Discard stores only their ids. They make the server fast, for load tests.
	Trusting, Discard bool

	// Request returns the fault of a request, before the server reads it. number counts from 1.
	Request func(number int, r *http.Request) Fault
	// Item returns the fault of an item that would be accepted; zero: none.
	Item func(op, index, id string, document []byte) ItemFault
}

// A Fault is a failure of a request. The zero value is none.
type Fault struct {
	Delay  time.Duration // before everything else, while the client is connected
	Status int           // reply with this status, Header and Body, and don't index the items
	Header http.Header
	Body   string
	Lose   bool // index the items, then close the connection without a reply
	Cut    int  // send only so many bytes of the reply, then close the connection
	Pad    int  // pad the reply to about so many bytes
}

// An ItemFault is the refusal of an item.
type ItemFault struct {
	Status       int
	Type, Reason string
}

// Server is the fake server.
type Server struct {
	opts     Options
	mux      *http.ServeMux
	store    store
	requests atomic.Int64
}

const defaultMaxBody = 100 << 20

// New makes a server with an empty store.
func New(o Options) *Server {
	if o.Distribution == "" {
		o.Distribution = "opensearch"
	}
	if o.Version == "" {
		o.Version = map[string]string{"opensearch": "2.19.1", "elasticsearch": "8.15.0"}[o.Distribution]
	}
	if o.MaxBody == 0 {
		o.MaxBody = defaultMaxBody
	}
	s := &Server{opts: o, mux: http.NewServeMux()}
	s.store.indices = map[string]*index{}
	s.mux.HandleFunc("POST /_bulk", s.bulk)
	s.mux.HandleFunc("PUT /_bulk", s.bulk)
	s.mux.HandleFunc("POST /_bulk/{$}", s.bulk)
	s.mux.HandleFunc("POST /{index}/_bulk", s.bulk)
	s.mux.HandleFunc("GET /{index}/_search", s.search)
	s.mux.HandleFunc("GET /{index}/_count", s.count)
	s.mux.HandleFunc("GET /_search", s.search)
	s.mux.HandleFunc("GET /_count", s.count)
	s.mux.HandleFunc("GET /_cat/indices", s.catIndices)
	s.mux.HandleFunc("GET /{$}", s.info)
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, fmt.Sprintf(`{"error":"no handler found for uri [%s] and method [%s]"}`, r.URL.Path, r.Method), http.StatusBadRequest)
	})
	return s
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Requests returns how many _bulk requests have arrived.
func (s *Server) Requests() int { return int(s.requests.Load()) }

// major returns the first number of Elasticsearch's version, or of the one with the same API: OpenSearch 1 counts as 7,
// later versions as 8.
func (s *Server) major() int {
	first, _, _ := strings.Cut(s.opts.Version, ".")
	n, _ := strconv.Atoi(first)
	if s.opts.Distribution == "opensearch" {
		return min(n+6, 8)
	}
	return n
}

func (s *Server) info(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"name":"bulktest","cluster_name":"bulktest","version":{"distribution":%q,"number":%q},"tagline":"You Know, for Tests"}`+"\n",
		s.opts.Distribution, s.opts.Version)
}

func (s *Server) bulk(w http.ResponseWriter, r *http.Request) {
	n := int(s.requests.Add(1))
	var f Fault
	if s.opts.Request != nil {
		f = s.opts.Request(n, r)
	}
	if f.Delay > 0 {
		_, _ = io.Copy(io.Discard, r.Body) // net/http notices a closed connection only after the body was read
		select {
		case <-time.After(f.Delay):
		case <-r.Context().Done():
			return
		}
	}
	if f.Status != 0 {
		_, _ = io.Copy(io.Discard, r.Body)
		for k, v := range f.Header {
			w.Header()[k] = v
		}
		w.WriteHeader(f.Status)
		_, _ = io.WriteString(w, f.Body)
		return
	}
	body, err := s.readBody(r)
	if err != nil {
		writeError(w, err)
		return
	}
	reply, err := s.carryOut(body, r.PathValue("index"), r.URL.Query().Get("filter_path"))
	if err != nil {
		writeError(w, err)
		return
	}
	s.answer(w, reply, f)
}

// answer writes the reply, changed by the fault.
func (s *Server) answer(w http.ResponseWriter, reply []byte, f Fault) {
	if f.Lose {
		panic(http.ErrAbortHandler)
	}
	if f.Pad > len(reply) {
		padding := `,"padding":"` + strings.Repeat("x", f.Pad-len(reply)) + `"}`
		reply = append(reply[:len(reply)-1], padding...)
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(reply)))
	if f.Cut > 0 && f.Cut < len(reply) {
		_, _ = w.Write(reply[:f.Cut])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(reply)
}

// readBody reads and decompresses a request, with the real servers' checks.
func (s *Server) readBody(r *http.Request) ([]byte, error) {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if kind != "application/x-ndjson" && kind != "application/json" {
		return nil, &refusal{status: http.StatusNotAcceptable, typ: "media_type_header_exception",
			reason: "Content-Type header [" + r.Header.Get("Content-Type") + "] is not supported"}
	}
	if r.ContentLength < 0 {
		return nil, illegal("chunked encoding is not supported; want Content-Length")
	}
	var in io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		if s.opts.NoGzip {
			_, _ = io.Copy(io.Discard, r.Body)
			return nil, &refusal{status: http.StatusBadRequest, typ: "json_parse_exception",
				reason: "Illegal character ((CTRL-CHAR, code 31)): only regular white space (\\r, \\n, \\t) is allowed between tokens"}
		}
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, &refusal{status: http.StatusBadRequest, typ: "zip_exception", reason: "Not in GZIP format"}
		}
		in = z
	}
	body, err := io.ReadAll(io.LimitReader(in, s.opts.MaxBody+1))
	if err != nil {
		return nil, fmt.Errorf("reading the body: %w", err)
	}
	if int64(len(body)) > s.opts.MaxBody {
		_, _ = io.Copy(io.Discard, r.Body)
		return nil, &refusal{status: http.StatusRequestEntityTooLarge}
	}
	if len(body) == 0 {
		return nil, &refusal{status: http.StatusBadRequest, typ: "parse_exception", reason: "request body is required"}
	}
	if body[len(body)-1] != '\n' {
		return nil, illegal(`The bulk request must be terminated by a newline [\n]`)
	}
	return body, nil
}

// A refusal is the error for a request that is refused as a whole.
type refusal struct {
	status      int
	typ, reason string
}

func (r *refusal) Error() string { return r.reason }

func illegal(reason string) error {
	return &refusal{status: http.StatusBadRequest, typ: "illegal_argument_exception", reason: reason}
}

func invalid(reason string) error {
	return &refusal{status: http.StatusBadRequest, typ: "action_request_validation_exception", reason: "Validation Failed: " + reason}
}

func writeError(w http.ResponseWriter, err error) {
	var r *refusal
	if !errors.As(err, &r) {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(r.status)
	if r.typ != "" {
		cause := fmt.Sprintf(`"type":%s,"reason":%s`, quote(r.typ), quote(r.reason))
		fmt.Fprintf(w, `{"error":{"root_cause":[{%s}],%s},"status":%d}`, cause, cause, r.status)
	}
}
