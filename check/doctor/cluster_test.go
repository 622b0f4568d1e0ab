package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A fakeCluster is a stand-in of OpenSearch or Elasticsearch that answers the questions of doctor, as the real ones were seen to
// (OpenSearch 2.19 with its security plugin), and refuses everything else. It keeps what was written.
type fakeCluster struct {
	t *testing.T

	root     string            // the answer to GET /
	user     string            // and to authinfo or _authenticate; "": there is no security plugin
	index    string            // and to GET /INDEX; "": it doesn't exist
	answers  map[string]string // of other questions, by path; those that are missing have no handler
	lacks    []string          // permissions that the user has not, such as indices:data/write/index
	status   map[string]int    // of a path: another status, without a body that says more
	password string            // of the user; "": any

	mu      sync.Mutex
	written []string // requests that changed something
	asked   []string
}

const (
	openSearch    = `{"name":"n","cluster_name":"logs","version":{"distribution":"opensearch","number":"2.19.1"},"tagline":"The OpenSearch Project: https://opensearch.org/"}`
	elasticsearch = `{"name":"n","cluster_name":"logs","version":{"number":"8.17.0","build_flavor":"default"},"tagline":"You Know, for Search"}`
	healthGreen   = `{"status":"green","number_of_data_nodes":2,"active_shards":120,"initializing_shards":0,"unassigned_shards":0}`
	someSettings  = `{"persistent":{"cluster":{"max_shards_per_node":"1000"}},"defaults":{"cluster":{"max_shards_per_node":"500","routing":{"allocation":{"disk":{"threshold_enabled":"true","watermark":{"low":"85%","high":"90%","flood_stage":"95%"}}}}}}}`
	someDisk      = `[{"node":"a","disk.percent":"41","disk.avail":"40586330112","disk.total":"270553174016"},{"node":"b","disk.percent":"62","disk.avail":"10586330112","disk.total":"270553174016"},{"node":"UNASSIGNED","disk.percent":null,"disk.avail":null,"disk.total":null}]`
	webTemplate   = `{"index_templates":[{"name":"all","index_template":{"index_patterns":["*"],"priority":0}},{"name":"web","index_template":{"index_patterns":["web-*"],"priority":5}}]}`
	webSimulated  = `{"template":{"settings":{"index":{"number_of_shards":"3","number_of_replicas":"1"}}}}`
	del30         = `{"policies":[{"_id":"del30","policy":{"policy_id":"del30","default_state":"hot","states":[{"name":"hot","actions":[],"transitions":[{"state_name":"delete","conditions":{"min_index_age":"30d"}}]},{"name":"delete","actions":[{"retry":{"count":3},"delete":{}}],"transitions":[]}],"ism_template":[{"index_patterns":["web-*"],"priority":100}]}}],"total_policies":1}`
	routerUser    = `{"user_name":"router","backend_roles":[],"roles":["router","own_index"]}`
)

// healthy is a cluster where all is well.
func healthy(t *testing.T) *fakeCluster {
	return &fakeCluster{t: t, root: openSearch, user: routerUser, answers: map[string]string{
		"/_cluster/health": healthGreen, "/_cluster/settings": someSettings, "/_cat/allocation": someDisk,
		"/_index_template": webTemplate, "/_index_template/_simulate_index/web-2026.11.26": webSimulated,
		"/_plugins/_ism/policies": del30, "/_ingest/pipeline/geo": `{"geo":{"description":"x"}}`,
	}}
}

func (c *fakeCluster) start() *httptest.Server {
	s := httptest.NewServer(c)
	c.t.Cleanup(s.Close)
	return s
}

// did returns the requests that changed something.
func (c *fakeCluster) did() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.written)
}

// questions returns all requests.
func (c *fakeCluster) questions() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.asked)
}

func (c *fakeCluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, r.Method+" "+r.URL.Path)
	if c.password != "" {
		if _, p, _ := r.BasicAuth(); p != c.password {
			reply(w, http.StatusUnauthorized, "Unauthorized")
			return
		}
	}
	if s := c.status[r.URL.Path]; s != 0 {
		if s == http.StatusForbidden {
			c.forbid(w, "cluster:monitor/x")
			return
		}
		reply(w, s, `{"error":"as the test wants","status":`+fmt.Sprint(s)+`}`)
		return
	}
	switch r.Method + " " + r.URL.Path {
	case "GET /":
		reply(w, http.StatusOK, c.root)
		return
	case "GET /_plugins/_security/authinfo":
		if strings.Contains(c.user, "user_name") {
			reply(w, http.StatusOK, c.user)
			return
		}
	case "GET /_security/_authenticate":
		if strings.Contains(c.user, `"username"`) {
			reply(w, http.StatusOK, c.user)
			return
		}
	case "POST /_bulk":
		c.bulk(w, r, string(body))
		return
	}
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case (r.Method == "GET" || r.Method == "POST" && (strings.Contains(r.URL.Path, "/_simulate_index/") || strings.HasSuffix(r.URL.Path, "/_has_privileges"))) && c.answers[r.URL.Path] != "":
		reply(w, http.StatusOK, c.answers[r.URL.Path])
	case strings.HasPrefix(path[0], "_"):
		reply(w, http.StatusBadRequest, fmt.Sprintf(`{"error":"no handler found for uri [%s] and method [%s]"}`, r.URL.Path, r.Method))
	case r.Method == "GET" && len(path) == 1:
		c.getIndex(w, path[0])
	case r.Method == "PUT" && len(path) == 1:
		c.create(w, r, string(body))
	case r.Method == "POST" && len(path) == 2 && path[1] == "_doc", r.Method == "POST" && len(path) == 3 && path[1] == "_create":
		c.store(w, r, path, string(body))
	case r.Method == "DELETE" && len(path) == 3 && path[1] == "_doc":
		c.written = append(c.written, "DELETE "+r.URL.Path)
		reply(w, http.StatusOK, `{"result":"deleted"}`)
	default:
		c.t.Errorf("the cluster was asked %s %s", r.Method, r.URL.Path)
		reply(w, http.StatusBadRequest, "{}")
	}
}

func reply(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header()["Date"] = nil // as these servers do
	w.WriteHeader(status)
	fmt.Fprint(w, body)
}

func (c *fakeCluster) forbid(w http.ResponseWriter, action string) {
	reply(w, http.StatusForbidden, fmt.Sprintf(`{"error":{"root_cause":[],"type":"security_exception","reason":"no permissions for [%s] and User [name=router]"},"status":403}`, action))
}

func (c *fakeCluster) getIndex(w http.ResponseWriter, name string) {
	switch {
	case slices.Contains(c.lacks, "indices:admin/get"):
		c.forbid(w, "indices:admin/get")
	case c.index == "":
		reply(w, http.StatusNotFound, `{"error":{"type":"index_not_found_exception","reason":"no such index [`+name+`]"},"status":404}`)
	default:
		reply(w, http.StatusOK, c.index)
	}
}

// create makes an index. One of 0 shards is refused, after the permission is verified.
func (c *fakeCluster) create(w http.ResponseWriter, r *http.Request, body string) {
	var b struct {
		Settings struct {
			Shards *int `json:"number_of_shards"`
		}
	}
	switch err := json.Unmarshal([]byte(body), &b); {
	case err != nil:
		reply(w, http.StatusBadRequest, `{"error":{"type":"parse_exception","reason":"Failed to parse content to map"}}`)
	case slices.Contains(c.lacks, "indices:admin/create"):
		c.forbid(w, "indices:admin/create")
	case b.Settings.Shards != nil && *b.Settings.Shards < 1:
		reply(w, http.StatusBadRequest, `{"error":{"type":"illegal_argument_exception","reason":"Failed to parse value [0] for setting [index.number_of_shards] must be >= 1"}}`)
	default:
		c.written = append(c.written, "PUT "+r.URL.Path)
		reply(w, http.StatusOK, "{}")
	}
}

// store stores a document. With require_alias it isn't, unless the index is an alias.
func (c *fakeCluster) store(w http.ResponseWriter, r *http.Request, path []string, body string) {
	switch {
	case slices.Contains(c.lacks, "indices:data/write/index"):
		c.forbid(w, "indices:data/write/index")
	case r.URL.Query().Get("require_alias") == "true":
		reply(w, http.StatusNotFound, `{"error":{"type":"index_not_found_exception","reason":"no such index and [require_alias] request flag is [true]"}}`)
	case !json.Valid([]byte(body)):
		reply(w, http.StatusBadRequest, `{"error":{"type":"mapper_parsing_exception","reason":"failed to parse"}}`)
	default:
		c.written = append(c.written, "POST /"+path[0]+"/"+path[1])
		reply(w, http.StatusCreated, fmt.Sprintf(`{"_index":%q,"_id":"t1","result":"created"}`, path[0]))
	}
}

func (c *fakeCluster) bulk(w http.ResponseWriter, r *http.Request, body string) {
	if slices.Contains(c.lacks, "indices:data/write/bulk") {
		c.forbid(w, "indices:data/write/bulk")
		return
	}
	if !strings.Contains(body, `"require_alias":true`) || !strings.HasSuffix(body, "\n{\n") {
		c.written = append(c.written, "POST "+r.URL.Path)
	}
	reply(w, http.StatusOK, `{"took":0,"errors":true,"items":[{"create":{"_index":"x","_id":null,"status":404,"error":{"type":"index_not_found_exception"}}}]}`)
}
