package e2e

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/firelane/firelane/e2e/lines"
	"github.com/firelane/firelane/e2e/servers"
	"github.com/firelane/firelane/retain/retaintest"
)

// withPolicies is the server with the answers of Index State Management, which has no package of its own.
func withPolicies(t *testing.T, search *servers.Search) (address *url.URL, policies *retaintest.Server) {
	t.Helper()
	backend, err := url.Parse(search.URL())
	if err != nil {
		t.Fatal(err)
	}
	policies = retaintest.New(retaintest.Options{})
	mux := http.NewServeMux()
	mux.Handle("/", httputil.NewSingleHostReverseProxy(backend))
	mux.Handle("/_plugins/_ism/", policies)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	if address, err = url.Parse(server.URL); err != nil {
		t.Fatal(err)
	}
	return address, policies
}

// The configuration, the setup and the log driver's options of the Compose file, without its images, which aren't in any package
// registry: the application's lines become documents, in an index that the template has made.
func TestComposeEndsInDocuments(t *testing.T) {
	search := useSearch(t, servers.OpenSearch2())
	address, policies := withPolicies(t, search)
	dashboards := retaintest.NewDashboards(retaintest.DashboardsOptions{})
	page := httptest.NewServer(dashboards)
	t.Cleanup(page.Close)
	t.Cleanup(func() { search.Do("DELETE", "/_index_template/firelane-web", "") })

	conf, err := os.ReadFile("../deploy/compose/fluent-bit.conf")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("9200", address.Port(), "http://dashboards:5601", page.URL).Replace(string(conf))
	file := filepath.Join(t.TempDir(), "fluent-bit.conf")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	with := []string{"--network", "host", "--add-host", "opensearch:127.0.0.1", "-v", file + ":/fluent-bit/etc/fluent-bit.conf:ro", routerImage}
	for _, outcome := range []string{"created", "is there already"} {
		out := docker(t, slices.Concat([]string{"run", "--rm"}, with, composeSetup(t))...)
		for _, what := range []string{"index policy firelane-web", "index template firelane-web", "index pattern web-*"} {
			if !strings.Contains(out, what+": "+outcome) {
				t.Errorf("the setup says\n%s\nwant %s: %s", out, what, outcome)
			}
		}
	}
	if policies.Policy("firelane-web") == nil || dashboards.Pattern("firelane-web") == nil {
		t.Error("the setup has installed no policy, or no index pattern")
	}
	router := docker(t, append([]string{"run", "-d"}, with...)...)
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := world.docker.Command("logs", router).CombinedOutput()
			t.Logf("router:\n%s", out)
		}
		world.docker.Run("rm", "-f", router)
	})
	args := []string{"run", "-d", "--network", "none"}
	for name, value := range composeLogging(t) {
		args = append(args, "--log-opt", name+"="+value)
	}
	app := docker(t, append(args, "--log-driver", "fluentd", "--entrypoint", "/bin/emitter", appImage)...)
	t.Cleanup(func() { world.docker.Run("rm", "-f", app) })

	eventually(t, 2*time.Minute, func() (bool, string) {
		n, err := search.Count("web-*")
		return n == lines.Count, strconv.Itoa(n) + " documents" + ", " + errorText(err)
	})
	settings, err := search.Do("GET", "/"+time.Now().UTC().Format("web-2006-01-02")+"/_settings?flat_settings=true", "")
	if err != nil || !strings.Contains(string(settings), `"index.refresh_interval":"10s"`) {
		t.Errorf("got the settings %s and the error %v, want those of the template", settings, err)
	}
	resp, err := http.Get("http://127.0.0.1:2020/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if page, _ := io.ReadAll(resp.Body); !strings.Contains(string(page), `fate="delivered"} `+strconv.Itoa(lines.Count)+"\n") {
		t.Errorf("the metrics don't say that %d records were delivered:\n%s", lines.Count, page)
	}
}

func errorText(err error) string {
	if err != nil {
		return err.Error()
	}
	return "no error"
}

// composeSetup returns the command of the service that installs what must be there before the first record.
func composeSetup(t *testing.T) []string {
	t.Helper()
	c := readCompose(t)
	if len(c.Services.Setup.Command) == 0 {
		t.Fatal("the setup has no command")
	}
	return c.Services.Setup.Command
}

// composeLogging returns the log driver's options of the application in the Compose file.
func composeLogging(t *testing.T) map[string]string {
	t.Helper()
	c := readCompose(t)
	if len(c.Services.App.Logging.Options) == 0 {
		t.Fatal("the application has no options of the log driver")
	}
	return c.Services.App.Logging.Options
}

// composeServices is the part of the Compose file that is tested.
type composeServices struct {
	Services struct {
		Setup struct{ Command []string }
		App   struct {
			Logging struct{ Options map[string]string }
		}
	}
}

func readCompose(t *testing.T) (c composeServices) {
	t.Helper()
	text, err := os.ReadFile("../deploy/compose/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	return c
}
