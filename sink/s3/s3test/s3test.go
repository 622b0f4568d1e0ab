// Package s3test is a fake of S3 for one bucket, with path-style addresses. It refuses what S3 would, as the Amazon S3 API
// Reference and "Amazon S3 multipart upload limits" in the User Guide say, and can be told to fail.
package s3test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Limits of S3.
const (
	MinPart  = 5 << 20 // bytes of a part that is not the last one
	MaxParts = 10_000
	MaxKey   = 1024 // bytes
)

// A Fault is what the server does instead of an operation.
type Fault struct {
	Status  int    // 0: none
	Code    string // such as SlowDown
	Close   bool   // closes the connection without an answer
	Lost    bool   // does the operation, and then closes the connection without an answer
	Hang    bool   // never answers
	Header  http.Header
	Message string
}

// An Object is a finished one.
type Object struct {
	Body   []byte
	Header http.Header // of the request that began it
	Puts   int         // how often it was stored
}

// A Server is a fake of S3.
type Server struct {
	*httptest.Server
	// Fail, if set, is asked before each operation: PutObject, CreateMultipartUpload, UploadPart, CompleteMultipartUpload,
	// AbortMultipartUpload, ListMultipartUploads.
	Fail func(op, key string) Fault

	bucket  string
	mu      sync.Mutex
	objects map[string]*Object
	uploads map[string]*upload
	next    int
	ops     map[string]int
	md5s    int
	closing chan struct{}
}

type upload struct {
	key    string
	header http.Header
	parts  map[int][]byte
}

// New starts a server with one bucket.
func New(bucket string) *Server {
	s := &Server{bucket: bucket, objects: make(map[string]*Object), uploads: make(map[string]*upload), ops: make(map[string]int), closing: make(chan struct{})}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	return s
}

// Close ends the server, and requests that hang.
func (s *Server) Close() {
	close(s.closing)
	s.Server.CloseClientConnections()
	s.Server.Close()
}

// Objects returns the finished objects.
func (s *Server) Objects() map[string]Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string]Object)
	for key, o := range s.objects {
		all[key] = *o
	}
	return all
}

// Unfinished returns the keys of unfinished uploads.
func (s *Server) Unfinished() (keys []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.uploads {
		keys = append(keys, u.key)
	}
	return keys
}

// Ops returns how often an operation was asked for.
func (s *Server) Ops(op string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ops[op]
}

// MD5s returns how many requests had the header Content-MD5.
func (s *Server) MD5s() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.md5s
}

// operation returns the operation that a request asks for.
func operation(r *http.Request) string {
	q := r.URL.Query()
	switch {
	case r.Method == http.MethodPut && q.Has("partNumber"):
		return "UploadPart"
	case r.Method == http.MethodPut:
		return "PutObject"
	case r.Method == http.MethodPost && q.Has("uploads"):
		return "CreateMultipartUpload"
	case r.Method == http.MethodPost && q.Has("uploadId"):
		return "CompleteMultipartUpload"
	case r.Method == http.MethodDelete && q.Has("uploadId"):
		return "AbortMultipartUpload"
	case r.Method == http.MethodGet && q.Has("uploads"):
		return "ListMultipartUploads"
	}
	return r.Method + " " + r.URL.RawQuery
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	op := operation(r)
	var f Fault
	if s.Fail != nil {
		f = s.Fail(op, key)
	}
	body, err := io.ReadAll(r.Body)
	s.mu.Lock()
	s.ops[op]++
	if r.Header.Get("Content-MD5") != "" {
		s.md5s++
	}
	s.mu.Unlock()
	switch {
	case err != nil:
		return
	case f.Hang:
		select {
		case <-s.closing:
		case <-r.Context().Done():
		}
		return
	case f.Close:
		panic(http.ErrAbortHandler)
	case f.Status != 0:
		maps.Copy(w.Header(), f.Header)
		refuse(w, f.Status, f.Code, f.Message)
		return
	case f.Lost:
		s.do(httptest.NewRecorder(), r, op, key, body)
		panic(http.ErrAbortHandler)
	case !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 "):
		refuse(w, 403, "AccessDenied", "the request is not signed")
		return
	case bucket != s.bucket:
		refuse(w, 404, "NoSuchBucket", "The specified bucket does not exist")
		return
	}
	if code := wrongBody(r, body); code != "" {
		refuse(w, 400, code, "the body is not what the header says")
		return
	}
	s.do(w, r, op, key, body)
}

// wrongBody returns the error code for a body that doesn't have the hash in its headers.
func wrongBody(r *http.Request, body []byte) string {
	sum := sha256.Sum256(body)
	if want := r.Header.Get("X-Amz-Content-Sha256"); want != "UNSIGNED-PAYLOAD" && want != hex.EncodeToString(sum[:]) {
		return "XAmzContentSHA256Mismatch"
	}
	hash := md5.Sum(body)
	if want := r.Header.Get("Content-MD5"); want != "" && want != base64.StdEncoding.EncodeToString(hash[:]) {
		return "BadDigest"
	}
	return ""
}

func (s *Server) do(w http.ResponseWriter, r *http.Request, op, key string, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(key) > MaxKey {
		refuse(w, 400, "KeyTooLongError", "Your key is too long")
		return
	}
	id := r.URL.Query().Get("uploadId")
	u := s.uploads[id]
	if id != "" && (u == nil || u.key != key) {
		refuse(w, 404, "NoSuchUpload", "The specified upload does not exist")
		return
	}
	switch op {
	case "PutObject":
		s.store(key, body, r.Header)
		w.Header().Set("ETag", etag(body))
	case "CreateMultipartUpload":
		s.next++
		id := fmt.Sprintf("upload-%d", s.next)
		s.uploads[id] = &upload{key, r.Header.Clone(), make(map[int][]byte)}
		answer(w, fmt.Sprintf("<InitiateMultipartUploadResult><Bucket>%s</Bucket><Key>%s</Key><UploadId>%s</UploadId></InitiateMultipartUploadResult>", s.bucket, key, id))
	case "UploadPart":
		n, err := strconv.Atoi(r.URL.Query().Get("partNumber"))
		if err != nil || n < 1 || n > MaxParts {
			refuse(w, 400, "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
			return
		}
		u.parts[n] = body
		w.Header().Set("ETag", etag(body))
	case "CompleteMultipartUpload":
		s.complete(w, id, u, body)
	case "AbortMultipartUpload":
		delete(s.uploads, id)
		w.WriteHeader(http.StatusNoContent)
	case "ListMultipartUploads":
		s.list(w, r.URL.Query().Get("prefix"))
	default:
		refuse(w, 405, "MethodNotAllowed", op)
	}
}

func (s *Server) complete(w http.ResponseWriter, id string, u *upload, body []byte) {
	var in struct {
		Part []struct {
			PartNumber int
			ETag       string
		}
	}
	if xml.Unmarshal(body, &in) != nil || len(in.Part) == 0 {
		refuse(w, 400, "MalformedXML", "The XML you provided was not well-formed")
		return
	}
	var all []byte
	for i, p := range in.Part {
		part, ok := u.parts[p.PartNumber]
		switch {
		case i > 0 && p.PartNumber <= in.Part[i-1].PartNumber:
			refuse(w, 400, "InvalidPartOrder", "The list of parts was not in ascending order")
			return
		case !ok || etag(part) != p.ETag:
			refuse(w, 400, "InvalidPart", "One or more of the specified parts could not be found")
			return
		case i < len(in.Part)-1 && len(part) < MinPart:
			refuse(w, 400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
			return
		}
		all = append(all, part...)
	}
	s.store(u.key, all, u.header)
	delete(s.uploads, id)
	answer(w, fmt.Sprintf("<CompleteMultipartUploadResult><Bucket>%s</Bucket><Key>%s</Key><ETag>%s</ETag></CompleteMultipartUploadResult>", s.bucket, u.key, "x"))
}

func (s *Server) list(w http.ResponseWriter, prefix string) {
	var b strings.Builder
	for _, id := range slices.Sorted(maps.Keys(s.uploads)) {
		if u := s.uploads[id]; strings.HasPrefix(u.key, prefix) {
			fmt.Fprintf(&b, "<Upload><Key>%s</Key><UploadId>%s</UploadId></Upload>", u.key, id)
		}
	}
	answer(w, "<ListMultipartUploadsResult>"+b.String()+"</ListMultipartUploadsResult>")
}

func (s *Server) store(key string, body []byte, h http.Header) {
	o := s.objects[key]
	if o == nil {
		o = &Object{}
		s.objects[key] = o
	}
	o.Body, o.Header = bytes.Clone(body), h.Clone()
	o.Puts++
}

func etag(body []byte) string {
	sum := md5.Sum(body)
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

func answer(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "application/xml")
	_, _ = io.WriteString(w, xml.Header+text)
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "%s<Error><Code>%s</Code><Message>%s</Message></Error>", xml.Header, code, message)
}
