// Package retaintest is a stand-in of the administrative API of OpenSearch and Elasticsearch: index templates, aliases, settings,
// index state management (ISM) and index lifecycle management (ILM). It is as strict as the real servers about what it knows.
//
// Sources: "Index templates", "Policies" and "ISM API" of OpenSearch's documentation, what OpenSearch 2.19 answers to the same
// requests; "Create or update index template" and "Create or update lifecycle policy" of Elasticsearch's.
package retaintest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options say which server it is. The zero value is an OpenSearch 2.19 with ISM.
type Options struct {
	Elasticsearch bool   // with ILM
	Version       string // default 2.19.1, or 8.15.0
	NoPolicies    bool   // the plugin isn't installed
	OldISM        bool   // ISM is at _opendistro/_ism only
	NoMeta        bool   // policies of ILM have no _meta, as before 7.16
	// Odd makes the server store a setting that nobody has written, as a later version might.
	Odd bool
	// Deny reports whether the user has no permission for a request.
	Deny func(method, path string) bool
	// Fault returns the status of a request that fails, 0 for none, before it is read. number counts from 1.
	Fault func(number int, r *http.Request) int
}

// object is a JSON object.
type object = map[string]any

// A Policy is one that is stored.
type policy struct {
	body      object
	seq, term int
	version   int
}

// An index is one that exists.
type index struct {
	created time.Time
	policy  string
	aliases []string
}

// Server is the stand-in, an http.Handler.
type Server struct {
	opts     Options
	mu       sync.Mutex
	requests int
	writes   []string
	seq      int
	tmpl     map[string]object // _index_template
	legacy   map[string]object // _template
	policies map[string]*policy
	indices  map[string]*index
}

// New makes a server with nothing in it.
func New(o Options) *Server {
	if o.Version == "" {
		o.Version = map[bool]string{false: "2.19.1", true: "8.15.0"}[o.Elasticsearch]
	}
	return &Server{opts: o, tmpl: map[string]object{}, legacy: map[string]object{}, policies: map[string]*policy{}, indices: map[string]*index{}}
}

// Writes are the requests that changed something, METHOD path each, in order.
func (s *Server) Writes() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.writes)
}

// Requests is how many requests have arrived.
func (s *Server) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// AddIndex makes an index, as a first record would.
func (s *Server) AddIndex(name string, created time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.indices[name] = &index{created: created, policy: s.policyFor(name)}
}

// PolicyOf is the policy of an index, "" for none.
func (s *Server) PolicyOf(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.indices[name]; i != nil {
		return i.policy
	}
	return ""
}

// Template is an index template as it is stored, nil for none.
func (s *Server) Template(name string) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tmpl[name]
}

// Policy is a policy as it is stored, nil for none.
func (s *Server) Policy(name string) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.policies[name]; p != nil {
		return p.body
	}
	return nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	path := r.URL.EscapedPath()
	reply := func(status int, answer any) {
		text, err := json.Marshal(answer)
		if err != nil {
			panic(err)
		}
		if status < 300 && r.Method != http.MethodGet && r.Method != http.MethodHead {
			s.writes = append(s.writes, r.Method+" "+path)
		}
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		w.WriteHeader(status)
		_, _ = w.Write(text)
	}
	if s.opts.Fault != nil {
		if status := s.opts.Fault(s.requests, r); status != 0 {
			http.Error(w, "fault", status)
			return
		}
	}
	if err != nil {
		reply(fail(http.StatusBadRequest, "parse_exception", err.Error()))
		return
	}
	if s.opts.Deny != nil && s.opts.Deny(r.Method, path) {
		reply(fail(http.StatusForbidden, "security_exception", "no permissions for [indices:admin/x] and User [name=logs, backend_roles=[], requestedTenant=null]"))
		return
	}
	var doc object
	if len(body) > 0 {
		if kind := r.Header.Get("Content-Type"); !strings.HasPrefix(kind, "application/json") {
			reply(fail(http.StatusNotAcceptable, "media_type_header_exception", "Content-Type header ["+kind+"] is not supported"))
			return
		}
		if err := json.Unmarshal(body, &doc); err != nil {
			reply(fail(http.StatusBadRequest, "parse_exception", err.Error()))
			return
		}
	}
	reply(s.route(r.Method, path, r.URL.Query(), doc))
}

// fail is an error as the servers word it.
func fail(status int, kind, reason string) (int, any) {
	cause := object{"type": kind, "reason": reason}
	return status, object{"error": object{"root_cause": []any{cause}, "type": kind, "reason": reason}, "status": status}
}

func unknown(method, path string) (int, any) {
	return http.StatusBadRequest, object{"error": fmt.Sprintf("no handler found for uri [%s] and method [%s]", path, method)}
}

// route finds what a request is about.
func (s *Server) route(method, path string, query url.Values, doc object) (int, any) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i := range parts {
		parts[i], _ = url.PathUnescape(parts[i])
	}
	ism := "_plugins"
	if s.opts.OldISM {
		ism = "_opendistro"
	}
	n := len(parts)
	switch {
	case path == "/" && method == http.MethodGet:
		version := object{"number": s.opts.Version}
		if !s.opts.Elasticsearch {
			version["distribution"] = "opensearch"
		}
		return http.StatusOK, object{"version": version, "tagline": "for tests"}
	case n == 2 && parts[0] == "_index_template":
		return s.template(method, parts[1], query, doc)
	case n == 2 && parts[0] == "_template":
		return s.legacyTemplate(method, parts[1], query, doc)
	case n == 2 && parts[0] == "_alias" && method == http.MethodGet:
		return s.alias(parts[1])
	case n == 4 && parts[0] == ism && parts[1] == "_ism" && !s.opts.Elasticsearch && !s.opts.NoPolicies:
		return s.ism(method, path, parts[2], parts[3], query, doc)
	case n == 3 && parts[0] == "_ilm" && parts[1] == "policy" && s.opts.Elasticsearch && !s.opts.NoPolicies:
		return s.ilm(method, path, parts[2], doc)
	case n == 3 && s.opts.Elasticsearch && strings.HasPrefix(s.opts.Version, "7") && strings.HasPrefix(parts[0], "_"):
		// It reads the path as that of a document, with its type.
		if method == http.MethodPut {
			return fail(http.StatusBadRequest, "invalid_index_name_exception", "Invalid index name ["+parts[0]+"], must not start with '_', '-', or '+'")
		}
		return fail(http.StatusNotFound, "index_not_found_exception", "no such index ["+parts[0]+"]")
	case n >= 2 && parts[1] == "_settings":
		return s.settings(method, path, parts[0], doc)
	case n == 1 && method == http.MethodPut && parts[0] != "":
		return s.create(parts[0], doc)
	}
	return unknown(method, path)
}

func (s *Server) alias(name string) (int, any) {
	found := object{}
	for i, of := range s.indices {
		if slices.Contains(of.aliases, name) {
			found[i] = object{"aliases": object{name: object{"is_write_index": true}}}
		}
	}
	if len(found) == 0 {
		return http.StatusNotFound, object{"error": "alias [" + name + "] missing", "status": 404}
	}
	return http.StatusOK, found
}

// create is PUT /INDEX.
func (s *Server) create(name string, doc object) (int, any) {
	if strings.HasPrefix(name, "<") {
		name = strings.Trim(strings.ReplaceAll(name, "{now/d}", time.Now().UTC().Format("2006.01.02")), "<>")
	}
	if name != strings.ToLower(name) {
		return fail(http.StatusBadRequest, "invalid_index_name_exception", "Invalid index name ["+name+"], must be lowercase")
	}
	if s.indices[name] != nil {
		return fail(http.StatusBadRequest, "resource_already_exists_exception", "index ["+name+"/x] already exists")
	}
	made := &index{created: time.Now(), policy: s.policyFor(name)}
	aliases, _ := doc["aliases"].(object)
	for a := range aliases {
		if s.indices[a] != nil {
			return fail(http.StatusBadRequest, "invalid_alias_name_exception", "Invalid alias name ["+a+"], an index exists with the same name as the alias")
		}
		made.aliases = append(made.aliases, a)
	}
	s.indices[name] = made
	return http.StatusOK, object{"acknowledged": true, "shards_acknowledged": true, "index": name}
}

// policyFor is the policy that a new index gets.
func (s *Server) policyFor(name string) string {
	if s.opts.Elasticsearch {
		for _, t := range s.tmpl {
			body, _ := t["template"].(object)
			if overlap(texts(t["index_patterns"]), []string{name}) {
				return flat("", body["settings"])["index.lifecycle.name"]
			}
		}
		return ""
	}
	for id, p := range s.policies {
		list, _ := p.body["ism_template"].([]any)
		for _, item := range list {
			entry, _ := item.(object)
			if overlap(texts(entry["index_patterns"]), []string{name}) {
				return id
			}
		}
	}
	return ""
}

// settings is INDEX/_settings.
func (s *Server) settings(method, path, pattern string, doc object) (int, any) {
	found := object{}
	for name, i := range s.indices {
		for p := range strings.SplitSeq(pattern, ",") {
			if name == p || strings.HasSuffix(p, "*") && strings.HasPrefix(name, strings.TrimSuffix(p, "*")) {
				settings := object{"index.creation_date": strconv.FormatInt(i.created.UnixMilli(), 10)}
				if i.policy != "" && s.opts.Elasticsearch {
					settings["index.lifecycle.name"] = i.policy
				}
				found[name] = object{"settings": settings}
			}
		}
	}
	if len(found) == 0 && !strings.Contains(pattern, "*") {
		return fail(http.StatusNotFound, "index_not_found_exception", "no such index ["+pattern+"]")
	}
	switch method {
	case http.MethodGet:
		return http.StatusOK, found
	case http.MethodPut:
		name, ok := doc["index.lifecycle.name"].(string)
		if !ok || !s.opts.Elasticsearch || s.opts.NoPolicies {
			return fail(http.StatusBadRequest, "illegal_argument_exception", "unknown setting [index.lifecycle.name] please check that any required plugins are installed")
		}
		for i := range found {
			s.indices[i].policy = name
		}
		return http.StatusOK, object{"acknowledged": true}
	}
	return unknown(method, path)
}
