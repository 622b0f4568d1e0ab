package bulktest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// A store holds the documents.
type store struct {
	mu        sync.Mutex
	indices   map[string]*index
	conflicts int
	serial    int
}

type index struct {
	ids  map[string]int // index in docs
	docs []Document
}

// A Document is a stored document.
type Document struct {
	Index, ID string
	Source    []byte // nil with Options.Discard
	Writes    int    // how often it was written; only index and update do that more than once
}

func (s *store) exists(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.indices[name] != nil
}

func (s *store) open(name string) *index {
	ix := s.indices[name]
	if ix == nil {
		ix = &index{ids: map[string]int{}}
		s.indices[name] = ix
	}
	return ix
}

func (s *store) apply(it *item, discard bool) (int, *ItemFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ix := s.open(it.index)
	id := it.id
	if !it.hasID {
		s.serial++
		id = "auto-" + strconv.Itoa(s.serial)
	}
	at, there := ix.ids[id]
	switch {
	case there && it.op == "create":
		s.conflicts++
		return http.StatusConflict, &ItemFault{http.StatusConflict, "version_conflict_engine_exception",
			"[" + id + "]: version conflict, document already exists (current version [1])"}
	case it.op == "update":
		return s.update(ix, it, id, at, there)
	case there:
		ix.docs[at].Source = slices.Clone(it.document)
		ix.docs[at].Writes++
		return http.StatusOK, nil
	}
	ix.add(it.index, id, it.document, discard)
	return http.StatusCreated, nil
}

func (ix *index) add(name, id string, document []byte, discard bool) {
	ix.ids[id] = len(ix.docs)
	d := Document{Index: name, ID: id, Writes: 1}
	if !discard {
		d.Source = slices.Clone(document)
	}
	ix.docs = append(ix.docs, d)
}

func (s *store) update(ix *index, it *item, id string, at int, there bool) (int, *ItemFault) {
	var body struct {
		Doc    map[string]json.RawMessage `json:"doc"`
		Upsert bool                       `json:"doc_as_upsert"`
	}
	_ = json.Unmarshal(it.document, &body)
	if !there && !body.Upsert {
		return http.StatusNotFound, &ItemFault{http.StatusNotFound, "document_missing_exception", "[" + id + "]: document missing"}
	}
	if !there {
		source, _ := json.Marshal(body.Doc)
		ix.add(it.index, id, source, false)
		return http.StatusCreated, nil
	}
	var old map[string]json.RawMessage
	_ = json.Unmarshal(ix.docs[at].Source, &old)
	maps.Copy(old, body.Doc)
	ix.docs[at].Source, _ = json.Marshal(old)
	ix.docs[at].Writes++
	return http.StatusOK, nil
}

// CreateIndex creates an empty index.
func (s *Server) CreateIndex(name string) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	s.store.open(name)
}

// Conflicts returns how many creates had an id that existed.
func (s *Server) Conflicts() int {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	return s.store.conflicts
}

// Indices returns the sorted names of all indices.
func (s *Server) Indices() []string {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	return slices.Sorted(maps.Keys(s.store.indices))
}

// Documents returns the documents of the indices that match one of the patterns (separated by commas; * is any text), sorted
// by index and, within it, in the order of arrival.
func (s *Server) Documents(pattern string) []Document {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	var out []Document
	for _, name := range slices.Sorted(maps.Keys(s.store.indices)) {
		if matchIndex(pattern, name) {
			out = append(out, s.store.indices[name].docs...)
		}
	}
	return out
}

func matchIndex(pattern, name string) bool {
	if pattern == "" || pattern == "_all" {
		return true
	}
	for p := range strings.SplitSeq(pattern, ",") {
		if ok, _ := path.Match(p, name); ok {
			return true
		}
	}
	return false
}

// search answers GET /index/_search?q=field:text&from=0&size=10. q is one term: a text, in one field or anywhere.
func (s *Server) search(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	size, from := 10, 0
	if n, err := strconv.Atoi(q.Get("size")); err == nil && n >= 0 {
		size = n
	}
	if n, err := strconv.Atoi(q.Get("from")); err == nil && n >= 0 {
		from = n
	}
	docs := s.Documents(r.PathValue("index"))
	docs = slices.DeleteFunc(docs, func(d Document) bool { return !matchQuery(q.Get("q"), d.Source) })
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	fmt.Fprintf(w, `{"took":1,"timed_out":false,"hits":{"total":{"value":%d,"relation":"eq"},"max_score":1.0,"hits":[`, len(docs))
	for i := from; i < min(len(docs), from+size); i++ {
		d := &docs[i]
		if i > from {
			_, _ = w.Write([]byte{','})
		}
		source := d.Source
		if source == nil {
			source = []byte("{}")
		}
		fmt.Fprintf(w, `{"_index":%s,"_id":%s,"_score":1.0,"_source":%s}`, quote(d.Index), quote(d.ID), source)
	}
	fmt.Fprintln(w, "]}}")
}

// matchQuery evaluates q=text, q=field:text or q=*.
func matchQuery(q string, source []byte) bool {
	if q == "" || q == "*" || q == "*:*" {
		return true
	}
	field, text, ok := strings.Cut(q, ":")
	if !ok {
		return strings.Contains(string(source), strings.Trim(q, `"`))
	}
	var members map[string]any
	_ = json.Unmarshal(source, &members)
	v, ok := members[field]
	return ok && strings.Contains(fmt.Sprint(v), strings.Trim(text, `"`))
}

func (s *Server) count(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	fmt.Fprintf(w, `{"count":%d}`+"\n", len(s.Documents(r.PathValue("index"))))
}

// catIndices answers GET /_cat/indices with lines of health, status, index and number of documents.
func (s *Server) catIndices(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	for _, name := range s.Indices() {
		fmt.Fprintf(w, "green open %s %d\n", name, len(s.Documents(name)))
	}
}
