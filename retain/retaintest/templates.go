package retaintest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// unknownMember is a member that isn't among the allowed ones, "" for none.
func unknownMember(doc object, allowed ...string) string {
	for name := range doc {
		if !slices.Contains(allowed, name) {
			return name
		}
	}
	return ""
}

// template is _index_template/NAME.
func (s *Server) template(method, name string, query url.Values, doc object) (int, any) {
	stored := s.tmpl[name]
	if method == http.MethodGet {
		if stored == nil {
			return fail(http.StatusNotFound, "resource_not_found_exception", "index template matching ["+name+"] not found")
		}
		return http.StatusOK, object{"index_templates": []any{object{"name": name, "index_template": stored}}}
	}
	if method != http.MethodPut {
		return unknown(method, "/_index_template/"+name)
	}
	if stored != nil && query.Get("create") == "true" {
		return fail(http.StatusBadRequest, "illegal_argument_exception", "index template ["+name+"] already exists")
	}
	if m := unknownMember(doc, "index_patterns", "template", "priority", "_meta", "data_stream", "composed_of", "version"); m != "" {
		return fail(http.StatusBadRequest, "x_content_parse_exception", "[1:2] [index_template] unknown field ["+m+"]")
	}
	patterns := texts(doc["index_patterns"])
	if len(patterns) == 0 {
		return fail(http.StatusBadRequest, "illegal_argument_exception", "Required [index_patterns]")
	}
	body, _ := doc["template"].(object)
	settings := flat("", body["settings"])
	for key, value := range settings {
		switch {
		case strings.HasPrefix(key, "index.lifecycle.") && (!s.opts.Elasticsearch || s.opts.NoPolicies):
			return fail(http.StatusBadRequest, "invalid_index_template_exception",
				"index_template ["+name+"] invalid, cause [Validation Failed: 1: unknown setting ["+key+"] please check that any required plugins are installed]")
		case key == "index.lifecycle.name" && s.policies[value] == nil && value == "":
			return fail(http.StatusBadRequest, "illegal_argument_exception", "no policy")
		}
	}
	if doc["data_stream"] != nil && s.opts.Elasticsearch {
		mappings, _ := body["mappings"].(object)
		properties, _ := mappings["properties"].(object)
		timestamp, _ := properties["@timestamp"].(object)
		if settings["index.mapping.ignore_malformed"] == "true" && timestamp["ignore_malformed"] != false {
			return fail(http.StatusBadRequest, "illegal_argument_exception", "composable template ["+name+"] template after composition with component templates [] is invalid: data stream timestamp field [@timestamp] has disallowed [ignore_malformed] attribute specified")
		}
	}
	for other, t := range s.tmpl {
		if other != name && fmt.Sprint(t["priority"]) == fmt.Sprint(doc["priority"]) && overlap(patterns, texts(t["index_patterns"])) {
			return fail(http.StatusBadRequest, "illegal_argument_exception", fmt.Sprintf("index template [%s] has index patterns %v matching patterns from existing templates [%s] with patterns (%s => %v) that have the same priority [%v], multiple index templates may not match during index creation, please use a different priority",
				name, patterns, other, other, texts(t["index_patterns"]), doc["priority"]))
		}
	}
	s.tmpl[name] = s.normalised(doc, body, settings)
	return http.StatusOK, object{"acknowledged": true}
}

// normalised is a template as the servers store it: settings are texts, and nested.
func (s *Server) normalised(doc, body object, settings map[string]string) object {
	out := object{"composed_of": []any{}}
	for name, v := range doc {
		out[name] = v
	}
	if doc["data_stream"] != nil {
		out["data_stream"] = object{"timestamp_field": object{"name": "@timestamp"}}
		if s.opts.Elasticsearch {
			out["data_stream"] = object{"hidden": false, "allow_custom_routing": false}
		}
	}
	if s.opts.Odd {
		settings["index.codec"] = "best_compression"
	}
	nested := object{}
	for key, value := range settings {
		at, parts := nested, strings.Split(key, ".")
		for _, part := range parts[:len(parts)-1] {
			next, ok := at[part].(object)
			if !ok {
				next = object{}
				at[part] = next
			}
			at = next
		}
		at[parts[len(parts)-1]] = value
	}
	inner := object{"settings": nested}
	for name, v := range body {
		if name != "settings" {
			inner[name] = v
		}
	}
	out["template"] = inner
	return out
}

// flat is settings with whole names, which begin with index.
func flat(prefix string, v any) map[string]string {
	out := map[string]string{}
	switch v := v.(type) {
	case object:
		for name, member := range v {
			at := name
			if prefix != "" {
				at = prefix + "." + name
			}
			for key, value := range flat(at, member) {
				out[key] = value
			}
		}
	case nil:
	default:
		if !strings.HasPrefix(prefix, "index.") {
			prefix = "index." + prefix
		}
		out[prefix] = fmt.Sprint(v)
	}
	return out
}

func texts(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, item := range list {
		out = append(out, fmt.Sprint(item))
	}
	if one, ok := v.(string); ok {
		out = append(out, one)
	}
	return out
}

// overlap reports whether an index may match a pattern of each list. Patterns end in a wildcard, or have none.
func overlap(a, b []string) bool {
	for _, p := range a {
		for _, q := range b {
			p, q := strings.TrimSuffix(p, "*"), strings.TrimSuffix(q, "*")
			if strings.HasPrefix(p, q) || strings.HasPrefix(q, p) {
				return true
			}
		}
	}
	return false
}

func (s *Server) legacyTemplate(method, name string, query url.Values, doc object) (int, any) {
	stored := s.legacy[name]
	switch {
	case method == http.MethodGet && stored == nil:
		return http.StatusNotFound, object{}
	case method == http.MethodGet:
		return http.StatusOK, object{name: stored}
	case method != http.MethodPut:
		return unknown(method, "/_template/"+name)
	case stored != nil && query.Get("create") == "true":
		return fail(http.StatusBadRequest, "illegal_argument_exception", "index_template ["+name+"] already exists")
	case len(texts(doc["index_patterns"])) == 0:
		return fail(http.StatusBadRequest, "action_request_validation_exception", "Validation Failed: 1: index patterns are missing;")
	}
	if m := unknownMember(doc, "index_patterns", "settings", "mappings", "aliases", "order", "version"); m != "" {
		return fail(http.StatusBadRequest, "parse_exception", "unknown key ["+m+"] in the template ")
	}
	s.legacy[name] = doc
	return http.StatusOK, object{"acknowledged": true}
}

// LegacyTemplate is a template of _template as it was sent, nil for none.
func (s *Server) LegacyTemplate(name string) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.legacy[name]
}
