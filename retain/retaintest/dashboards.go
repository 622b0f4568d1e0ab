package retaintest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// DashboardsOptions say which Dashboards it is. The zero value is OpenSearch's, with its security plugin.
type DashboardsOptions struct {
	Kibana   bool
	Path     string // that it is served under: /_dashboards
	User     string // user:password that it wants; "": none
	NotReady func() bool
	ReadOnly bool // the user may not write saved objects
}

// Dashboards is a stand-in of the saved-objects API of OpenSearch Dashboards and Kibana, an http.Handler: as strict as these
// about headers, queries and bodies. Of types of objects it knows index patterns.
//
// Sources: "Saved objects APIs" of Kibana's documentation, and the routes, schemas and header checks of OpenSearch Dashboards
// (src/core/server/saved_objects/routes, src/core/server/http/lifecycle_handlers.ts) and of its security plugin
// (server/multitenancy/tenant_resolver.ts).
type Dashboards struct {
	opts     DashboardsOptions
	mu       sync.Mutex
	requests int
	writes   []string
	objects  map[string]map[string]object // by tenant and id
}

// NewDashboards makes one with no objects.
func NewDashboards(o DashboardsOptions) *Dashboards {
	return &Dashboards{opts: o, objects: map[string]map[string]object{}}
}

// Put stores an index pattern for all users, as somebody at a browser does.
func (d *Dashboards) Put(id string, attributes map[string]any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.put("global", id, attributes)
}

func (d *Dashboards) put(tenant, id string, attributes object) {
	if d.objects[tenant] == nil {
		d.objects[tenant] = map[string]object{}
	}
	d.objects[tenant][id] = attributes
}

// Pattern is the index pattern that all users see under an id, nil for none.
func (d *Dashboards) Pattern(id string) map[string]any {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.objects["global"][id]
}

// Writes are the requests that changed something, in order.
func (d *Dashboards) Writes() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.writes)
}

// Requests is how many requests have arrived.
func (d *Dashboards) Requests() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.requests
}

// ServeHTTP implements http.Handler.
func (d *Dashboards) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	d.mu.Lock()
	defer d.mu.Unlock()
	d.requests++
	if d.opts.NotReady != nil && d.opts.NotReady() {
		http.Error(w, "OpenSearch Dashboards server is not ready yet", http.StatusServiceUnavailable)
		return
	}
	status, answer := http.StatusBadRequest, any(nil)
	if err == nil {
		status, answer = d.answer(r, body)
	}
	if text, ok := answer.(string); ok {
		answer = object{"statusCode": status, "error": http.StatusText(status), "message": text}
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

// answer is the answer to a request; a string is the message of an error.
func (d *Dashboards) answer(r *http.Request, body []byte) (int, any) {
	path, ok := strings.CutPrefix(r.URL.Path, d.opts.Path+"/api/saved_objects/")
	if !ok {
		return http.StatusNotFound, "Not Found"
	}
	if user, password, _ := r.BasicAuth(); d.opts.User != "" && user+":"+password != d.opts.User {
		return http.StatusUnauthorized, "Authentication required"
	}
	xsrf, tenant := "osd-xsrf", "private"
	if d.opts.Kibana {
		xsrf, tenant = "kbn-xsrf", "global"
	} else if t := r.Header.Get("securitytenant"); t != "" {
		tenant = t
	}
	if r.Method != http.MethodGet && r.Header.Get(xsrf) == "" {
		return http.StatusBadRequest, "Request must contain a " + xsrf + " header."
	}
	switch kind, id, _ := strings.Cut(path, "/"); {
	case r.Method == http.MethodGet && path == "_find":
		return d.find(tenant, r.URL.Query())
	case r.Method == http.MethodPost && kind == "index-pattern" && id != "" && !strings.Contains(id, "/"):
		return d.create(tenant, id, r, body)
	}
	return http.StatusNotFound, "Not Found"
}

// find answers GET _find.
func (d *Dashboards) find(tenant string, q url.Values) (int, any) {
	for name := range q {
		if !slices.Contains([]string{"per_page", "page", "type", "search", "search_fields", "fields"}, name) {
			return http.StatusBadRequest, fmt.Sprintf("[request query.%s]: definition for this key is missing", name)
		}
	}
	perPage, err := strconv.Atoi(q.Get("per_page"))
	if q.Get("per_page") == "" {
		perPage, err = 20, nil
	}
	switch {
	case err != nil || perPage < 0 || perPage > 10_000:
		return http.StatusBadRequest, "[request query.per_page]: out of range"
	case q.Get("type") == "":
		return http.StatusBadRequest, "[request query.type]: expected at least one defined value but got [undefined]"
	}
	found := []object{}
	for _, id := range slices.Sorted(maps.Keys(d.objects[tenant])) {
		attributes := object{}
		for name, value := range d.objects[tenant][id] {
			if fields := q["fields"]; len(fields) == 0 || slices.Contains(fields, name) {
				attributes[name] = value
			}
		}
		if len(found) < perPage {
			found = append(found, object{"type": "index-pattern", "id": id, "attributes": attributes, "references": []any{}, "version": "WzEsMV0=", "score": 0})
		}
	}
	return http.StatusOK, object{"page": 1, "per_page": perPage, "total": len(d.objects[tenant]), "saved_objects": found}
}

// attributesOf are those that the mapping of an index pattern has, which is strict.
var attributesOf = []string{"title", "timeFieldName", "fields", "sourceFilters", "fieldFormatMap", "type", "typeMeta", "intervalName"}

// create answers POST index-pattern/ID.
func (d *Dashboards) create(tenant, id string, r *http.Request, body []byte) (int, any) {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		return http.StatusUnsupportedMediaType, "Unsupported Media Type"
	}
	for name := range r.URL.Query() {
		if name != "overwrite" {
			return http.StatusBadRequest, fmt.Sprintf("[request query.%s]: definition for this key is missing", name)
		}
	}
	var doc map[string]object
	if err := json.Unmarshal(body, &doc); err != nil {
		return http.StatusBadRequest, "Invalid request payload JSON format"
	}
	for name := range doc {
		if name != "attributes" {
			return http.StatusBadRequest, fmt.Sprintf("[request body.%s]: definition for this key is missing", name)
		}
	}
	for name := range doc["attributes"] {
		if !slices.Contains(attributesOf, name) {
			return http.StatusBadRequest, fmt.Sprintf("mapping set to strict, dynamic introduction of [%s] within [index-pattern] is not allowed: strict_dynamic_mapping_exception", name)
		}
	}
	switch {
	case doc["attributes"] == nil:
		return http.StatusBadRequest, "[request body.attributes]: expected value of type [object] but got [undefined]"
	case d.opts.ReadOnly:
		return http.StatusForbidden, "no permissions for [indices:data/write/index]: security_exception"
	case d.objects[tenant][id] != nil && r.URL.Query().Get("overwrite") != "true":
		return http.StatusConflict, "Saved object [index-pattern/" + id + "] conflict"
	}
	d.put(tenant, id, doc["attributes"])
	d.writes = append(d.writes, r.Method+" "+r.URL.EscapedPath())
	return http.StatusOK, object{"type": "index-pattern", "id": id, "attributes": doc["attributes"], "references": []any{}, "version": "WzAsMV0=", "namespaces": []string{"default"}}
}
