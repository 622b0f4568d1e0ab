package router

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/firelane/firelane/retain/retaintest"
	"github.com/firelane/firelane/sink/bulk/bulktest"
)

// searchCluster is a server for documents, and for templates and policies; administer is asked before each request for these.
func searchCluster(t *testing.T, o retaintest.Options, administer func(r *http.Request)) (*bulktest.Server, *retaintest.Server, string) {
	t.Helper()
	documents, templates := bulktest.New(bulktest.Options{}), retaintest.New(o)
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/_bulk") {
			documents.ServeHTTP(w, r)
			return
		}
		if administer != nil {
			administer(r)
		}
		templates.ServeHTTP(w, r)
	}))
	t.Cleanup(h.Close)
	host, port, _ := strings.Cut(strings.TrimPrefix(h.URL, "http://"), ":")
	return documents, templates, "[OUTPUT]\n    Name es\n    Match *\n    Host " + host + "\n    Port " + port
}

const bootstrapped = `
    firelane_bootstrap On
    firelane_days 30
    logstash_format On
    logstash_prefix web
`

func TestTemplatesAreInstalledBesideDelivery(t *testing.T) {
	documents, templates, base := searchCluster(t, retaintest.Options{}, nil)
	tr := start(t, t.TempDir(), forwardInput+base+bootstrapped)
	tr.send("app", lines(3)...)
	eventually(t, "the template and the policy are there", func() bool {
		return templates.Template("firelane-web") != nil && templates.Policy("firelane-web") != nil
	})
	eventually(t, "the records are delivered", func() bool { return len(documents.Documents("")) == 3 })
	tr.wait()
	tr.balanced(3)
}

// Requests about templates that hang hold up neither the records nor a stop.
func TestRecordsDoNotWaitForTemplates(t *testing.T) {
	asked := make(chan struct{}, 10)
	documents, _, base := searchCluster(t, retaintest.Options{}, func(r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	})
	tr := start(t, t.TempDir(), forwardInput+base+bootstrapped)
	<-asked
	tr.send("app", lines(3)...)
	eventually(t, "the records are delivered", func() bool { return len(documents.Documents("")) == 3 })
	tr.wait()
	tr.balanced(3)
}
