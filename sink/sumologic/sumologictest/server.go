// Package sumologictest is a stand-in of an HTTP source of Sumo Logic, as these pages of Sumo Logic's documentation describe
// it: "HTTP Logs and Metrics Source", "Upload Data to an HTTP Source", "Troubleshooting HTTP Sources".
package sumologictest

import (
	"net/http"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/firelane/firelane/internal/webtest"
)

// MaxBody is the limit of "HTTP Logs and Metrics Source": "up to but not exceeding 1MB of uncompressed data".
const MaxBody = 1_000_000

// Path is the path of a source's URL; its last part is the token.
const Path = "/receiver/v1/http/ZaVnC4dhaV2token"

// Options say how the server behaves.
type Options struct {
	webtest.Options
	Reply string // the body of the reply to records that are accepted
}

// A Message is a line that was accepted, and the headers of its request.
type Message struct{ Text, Name, Category, Host, Fields, Client string }

// Server is the stand-in.
type Server struct {
	*webtest.Server
	opts Options

	mu       sync.Mutex
	messages []Message
}

// New makes a server.
func New(o Options) *Server {
	o.MaxBody, o.Encodings = MaxBody, []string{"gzip", "deflate"}
	return &Server{Server: webtest.New(o.Options), opts: o}
}

// Messages are those that were accepted, in their order.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Message(nil), s.messages...)
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, done, ok := s.Read(w, r)
	if !ok {
		return
	}
	switch {
	case r.Method != http.MethodPost:
		done(http.StatusMethodNotAllowed, "")
	case r.URL.Path != Path:
		done(http.StatusUnauthorized, "")
	case !utf8.Valid(body): // "HTTP sources support UTF-8 data only"
		done(http.StatusBadRequest, "")
	default:
		m := Message{
			Name: r.Header.Get("X-Sumo-Name"), Category: r.Header.Get("X-Sumo-Category"), Host: r.Header.Get("X-Sumo-Host"),
			Fields: r.Header.Get("X-Sumo-Fields"), Client: r.Header.Get("X-Sumo-Client"),
		}
		s.mu.Lock()
		for m.Text = range strings.SplitSeq(strings.TrimSuffix(string(body), "\n"), "\n") {
			s.messages = append(s.messages, m)
		}
		s.mu.Unlock()
		done(http.StatusOK, s.opts.Reply)
	}
}
