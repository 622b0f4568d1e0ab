package retain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/firelane/firelane/sink"
)

// applyUsers installs the user's own policies and templates, as Fluentd's plugins do: what is there stays, unless it is to be
// overwritten.
func (a *applier) applyUsers(ctx context.Context) error {
	for i := range a.want.Policies {
		if err := a.installUserPolicy(ctx, &a.want.Policies[i]); err != nil {
			return err
		}
	}
	for i := range a.want.Templates {
		if err := a.installUserTemplate(ctx, &a.want.Templates[i]); err != nil {
			return err
		}
	}
	return nil
}

// installUserPolicy installs a policy of Elasticsearch; on OpenSearch, one of ISM that does the same, as far as it can.
func (a *applier) installUserPolicy(ctx context.Context, u *sink.IndexPolicy) error {
	var doc object
	if err := decode(u.Body, &doc); err != nil || doc == nil {
		a.add(Result{What: "index policy " + u.Name, Outcome: Refused, Detail: "is not a JSON object"})
		return nil //nolint:nilerr // it is told
	}
	p, rest := translate(u, doc)
	apis, err := a.policyAPIs(ctx)
	if err != nil {
		return err
	}
	for _, way := range apis {
		a.api = way
		var r *Result
		if way == apiILM {
			r, err = a.putOnce(ctx, "index policy "+u.Name, way.policyPath(u.Name), doc, u.Overwrite, "manage_ilm of the cluster")
		} else {
			if r, err = a.reconcile(ctx, policyDocument(way, u.Name, p)); len(rest) > 0 {
				r.Detail = strings.TrimSpace(r.Detail + " without what ISM can't do or firelane doesn't translate: " + strings.Join(rest, ", "))
			}
		}
		if err != nil {
			return err
		}
		if r.Outcome != Unavailable {
			a.apis = []api{way}
			return nil
		}
		a.results = a.results[:len(a.results)-1]
	}
	a.api = apiNone
	a.add(Result{What: "index policy " + u.Name, Outcome: Unavailable, Detail: "the cluster has no index policies"})
	return nil
}

// translate reads the policy of Elasticsearch in doc, and takes its rollover out of doc if no alias is written to. rest is what
// isn't in the result.
func translate(u *sink.IndexPolicy, doc object) (p *policy, rest []string) {
	p = &policy{patterns: u.Patterns, priority: userPriority}
	wrapped, _ := doc["policy"].(object)
	phases, _ := wrapped["phases"].(object)
	for _, name := range slices.Sorted(maps.Keys(phases)) {
		phase, _ := phases[name].(object)
		actions, _ := phase["actions"].(object)
		for _, action := range slices.Sorted(maps.Keys(actions)) {
			switch {
			case name == "hot" && action == "rollover":
				if u.Alias == "" {
					delete(actions, "rollover")
					break
				}
				p.rollover, _ = actions[action].(object)
			case name == "delete" && action == "delete":
				p.deleteAfter, _ = phase["min_age"].(string)
				if p.deleteAfter == "" {
					p.deleteAfter = "0d"
				}
			default:
				rest = append(rest, name+"."+action)
			}
		}
	}
	return p, rest
}

// userPriority is the priority of ISM's template in a policy of Fluentd, which has none.
const userPriority = 100

// installUserTemplate installs a template.
func (a *applier) installUserTemplate(ctx context.Context, u *sink.IndexTemplate) error {
	var doc object
	if err := errors.Join(u.Err, decode(u.Body, &doc)); err != nil || doc == nil {
		a.add(Result{What: "index template " + u.Name, Outcome: Unavailable, Detail: fmt.Sprintf("its file can't be used: %v", cmp.Or(u.Err, err))})
		return nil //nolint:nilerr // it is told
	}
	path, action := "/_index_template/", "indices:admin/index_template"
	if u.Legacy {
		path, action = "/_template/", "indices:admin/template"
	}
	if len(u.Patterns) > 0 {
		doc["index_patterns"] = u.Patterns
	}
	if u.Policy != "" {
		addPolicy(doc, u, a.api)
	}
	_, err := a.putOnce(ctx, "index template "+u.Name, path+escape(u.Name), doc, u.Overwrite,
		"to read and write index templates (OpenSearch: "+action+"/get and /put; Elasticsearch: manage_index_templates)")
	return err
}

// addPolicy puts the policy of the indices into a template, as the cluster's API wants it.
func addPolicy(doc object, u *sink.IndexTemplate, way api) {
	holder := doc
	if !u.Legacy {
		var ok bool
		if holder, ok = doc["template"].(object); !ok {
			holder = object{}
			doc["template"] = holder
		}
	}
	settings, ok := holder["settings"].(object)
	if !ok {
		settings = object{}
		holder["settings"] = settings
	}
	switch way {
	case apiILM:
		settings["index.lifecycle.name"] = u.Policy
		if u.Alias != "" {
			settings["index.lifecycle.rollover_alias"] = u.Alias
		}
	case apiISM:
		if u.Alias != "" {
			settings["plugins.index_state_management.rollover_alias"] = u.Alias
		}
	case apiOldISM:
		if u.Alias != "" {
			settings["opendistro.index_state_management.rollover_alias"] = u.Alias
		}
	}
}

// putOnce writes a document that isn't there, or in any case if overwrite is true.
func (a *applier) putOnce(ctx context.Context, what, path string, body object, overwrite bool, permission string) (*Result, error) {
	r := a.add(Result{What: what, path: path, body: body, Outcome: Created})
	err := a.call(ctx, http.MethodGet, path, nil, nil)
	f := refused(err)
	switch {
	case f != nil && f.missing():
	case err != nil:
		return r, a.judge(r, permission, err)
	case !overwrite:
		r.Outcome = Unchanged
		return r, nil
	default:
		r.Outcome = Updated
	}
	if a.dry {
		return r, nil
	}
	if err := a.call(ctx, http.MethodPut, path, body, nil); err != nil {
		return r, a.judge(r, permission, err)
	}
	return r, nil
}

// applyAlias makes the first index of the alias that is written to.
func (a *applier) applyAlias(ctx context.Context) error {
	w := a.want.Alias
	if w == nil {
		return nil
	}
	permission := "to read aliases and make indices (OpenSearch: indices:admin/aliases/get and indices:admin/create; Elasticsearch: manage of the index)"
	r := a.add(Result{What: "alias " + w.Name, path: "/" + escape(w.Index), Outcome: Created,
		body: object{"aliases": object{w.Name: object{"is_write_index": true}}}})
	err := a.call(ctx, http.MethodGet, "/_alias/"+escape(w.Name), nil, nil)
	f := refused(err)
	switch {
	case f != nil && f.missing():
	case err != nil:
		return a.judge(r, permission, err)
	default:
		r.Outcome = Unchanged
		return nil
	}
	if a.dry {
		return nil
	}
	err = a.call(ctx, http.MethodPut, r.path, r.body, nil)
	if f := refused(err); f != nil && f.conflict() {
		r.Outcome = Unchanged
		return nil
	}
	if err != nil {
		return a.judge(r, permission, err)
	}
	return nil
}

// attach gives firelane's policy to the indices that are written to now and have none. It leaves older ones alone: they might be
// deleted at once.
func (a *applier) attach(ctx context.Context, o *sink.OwnRetention) error {
	names, err := a.currentIndices(ctx, o)
	if err != nil {
		return err
	}
	for _, name := range names {
		r := a.add(Result{What: fmt.Sprintf("index policy %s of %s", o.Name, clip(name))})
		if a.api == apiILM {
			err = a.attachILM(ctx, r, name, o.Name)
		} else {
			err = a.attachISM(ctx, r, name, o.Name)
		}
		if f := refused(err); f != nil && f.missing() {
			a.results = a.results[:len(a.results)-1] // no such index yet: it will get the policy when it is made
			continue
		}
		if err != nil {
			if err = a.judge(r, attachPermission(a.api), err); err != nil {
				return err
			}
		}
	}
	return nil
}

func attachPermission(way api) string {
	if way == apiILM {
		return "manage of the index"
	}
	return "to attach the policy (cluster:admin/opendistro/ism/managedindex/explain and /add; AWS: es:ESHttpGet and es:ESHttpPost on " + strings.TrimPrefix(way.path(), "/") + "/*)"
}

// maxAttached is to how many indices that are there already the policy is attached.
const maxAttached = 100

// currentIndices is the index that is written to now, or, if that depends on the record, all that are young.
func (a *applier) currentIndices(ctx context.Context, o *sink.OwnRetention) ([]string, error) {
	if o.DataStream {
		if o.Patterns[0] != strings.Trim(o.Patterns[0], "*") {
			return nil, nil
		}
		return o.Patterns[:1], nil
	}
	if name := o.Current(a.now); name != "" {
		return []string{name}, nil
	}
	var answer map[string]struct {
		Settings map[string]string
	}
	path := "/" + escape(strings.Join(o.Patterns, ",")) + "/_settings/index.creation_date?flat_settings=true&ignore_unavailable=true&expand_wildcards=open"
	if err := a.call(ctx, http.MethodGet, path, nil, &answer); err != nil {
		if f := refused(err); f != nil && f.missing() {
			return nil, nil
		}
		r := a.add(Result{What: "indices " + strings.Join(o.Patterns, ", ")})
		return nil, a.judge(r, "indices:monitor/settings/get of these indices", err)
	}
	var names []string
	for name, index := range answer {
		var ms int64
		if _, err := fmt.Sscan(index.Settings["index.creation_date"], &ms); err == nil && a.now.UnixMilli()-ms < young.Milliseconds() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names[:min(len(names), maxAttached)], nil
}

// attachISM adds ISM's policy to an index that has none.
func (a *applier) attachISM(ctx context.Context, r *Result, index, policy string) error {
	var about object
	if err := a.call(ctx, http.MethodGet, a.api.path()+"/explain/"+escape(index), nil, &about); err != nil {
		return err
	}
	found := false
	for name, v := range about {
		entry, ok := v.(object)
		if !ok { // total_managed_indices
			continue
		}
		found = true
		for _, key := range []string{"index.plugins.index_state_management.policy_id", "index.opendistro.index_state_management.policy_id", "policy_id"} {
			if id, _ := entry[key].(string); id != "" && (name == index || strings.HasPrefix(name, ".ds-"+index)) {
				if r.Outcome = Unchanged; id != policy {
					r.Outcome, r.Detail = Kept, "it has the policy "+clip(id)
				}
				return nil
			}
		}
	}
	if !found {
		return &refusal{status: http.StatusNotFound}
	}
	r.Outcome, r.path, r.post, r.body = Created, a.api.path()+"/add/"+escape(index), true, object{"policy_id": policy}
	if a.dry {
		return nil
	}
	var answer struct {
		Failed []struct{ Reason string } `json:"failed_indices"`
	}
	if err := a.call(ctx, http.MethodPost, r.path, r.body, &answer); err != nil {
		return err
	}
	if len(answer.Failed) > 0 {
		if r.Outcome = Unchanged; !strings.Contains(answer.Failed[0].Reason, "already has a policy") { // made meanwhile
			r.Outcome, r.Detail = Refused, clip(answer.Failed[0].Reason)
		}
	}
	return nil
}

// attachILM sets the policy of an index that has none.
func (a *applier) attachILM(ctx context.Context, r *Result, index, policy string) error {
	path := "/" + escape(index) + "/_settings"
	var about map[string]struct{ Settings map[string]string }
	if err := a.call(ctx, http.MethodGet, path+"/index.lifecycle.name?flat_settings=true", nil, &about); err != nil {
		return err
	}
	for _, i := range about {
		if name := i.Settings["index.lifecycle.name"]; name != "" {
			if r.Outcome = Unchanged; name != policy {
				r.Outcome, r.Detail = Kept, "it has the policy "+clip(name)
			}
			return nil
		}
	}
	r.Outcome, r.path, r.body = Created, path, object{"index.lifecycle.name": policy}
	if a.dry {
		return nil
	}
	return a.call(ctx, http.MethodPut, r.path, r.body, nil)
}
