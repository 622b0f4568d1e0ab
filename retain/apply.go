package retain

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/firelane/firelane/sink"
)

// An Outcome is how a Result ended.
type Outcome uint8

const (
	Unchanged   Outcome = iota // it was there, as it is wanted
	Created                    // also: would be created
	Updated                    // firelane wrote it earlier, and nobody has changed it since
	Kept                       // somebody else wrote or changed it: firelane leaves it alone
	Denied                     // the user has no permission
	Unavailable                // the cluster doesn't have that
	Refused                    // the cluster refuses it
)

// A Result is what became of one template, policy, alias, index or index pattern.
type Result struct {
	What       string // index template firelane-web
	Outcome    Outcome
	Detail     string // why, for Kept and the following
	Permission string // that is needed, for Denied

	path       string // of the request that writes it
	post       bool   // which is a POST, not a PUT
	body       object
	dashboards string // URL of Dashboards, which gets the request; "": the cluster does
}

// An applier brings a cluster to the wanted state, once.
type applier struct {
	cluster
	want    *sink.Retention
	now     time.Time
	dry     bool // only ask
	apis    []api
	api     api // known after the first policy
	results []Result
}

// Apply brings the cluster to the state that r asks for, if dry is false; otherwise it only asks. The error is that the cluster
// doesn't answer for now, or, a *DashboardsError, that Dashboards doesn't: what is in the results has been done, and everything
// can be tried again.
func Apply(ctx context.Context, r sink.Retainer, now time.Time, dry bool) ([]Result, error) {
	results, err := applyCluster(ctx, r, now, dry)
	if err != nil {
		return results, err
	}
	more, err := applyDashboards(ctx, r, dry)
	return append(results, more...), err
}

// applyCluster is Apply for what is in the cluster.
func applyCluster(ctx context.Context, r sink.Retainer, now time.Time, dry bool) ([]Result, error) {
	a := &applier{cluster: cluster{r}, want: r.Retention(), now: now, dry: dry}
	if a.want == nil {
		return nil, nil
	}
	for _, step := range []func(context.Context) error{a.applyOwn, a.applyUsers, a.applyAlias} {
		if err := step(ctx); err != nil {
			return a.results, err
		}
	}
	return a.results, nil
}

// applyDashboards is Apply for Dashboards.
func applyDashboards(ctx context.Context, r sink.Retainer, dry bool) ([]Result, error) {
	a := &applier{cluster: cluster{r}, want: r.Retention(), dry: dry}
	if a.want == nil {
		return nil, nil
	}
	err := a.applyPattern(ctx)
	return a.results, err
}

// applyOwn installs firelane's own policy and template, and gives the policy to the index that is written to now: a policy and a
// template reach only indices that are made after them.
func (a *applier) applyOwn(ctx context.Context) error {
	o := a.want.Own
	if o == nil {
		return nil
	}
	lifecycle, managed := "", false
	if p := own(o); p != nil {
		here, err := a.installPolicy(ctx, o.Name, p)
		if err != nil {
			return err
		}
		if managed = here; here && a.api == apiILM {
			lifecycle = o.Name
		}
	}
	if _, err := a.reconcile(ctx, templateDocument(o.Name, template(o, lifecycle))); err != nil {
		return err
	}
	if !managed || o.Days == 0 && !o.DataStream {
		return nil
	}
	return a.attach(ctx, o)
}

// installPolicy installs firelane's own policy where the cluster has one of the APIs. here says that it is there now.
func (a *applier) installPolicy(ctx context.Context, name string, p *policy) (here bool, err error) {
	if a.want.Serverless {
		a.add(Result{What: "index policy " + name, Outcome: Unavailable,
			Detail: "OpenSearch Serverless has no index policies; make a data lifecycle policy of the collection, in the console or by create-lifecycle-policy"})
		return false, nil
	}
	apis, err := a.policyAPIs(ctx)
	if err != nil {
		return false, err
	}
	for _, way := range apis {
		a.api = way
		r, err := a.reconcile(ctx, policyDocument(way, name, p))
		if err != nil {
			return false, err
		}
		if r.Outcome == Unavailable {
			a.results = a.results[:len(a.results)-1]
			continue
		}
		a.apis = []api{way}
		return r.Outcome <= Kept, nil
	}
	a.api = apiNone
	a.add(Result{What: "index policy " + name, Outcome: Unavailable,
		Detail: "the cluster has no index policies (none of _plugins/_ism, _opendistro/_ism and _ilm): old indices are not deleted"})
	return false, nil
}

// policyAPIs is the cluster's APIs of policies, those that may be there.
func (a *applier) policyAPIs(ctx context.Context) ([]api, error) {
	var err error
	if a.apis == nil {
		a.apis, err = a.cluster.apis(ctx)
	}
	return a.apis, err
}

func (a *applier) add(r Result) *Result {
	a.results = append(a.results, r)
	return &a.results[len(a.results)-1]
}

// A document is a template or a policy as it is wanted.
type document struct {
	what       string // index template firelane-web
	path       string
	permission string
	members    []string // that are compared
	body       object   // without the marker
	// envelope makes the body of the request; bare does, without a marker, where old versions refuse one (nil: none does).
	envelope func(body object, m marker) object
	bare     func(body object) object
	// open finds the document in the answer.
	open func(answer object) (stored, bool)
	// create and update are queries for a document that isn't there, and for one that is.
	create string
	update func(s stored) string
}

// A stored document is what the cluster has.
type stored struct {
	body      object
	marker    marker
	seq, term any // of ISM
}

// races is how often a document is read again because another router was faster.
const races = 3

// reconcile brings a document to the wanted state, unless it is somebody else's.
func (a *applier) reconcile(ctx context.Context, d document) (*Result, error) {
	r := a.add(Result{What: d.what, path: d.path, body: d.envelope(d.body, markerOf(d))})
	for range races {
		again, err := a.reconcileOnce(ctx, &d, r)
		if err != nil {
			return r, a.judge(r, d.permission, err)
		}
		if !again {
			return r, nil
		}
	}
	r.Outcome, r.Detail = Kept, "others change it at the same time"
	return r, nil
}

// markerOf is the marker of a document before the server has stored it.
func markerOf(d document) marker {
	h := hashOf(d.body, d.members...)
	return marker{h, h}
}

// reconcileOnce is one attempt; again means that another writer was faster.
func (a *applier) reconcileOnce(ctx context.Context, d *document, r *Result) (again bool, err error) {
	was, found, err := a.read(ctx, d)
	if err != nil {
		return false, err
	}
	wanted := markerOf(*d)
	is := hashOf(was.body, d.members...)
	query := "?" + d.create
	switch {
	case !found:
		r.Outcome = Created
	case is == wanted.wrote, was.marker.stored == is && was.marker.wrote == wanted.wrote:
		r.Outcome = Unchanged
		return false, nil
	case was.marker == marker{}:
		r.Outcome, r.Detail = Kept, "it is there, and not firelane's; if you delete it, the next start installs firelane's"
		return false, nil
	case was.marker.stored != is:
		r.Outcome, r.Detail = Kept, "somebody has changed it since firelane wrote it; if you delete it, the next start installs firelane's"
		return false, nil
	default:
		r.Outcome, query = Updated, d.update(was)
	}
	if a.dry {
		return false, nil
	}
	err = a.call(ctx, http.MethodPut, d.path+strings.TrimSuffix(query, "?"), d.envelope(d.body, wanted), nil)
	if f := refused(err); f != nil && d.bare != nil && strings.Contains(f.reason, "_meta") {
		err = a.call(ctx, http.MethodPut, d.path, d.bare(d.body), nil)
	}
	if f := refused(err); f != nil && f.conflict() {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return false, a.confirm(ctx, d, wanted)
}

// confirm reads what the server has made of a document. If that is something other than was expected, it writes that into the
// marker: otherwise it would look like the change of a person.
func (a *applier) confirm(ctx context.Context, d *document, wanted marker) error {
	now, found, err := a.read(ctx, d)
	if err != nil || !found || now.marker != wanted { // another writer was faster, or there is no place for a marker
		return nil //nolint:nilerr // the document is written; a missing confirmation makes the next start leave it alone
	}
	if is := hashOf(now.body, d.members...); is != wanted.wrote {
		query := d.update(now)
		err := a.call(ctx, http.MethodPut, d.path+query, d.envelope(d.body, marker{wanted.wrote, is}), nil)
		if f := refused(err); f != nil && !f.conflict() {
			return err
		}
	}
	return nil
}

// read reads a document; found is false if there is none.
func (a *applier) read(ctx context.Context, d *document) (s stored, found bool, err error) {
	var answer object
	err = a.call(ctx, http.MethodGet, d.path, nil, &answer)
	if f := refused(err); f != nil && f.missing() {
		return stored{}, false, nil
	}
	if err != nil {
		return stored{}, false, err
	}
	s, found = d.open(answer)
	return s, found, nil
}

// judge turns a refusal into a result. An error that may pass is returned.
func (a *applier) judge(r *Result, permission string, err error) error {
	f := refused(err)
	switch {
	case f == nil || f.passing() && !f.unknown():
		a.results = a.results[:len(a.results)-1] // nobody knows what became of it
		return err
	case f.unknown():
		r.Outcome, r.Detail = Unavailable, f.Error()
	case f.denied():
		r.Outcome, r.Detail, r.Permission = Denied, f.Error(), permission
	default:
		r.Outcome, r.Detail = Refused, f.Error()
	}
	return nil
}

// escape makes a name a part of a path.
func escape(name string) string { return url.PathEscape(name) }

// templateDocument is firelane's index template.
func templateDocument(name string, body object) document {
	return document{
		what: "index template " + name, path: "/_index_template/" + escape(name), members: templateMembers, body: body, envelope: withMeta,
		permission: "to read and write index templates (OpenSearch: indices:admin/index_template/get and /put; Elasticsearch: manage_index_templates; AWS: es:ESHttpGet and es:ESHttpPut on _index_template/*)",
		create:     "create=true", update: func(stored) string { return "" },
		open: func(answer object) (stored, bool) {
			list, _ := answer["index_templates"].([]any)
			for _, item := range list {
				entry, _ := item.(object)
				if body, ok := entry["index_template"].(object); ok && entry["name"] == name {
					return stored{body: body, marker: fromMeta(body)}, true
				}
			}
			return stored{}, false
		},
	}
}

// policyDocument is firelane's policy, for an API.
func policyDocument(api api, name string, p *policy) document {
	d := document{what: "index policy " + name, path: api.policyPath(name), update: func(stored) string { return "" }}
	if api == apiILM {
		d.body, d.members = p.ilm(), ilmMembers
		d.permission = "manage_ilm of the cluster"
		d.envelope = func(body object, m marker) object { return object{"policy": withMeta(body, m)} }
		d.bare = func(body object) object { return object{"policy": body} } // before Elasticsearch 7.16
		d.open = func(answer object) (stored, bool) {
			entry, _ := answer[name].(object)
			body, ok := entry["policy"].(object)
			return stored{body: body, marker: fromMeta(body)}, ok
		}
		return d
	}
	d.body, d.members = p.ism(), ismMembers
	d.permission = "to read and write ISM policies (cluster:admin/opendistro/ism/policy/get and /write; AWS: es:ESHttpGet and es:ESHttpPut on " + strings.TrimPrefix(api.path(), "/") + "/*)"
	d.envelope = func(body object, m marker) object {
		return object{"policy": object{
			"description": descriptionOf(p.describe(), m), "default_state": body["default_state"], "states": body["states"], "ism_template": body["ism_template"],
		}}
	}
	d.update = func(s stored) string { return fmt.Sprintf("?if_seq_no=%v&if_primary_term=%v", s.seq, s.term) }
	d.open = func(answer object) (stored, bool) {
		body, ok := answer["policy"].(object)
		text, _ := body["description"].(string)
		return stored{body: body, marker: fromDescription(text), seq: answer["_seq_no"], term: answer["_primary_term"]}, ok
	}
	return d
}
