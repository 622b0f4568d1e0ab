// Package lokitest is a small fake of Grafana Loki for tests. It is as strict about pushes as the real one with its default
// limits, answers in its words, stores what is valid of a refused request as it does, and can be told to fail.
//
// Its sources are the pages "HTTP API" (POST /loki/api/v1/push) and "Configuration parameters" (limits_config, ingester) of
// Loki's documentation, and the texts of the errors that Loki returns.
package lokitest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/klauspost/compress/snappy"
)

// Limits are Loki's, with its defaults.
const (
	MaxLine          = 256 << 10          // limits_config.max_line_size, bytes
	MaxLabels        = 15                 // limits_config.max_label_names_per_series
	MaxLabelName     = 1024               // limits_config.max_label_name_length, bytes
	MaxLabelValue    = 2048               // limits_config.max_label_value_length, bytes
	MaxMetadata      = 64 << 10           // limits_config.max_structured_metadata_size, bytes
	MaxMetadataCount = 128                // limits_config.max_structured_metadata_entries_count
	MaxAge           = 7 * 24 * time.Hour // limits_config.reject_old_samples_max_age
	MaxAhead         = 10 * time.Minute   // limits_config.creation_grace_period
	MaxBehind        = time.Hour          // half of ingester.max_chunk_age
	MaxReturned      = 10                 // ingester.max_returned_stream_errors
	maxRequest       = 100 << 20          // server.grpc_server_max_recv_msg_size, bytes
)

// Options say how the server behaves.
type Options struct {
	Now     func() time.Time // nil: time.Now
	Tenants bool             // auth_enabled: a request needs X-Scope-OrgID
	User    string           // with Password, basic authentication as a gateway before Loki does it; "": none
	Pass    string

	// Fault, unless nil, is asked before request n (from 1) is read: a status other than 0 is the answer, with body and header.
	Fault func(n int, r *http.Request) (status int, body string, h http.Header)
}

// An Entry is a stored entry.
type Entry struct {
	Tenant, Labels string
	Time           time.Time
	Line           string
	Metadata       string // name=value, separated by commas
}

// Server is the fake, an http.Handler.
type Server struct {
	opts Options

	mu       sync.Mutex
	requests int
	entries  []Entry
	highest  map[string]time.Time
}

// New makes a server.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Server{opts: o, highest: map[string]time.Time{}}
}

// Requests is the number of pushes so far.
func (s *Server) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// Entries are what is stored, in the order of arrival.
func (s *Server) Entries() []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.entries)
}

// A refusal is an answer other than 204.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return r.text }

func refuse(status int, format string, args ...any) error {
	return &refusal{status, fmt.Sprintf(format, args...)}
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests++
	n := s.requests
	s.mu.Unlock()
	if s.opts.Fault != nil {
		if status, body, h := s.opts.Fault(n, r); status != 0 {
			_, _ = io.Copy(io.Discard, r.Body)
			for k, v := range h {
				w.Header()[k] = v
			}
			http.Error(w, body, status)
			return
		}
	}
	err := s.push(r)
	var no *refusal
	switch {
	case errors.As(err, &no):
		http.Error(w, no.text, no.status)
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

func (s *Server) push(r *http.Request) error {
	if r.URL.Path != "/loki/api/v1/push" {
		return refuse(404, "404 page not found")
	}
	if r.Method != http.MethodPost {
		return refuse(405, "method not allowed")
	}
	if user, pass, _ := r.BasicAuth(); s.opts.User != "" && (user != s.opts.User || pass != s.opts.Pass) {
		return refuse(401, "Unauthorized")
	}
	tenant := r.Header.Get("X-Scope-OrgID")
	if s.opts.Tenants && tenant == "" {
		return refuse(401, "no org id")
	}
	if ct := r.Header.Get("Content-Type"); ct != "application/x-protobuf" {
		return refuse(400, "mime: no media type: %q", ct)
	}
	if enc := r.Header.Get("Content-Encoding"); enc != "" && enc != "snappy" {
		return refuse(400, "Content-Encoding %q not supported", enc)
	}
	packed, err := io.ReadAll(io.LimitReader(r.Body, maxRequest+1))
	if err != nil {
		return err
	}
	if n, err := snappy.DecodedLen(packed); err != nil {
		return refuse(400, "%v", err)
	} else if n > maxRequest {
		return refuse(413, "request body too large: %d bytes, limit: %d bytes", n, maxRequest)
	}
	plain, err := snappy.Decode(nil, packed)
	if err != nil {
		return refuse(400, "%v", err)
	}
	streams, err := decode(plain)
	if err != nil {
		return refuse(400, "%v", err)
	}
	if len(streams) == 0 {
		return refuse(422, "error at least one valid stream is required for ingestion")
	}
	return s.store(tenant, streams)
}

// store stores the valid entries, and returns Loki's error about the others.
func (s *Server) store(tenant string, streams []stream) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := map[string]int{}
	var order []string
	complain := func(err error) {
		if counts[err.Error()]++; counts[err.Error()] == 1 {
			order = append(order, err.Error())
		}
	}
	var failed error
	for _, st := range streams {
		if err := checkLabels(&st); err != nil {
			if errors.Is(err, errUnparsed) {
				return refuse(400, "%v", err)
			}
			complain(err)
			continue
		}
		var good []entry
		for _, e := range st.entries {
			if err := s.check(&st, &e); err != nil {
				complain(err)
				continue
			}
			good = append(good, e)
		}
		if err := s.ingest(tenant, &st, good); err != nil {
			failed = err
		}
	}
	if failed != nil {
		return failed
	}
	if len(order) == 0 {
		return nil
	}
	var text []string
	for _, msg := range order {
		if len(order) > 1 || counts[msg] > 1 {
			msg = fmt.Sprintf("%d errors like: %s", counts[msg], msg)
		}
		text = append(text, msg)
	}
	return refuse(400, "%s", strings.Join(text, "; "))
}

// check is what Loki's distributor checks of an entry.
func (s *Server) check(st *stream, e *entry) error {
	now := s.opts.Now()
	size := 0
	for _, p := range e.metadata {
		size += len(p[0]) + len(p[1])
	}
	switch oldest := now.Add(-MaxAge); {
	case e.at.Before(oldest):
		return fmt.Errorf("entry for stream '%s' has timestamp too old: %s, oldest acceptable timestamp is: %s", st.named, e.at.Format(time.RFC3339), oldest.UTC().Format(time.RFC3339))
	case e.at.After(now.Add(MaxAhead)):
		return fmt.Errorf("entry for stream '%s' has timestamp too new: %s", st.named, e.at.Format(time.RFC3339))
	case len(e.line) > MaxLine:
		return fmt.Errorf("max entry size '%d' bytes exceeded for stream '%s' while adding an entry with length '%d' bytes", MaxLine, st.named, len(e.line))
	case size > MaxMetadata:
		return fmt.Errorf("stream '%s' has structured metadata too large: '%d' bytes, limit: '%d' bytes. Please see `limits_config.max_structured_metadata_size` or contact your Loki administrator to increase it", st.named, size, MaxMetadata)
	case len(e.metadata) > MaxMetadataCount:
		return fmt.Errorf("stream '%s' has too many structured metadata labels: '%d', limit: '%d'. Please see `limits_config.max_structured_metadata_entries_count` or contact your Loki administrator to increase it", st.named, len(e.metadata), MaxMetadataCount)
	case !utf8.ValidString(e.line):
		return errors.New("string field contains invalid UTF-8")
	}
	return nil
}

// ingest is what an ingester does with the entries of a stream.
func (s *Server) ingest(tenant string, st *stream, entries []entry) error {
	key := tenant + st.named
	var lines []string
	failed := 0
	for _, e := range entries {
		highest := s.highest[key]
		if cutoff := highest.Add(-MaxBehind); !highest.IsZero() && e.at.Before(cutoff) {
			if failed++; failed <= MaxReturned {
				lines = append(lines, fmt.Sprintf("entry with timestamp %s ignored, reason: 'entry too far behind, entry timestamp is: %s, oldest acceptable timestamp is: %s',\n",
					e.at.String(), e.at.Format(time.RFC3339), cutoff.Format(time.RFC3339)))
			}
			continue
		}
		if e.at.After(highest) {
			s.highest[key] = e.at
		}
		n := Entry{Tenant: tenant, Labels: st.labels, Time: e.at, Line: e.line, Metadata: e.metadataText()}
		if !slices.Contains(s.entries, n) { // the same labels, time and line are stored once
			s.entries = append(s.entries, n)
		}
	}
	if failed == 0 {
		return nil
	}
	return refuse(400, "%suser '%s', total ignored: %d out of %d for stream: %s", strings.Join(lines, ""), tenant, failed, len(entries), st.named)
}
