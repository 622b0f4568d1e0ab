package doctor

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/firelane/firelane/sink/probe"
)

// dashboards asks Dashboards or Kibana for its index patterns, as the router does before it adds one.
func (e *exam) dashboards(ctx context.Context) {
	c, ok := e.newClient()
	if !ok {
		return
	}
	defer c.close()
	u := *e.HTTP.URL
	u.Path = strings.TrimRight(u.Path, "/") + "/api/saved_objects/_find"
	u.RawQuery = "type=index-pattern&fields=title&per_page=1"
	const place = "correct firelane_dashboards: on AWS it ends in /_dashboards"
	a, err := c.ask(ctx, http.MethodGet, &u, "", true)
	if err != nil {
		c.unanswered(ctx, "GET "+u.Path, err)
		return
	}
	var found struct {
		Objects []json.RawMessage `json:"saved_objects"`
	}
	said := c.reason(a)
	var refusal struct{ Message string }
	if json.Unmarshal(a.body, &refusal) == nil && refusal.Message != "" {
		said = refusal.Message // besides error, which is the status in words
	}
	switch {
	case a.status == http.StatusOK && json.Unmarshal(a.body, &found) == nil && found.Objects != nil:
		c.ok("dashboards", "it lists its index patterns to this user; whether the user may add one is not known without adding it")
	case a.saysTLS() && c.TLS == nil:
		c.wantsTLS()
	case a.status == http.StatusUnauthorized:
		c.fail("dashboards", "the router signs in with the output's user and password, or its signature: correct them, or let the domain accept them", "it refuses the sign-in (401): %s", said)
	case a.status == http.StatusForbidden:
		c.fail("dashboards", "give the user the right to write saved objects (OpenSearch: the roles kibana_user and kibana_all_write; Kibana: Data View Management)",
			"this user may not read its index patterns (403): %s", said)
	case a.status >= 300 && a.status < 400:
		c.fail("dashboards", place, "it redirects (%d) to %s; the router doesn't follow redirects", a.status, a.header.Get("Location"))
	case a.status >= http.StatusInternalServerError, a.status == http.StatusTooManyRequests, a.status == http.StatusRequestTimeout:
		c.fail("dashboards", "if it lasts, see the log of Dashboards; the router tries again until the index pattern is added", "it is not ready: it answers %d: %s", a.status, said)
	case a.status == http.StatusOK || a.status == http.StatusNotFound:
		c.fail("dashboards", place, "there is no Dashboards or Kibana at this URL: GET %s answers %d: %s", u.Path, a.status, said)
	default:
		c.fail("dashboards", "correct what the answer names", "GET %s answers %d: %s", u.Path, a.status, said)
	}
}

// soften turns errors into warnings: only the index pattern is missing then, and records are delivered.
func (e *exam) soften() {
	for i := range e.facts {
		if f := &e.facts[i]; isError(*f) {
			f.Level = probe.Warning
			f.Text += "; records are delivered without it, but no index pattern is added"
		}
	}
}
