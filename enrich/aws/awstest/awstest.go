// Package awstest has a strict stand-in of the EC2 instance metadata service.
package awstest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// Options of a Server.
type Options struct {
	TokenRequired bool              // version 1 is refused: HttpTokens=required
	Tags          map[string]string // nil: they aren't allowed in the metadata
	Missing       []string          // paths below /latest/ that answer 404
}

// A Server is an instance's metadata service. The rules are those of "Use the Instance Metadata Service to access instance
// metadata" and "View tags for your EC2 instances using instance metadata" in the Amazon EC2 User Guide: a token is asked for by
// PUT with a TTL of 1 to 21600 seconds, is refused with X-Forwarded-For (403), and an invalid one is answered by 401.
type Server struct {
	*httptest.Server
	o        Options
	tokens   sync.Map
	Requests atomic.Int64
	Hang     atomic.Bool // answer nothing
}

// values are what the service says, by path.
var values = map[string]string{
	"meta-data/instance-id":                 "i-0123456789abcdef0",
	"meta-data/placement/availability-zone": "eu-west-1b",
	"meta-data/instance-type":               "t4g.small",
	"meta-data/local-ipv4":                  "10.0.0.7",
	"meta-data/ami-id":                      "ami-0123456789abcdef0",
	"meta-data/hostname":                    "ip-10-0-0-7.eu-west-1.compute.internal",
	"meta-data/mac":                         "02:29:96:8f:6a:2d",
	"meta-data/network/interfaces/macs/02:29:96:8f:6a:2d/vpc-id": "vpc-0123456789abcdef0",
	"dynamic/instance-identity/document":                         "{\n  \"accountId\" : \"123456789012\",\n  \"region\" : \"eu-west-1\"\n}",
}

// New starts a Server; the caller closes it.
func New(o Options) *Server {
	s := &Server{o: o}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	return s
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	n := s.Requests.Add(1)
	if s.Hang.Load() {
		<-r.Context().Done()
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/latest/")
	switch {
	case !ok:
		http.NotFound(w, r)
	case path == "api/token":
		s.token(w, r, n)
	case r.Method != http.MethodGet:
		http.Error(w, "", http.StatusMethodNotAllowed)
	case !s.authorized(r):
		http.Error(w, "", http.StatusUnauthorized)
	default:
		s.value(w, r, path)
	}
}

func (s *Server) token(w http.ResponseWriter, r *http.Request, n int64) {
	ttl, err := strconv.Atoi(r.Header.Get("X-aws-ec2-metadata-token-ttl-seconds"))
	switch {
	case r.Method != http.MethodPut:
		http.Error(w, "", http.StatusMethodNotAllowed)
	case r.Header.Get("X-Forwarded-For") != "":
		http.Error(w, "", http.StatusForbidden)
	case err != nil || ttl < 1 || ttl > 21600:
		http.Error(w, "", http.StatusBadRequest)
	default:
		token := fmt.Sprintf("AQAEAtoken%d==", n)
		s.tokens.Store(token, true)
		fmt.Fprint(w, token)
	}
}

// authorized reports whether a request may be answered: with a token that was given, or without one where version 1 is allowed.
func (s *Server) authorized(r *http.Request) bool {
	token := r.Header.Get("X-aws-ec2-metadata-token")
	if token == "" {
		return !s.o.TokenRequired
	}
	_, ok := s.tokens.Load(token)
	return ok
}

func (s *Server) value(w http.ResponseWriter, r *http.Request, path string) {
	for _, missing := range s.o.Missing {
		if path == missing {
			http.NotFound(w, r)
			return
		}
	}
	value, ok := values[path]
	if name, isTag := strings.CutPrefix(path, "meta-data/tags/instance/"); isTag {
		value, ok = s.o.Tags[name]
	}
	if path == "meta-data/tags/instance" {
		ok = len(s.o.Tags) > 0
		var names []string
		for name := range s.o.Tags {
			names = append(names, name)
		}
		value = strings.Join(names, "\n")
	}
	if !ok {
		http.NotFound(w, r)
		return
	}
	fmt.Fprint(w, value)
}
