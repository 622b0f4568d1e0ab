package retain

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/firelane/firelane/sink"
)

// verbs are what happened, and what would happen.
var verbs = map[Outcome][2]string{
	Unchanged:   {"is there already", "is there already"},
	Created:     {"created", "would be created"},
	Updated:     {"updated", "would be updated"},
	Kept:        {"left alone", "would be left alone"},
	Denied:      {"not installed, no permission", "can't be read, no permission"},
	Unavailable: {"not installed", "can't be installed"},
	Refused:     {"refused", "refused"},
}

// Line is the result as a line for people. dry says that nothing was done.
func (r *Result) Line(dry bool) string {
	verb := verbs[r.Outcome][0]
	if dry {
		verb = verbs[r.Outcome][1]
	}
	line := r.What + ": " + verb
	if r.Detail != "" {
		line += ": " + r.Detail
	}
	if r.Permission != "" {
		line += "; the user needs the permission " + r.Permission
	}
	return line
}

// Writes reports whether the result is a change of the cluster.
func (r *Result) Writes() bool { return r.Outcome == Created || r.Outcome == Updated }

// Request is the request that makes the change, PUT /path; "" for none.
func (r *Result) Request() string {
	switch {
	case r.path == "":
		return ""
	case r.post:
		return http.MethodPost + " " + r.path
	}
	return http.MethodPut + " " + r.path
}

// Dashboards is the URL of Dashboards if the request is one to it, "" if it is one to the cluster.
func (r *Result) Dashboards() string { return r.dashboards }

// Body is the body of that request, as indented JSON.
func (r *Result) Body() []byte {
	text, err := json.MarshalIndent(r.body, "", "  ")
	if err != nil {
		return nil // no document has what can't be written as JSON
	}
	return text
}

// Failed reports whether something that was asked for isn't there.
func (r *Result) Failed() bool { return r.Outcome >= Denied }

// A File is a document for other tools.
type File struct {
	Name    string // opensearch/index-template-firelane-web.json
	Request string // PUT /_index_template/firelane-web
	Body    []byte
	// Dashboards is set if the request is one to Dashboards, and Headers are those that it wants.
	Dashboards string
	Headers    []string
}

// dashboardsHeaders are what OpenSearch Dashboards and Kibana want of a request that writes. The index pattern is for all users, not
// only for the one that adds it.
var dashboardsHeaders = map[string][]string{"opensearch": {"osd-xsrf: true", "securitytenant: global"}, "elasticsearch": {"kbn-xsrf: true"}}

// Files are the documents for a cluster of OpenSearch and for one of Elasticsearch, made without asking any.
func Files(want *sink.Retention) ([]File, error) {
	var files []File
	for _, distribution := range []string{"opensearch", "elasticsearch"} {
		results, err := Apply(context.Background(), offline{want, distribution}, time.Now(), true)
		if err != nil {
			return nil, err
		}
		for i := range results {
			r := &results[i]
			if r.path == "" || r.Outcome != Created {
				continue
			}
			f := File{Name: distribution + "/" + fileName(r.What), Request: r.Request(), Body: append(r.Body(), '\n'), Dashboards: r.dashboards}
			if f.Dashboards != "" {
				f.Headers = dashboardsHeaders[distribution]
			}
			files = append(files, f)
		}
	}
	return files, nil
}

// fileName is a name for a result's document, of letters that every file system takes.
func fileName(what string) string {
	name := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_.", c) {
			return c
		}
		return '-'
	}, what)
	return strings.TrimRight(name, "-") + ".json"
}

// offline is a cluster that has nothing.
type offline struct {
	want         *sink.Retention
	distribution string
}

func (o offline) Retention() *sink.Retention { return o.want }

func (o offline) Administer(_ context.Context, _, path string, _ []byte) (int, []byte, error) {
	if path == "/" {
		return http.StatusOK, fmt.Appendf(nil, `{"version":{"distribution":%q}}`, o.distribution), nil
	}
	return http.StatusNotFound, []byte("{}"), nil
}

func (o offline) Dashboards(context.Context, string, string, []byte) (int, []byte, error) {
	return http.StatusOK, []byte("{}"), nil
}
