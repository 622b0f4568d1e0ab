package retaintest

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Change changes a stored template or policy, as a person would in Dashboards or Kibana.
func (s *Server) Change(name string, change func(body map[string]any)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.policies[name]; p != nil {
		s.seq++
		p.seq, p.version = s.seq, p.version+1
		change(p.body)
	}
	if t := s.tmpl[name]; t != nil {
		change(t)
	}
}

// ism is _plugins/_ism/WHAT/NAME.
func (s *Server) ism(method, path, what, name string, query url.Values, doc object) (int, any) {
	switch {
	case what == "explain" && method == http.MethodGet:
		i := s.indices[name]
		if i == nil {
			return fail(http.StatusNotFound, "index_not_found_exception", "no such index ["+name+"]")
		}
		var id any
		if i.policy != "" {
			id = i.policy
		}
		return http.StatusOK, object{name: object{"index.plugins.index_state_management.policy_id": id, "index.opendistro.index_state_management.policy_id": id}, "total_managed_indices": 0}
	case what == "add" && method == http.MethodPost:
		return s.addISM(name, fmt.Sprint(doc["policy_id"]))
	case what == "policies" && method == http.MethodGet:
		p := s.policies[name]
		if p == nil {
			return fail(http.StatusNotFound, "status_exception", "Policy not found")
		}
		return http.StatusOK, object{"_id": name, "_version": p.version, "_seq_no": p.seq, "_primary_term": p.term, "policy": p.body}
	case what == "policies" && method == http.MethodPut:
		return s.putISM(name, query, doc)
	}
	return unknown(method, path)
}

func (s *Server) addISM(name, id string) (int, any) {
	i := s.indices[name]
	failed := []any{}
	switch {
	case s.policies[id] == nil:
		return fail(http.StatusNotFound, "status_exception", "Could not find policy="+id)
	case i == nil:
		return fail(http.StatusNotFound, "index_not_found_exception", "no such index ["+name+"]")
	case i.policy != "":
		failed = append(failed, object{"index_name": name, "index_uuid": "x", "reason": "This index already has a policy, use the update policy API to update index policies"})
	default:
		i.policy = id
	}
	return http.StatusOK, object{"updated_indices": 1 - len(failed), "failures": len(failed) > 0, "failed_indices": failed}
}

// putISM stores a policy. One that exists is replaced only with its sequence number and primary term.
func (s *Server) putISM(name string, query url.Values, doc object) (int, any) {
	if m := unknownMember(doc, "policy"); m != "" || doc["policy"] == nil {
		return fail(http.StatusBadRequest, "illegal_argument_exception", "Invalid field: ["+m+"] found in Policy.")
	}
	body, _ := doc["policy"].(object)
	if m := unknownMember(body, "policy_id", "description", "default_state", "states", "ism_template", "error_notification", "schema_version", "last_updated_time"); m != "" {
		return fail(http.StatusBadRequest, "illegal_argument_exception", "Invalid field: ["+m+"] found in Policy.")
	}
	if reason := checkStates(body); reason != "" {
		return fail(http.StatusBadRequest, "illegal_argument_exception", reason)
	}
	p := s.policies[name]
	seq, term := query.Get("if_seq_no"), query.Get("if_primary_term")
	if p != nil && (seq != strconv.Itoa(p.seq) || term != strconv.Itoa(p.term)) || p == nil && seq != "" {
		return fail(http.StatusConflict, "version_conflict_engine_exception", "["+name+"]: version conflict, document already exists")
	}
	list, _ := body["ism_template"].([]any)
	for _, item := range list {
		entry, _ := item.(object)
		for other, o := range s.policies {
			theirs, _ := o.body["ism_template"].([]any)
			for _, t := range theirs {
				t, _ := t.(object)
				if other != name && fmt.Sprint(t["priority"]) == fmt.Sprint(entry["priority"]) && overlap(texts(t["index_patterns"]), texts(entry["index_patterns"])) {
					return fail(http.StatusBadRequest, "index_management_exception", fmt.Sprintf("New policy %s has an ISM template with index pattern %v matching existing policy templates, please use a different priority than %v",
						name, texts(entry["index_patterns"]), entry["priority"]))
				}
			}
		}
		entry["last_updated_time"] = 1795731164556
	}
	stored := maps.Clone(body)
	stored["policy_id"], stored["schema_version"], stored["last_updated_time"], stored["error_notification"] = name, 21, 1795731164556, nil
	status := http.StatusOK
	if p == nil {
		p, status = &policy{term: 1}, http.StatusCreated
		s.policies[name] = p
	} else {
		s.seq++
	}
	p.body, p.seq, p.version = stored, s.seq, p.version+1
	return status, object{"_id": name, "_version": p.version, "_primary_term": p.term, "_seq_no": p.seq, "policy": object{"policy": stored}}
}

// ismActions are the actions that the stand-in knows, with their members.
var ismActions = map[string][]string{
	"delete":   {},
	"rollover": {"min_size", "min_index_age", "min_doc_count", "min_primary_shard_size", "copy_alias"},
}

// checkStates checks the states of a policy, and adds to each action what the server adds. It returns why they are refused.
func checkStates(body object) string {
	states, _ := body["states"].([]any)
	var names []string
	for _, item := range states {
		state, _ := item.(object)
		names = append(names, fmt.Sprint(state["name"]))
		actions, ok := state["actions"].([]any)
		if !ok || unknownMember(state, "name", "actions", "transitions") != "" {
			return "Invalid state"
		}
		for _, item := range actions {
			action, _ := item.(object)
			for kind, v := range action {
				if kind == "retry" || kind == "timeout" {
					continue
				}
				members, known := ismActions[kind]
				inner, _ := v.(object)
				if m := unknownMember(inner, members...); !known || m != "" {
					return "Invalid field: [" + kind + m + "] found in action"
				}
				if kind == "rollover" && inner["copy_alias"] == nil {
					inner["copy_alias"] = false
				}
			}
			if action["retry"] == nil {
				action["retry"] = object{"count": 3, "backoff": "exponential", "delay": "1m"}
			}
		}
	}
	if !slices.Contains(names, fmt.Sprint(body["default_state"])) {
		return fmt.Sprintf("Policy does not have a default state: %v", body["default_state"])
	}
	for _, item := range states {
		state, _ := item.(object)
		transitions, _ := state["transitions"].([]any)
		for _, item := range transitions {
			transition, _ := item.(object)
			if !slices.Contains(names, fmt.Sprint(transition["state_name"])) {
				return "Policy contains a transition in state=" + fmt.Sprint(state["name"]) + " pointing to a nonexistent state"
			}
			conditions, _ := transition["conditions"].(object)
			if m := unknownMember(conditions, "min_index_age", "min_rollover_age", "min_doc_count", "min_size", "cron"); m != "" {
				return "Invalid field: [" + m + "] found in conditions"
			}
		}
	}
	return ""
}

// ilm is _ilm/policy/NAME. A PUT replaces what is there.
func (s *Server) ilm(method, path, name string, doc object) (int, any) {
	p := s.policies[name]
	switch {
	case method == http.MethodGet && p == nil:
		return fail(http.StatusNotFound, "resource_not_found_exception", "Lifecycle policy not found: "+name)
	case method == http.MethodGet:
		return http.StatusOK, object{name: object{"version": p.version, "modified_date": "2026-11-26T00:00:00.000Z", "policy": p.body, "in_use_by": object{}}}
	case method != http.MethodPut:
		return unknown(method, path)
	}
	body, _ := doc["policy"].(object)
	if m := unknownMember(doc, "policy"); m != "" || body == nil {
		return fail(http.StatusBadRequest, "x_content_parse_exception", "[1:2] [put_lifecycle_request] unknown field ["+m+"]")
	}
	allowed := []string{"phases", "_meta"}
	if s.opts.NoMeta {
		allowed = allowed[:1]
	}
	if m := unknownMember(body, allowed...); m != "" {
		return fail(http.StatusBadRequest, "x_content_parse_exception", "[1:2] [lifecycle_policy] unknown field ["+m+"]")
	}
	phases, _ := body["phases"].(object)
	for phase, v := range phases {
		if !slices.Contains([]string{"hot", "warm", "cold", "frozen", "delete"}, phase) {
			return fail(http.StatusBadRequest, "illegal_argument_exception", "Timeseries lifecycle does not support phase ["+phase+"]")
		}
		inner, _ := v.(object)
		if m := unknownMember(inner, "min_age", "actions"); m != "" {
			return fail(http.StatusBadRequest, "x_content_parse_exception", "[1:2] [phase] unknown field ["+m+"]")
		}
		if inner["min_age"] == nil {
			inner["min_age"] = "0ms"
		}
		actions, _ := inner["actions"].(object)
		if d, ok := actions["delete"].(object); ok && d["delete_searchable_snapshot"] == nil {
			d["delete_searchable_snapshot"] = true
		}
		if r, ok := actions["rollover"].(object); ok && (phase != "hot" || len(r) == 0 || strings.TrimSpace(fmt.Sprint(r)) == "") {
			return fail(http.StatusBadRequest, "illegal_argument_exception", "At least one rollover condition must be set.")
		}
	}
	if p == nil {
		p = &policy{}
		s.policies[name] = p
	}
	p.body, p.version = body, p.version+1
	return http.StatusOK, object{"acknowledged": true}
}
