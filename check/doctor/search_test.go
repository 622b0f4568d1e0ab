package doctor

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firelane/firelane/sink/probe"
)

// Each case is a cluster's state and the report of it. Nothing may be written.
func TestReportsOfClusters(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(c *fakeCluster)
		options string
	}{
		{"healthy", func(*fakeCluster) {}, "  pipeline geo\n"},
		{"limited-user", func(c *fakeCluster) {
			c.lacks = []string{"indices:admin/get"}
			c.status = map[string]int{"/_cluster/health": 403, "/_cluster/settings": 403, "/_cat/allocation": 403, "/_index_template": 403, "/_template": 403, "/_plugins/_ism/policies": 403}
		}, ""},
		{"no-rights", func(c *fakeCluster) { c.lacks = []string{"indices:data/write/index"} }, ""},
		{"no-bulk", func(c *fakeCluster) { c.lacks = []string{"indices:data/write/bulk"} }, ""},
		{"no-create", func(c *fakeCluster) { c.lacks = []string{"indices:admin/create"} }, ""},
		{"no-role", func(c *fakeCluster) {
			c.user = `{"user_name":"router","roles":["own_index"],"backend_roles":["arn:aws:iam::1:role/x"]}`
		}, ""},
		{"disk-flood", func(c *fakeCluster) { c.answers["/_cat/allocation"] = strings.Replace(someDisk, `"62"`, `"96"`, 1) }, ""},
		{"disk-high", func(c *fakeCluster) { c.answers["/_cat/allocation"] = strings.Replace(someDisk, `"62"`, `"91"`, 1) }, ""},
		{"shards-gone", func(c *fakeCluster) { c.answers["/_cluster/health"] = strings.Replace(healthGreen, "120", "1996", 1) }, ""},
		{"shards-few-red", func(c *fakeCluster) {
			c.answers["/_cluster/health"] = strings.NewReplacer("120", "1900", "green", "red").Replace(healthGreen)
		}, ""},
		{"index-closed", func(c *fakeCluster) {
			c.index = `{"web-2026.11.26":{"aliases":{},"settings":{"index":{"verified_before_close":"true","provided_name":"web-2026.11.26"}}}}`
			c.answers["/_plugins/_ism/explain/web-2026.11.26"] = `{"web-2026.11.26":{"policy_id":"del30","enabled":true},"total_managed_indices":1}`
		}, ""},
		{"index-read-only", func(c *fakeCluster) {
			c.index = `{"web-2026.11.26":{"aliases":{},"settings":{"index":{"blocks":{"read_only_allow_delete":"true"},"provided_name":"web-2026.11.26"}}}}`
			c.answers["/_plugins/_ism/explain/web-2026.11.26"] = `{"web-2026.11.26":{"index.plugins.index_state_management.policy_id":null},"total_managed_indices":0}`
		}, ""},
		{"alias", func(c *fakeCluster) {
			c.index = `{"web-000001":{"aliases":{"web-2026.11.26":{}},"settings":{"index":{"provided_name":"web-000001"}}}}`
			c.answers["/_plugins/_ism/explain/web-2026.11.26"] = `{"total_managed_indices":0}`
		}, ""},
		{"data-stream-index", func(c *fakeCluster) {
			c.index = `{".ds-web-2026.11.26-000001":{"aliases":{},"data_stream":"web-2026.11.26","settings":{"index":{"provided_name":".ds-web-2026.11.26-000001"}}}}`
			c.answers["/_index_template"] = strings.Replace(webTemplate, `"priority":5`, `"priority":5,"data_stream":{}`, 1)
		}, "  write_operation index\n"},
		{"data-stream-template", func(c *fakeCluster) {
			c.answers["/_index_template"] = strings.Replace(webTemplate, `"priority":5`, `"priority":5,"data_stream":{"timestamp_field":{"name":"@timestamp"}}`, 1)
		}, ""},
		{"no-template-no-policy", func(c *fakeCluster) {
			c.answers["/_index_template"], c.answers["/_template"] = `{"index_templates":[]}`, `{}`
			c.answers["/_plugins/_ism/policies"] = `{"policies":[],"total_policies":0}`
		}, ""},
		{"legacy-template", func(c *fakeCluster) {
			c.answers["/_index_template"] = `{"index_templates":[]}`
			c.answers["/_template"] = `{"old":{"index_patterns":["web*"],"order":1}}`
		}, ""},
		{"policy-that-deletes-nothing", func(c *fakeCluster) {
			c.answers["/_plugins/_ism/policies"] = strings.Replace(del30, `"delete":{}`, `"read_only":{}`, 1)
		}, ""},
		{"no-plugins", func(c *fakeCluster) { c.user = ""; delete(c.answers, "/_plugins/_ism/policies") }, ""},
		{"dynamic", func(*fakeCluster) {}, "  logstash_prefix_key $app\n"},
		{"pipeline-missing", func(c *fakeCluster) { c.status = map[string]int{"/_ingest/pipeline/none": http.StatusNotFound} }, "  pipeline none\n"},
		{"elasticsearch", func(c *fakeCluster) {
			c.root, c.user = elasticsearch, `{"username":"router","roles":["writer"]}`
			c.answers["/_security/user/_has_privileges"] = `{"has_all_requested":true}`
			c.answers["/_index_template/_simulate_index/web-2026.11.26"] = `{"template":{"settings":{"index":{"number_of_shards":"1","lifecycle":{"name":"logs"}}}}}`
			c.answers["/_ilm/policy/logs"] = `{"logs":{"policy":{"phases":{"hot":{"min_age":"0ms"},"delete":{"min_age":"30d","actions":{"delete":{}}}}}}}`
		}, ""},
		{"elasticsearch-no-rights", func(c *fakeCluster) {
			c.root, c.user = elasticsearch, `{"username":"router","roles":[]}`
			c.answers["/_security/user/_has_privileges"] = `{"has_all_requested":false,"index":{"web-2026.11.26":{"create_doc":true,"auto_configure":false}}}`
			c.answers["/_ilm/status"] = `{"operation_mode":"RUNNING"}`
		}, ""},
		{"hostile-numbers", func(c *fakeCluster) {
			c.answers["/_index_template"] = `{"index_templates":[{"name":"t","index_template":{"index_patterns":["*"],"priority":-9223372036854775808}}]}`
			c.answers["/_template"] = `{"b":{"index_patterns":"*","order":-1},"a":{"index_patterns":["*"],"order":-1}}`
			c.answers["/_cluster/health"] = `{"status":"\u001b[31m","number_of_data_nodes":9007199254740993,"active_shards":-9223372036854775808,"unassigned_shards":-1}`
			c.answers["/_cluster/settings"] = `{"transient":{"cluster":{"max_shards_per_node":"9223372036854775807"}}}`
			c.answers["/_cat/allocation"] = `[{"node":"n","disk.percent":"-5","disk.avail":"9223372036854775807","disk.total":"0"}]`
		}, ""},
		{"hostile-shards", func(c *fakeCluster) {
			c.answers["/_index_template/_simulate_index/web-2026.11.26"] = `{"template":{"settings":{"index":{"number_of_shards":"4294967296","number_of_replicas":"4294967295"}}}}`
		}, ""},
		{"nonsense", func(c *fakeCluster) {
			for path := range c.answers {
				c.answers[path] = `{"policies":{},"status":[],"index_templates":7,"x":null}`
			}
			c.index = `[1]`
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			cluster := healthy(t)
			cluster.password = "long-passw0rd"
			c.change(cluster)
			today := time.Now().UTC().Format("2006.01.02")
			rename(cluster, today)
			s := cluster.start()
			plan := compile(t, opensearchHead+serverOptions(s)+"  logstash_format on\n  logstash_prefix web\n"+c.options)
			r := Run(context.Background(), Options{Plan: plan, limits: patient})
			r.Parts = slices.DeleteFunc(r.Parts, func(p Part) bool { return p.Kind != "output" })
			for i := range r.Parts[0].Facts {
				f := &r.Parts[0].Facts[i]
				f.Text, f.Fix = strings.ReplaceAll(f.Text, today, "2026.11.26"), strings.ReplaceAll(f.Fix, today, "2026.11.26")
			}
			golden(t, c.name, r)
			if len(cluster.did()) > 0 {
				t.Errorf("these were written: %q", cluster.did())
			}
		})
	}
}

// rename gives a cluster's answers the date of today.
func rename(c *fakeCluster, today string) {
	old := "2026.11.26"
	c.index = strings.ReplaceAll(c.index, old, today)
	answers := map[string]string{}
	for path, text := range c.answers {
		answers[strings.ReplaceAll(path, old, today)] = strings.ReplaceAll(text, old, today)
	}
	c.answers = answers
}

func TestATestDocumentIsStoredAndDeletedOnlyIfAsked(t *testing.T) {
	for _, write := range []bool{false, true} {
		cluster := healthy(t)
		s := cluster.start()
		plan := compile(t, opensearchHead+serverOptions(s)+"  index web\n")
		r := Run(context.Background(), Options{Plan: plan, Write: write, limits: patient})
		var want []string
		if write {
			want = []string{"POST /web/_create", "DELETE /web/_doc/t1"}
			wants(t, r.Parts[0].Facts, probe.OK, "write", "was stored in web; the index was created for it")
			wants(t, r.Parts[0].Facts, probe.OK, "write", "was deleted")
		}
		if !slices.Equal(cluster.did(), want) {
			t.Errorf("write %v: got %q, want %q", write, cluster.did(), want)
		}
	}
	cluster := healthy(t)
	cluster.lacks = []string{"indices:data/write/index"}
	s := cluster.start()
	r := Run(context.Background(), Options{Plan: compile(t, opensearchHead+serverOptions(s)+"  index web\n"), Write: true, limits: patient})
	wants(t, r.Parts[0].Facts, probe.Note, "write", "no test document was stored")
	if len(cluster.did()) > 0 {
		t.Errorf("got %q, want nothing written", cluster.did())
	}
}

func TestWatermarks(t *testing.T) {
	percent, free, total := count(90), count(5<<30), count(50<<30)
	d := nodeDisk{Percent: &percent, Free: &free, Total: &total}
	for mark, want := range map[string]bool{
		"85%": true, "90%": true, "90.5%": false, "0.85": true, "0.95": false, "10gb": true, "1gb": false, "6000mb": true, "": false, "x": false, "-1": true, "5": false,
	} {
		if got := d.over(mark); got != want {
			t.Errorf("%q: got %v, want %v", mark, got, want)
		}
	}
}

func TestPatternsCoverNamesAsServersDo(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"web-*", "web-2026", true}, {"web-*", "we", false}, {"*", "a", true}, {"web?", "web?", true}, {"web?", "web1", false}, {"[a]", "a", false},
		{strings.Repeat("*a", 600), "a", false}, {`\`, "a", false},
	} {
		if got := (patterns{c.pattern}).match(c.name); got != c.want {
			t.Errorf("%.20s and %s: got %v, want %v", c.pattern, c.name, got, c.want)
		}
	}
}

// A proxy before the cluster may give its API a prefix; names of indices are escaped once.
func TestQuestionsKeepThePathsPrefix(t *testing.T) {
	base, _ := url.Parse("https://host/a%2Fb/es/")
	c := &cluster{client: &client{exam: &exam{Target: &probe.Target{Search: &probe.Search{Base: base}}}}}
	if got := c.at("/"+url.PathEscape("x/y z"), "q=1").String(); got != "https://host/a%2Fb/es/x%2Fy%20z?q=1" {
		t.Errorf("got %s", got)
	}
	if got := c.at("/", "").String(); got != "https://host/a%2Fb/es/" {
		t.Errorf("got %s", got)
	}
}

func TestAServerThatIsNoClusterIsAskedNothingMore(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Method+" "+r.URL.Path)
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(s.Close)
	facts := examine(t, patient, opensearchHead+serverOptions(s)+"  index web\n")
	mu.Lock()
	defer mu.Unlock()
	wants(t, facts, probe.Note, "server", "records go to web; nothing more is checked")
	if want := []string{"GET /", "GET /_plugins/_security/authinfo", "GET /_security/_authenticate"}; !slices.Equal(asked, want) {
		t.Errorf("got %q, want %q", asked, want)
	}
}

// Dashboards is a server of its own, to which only the index pattern goes: whatever is wrong with it is a warning, and it makes no
// warning of a cluster's error.
func TestDashboardsIsAskedForItsIndexPatterns(t *testing.T) {
	ask := func(options string, cluster http.Handler) []probe.Fact {
		s := httptest.NewServer(cluster)
		t.Cleanup(s.Close)
		return examine(t, patient, opensearchHead+serverOptions(s)+"  index web\n  firelane_bootstrap on\n  firelane_dashboards "+options+"\n")
	}
	for _, c := range []struct {
		status int
		body   string
		level  probe.Level
		want   string
	}{
		{200, `{"total":0,"saved_objects":[]}`, probe.OK, "lists its index patterns"},
		{200, `<html>sign in</html>`, probe.Warning, "no Dashboards or Kibana at this URL"},
		{302, ``, probe.Warning, "redirects (302)"},
		{401, `{"statusCode":401,"error":"Unauthorized","message":"Authentication required"}`, probe.Warning, "Authentication required"},
		{403, `{"message":"no"}`, probe.Warning, "kibana_all_write"},
		{404, `{"message":"Not Found"}`, probe.Warning, "/_dashboards"},
		{400, `{"message":"bad type"}`, probe.Warning, "_find answers 400: bad type"},
		{429, `{"message":"slow down"}`, probe.Warning, "not ready: it answers 429: slow down"},
		{503, `OpenSearch Dashboards server is not ready yet`, probe.Warning, "not ready yet"},
	} {
		var asked string
		d := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			user, password, _ := r.BasicAuth()
			asked = fmt.Sprint(r.Method, " ", r.URL, " ", user, " ", password, " ", r.Header.Get("osd-xsrf"))
			reply(w, c.status, c.body)
		}))
		t.Cleanup(d.Close)
		cluster := healthy(t)
		facts := ask(d.URL+"/_dashboards/", cluster)
		wants(t, facts, c.level, "dashboards", c.want)
		if no := strings.Contains(show(facts), "no Dashboards or Kibana"); no != (c.status == 404 || c.level != probe.OK && c.status == 200) {
			t.Errorf("%d: got that there is no Dashboards: %v", c.status, no)
		}
		if want := "GET /_dashboards/api/saved_objects/_find?type=index-pattern&fields=title&per_page=1 router long-passw0rd true"; asked != want {
			t.Errorf("%d: got the request %s\nwant %s", c.status, asked, want)
		}
		if slices.ContainsFunc(facts, isError) || len(cluster.did()) > 0 {
			t.Errorf("%d: got an error, or something was written:\n%s", c.status, show(facts))
		}
	}
	wants(t, ask("http://127.0.0.1:1", healthy(t)), probe.Warning, "connect", "records are delivered without it")
	broken := healthy(t)
	broken.status = map[string]int{"/": 401}
	d := answerWith(t, 200, `{"saved_objects":[]}`)
	wants(t, ask(d.URL, broken), probe.Error, "sign-in", "401")
}
