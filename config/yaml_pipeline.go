package config

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
)

// pipeline reads the inputs, filters and outputs.
func (y yamlFile) pipeline(n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		y.fail(n, "pipeline is %s; want a map with inputs, filters and outputs", yamlKind(n))
		return
	}
	for _, p := range yamlPairs(n) {
		name := strings.ToLower(p.key.Value)
		switch name {
		case "inputs", "filters", "outputs":
			if !isEmptyYAML(p.value) {
				y.list(strings.TrimSuffix(name, "s"), p)
			}
		default:
			y.fail(p.key, "pipeline: unknown section %s; %s", p.key.Value, wantOneOf(name, []string{"inputs", "filters", "outputs"}))
		}
	}
}

// maxProcessors is how many processors an input or an output may have.
const maxProcessors = 100

// processors reads the processors of an input or an output. Those of metrics and traces have no effect: processors are for logs only.
func (y yamlFile) processors(s *section, n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		y.fail(n, "processors is %s; want a map: logs: [{name: …}]", yamlKind(n))
		return
	}
	for _, p := range yamlPairs(n) {
		switch kind := strings.ToLower(p.key.Value); {
		case kind == "metrics" || kind == "traces":
			y.warning(y.at(p.key), fmt.Sprintf("processors: %s has no effect here: processors are for logs only", kind))
		case kind != "logs":
			y.fail(p.key, "processors: unknown section %s; want logs", p.key.Value)
		case p.value.Kind != yaml.SequenceNode || len(p.value.Content) > maxProcessors:
			y.fail(p.value, "processors: logs: want a list of at most %d: - name: …", maxProcessors)
		default:
			for _, entry := range p.value.Content {
				y.processor(s, entry)
			}
		}
	}
}

func (y yamlFile) processor(s *section, n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		y.fail(n, "processors: logs: an entry is %s; want a map: name: …", yamlKind(n))
		return
	}
	sub := &section{name: "processor", pos: y.at(n), source: y.file}
	for _, p := range yamlPairs(n) {
		if name := yamlGet(n, "name"); p.key.Value == "condition" && p.value.Kind == yaml.MappingNode && name != nil {
			sub.when, _ = y.condition(p.value)
			continue
		}
		y.entry(sub, p)
	}
	s.processors = append(s.processors, sub)
}

// An inputRoute is a route of an input: it sends the records for which a condition holds to outputs.
type inputRoute struct {
	name      string
	when      *Condition // nil: for all records
	byDefault bool       // for records that no other route takes
	outputs   []param    // aliases or names
	pos       Pos
}

// Limits of the routes of an input.
const (
	maxRoutes    = 100 // routes
	maxRouteName = 255 // bytes of a route's name, which is a tag
)

// routes reads the routes of an input.
func (y yamlFile) routes(s *section, n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		y.fail(n, "routes is %s; want a map: logs: [{name: …}]", yamlKind(n))
		return
	}
	for _, p := range yamlPairs(n) {
		switch kind := strings.ToLower(p.key.Value); {
		case kind == "metrics" || kind == "traces":
			y.warning(y.at(p.key), fmt.Sprintf("routes: %s has no effect here: routes are for logs only", kind))
		case kind != "logs" && kind != "any":
			y.fail(p.key, "routes: unknown section %s; want logs", p.key.Value)
		case p.value.Kind != yaml.SequenceNode || len(s.routes)+len(p.value.Content) > maxRoutes:
			y.fail(p.value, "routes: %s: want a list of at most %d: - name: …", kind, maxRoutes)
		default:
			for _, entry := range p.value.Content {
				y.route(s, entry)
			}
		}
	}
}

func (y yamlFile) route(s *section, n *yaml.Node) {
	r := inputRoute{pos: y.at(n)}
	for _, p := range yamlPairs(n) {
		switch p.key.Value {
		case "name":
			r.name = p.value.Value
		case "condition":
			if r.when, r.byDefault = y.condition(p.value); r.when == nil {
				return
			}
		case "to":
			r.outputs = y.routeOutputs(yamlGet(p.value, "outputs"))
		case "per_record_routing": // accepted: routing is always per record
		default:
			y.fail(p.key, "routes: %s is not supported; want name, condition and to", p.key.Value)
			return
		}
	}
	switch {
	case len(r.name) > maxRouteName:
		y.fail(n, "routes: a name is longer than %d bytes, the limit of a tag", maxRouteName)
	case r.name == "":
		y.fail(n, "routes: want a name in each route; its records get the name as their tag")
	case len(r.outputs) == 0:
		y.fail(n, "routes: %s: want to: outputs: [ALIAS]", r.name)
	default:
		for _, other := range s.routes {
			if other.name == r.name {
				y.fail(n, "routes: %s is given twice, first in line %d", r.name, other.pos.Line)
			}
		}
		s.routes = append(s.routes, r)
	}
}

// routeOutputs reads the names of outputs: texts, or maps with name.
func (y yamlFile) routeOutputs(n *yaml.Node) (list []param) {
	if n == nil {
		return nil
	}
	entries := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		entries = n.Content
	}
	for _, entry := range entries {
		name := entry
		if entry.Kind == yaml.MappingNode {
			name = yamlGet(entry, "name")
		}
		if name == nil || name.Kind != yaml.ScalarNode || name.Value == "" {
			y.fail(entry, "routes: outputs: want a list of aliases or names of outputs")
			return nil
		}
		p := param{key: "outputs", value: name.Value, pos: y.at(name)}
		if other := yamlGet(entry, "fallback"); other != nil {
			p.key = other.Value // used if there is no such output
		}
		list = append(list, p)
	}
	return list
}
