package router

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/firelane/firelane/retain/retaintest"
	"github.com/firelane/firelane/sink/bulk/bulktest"
)

// searchCluster is a server for documents, and for templates and policies; bulk and administer are called before each
// request for the ones and the others.
func searchCluster(t *testing.T, bulk func(templates *retaintest.Server), administer func(r *http.Request)) (*bulktest.Server, *retaintest.Server, string) {
	t.Helper()
	templates := retaintest.New(retaintest.Options{})
	documents := bulktest.New(bulktest.Options{Request: func(int, *http.Request) bulktest.Fault {
		if bulk != nil {
			bulk(templates)
		}
		return bulktest.Fault{}
	}})
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
	documents, templates, base := searchCluster(t, nil, nil)
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
	documents, _, base := searchCluster(t, nil, func(r *http.Request) {
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

// The first record of a data stream waits for its template, but not for a cluster that doesn't answer about it; and a stop
// doesn't wait either.
func TestADataStreamsRecordsWaitForItsTemplateButNotForLong(t *testing.T) {
	const stream = "\n    firelane_bootstrap On\n    firelane_data_stream On\n    Index logs-web\n"
	wasThere := make(chan bool, 10)
	received := make(chan struct{})
	_, _, base := searchCluster(t, func(templates *retaintest.Server) { wasThere <- templates.Template("firelane-logs-web") != nil },
		func(*http.Request) { <-received })
	tr := start(t, t.TempDir(), forwardInput+base+stream)
	tr.send("app", "x") // it is queued meanwhile
	close(received)
	if !<-wasThere {
		t.Error("the first request came before the template")
	}
	tr.wait()

	var documents *bulktest.Server
	documents, _, base = searchCluster(t, nil, func(r *http.Request) { <-r.Context().Done() })
	tr = start(t, t.TempDir(), forwardInput+base+stream)
	tr.send("app", "x")
	tr.wait()
	if n := len(documents.Documents("")); n != 1 {
		t.Errorf("got %d documents, want 1", n)
	}
}
