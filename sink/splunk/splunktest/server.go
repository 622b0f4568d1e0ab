// Package splunktest is a stand-in of Splunk's HTTP Event Collector, as these pages of Splunk's documentation describe it:
// "Format events for HTTP Event Collector", "Troubleshoot HTTP Event Collector" (the codes) and "About HTTP Event Collector
// Indexer Acknowledgment".
package splunktest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/firelane/firelane/internal/webtest"
)

// Options say how the server behaves.
type Options struct {
	webtest.Options          // MaxBody is max_content_length of limits.conf
	Token           string   // the token that is accepted
	Indexes         []string // that the token may use; none: all
	UseACK          bool     // the token has indexer acknowledgment
	// Acks says whether an id is acknowledged when it is asked for the polls-th time; nil: always the second time.
	Acks   func(id, polls int) bool
	NoAcks bool // the endpoint of acknowledgments doesn't exist
	Sticky bool // an acknowledgment needs the cookie that the events' reply has set
}

// Server is the stand-in.
type Server struct {
	*webtest.Server
	opts Options

	mu     sync.Mutex
	events []Event
	polls  map[int]int // by ackId
	nextID int
}

// An Event is one that was indexed.
type Event struct {
	Time       json.RawMessage `json:"time"`
	Host       *string         `json:"host"`
	Source     *string         `json:"source"`
	SourceType *string         `json:"sourcetype"`
	Index      *string         `json:"index"`
	Fields     json.RawMessage `json:"fields"`
	Event      json.RawMessage `json:"event"`
}

// New makes a server.
func New(o Options) *Server {
	o.Encodings = []string{"gzip"}
	return &Server{Server: webtest.New(o.Options), opts: o, polls: map[int]int{}}
}

// Events are the events that were indexed, in their order.
func (s *Server) Events() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// Polls is how often an acknowledgment was asked for.
func (s *Server) Polls(id int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.polls[id]
}

// A refusal is a reply other than success.
type refusal struct {
	status, code int
	text         string
}

// The codes of "Troubleshoot HTTP Event Collector".
var (
	noToken        = refusal{401, 2, "Token is required"}
	invalidAuth    = refusal{401, 3, "Invalid authorization"}
	invalidToken   = refusal{403, 4, "Invalid token"}
	noData         = refusal{400, 5, "No data"}
	invalidData    = refusal{400, 6, "Invalid data format"}
	incorrectIndex = refusal{400, 7, "Incorrect index"}
	noChannel      = refusal{400, 10, "Data channel is missing"}
	invalidChannel = refusal{400, 11, "Invalid data channel"}
	noEvent        = refusal{400, 12, "Event field is required"}
	blankEvent     = refusal{400, 13, "Event field cannot be blank"}
	ackDisabled    = refusal{400, 14, "ACK is disabled"}
	indexedFields  = refusal{400, 15, "Error in handling indexed fields"}
)

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, done, ok := s.Read(w, r)
	if !ok {
		return
	}
	fail := func(f refusal) { done(f.status, fmt.Sprintf(`{"text":%q,"code":%d}`, f.text, f.code)) }
	if f := s.authorize(r); f != (refusal{}) {
		fail(f)
		return
	}
	switch r.URL.Path {
	case "/services/collector", "/services/collector/event", "/services/collector/event/1.0":
	case "/services/collector/ack":
		if s.opts.NoAcks {
			done(http.StatusNotFound, `{"text":"The requested URL was not found on this server.","code":404}`)
			return
		}
		s.ack(r, body, done, fail)
		return
	default:
		done(http.StatusNotFound, `{"text":"The requested URL was not found on this server.","code":404}`)
		return
	}
	if r.Method != http.MethodPost {
		done(http.StatusMethodNotAllowed, `{"text":"The requested method isn't allowed","code":405}`)
		return
	}
	if f := s.channel(r); f != (refusal{}) {
		fail(f)
		return
	}
	n, f := s.index(body)
	switch {
	case f == noData:
		fail(f)
	case f != (refusal{}):
		done(f.status, fmt.Sprintf(`{"text":%q,"code":%d,"invalid-event-number":%d}`, f.text, f.code, n))
	case s.opts.UseACK:
		s.mu.Lock()
		id := s.nextID
		s.nextID++
		s.mu.Unlock()
		http.SetCookie(w, &http.Cookie{Name: "node", Value: "one"})
		done(http.StatusOK, fmt.Sprintf(`{"text":"Success","code":0,"ackId":%d}`, id))
	default:
		done(http.StatusOK, `{"text":"Success","code":0}`)
	}
}

func (s *Server) authorize(r *http.Request) refusal {
	a := r.Header.Get("Authorization")
	if _, password, ok := r.BasicAuth(); ok {
		a = "Splunk " + password
	}
	token, ok := strings.CutPrefix(a, "Splunk ")
	switch {
	case a == "":
		return noToken
	case !ok:
		return invalidAuth
	case token != s.opts.Token:
		return invalidToken
	}
	return refusal{}
}

var guid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// channel checks the channel: a token with acknowledgment needs one.
func (s *Server) channel(r *http.Request) refusal {
	c := r.Header.Get("X-Splunk-Request-Channel")
	if c == "" {
		c = r.URL.Query().Get("channel")
	}
	switch {
	case c == "" && s.opts.UseACK:
		return noChannel
	case c != "" && !guid.MatchString(c):
		return invalidChannel
	}
	return refusal{}
}

// ack answers {"acks":[1,2]} with {"acks":{"1":true,"2":false}}.
func (s *Server) ack(r *http.Request, body []byte, done func(int, string), fail func(refusal)) {
	var ask struct{ Acks []int }
	if f := s.channel(r); f != (refusal{}) {
		fail(f)
		return
	}
	if !s.opts.UseACK {
		fail(ackDisabled)
		return
	}
	if err := json.Unmarshal(body, &ask); err != nil || len(ask.Acks) == 0 {
		fail(invalidData)
		return
	}
	reply := map[string]bool{}
	s.mu.Lock()
	for _, id := range ask.Acks {
		s.polls[id]++
		acked := s.polls[id] >= 2
		if s.opts.Acks != nil {
			acked = s.opts.Acks(id, s.polls[id])
		}
		if c, err := r.Cookie("node"); s.opts.Sticky && (err != nil || c.Value != "one") {
			acked = false
		}
		reply[fmt.Sprint(id)] = acked
	}
	s.mu.Unlock()
	text, _ := json.Marshal(map[string]any{"acks": reply})
	done(http.StatusOK, string(text))
}

// index reads events one after the other, and indexes each until one is invalid; n is its number, from 0.
func (s *Server) index(body []byte) (n int, f refusal) {
	d := json.NewDecoder(bytes.NewReader(body))
	for ; ; n++ {
		var e Event
		var members map[string]json.RawMessage
		var raw json.RawMessage
		switch err := d.Decode(&raw); {
		case errors.Is(err, io.EOF) && n == 0:
			return 0, noData
		case errors.Is(err, io.EOF):
			return n, refusal{}
		case err != nil:
			return n, invalidData
		}
		if json.Unmarshal(raw, &members) != nil || json.Unmarshal(raw, &e) != nil {
			return n, invalidData
		}
		if f := s.check(&e, members); f != (refusal{}) {
			return n, f
		}
		s.mu.Lock()
		s.events = append(s.events, e)
		s.mu.Unlock()
	}
}

var epoch = regexp.MustCompile(`^"?[0-9]+(\.[0-9]+)?"?$`)

func (s *Server) check(e *Event, members map[string]json.RawMessage) refusal {
	if _, ok := members["event"]; !ok {
		return noEvent
	}
	if blank := string(members["event"]); blank == `""` || blank == "null" {
		return blankEvent
	}
	if _, ok := members["time"]; ok && !epoch.Match(e.Time) {
		return invalidData
	}
	if e.Index != nil && len(s.opts.Indexes) > 0 && !slices.Contains(s.opts.Indexes, *e.Index) {
		return incorrectIndex
	}
	var fields map[string]any
	if e.Fields != nil && json.Unmarshal(e.Fields, &fields) != nil {
		return indexedFields
	}
	for _, v := range fields {
		if _, nested := v.(map[string]any); nested {
			return indexedFields
		}
	}
	return refusal{}
}
