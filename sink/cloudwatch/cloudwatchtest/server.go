// Package cloudwatchtest is a small fake of CloudWatch Logs for tests and load tests. It refuses what the service refuses, can
// be told to fail, and keeps the events in memory.
//
// Its limits are those of the pages "PutLogEvents", "CreateLogGroup", "CreateLogStream", "PutRetentionPolicy", "InputLogEvent"
// and "RejectedLogEventsInfo" of the Amazon CloudWatch Logs API Reference. It doesn't check signatures.
package cloudwatchtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// Options say how the server behaves. The zero value is a service without groups and faults.
type Options struct {
	// Now is the service's clock; nil: time.Now.
	Now func() time.Time
	// Call returns the fault of a call, before the server carries it out. number counts the operation's calls from 1.
	Call func(op string, number int, r *http.Request, body []byte) Fault
	// Tokens makes PutLogEvents refuse all but the stream's sequence token, as the service did until 2023.
	Tokens bool
	// Discard keeps only the number of events, and checks nothing but the names: for load tests.
	Discard bool
	// MaxEvent is the largest event in bytes, 26 included; default 1 MiB. It was 256 KiB until 2025.
	MaxEvent int
}

// A Fault is a failure of a call. The zero value is none.
type Fault struct {
	Delay   time.Duration // before everything else, while the client is connected
	Status  int           // reply with this status, and don't carry out the call; with Code, default 400
	Code    string        // of the refusal, such as ThrottlingException
	Message string
	Header  http.Header
	Lose    bool // carry out the call, then close the connection without a reply
	Close   bool // close the connection at once
}

// An Event is one that was stored.
type Event struct {
	Timestamp int64  `json:"timestamp"`
	Message   string `json:"message"`
}

// A Group is a log group.
type Group struct {
	Name      string
	Tags      map[string]string
	Class     string
	Retention int // in days; 0: none

	streams map[string]*stream
}

type stream struct {
	events []Event
	count  int
	token  int
}

// A Server is the fake service. It is an http.Handler.
type Server struct {
	opts Options

	mu     sync.Mutex
	groups map[string]*Group
	calls  map[string]int
	stored int
}

// New makes a server.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxEvent == 0 {
		o.MaxEvent = maxEvent
	}
	return &Server{opts: o, groups: map[string]*Group{}, calls: map[string]int{}}
}

// CreateGroup creates a group with its streams, unless they exist.
func (s *Server) CreateGroup(name string, streams ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.groups[name]
	if g == nil {
		g = &Group{Name: name, streams: map[string]*stream{}}
		s.groups[name] = g
	}
	for _, n := range streams {
		if g.streams[n] == nil {
			g.streams[n] = &stream{}
		}
	}
}

// DeleteGroup deletes a group and its streams.
func (s *Server) DeleteGroup(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.groups, name)
}

// Group returns a copy of a group; ok is false if there is none.
func (s *Server) Group(name string) (g Group, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.groups[name]; p != nil {
		return *p, true
	}
	return g, false
}

// Streams returns the number of events of each stream, by group:stream.
func (s *Server) Streams() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]int{}
	for _, g := range s.groups {
		for name, st := range g.streams {
			all[g.Name+":"+name] = st.count
		}
	}
	return all
}

// Events returns the events of a stream in the order in which they came.
func (s *Server) Events(group, name string) []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.groups[group]; g != nil && g.streams[name] != nil {
		return append([]Event(nil), g.streams[name].events...)
	}
	return nil
}

// Stored returns how many events are stored.
func (s *Server) Stored() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stored
}

// Calls returns how often an operation was called.
func (s *Server) Calls(op string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[op]
}

// maxRequest is the largest request that is read, in bytes.
const maxRequest = 16 << 20

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	op, known := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "Logs_20140328.")
	if r.URL.Path == otlpPath {
		op = OTLP
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		return
	}
	s.mu.Lock()
	s.calls[op]++
	number := s.calls[op]
	s.mu.Unlock()
	var f Fault
	if s.opts.Call != nil {
		f = s.opts.Call(op, number, r, body)
	}
	if f.Delay > 0 {
		select {
		case <-time.After(f.Delay):
		case <-r.Context().Done():
			return
		}
	}
	if f.Close {
		panic(http.ErrAbortHandler)
	}
	if f.Status != 0 || f.Code != "" {
		for k, v := range f.Header {
			w.Header()[k] = v
		}
		refuse(w, &refusal{f.Status, f.Code, f.Message, nil})
		return
	}
	if op == OTLP {
		answer, no := s.otlp(r, body)
		if no != nil {
			refuse(w, no)
			return
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
		_, _ = w.Write(answer)
		return
	}
	if !known || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-amz-json-1.1" {
		refuse(w, &refusal{code: "UnknownOperationException"})
		return
	}
	answer, no := s.carryOut(op, body)
	switch {
	case f.Lose:
		panic(http.ErrAbortHandler)
	case no != nil:
		refuse(w, no)
	default:
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_ = json.NewEncoder(w).Encode(answer)
	}
}

// carryOut carries out a call.
func (s *Server) carryOut(op string, body []byte) (answer any, no *refusal) {
	if !utf8.Valid(body) {
		return nil, &refusal{code: "SerializationException", message: "the request is not UTF-8"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	run, ok := map[string]func(body []byte) (any, *refusal){
		"PutLogEvents": s.putLogEvents, "CreateLogGroup": s.createLogGroup, "CreateLogStream": s.createLogStream,
		"PutRetentionPolicy": s.putRetentionPolicy,
	}[op]
	if !ok {
		return nil, &refusal{code: "UnknownOperationException"}
	}
	return run(body)
}

// A refusal is the service's answer to a call that it refuses.
type refusal struct {
	status        int // 0: 400
	code, message string
	more          map[string]string // members
}

func invalid(format string, args ...any) *refusal {
	return &refusal{code: "InvalidParameterException", message: fmt.Sprintf(format, args...)}
}

func refuse(w http.ResponseWriter, no *refusal) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	status := no.status
	if status == 0 {
		status = http.StatusBadRequest
	}
	w.WriteHeader(status)
	answer := map[string]string{"__type": no.code, "message": no.message}
	for k, v := range no.more {
		answer[k] = v
	}
	_ = json.NewEncoder(w).Encode(answer)
}
