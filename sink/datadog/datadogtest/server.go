// Package datadogtest is a stand-in of Datadog's intake of logs, as "Send logs" of Datadog's API reference describes it.
package datadogtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/firelane/firelane/internal/webtest"
)

// Limits of "Send logs".
const (
	MaxBody = 5_000_000 // "Maximum content size per payload (uncompressed): 5MB"
	MaxLogs = 1000      // "Maximum array size if sending multiple logs in an array: 1000 entries"
	MaxLog  = 1_000_000 // "Maximum size for a single log: 1MB"; a longer one is cut, and accepted
)

// Options say how the server behaves.
type Options struct {
	webtest.Options
	Key string            // the API key that is accepted
	Bad func([]byte) bool // an entry that makes the request a 400
}

// Server is the stand-in.
type Server struct {
	*webtest.Server
	opts Options

	mu   sync.Mutex
	logs []json.RawMessage
	cut  int
}

// New makes a server.
func New(o Options) *Server {
	o.MaxBody, o.Encodings = MaxBody, []string{"identity", "gzip", "deflate"}
	return &Server{Server: webtest.New(o.Options), opts: o}
}

// Logs are the entries that were accepted.
func (s *Server) Logs() []json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]json.RawMessage(nil), s.logs...)
}

// Cut is how many entries were longer than MaxLog.
func (s *Server) Cut() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cut
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, done, ok := s.Read(w, r)
	if !ok {
		return
	}
	fail := func(status int, title string) {
		done(status, fmt.Sprintf(`{"errors":[{"status":"%d","title":%q}]}`, status, title))
	}
	key := r.Header.Get("DD-API-KEY")
	if v1, ok := strings.CutPrefix(r.URL.Path, "/v1/input/"); ok {
		key = v1
	} else if r.URL.Path != "/api/v2/logs" {
		fail(http.StatusNotFound, "Not Found")
		return
	}
	switch {
	case r.Method != http.MethodPost:
		fail(http.StatusMethodNotAllowed, "Method Not Allowed")
	case key == "":
		fail(http.StatusUnauthorized, "Unauthorized")
	case key != s.opts.Key:
		fail(http.StatusForbidden, "Forbidden")
	case r.Header.Get("Content-Type") != "application/json":
		fail(http.StatusUnsupportedMediaType, "Unsupported Media Type")
	default:
		if title := s.keep(body); title != "" {
			fail(http.StatusBadRequest, title)
			return
		}
		done(http.StatusAccepted, "{}")
	}
}

// keep keeps the entries of a body, all of them or none.
func (s *Server) keep(body []byte) (refusal string) {
	var logs []json.RawMessage
	if err := json.Unmarshal(body, &logs); err != nil {
		return "Bad Request: " + err.Error()
	}
	if len(logs) == 0 || len(logs) > MaxLogs {
		return fmt.Sprintf("Bad Request: %d entries", len(logs))
	}
	cut := 0
	for i, log := range logs {
		var entry map[string]any
		if err := json.Unmarshal(log, &entry); err != nil || s.opts.Bad != nil && s.opts.Bad(log) {
			return fmt.Sprintf("Bad Request: entry %d", i)
		}
		for _, name := range []string{"ddsource", "ddtags", "hostname", "service"} {
			if _, ok := entry[name].(string); entry[name] != nil && !ok {
				return "Bad Request: " + name + " is not text"
			}
		}
		if len(log) > MaxLog {
			cut++
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logs, s.cut = append(s.logs, logs...), s.cut+cut
	return ""
}
