package retain

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/firelane/firelane/sink"
)

const (
	// savedObjects is where Dashboards and Kibana have index patterns. Without ?overwrite=true a POST answers 409 for an id that is
	// there.
	savedObjects = "/api/saved_objects/"
	// maxFound is how many of Dashboards' index patterns are looked through for the wanted one.
	maxFound = 1000
	// patternPermission is what Dashboards wants of a user.
	patternPermission = "to write saved objects in Dashboards (OpenSearch: the roles kibana_user and kibana_all_write, for the global tenant; Kibana: Data View Management)"
)

// A DashboardsError says that Dashboards doesn't answer for now.
type DashboardsError struct{ err error }

func (e *DashboardsError) Error() string { return e.err.Error() }
func (e *DashboardsError) Unwrap() error { return e.err }

// applyPattern adds the index pattern to Dashboards. One that is there, with the same pattern or the same id, stays as it is.
func (a *applier) applyPattern(ctx context.Context) error {
	p := a.want.Pattern
	if p == nil {
		return nil
	}
	r := a.add(Result{What: "index pattern " + p.Title, path: savedObjects + "index-pattern/" + escape(p.ID), post: true, dashboards: p.URL})
	attributes := object{"title": p.Title}
	if p.TimeField != "" {
		attributes["timeFieldName"] = p.TimeField
	}
	r.body = object{"attributes": attributes}
	err := a.addPattern(ctx, p, r)
	if err == nil {
		return nil
	}
	if f := refused(err); f != nil && (f.status == http.StatusNotFound || f.unknown()) {
		r.Outcome, r.Detail = Unavailable, f.Error()+": there is no Dashboards or Kibana at "+p.URL+"; correct firelane_dashboards, which on AWS ends in /_dashboards"
		return nil
	}
	if err := a.judge(r, patternPermission, err); err != nil {
		r.Outcome, r.Detail = Unavailable, err.Error()
		return &DashboardsError{err}
	}
	return nil
}

// addPattern adds it, if none of its title is there.
func (a *applier) addPattern(ctx context.Context, p *sink.DashboardsPattern, r *Result) error {
	var found struct {
		Objects []struct {
			ID         string `json:"id"`
			Attributes struct {
				Title string `json:"title"`
			} `json:"attributes"`
		} `json:"saved_objects"`
	}
	query := url.Values{"type": {"index-pattern"}, "fields": {"title"}, "per_page": {strconv.Itoa(maxFound)}}
	if err := a.exchange(ctx, a.Dashboards, http.MethodGet, savedObjects+"_find?"+query.Encode(), nil, &found); err != nil {
		return err
	}
	for _, o := range found.Objects {
		if o.ID == p.ID || strings.TrimSpace(o.Attributes.Title) == p.Title {
			r.Outcome = Unchanged
			return nil
		}
	}
	r.Outcome = Created
	if a.dry {
		return nil
	}
	err := a.exchange(ctx, a.Dashboards, http.MethodPost, r.path, r.body, nil)
	if f := refused(err); f != nil && f.status == http.StatusConflict { // another router was faster
		r.Outcome = Unchanged
		return nil
	}
	return err
}
