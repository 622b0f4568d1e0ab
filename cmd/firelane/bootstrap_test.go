package main

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/firelane/firelane/retain/retaintest"
)

// bootstrapServers are a cluster and a Dashboards, and a configuration whose output has both.
func bootstrapServers(t *testing.T) (cluster *retaintest.Server, dashboards *retaintest.Dashboards, file, dashboardsURL string) {
	t.Helper()
	cluster, dashboards = retaintest.New(retaintest.Options{}), retaintest.NewDashboards(retaintest.DashboardsOptions{})
	c, d := httptest.NewServer(cluster), httptest.NewServer(dashboards)
	t.Cleanup(c.Close)
	t.Cleanup(d.Close)
	host, port, _ := strings.Cut(strings.TrimPrefix(c.URL, "http://"), ":")
	file = filepath.Join(t.TempDir(), "fluent-bit.conf")
	text := fmt.Sprintf("[INPUT]\n    Name forward\n[OUTPUT]\n    Name opensearch\n    Match *\n    Host %s\n    Port %s\n    Logstash_Format On\n    Logstash_Prefix web\n"+
		"    firelane_bootstrap On\n    firelane_days 30\n    firelane_dashboards %s\n", host, port, d.URL)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return cluster, dashboards, file, d.URL
}

func TestBootstrapInstallsWhatTheDryRunPrints(t *testing.T) {
	t.Parallel()
	cluster, dashboards, file, url := bootstrapServers(t)
	for _, tt := range []struct {
		args, says string
		writes     int
	}{
		{"--dry-run", "POST " + url + "/api/saved_objects/index-pattern/firelane-web\n{", 0},
		{"", "opensearch.0: index pattern web-*: created\n", 1},
		{"", "opensearch.0: index pattern web-*: is there already\n", 1},
	} {
		out, err := firelane(t.Context(), append([]string{"bootstrap", "-c", file}, strings.Fields(tt.args)...)...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), tt.says) {
			t.Errorf("%s: got %v and\n%s\nwant %q", tt.args, err, out, tt.says)
		}
		if got := len(dashboards.Writes()); got != tt.writes || (cluster.Template("firelane-web") != nil) != (tt.writes > 0) {
			t.Errorf("%s: got %d requests that write to Dashboards, want %d", tt.args, got, tt.writes)
		}
	}
}

func TestBootstrapWritesTheIndexPatternForCurl(t *testing.T) {
	t.Parallel()
	_, dashboards, file, _ := bootstrapServers(t)
	dir := t.TempDir()
	out, err := firelane(t.Context(), "bootstrap", "-c", file, "--file", dir).CombinedOutput()
	want := `curl -X POST "$DASHBOARDS/api/saved_objects/index-pattern/firelane-web" -H 'Content-Type: application/json' -H 'osd-xsrf: true' -H 'securitytenant: global' -d @'` +
		filepath.Join(dir, "opensearch/index-pattern-web.json") + "'\n"
	if err != nil || !strings.Contains(string(out), want) {
		t.Errorf("got %v and\n%s\nwant the line\n%s", err, out, want)
	}
	if n := dashboards.Requests(); n > 0 {
		t.Errorf("got %d requests, want none", n)
	}
}
