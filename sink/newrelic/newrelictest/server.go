// Package newrelictest is a stand-in of New Relic's Log API, as "Introduction to the Log API" describes it.
package newrelictest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"

	"github.com/firelane/firelane/internal/webtest"
)

// MaxBody is the limit of "Introduction to the Log API": "Payload total size: 1MB(10^6 bytes) maximum per POST". It is
// that of the body as it is sent, compressed or not.
const MaxBody = 1_000_000

// Options say how the server behaves.
type Options struct {
	webtest.Options
	Key string            // the license key or insert key that is accepted
	Bad func([]byte) bool // a log that makes the request a 400
}

// A Log is one that was accepted.
type Log struct {
	Timestamp  json.Number     `json:"timestamp"`
	Message    json.RawMessage `json:"message"`
	Attributes map[string]any  `json:"attributes"`
}

// Server is the stand-in.
type Server struct {
	*webtest.Server
	opts Options

	mu   sync.Mutex
	logs []Log
}

// New makes a server.
func New(o Options) *Server {
	o.MaxWire, o.Encodings = MaxBody, []string{"gzip", "zstd"}
	return &Server{Server: webtest.New(o.Options), opts: o}
}

// Logs are the logs that were accepted.
func (s *Server) Logs() []Log {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Log(nil), s.logs...)
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, done, ok := s.Read(w, r)
	if !ok {
		return
	}
	key := ""
	for _, name := range []string{"Api-Key", "X-License-Key", "X-Insert-Key"} {
		if v := r.Header.Get(name); v != "" {
			key = v
		}
	}
	switch {
	case r.URL.Path != "/log/v1":
		done(http.StatusNotFound, "")
	case r.Method != http.MethodPost:
		done(http.StatusMethodNotAllowed, "")
	case key != s.opts.Key:
		done(http.StatusForbidden, "{}")
	case r.Header.Get("Content-Type") != "application/json":
		done(http.StatusUnsupportedMediaType, "")
	default:
		if err := s.keep(body); err != nil {
			done(http.StatusBadRequest, err.Error())
			return
		}
		done(http.StatusAccepted, `{"requestId":"f0e7bfff-001a-b000-0000-01682bcf4565"}`)
	}
}

// keep keeps the logs of a detailed JSON body, all of them or none.
func (s *Server) keep(body []byte) error {
	var blocks []struct {
		Common struct {
			Attributes map[string]any `json:"attributes"`
		} `json:"common"`
		Logs []json.RawMessage `json:"logs"`
	}
	if err := json.Unmarshal(body, &blocks); err != nil {
		return err
	}
	var logs []Log
	for _, b := range blocks {
		if len(b.Logs) == 0 {
			return fmt.Errorf("a block has no logs")
		}
		for _, raw := range b.Logs {
			var log Log
			if err := json.Unmarshal(raw, &log); err != nil {
				return err
			}
			if s.opts.Bad != nil && s.opts.Bad(raw) {
				return fmt.Errorf("a log is invalid")
			}
			logs = append(logs, log)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logs = append(s.logs, logs...)
	return nil
}
