package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/firelane/firelane/e2e/lines"
	"github.com/firelane/firelane/e2e/servers"
)

// withPolicies is the server with the answers of Index State Management, which has no package of its own: 201 for a new policy, 409
// if it is there, 400 for one without states (as observed on OpenSearch 2.19).
func withPolicies(t *testing.T, search *servers.Search) (address string, policies *atomic.Int32) {
	t.Helper()
	backend, err := url.Parse(search.URL())
	if err != nil {
		t.Fatal(err)
	}
	policies = new(atomic.Int32)
	mux := http.NewServeMux()
	mux.Handle("/", httputil.NewSingleHostReverseProxy(backend))
	mux.HandleFunc("PUT /_plugins/_ism/policies/{name}", func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		var p struct {
			Policy struct {
				DefaultState string `json:"default_state"`
				States       []any
			}
		}
		switch {
		case err != nil || json.Unmarshal(text, &p) != nil || p.Policy.DefaultState == "" || len(p.Policy.States) == 0:
			w.WriteHeader(http.StatusBadRequest)
		case policies.Add(1) > 1:
			w.WriteHeader(http.StatusConflict)
		default:
			w.WriteHeader(http.StatusCreated)
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL, policies
}

// The configuration, the setup and the log driver's options of the Compose file, without its images, which aren't in any package
// registry: the application's lines become documents, in an index that the template has made.
func TestComposeEndsInDocuments(t *testing.T) {
	search := useSearch(t, servers.OpenSearch2())
	address, policies := withPolicies(t, search)
	t.Cleanup(func() { search.Do("DELETE", "/_index_template/web", "") })
	for range 2 { // the second time all is there
		setup := exec.Command("sh", "../deploy/compose/setup.sh", "documents")
		setup.Env = append(os.Environ(), "SEARCH="+address, "DOCUMENTS=../deploy/terraform/documents")
		if out, err := setup.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	if n := policies.Load(); n != 2 {
		t.Errorf("got %d policies, want 2", n)
	}

	conf, err := os.ReadFile("../deploy/compose/fluent-bit.conf")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(conf), "9200", strconv.Itoa(search.Port), 1)
	file := filepath.Join(t.TempDir(), "fluent-bit.conf")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	router := docker(t, "run", "-d", "--network", "host", "--add-host", "opensearch:127.0.0.1", "-v", file+":/fluent-bit/etc/fluent-bit.conf:ro", routerImage)
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

// composeLogging returns the log driver's options of the application in the Compose file.
func composeLogging(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../deploy/compose/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Services struct {
			App struct {
				Logging struct{ Options map[string]string }
			}
		}
	}
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	if len(c.Services.App.Logging.Options) == 0 {
		t.Fatal("the application has no options of the log driver")
	}
	return c.Services.App.Logging.Options
}
