// Package ecstest is a fake of what a task's router asks: the task metadata endpoint, version 4, and S3's GetObject.
package ecstest

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"
)

// A Server is a fake. Its handlers answer only what the real ones would be asked: the metadata at /v4/ID/task ("Amazon ECS task
// metadata endpoint version 4" in the ECS Developer Guide), signed GET requests of objects with path-style addresses
// ("GetObject" in the Amazon S3 API Reference).
type Server struct {
	*httptest.Server
	mu       sync.Mutex
	metadata string
	objects  map[string]string // "bucket/key"
	regions  map[string]string // of buckets
	silent   map[string]bool   // the buckets whose region is not said
	denied   map[string]bool   // "bucket/key"
	failures int
	wait     time.Duration
	asked    map[string]int
	closing  chan struct{}
}

// Metadata is an answer of the endpoint, of a task that runs on Fargate.
const Metadata = `{"Cluster":"arn:aws:ecs:eu-west-1:123456789012:cluster/demo","TaskARN":"arn:aws:ecs:eu-west-1:123456789012:task/demo/0123456789abcdef",` +
	`"Family":"web","Revision":"7","DesiredStatus":"RUNNING","KnownStatus":"RUNNING","Limits":{"CPU":0.25,"Memory":512},` +
	`"AvailabilityZone":"eu-west-1a","LaunchType":"FARGATE","Containers":[{"Name":"log_router","DockerId":"0123"}]}`

// New starts a server that answers Metadata, and has no objects.
func New() *Server {
	s := &Server{
		metadata: Metadata, objects: map[string]string{}, regions: map[string]string{}, silent: map[string]bool{}, denied: map[string]bool{},
		asked: map[string]int{}, closing: make(chan struct{}),
	}
	s.Server = httptest.NewServer(s)
	return s
}

// Close ends the server, and requests that wait.
func (s *Server) Close() {
	close(s.closing)
	s.Server.CloseClientConnections()
	s.Server.Close()
}

// URI is the value of ECS_CONTAINER_METADATA_URI_V4.
func (s *Server) URI() string { return s.URL + "/v4/0123456789" }

// Environ are the variables of a process that asks this server instead of AWS.
func (s *Server) Environ() []string {
	return []string{
		"ECS_CONTAINER_METADATA_URI_V4=" + s.URI(), "AWS_ENDPOINT_URL_S3=" + s.URL, "AWS_ACCESS_KEY_ID=AKID", "AWS_SECRET_ACCESS_KEY=secret",
	}
}

// SetMetadata changes the answer of the metadata endpoint.
func (s *Server) SetMetadata(body string) { s.set(func() { s.metadata = body }) }

// Put adds an object to a bucket in a region.
func (s *Server) Put(region, bucket, key, text string) {
	s.set(func() { s.objects[bucket+"/"+key], s.regions[bucket] = text, region })
}

// Deny refuses an object.
func (s *Server) Deny(bucket, key string) { s.set(func() { s.denied[bucket+"/"+key] = true }) }

// HideRegion has answers about a bucket in another region not say in which.
func (s *Server) HideRegion(bucket string) { s.set(func() { s.silent[bucket] = true }) }

// Fail has the next n requests fail with 503, or with 500.
func (s *Server) Fail(n int) { s.set(func() { s.failures = n }) }

// Wait has each request take a time.
func (s *Server) Wait(d time.Duration) { s.set(func() { s.wait = d }) }

// Asked is how often the metadata ("task") or an object ("bucket/key") was asked for.
func (s *Server) Asked(what string) (n int) {
	s.set(func() { n = s.asked[what] })
	return n
}

func (s *Server) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var wait time.Duration
	var fail bool
	object := strings.TrimPrefix(r.URL.Path, "/")
	isTask := r.URL.Path == "/v4/0123456789/task"
	s.set(func() {
		wait = s.wait
		if fail = s.failures > 0; fail {
			s.failures--
		}
		if isTask {
			object = "task"
		}
		s.asked[object]++
	})
	select {
	case <-time.After(wait):
	case <-s.closing:
		return
	case <-r.Context().Done():
		return
	}
	switch {
	case r.Method != http.MethodGet:
		http.Error(w, "want GET", http.StatusMethodNotAllowed)
	case isTask && fail:
		http.Error(w, "no", http.StatusInternalServerError)
	case isTask:
		w.Header().Set("Content-Type", "application/json")
		s.set(func() { fmt.Fprint(w, s.metadata) })
	case strings.HasPrefix(object, "v4/"):
		http.NotFound(w, r)
	case fail:
		refuse(w, http.StatusServiceUnavailable, "SlowDown", "Please reduce your request rate.")
	default:
		s.set(func() { s.get(w, r, object) })
	}
}

// get answers GetObject, with the errors in the order of the real one.
func (s *Server) get(w http.ResponseWriter, r *http.Request, object string) {
	bucket, _, _ := strings.Cut(object, "/")
	auth := r.Header.Get("Authorization")
	scope := strings.Split(auth, "/")
	if !strings.HasPrefix(auth, "AWS4-HMAC-SHA256 Credential=") || len(scope) < 5 || scope[3] != "s3" {
		refuse(w, http.StatusForbidden, "AccessDenied", "Access Denied")
		return
	}
	region, exists := s.regions[bucket]
	if region != "" && scope[2] != region && !s.silent[bucket] {
		w.Header().Set("X-Amz-Bucket-Region", region)
	}
	text, ok := s.objects[object]
	switch {
	case !exists:
		refuse(w, http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist")
	case scope[2] != region:
		refuse(w, http.StatusMovedPermanently, "PermanentRedirect", "The bucket you are attempting to access must be addressed using the specified endpoint.")
	case s.denied[object]:
		refuse(w, http.StatusForbidden, "AccessDenied", "Access Denied")
	case !ok:
		refuse(w, http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
	default:
		fmt.Fprint(w, text)
	}
}

// refuse answers with an error of S3.
func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	type body struct {
		XMLName       xml.Name `xml:"Error"`
		Code, Message string
	}
	_ = xml.NewEncoder(w).Encode(body{Code: code, Message: message})
}
