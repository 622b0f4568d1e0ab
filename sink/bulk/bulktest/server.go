// Package bulktest is a small Elasticsearch or OpenSearch, for tests and for the demo: as strict about what it is sent as the
// real ones are, with faults that can be scripted, and a store in memory that can be searched.
//
// It knows _bulk, a little of _search and _count, _cat/indices and the version. It is an http.Handler.
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

// Options are what kind of server it is. The zero value is an OpenSearch 2.19.1 that takes everything.
type Options struct {
	Distribution string // opensearch or elasticsearch
	Version      string // such as 7.10.2: says whether _type is wanted, taken or refused
	MaxBody      int64  // bytes after decompression, 100 MiB unless set; more is a 413

	NoIDs       bool              // refuses ids, as time-series collections of OpenSearch Serverless do
	NoGzip      bool              // chokes on gzip
	NoNewIndex  bool              // action.auto_create_index is off: only indices made by CreateIndex exist
	DataStreams []string          // names that take nothing but create, and want @timestamp
	Fields      map[string]string // types of fields: long or date (@timestamp always is a date)

	// Trusting skips the checks of documents, and Discard forgets them and keeps their ids: for load.
	Trusting, Discard bool

	// Request is asked before a request is looked at. number counts from 1.
	Request func(number int, r *http.Request) Fault
	// Item is asked for every item that would be accepted; a zero ItemFault lets it.
	Item func(op, index, id string, document []byte) ItemFault
}

// A Fault is what goes wrong with a request. The zero value is nothing.
type Fault struct {
	Delay  time.Duration // before anything else; ends early where the client goes away
	Status int           // answered instead of looking at the request
	Header http.Header   // goes with Status
	Body   string        // goes with Status
	Lose   bool          // the request is carried out and the connection dropped without a reply
	Cut    int           // the reply breaks off after so many bytes
	Pad    int           // the reply is blown up to about so many bytes
}

// An ItemFault refuses an item.
type ItemFault struct {
	Status       int
	Type, Reason string
}

// Server is the server.
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

// Requests is how many _bulk requests came in.
func (s *Server) Requests() int { return int(s.requests.Load()) }

// major is the first number of the version; OpenSearch counts as Elasticsearch 7 in version 1 and as 8 from version 2.
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
		_, _ = io.Copy(io.Discard, r.Body) // so that the server notices a client that goes away
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

// answer writes the reply, or what the fault leaves of it.
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

// readBody reads and decompresses a request as strictly as the real ones do.
func (s *Server) readBody(r *http.Request) ([]byte, error) {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if kind != "application/x-ndjson" && kind != "application/json" {
		return nil, &refusal{status: http.StatusNotAcceptable, typ: "media_type_header_exception",
			reason: "Content-Type header [" + r.Header.Get("Content-Type") + "] is not supported"}
	}
	if r.ContentLength < 0 {
		return nil, illegal("chunked encoding is discouraged: send Content-Length")
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

// A refusal is a request that is refused as a whole.
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
