package retain

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/retain/retaintest"
)

// newDashboards starts a Dashboards, and returns the option that names it.
func newDashboards(t testing.TB, o retaintest.DashboardsOptions) (*retaintest.Dashboards, string) {
	t.Helper()
	d := retaintest.NewDashboards(o)
	h := httptest.NewServer(d)
	t.Cleanup(h.Close)
	return d, "firelane_dashboards " + h.URL + o.Path + "\n"
}

func TestTheIndexPatternIsAddedOnceForAllUsers(t *testing.T) {
	for _, tt := range []struct {
		lines, id, title, field string
		retaintest.DashboardsOptions
	}{
		{daily, "firelane-web", "web-*", "@timestamp", retaintest.DashboardsOptions{}},
		{daily + "http_user admin\nhttp_passwd secret\n", "firelane-web", "web-*", "@timestamp", retaintest.DashboardsOptions{User: "admin:secret", Path: "/_dashboards"}},
		{daily + "time_key at\n", "firelane-web", "web-*", "at", retaintest.DashboardsOptions{Kibana: true, Path: "/s/ops"}},
		{stream, "firelane-logs-web", "logs-web", "@timestamp", retaintest.DashboardsOptions{}},
		{"firelane_bootstrap On\nindex $app\nfirelane_index_pattern a-*, b-*\n", "firelane-a", "a-*,b-*", "@timestamp", retaintest.DashboardsOptions{}},
	} {
		_, base := newCluster(t, retaintest.Options{Elasticsearch: tt.Kibana})
		d, option := newDashboards(t, tt.DashboardsOptions)
		for range 2 {
			lines := apply(t, to(t, base, tt.lines+option), false)
			want := "index pattern " + tt.title + ": "
			if last := lines[len(lines)-1]; !strings.HasPrefix(last, want) {
				t.Errorf("got %q, want %q", last, want)
			}
		}
		if got, want := fmt.Sprint(d.Pattern(tt.id)), fmt.Sprintf("map[timeFieldName:%s title:%s]", tt.field, tt.title); got != want {
			t.Errorf("%s: got the index pattern %s, want %s", tt.id, got, want)
		}
		if got := d.Writes(); len(got) != 1 || got[0] != "POST "+tt.Path+"/api/saved_objects/index-pattern/"+tt.id {
			t.Errorf("it wrote %q, want one request", got)
		}
	}
}

// TestAnIndexPatternThatIsThereStays, whoever made it: with the same pattern, or with the same id.
func TestAnIndexPatternThatIsThereStays(t *testing.T) {
	for _, id := range []string{"0f1e2d3c", "firelane-web"} {
		_, base := newCluster(t, retaintest.Options{})
		d, option := newDashboards(t, retaintest.DashboardsOptions{})
		title := "web-*"
		if id == "firelane-web" {
			title = "web-*,-web-test*"
		}
		d.Put(id, map[string]any{"title": title, "timeFieldName": "time", "fields": "[]"})
		lines := apply(t, to(t, base, daily+option), false)
		if got := lines[len(lines)-1]; got != "index pattern web-*: is there already" {
			t.Errorf("%s: got %q", id, got)
		}
		if w := d.Writes(); len(w) > 0 || d.Pattern(id)["timeFieldName"] != "time" {
			t.Errorf("%s: it wrote %q, want nothing", id, w)
		}
	}
}

func TestADryRunAddsNoIndexPattern(t *testing.T) {
	_, base := newCluster(t, retaintest.Options{})
	d, option := newDashboards(t, retaintest.DashboardsOptions{})
	lines := apply(t, to(t, base, daily+option), true)
	if got := lines[len(lines)-1]; got != "index pattern web-*: would be created" || len(d.Writes()) > 0 {
		t.Errorf("got %q and the writes %q", got, d.Writes())
	}
}

func TestWithoutPermissionInDashboardsThereIsOneLine(t *testing.T) {
	s, base := newCluster(t, retaintest.Options{})
	d, option := newDashboards(t, retaintest.DashboardsOptions{ReadOnly: true})
	l := finish(t, to(t, base, daily+option))
	w := l.lines("warn")
	if len(w) != 1 || !strings.Contains(w[0], "no permission for: index pattern web-*") || !strings.Contains(w[0], "kibana_all_write") ||
		!strings.Contains(w[0], "no permissions for [indices:data/write/index]") {
		t.Errorf("got %q, want one line that says what is lacking", w)
	}
	if s.Template("firelane-web") == nil || len(d.Writes()) > 0 {
		t.Error("want the template, and no index pattern")
	}
}

func TestAWrongURLOfDashboardsIsOneLine(t *testing.T) {
	_, base := newCluster(t, retaintest.Options{})
	_, option := newDashboards(t, retaintest.DashboardsOptions{Path: "/_dashboards"})
	for _, wrong := range []string{strings.TrimSuffix(option, "/_dashboards\n"), "firelane_dashboards " + base} {
		l := finish(t, to(t, base, daily+wrong+"\n"))
		if w := l.lines("warn"); len(w) != 1 || !strings.Contains(w[0], "index pattern web-*: not installed") || !strings.Contains(w[0], "ends in /_dashboards") {
			t.Errorf("%s: got %q, want one line", wrong, w)
		}
	}
}

// TestDashboardsThatIsNotReadyIsAskedAgain: the template and the policy don't wait for it, and are not asked for again.
func TestDashboardsThatIsNotReadyIsAskedAgain(t *testing.T) {
	s, base := newCluster(t, retaintest.Options{})
	var ready atomic.Bool
	asked := make(chan struct{}, 100)
	d, option := newDashboards(t, retaintest.DashboardsOptions{NotReady: func() bool { asked <- struct{}{}; return !ready.Load() }})
	l := new(logged)
	k := Start(t.Context(), to(t, base, daily+option), zerolog.New(l))
	defer k.Close()
	<-asked
	if s.Template("firelane-web") == nil {
		t.Error("the template isn't there before Dashboards is ready")
	}
	requests := s.Requests()
	ready.Store(true)
	select {
	case <-k.done:
	case <-time.After(time.Minute):
		t.Fatal("the Keeper doesn't end")
	}
	if d.Pattern("firelane-web") == nil || s.Requests() != requests {
		t.Errorf("got %v after %d more requests to the cluster, want the index pattern after none", d.Pattern("firelane-web"), s.Requests()-requests)
	}
	if w, i := l.lines("warn"), l.lines("info"); len(w) != 1 || !strings.Contains(w[0], "can't be added to Dashboards yet") || len(i) != 3 ||
		!strings.Contains(i[2], "index pattern web-*: created") {
		t.Errorf("got %s", l)
	}
}

// TestTheFirstRecordDoesNotWaitForDashboards: that of a data stream waits for its template only.
func TestTheFirstRecordDoesNotWaitForDashboards(t *testing.T) {
	_, base := newCluster(t, retaintest.Options{})
	h := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer h.Close()
	k := Start(t.Context(), to(t, base, stream+"firelane_dashboards "+h.URL+"\n"), zerolog.Nop())
	defer k.Close()
	select {
	case <-k.first:
	case <-time.After(firstTime):
		t.Error("the first record waits for Dashboards")
	}
}

func TestTheIndexPatternIsAmongTheFiles(t *testing.T) {
	files, err := Files(to(t, "http://127.0.0.1:1", daily+"firelane_dashboards http://dashboards:5601/\n").Retention())
	if err != nil {
		t.Fatal(err)
	}
	headers := map[string]string{}
	for _, f := range files {
		if f.Dashboards == "" {
			continue
		}
		headers[f.Name] = strings.Join(f.Headers, ", ")
		if f.Request != "POST /api/saved_objects/index-pattern/firelane-web" || f.Dashboards != "http://dashboards:5601" ||
			!strings.Contains(string(f.Body), `"title": "web-*"`) {
			t.Errorf("got %s of %s: %s", f.Request, f.Dashboards, f.Body)
		}
	}
	want := map[string]string{"opensearch/index-pattern-web.json": "osd-xsrf: true, securitytenant: global", "elasticsearch/index-pattern-web.json": "kbn-xsrf: true"}
	if fmt.Sprint(headers) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", headers, want)
	}
}

// TestAnIndexPatternThatAnotherRouterAddsFirstStays: it isn't among those that were found, and there when it is to be added.
func TestAnIndexPatternThatAnotherRouterAddsFirstStays(t *testing.T) {
	_, base := newCluster(t, retaintest.Options{})
	d, option := newDashboards(t, retaintest.DashboardsOptions{})
	for i := range maxFound {
		d.Put(fmt.Sprintf("a%d", i), map[string]any{"title": fmt.Sprintf("other-%d-*", i)})
	}
	d.Put("firelane-web", map[string]any{"title": "web-*,b-*"})
	lines := apply(t, to(t, base, daily+option), false)
	if got := lines[len(lines)-1]; got != "index pattern web-*: is there already" || len(d.Writes()) > 0 {
		t.Errorf("got %q and the writes %q", got, d.Writes())
	}
}
