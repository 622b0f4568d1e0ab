package main

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"

	"github.com/firelane/firelane/sink/prometheus/prometheustest"
)

// A store holds S3's uploads that aren't finished, and which records are in an object: one that is put again under the same
// key replaces the first. Of Loki it has hashes of all entries.
type store struct {
	mu      sync.Mutex
	uploads map[string]map[string][]byte // parts by upload
	objects map[string][]int64           // records by key
	seed    maphash.Seed
	entries map[uint64]struct{}
	series  *prometheustest.Server // of remote write; nil before the first request
}

// first notes an entry of a stream, and reports whether it wasn't there.
func (s *store) first(labels, entry []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entries == nil {
		s.seed, s.entries = maphash.MakeSeed(), make(map[uint64]struct{})
	}
	var h maphash.Hash
	h.SetSeed(s.seed)
	_, _ = h.Write(labels) // never fails
	_, _ = h.Write(entry)
	_, there := s.entries[h.Sum64()]
	s.entries[h.Sum64()] = struct{}{}
	return !there
}

// forget removes the records of an object that is about to be replaced, and returns them.
func (s *store) forget(key string) []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.objects[key]
	delete(s.objects, key)
	return old
}

// keep notes the records of an object.
func (s *store) keep(key string, records []int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.objects == nil {
		s.objects = make(map[string][]int64)
	}
	s.objects[key] = records
}

// takeS3 takes PutObject, and the calls of a multipart upload.
func takeS3(s *store, r *http.Request, body []byte) ([]byte, int, string) {
	q := r.URL.Query()
	id := q.Get("uploadId")
	switch {
	case r.Method == http.MethodGet && q.Has("uploads"):
		return nil, http.StatusOK, "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>"
	case r.Method == http.MethodGet && id != "":
		return nil, http.StatusOK, "<ListPartsResult><IsTruncated>false</IsTruncated></ListPartsResult>"
	case r.Method == http.MethodGet, r.Method == http.MethodHead:
		return nil, http.StatusOK, "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
	case r.Method == http.MethodPost && q.Has("uploads"):
		return nil, http.StatusOK, fmt.Sprintf("<InitiateMultipartUploadResult><UploadId>%s</UploadId></InitiateMultipartUploadResult>", strings.ReplaceAll(r.URL.Path, "/", "_"))
	case r.Method == http.MethodPut && id != "":
		s.part(id, q.Get("partNumber"), body)
		return nil, http.StatusOK, ""
	case r.Method == http.MethodDelete:
		s.whole(id)
		return nil, http.StatusNoContent, ""
	case r.Method == http.MethodPost && id != "":
		return plain(s.whole(id)), http.StatusOK, `<CompleteMultipartUploadResult><ETag>"1"</ETag></CompleteMultipartUploadResult>`
	}
	return plain(body), http.StatusOK, ""
}

func (s *store) part(id, number string, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.uploads == nil {
		s.uploads = make(map[string]map[string][]byte)
	}
	if s.uploads[id] == nil {
		s.uploads[id] = make(map[string][]byte)
	}
	s.uploads[id][fmt.Sprintf("%05s", number)] = bytes.Clone(body)
}

// whole ends an upload, and returns its parts together.
func (s *store) whole(id string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	var body []byte
	for n := 1; ; n++ {
		part, there := s.uploads[id][fmt.Sprintf("%05d", n)]
		if !there {
			break
		}
		body = append(body, part...)
	}
	delete(s.uploads, id)
	return body
}

// maxObject is the largest object in bytes, decompressed.
const maxObject = 1 << 30

// plain returns an object's text, decompressed if it is gzip.
func plain(body []byte) []byte {
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return body
	}
	text, err := io.ReadAll(io.LimitReader(z, maxObject))
	if err != nil {
		return nil
	}
	return text
}
