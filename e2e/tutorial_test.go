package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firelane/firelane/e2e/lines"
	"github.com/firelane/firelane/e2e/servers"
	"github.com/firelane/firelane/e2e/sigv4"
)

// The domain of the tutorial, on loopback.
const (
	domain = "search-web-abcdefghijklmnop.eu-west-1.es.amazonaws.com"
	region = "eu-west-1"
)

var taskRole = sigv4.Keys{AccessKey: "ASIAEXAMPLE", SecretKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", Token: "IQoJb3JpZ2luX2VjE+/=="}

// An awsDomain is a search domain as AWS runs it: TLS, and a check of signatures.
type awsDomain struct {
	host        string
	ca          *servers.CA
	credentials string // URL of the task role's credentials
	mu          sync.Mutex
	refused     []string
}

func startDomain(t *testing.T, search *servers.Search, host string) *awsDomain {
	t.Helper()
	d := &awsDomain{host: host}
	backend, err := url.Parse(search.URL())
	if err != nil {
		t.Fatal(err)
	}
	verifier := httptest.NewServer(&sigv4.Verifier{
		Keys: taskRole, Region: region, Service: "es",
		Next: httputil.NewSingleHostReverseProxy(backend),
		Refused: func(reason string) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.refused = append(d.refused, reason)
		},
	})
	t.Cleanup(verifier.Close)
	if d.ca, err = servers.NewCA(); err != nil {
		t.Fatal(err)
	}
	nginx, err := servers.StartNginx(t.TempDir(), d.ca, host, 443, strings.TrimPrefix(verifier.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nginx.Stop(5 * time.Second) })

	credentials := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "task" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		json.NewEncoder(w).Encode(map[string]string{
			"AccessKeyId": taskRole.AccessKey, "SecretAccessKey": taskRole.SecretKey, "Token": taskRole.Token,
			"Expiration": time.Now().Add(time.Hour).UTC().Format(time.RFC3339),
		})
	}))
	t.Cleanup(credentials.Close)
	d.credentials = credentials.URL
	return d
}

// The options of the field's best-known tutorial, exactly, with a task role.
func (d *awsDomain) task(t *testing.T) taskDefinition {
	t.Helper()
	return taskDefinition{
		Type: "fluentbit",
		LogOptions: map[string]string{
			"Name": "es", "Host": domain, "Port": "443",
			"Logstash_Prefix": "web", "Logstash_Format": "On", "Logstash_DateFormat": "%Y-%m-%d", "Type": "_doc",
			"Aws_Auth": "On", "Aws_Region": region, "tls": "On",
		},
		RouterOptions: d.routerOptions(t),
	}
}

// routerOptions are those of docker run that take the router to the domain, with the task role's credentials.
func (d *awsDomain) routerOptions(t *testing.T) []string {
	t.Helper()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, d.ca.PEM, 0o644); err != nil {
		t.Fatal(err)
	}
	return []string{
		"--add-host", d.host + ":127.0.0.1",
		"-v", ca + ":/ca.pem:ro", "-e", "SSL_CERT_FILE=/ca.pem",
		"-e", "AWS_CONTAINER_CREDENTIALS_FULL_URI=" + d.credentials, "-e", "AWS_CONTAINER_AUTHORIZATION_TOKEN=task",
	}
}

func TestTutorialsTaskDefinitionDeliversToASignedDomain(t *testing.T) {
	search := useSearch(t, servers.OpenSearch2())
	d := startDomain(t, search, domain)
	task := d.task(t).start(t)
	task.delivers(t, search, lines.Count, 2*time.Minute)
	task.end(t)
	documents, err := search.Documents("web-*")
	if err != nil {
		t.Fatal(err)
	}
	checkStream(t, task, documents, "stdout", lines.Stdout())
	checkStream(t, task, documents, "stderr", lines.Stderr())
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.refused) > 0 {
		t.Errorf("refused: %q", d.refused)
	}
}

// Nothing is delivered to a server that can't show a certificate of a trusted CA, and the log says why.
func TestAnUntrustedCertificateIsRefusedAndSaid(t *testing.T) {
	d := startDomain(t, useSearch(t, servers.OpenSearch2()), domain)
	definition := d.task(t)
	definition.RouterOptions = append(definition.RouterOptions, "-e", "SSL_CERT_FILE=/none.pem")
	definition.Command = []string{"hello"}
	task := definition.start(t)
	eventually(t, time.Minute, func() (bool, string) {
		log := task.routerLog()
		return strings.Contains(log, "certificate"), log
	})
}
