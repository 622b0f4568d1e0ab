package config

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// A fluentdYAML reads one file in Fluentd's YAML syntax into the sections of a fluentdReader:
//
//	system:                  <system>
//	  log_level: info
//	config:
//	  - source:              <source>
//	      $type: forward       @type forward; so are $id, $label and $log_level
//	  - match:               <match app.**>
//	      $tag: app.**
//	      buffer:              <buffer tag>; a list of maps is that many sections
//	        $arg: tag
//	  - label:               <label @A>, with a config of its own; so has worker
//	      $name: '@A'
//	      config: […]
//	  - !include file.yaml     a list like config
//
// The rules are those of fluentd's lib/fluent/config/yaml_parser. Only !fluent/s texts have embedded Ruby; lists, and the values
// of !fluent/json, are JSON.
type fluentdYAML struct {
	*fluentdReader
	*file
}

// readYAML reads one file, and everything that it includes, into a section. The file is a map with config; an included file may also
// be a list like config.
func (r *fluentdReader) readYAML(f *file, into *section) {
	docs, wrong := parseYAML(f, true)
	if wrong != nil {
		r.error(wrong.Pos, wrong.Text)
		return
	}
	y := fluentdYAML{r, f}
	for _, doc := range docs {
		for _, root := range doc.Content {
			y.root(root, into)
		}
	}
}

func (y fluentdYAML) root(root *yaml.Node, into *section) {
	switch {
	case isEmptyYAML(root):
	case root.Kind == yaml.SequenceNode && y.parent != nil:
		y.config(root, into)
	case root.Kind != yaml.MappingNode:
		y.wrong(root, "the file is %s; want a map with config", yamlKind(root))
	}
	for _, p := range yamlMerged(root) {
		switch p.key.Value {
		case "system":
			y.section("system", "", p.key, p.value, into, 0)
		case "config":
			y.config(p.value, into)
		default:
			y.warning(y.at(p.key), fmt.Sprintf("unknown section %s, which is ignored; want config or system", p.key.Value))
		}
	}
}

func (y fluentdYAML) at(n *yaml.Node) Pos { return y.pos(n.Line) }

func (y fluentdYAML) wrong(n *yaml.Node, format string, args ...any) {
	if len(y.errors) <= maxErrors {
		y.error(y.at(n), fmt.Sprintf(format, args...))
	}
}

// yamlMerged returns the entries of a map, including those of maps that << merges into it. The map's own entries take precedence, then
// those merged first.
func yamlMerged(n *yaml.Node) (list []yamlPair) {
	own := map[string]bool{}
	for _, p := range yamlPairs(n) {
		own[p.key.Value] = true
	}
	for _, p := range yamlPairs(n) {
		if p.key.Value != "<<" {
			list = append(list, p)
			continue
		}
		maps := []*yaml.Node{p.value}
		if p.value.Kind == yaml.SequenceNode {
			maps = p.value.Content
		}
		for _, m := range maps {
			for _, q := range yamlMerged(m) {
				if !own[q.key.Value] {
					own[q.key.Value] = true
					list = append(list, q)
				}
			}
		}
	}
	return list
}

// config reads a list of directives.
func (y fluentdYAML) config(n *yaml.Node, into *section) {
	switch {
	case n.Tag == "!include":
		y.includeYAML(n, into)
		return
	case n.Kind != yaml.SequenceNode:
		y.wrong(n, "config is %s; want a list: - source: …", yamlKind(n))
		return
	}
	for _, entry := range n.Content {
		switch {
		case len(y.errors) > maxErrors:
			return
		case entry.Tag == "!include":
			y.includeYAML(entry, into)
		case entry.Kind != yaml.MappingNode:
			y.wrong(entry, "config: an entry is %s; want a map: - source: …", yamlKind(entry))
		default:
			for _, p := range yamlMerged(entry) {
				y.directive(p, into)
			}
		}
	}
}

func (y fluentdYAML) includeYAML(n *yaml.Node, into *section) {
	names, err := y.resolve(n.Value, y.file)
	if n.Kind != yaml.ScalarNode || n.Value == "" {
		err = fmt.Errorf("want the name of a file")
	}
	if err != nil {
		y.wrong(n, "!include: %s", err)
		return
	}
	if len(names) == 0 {
		y.warning(y.at(n), fmt.Sprintf("!include: no file matches %s", n.Value))
	}
	for _, name := range names {
		included, err := y.open(name, y.file, y.at(n))
		if err != nil {
			y.wrong(n, "!include: %s", err)
			continue
		}
		y.read(included, into)
	}
}

// directive reads one directive.
func (y fluentdYAML) directive(p yamlPair, into *section) {
	name := p.key.Value
	switch name {
	case "source":
		y.section(name, "", p.key, p.value, into, 0)
	case "filter", "match":
		y.section(name, y.argument(p.value, "$tag", " "), p.key, p.value, into, 0)
	case "label", "worker":
		key := "$name"
		if name == "worker" {
			key = "$arg"
		}
		s := &section{name: name, arg: y.argument(p.value, key, ","), pos: y.at(p.key), source: y.file}
		config := yamlGet(p.value, "config")
		if config == nil {
			y.wrong(p.key, "%s: want config: a list of directives", name)
			return
		}
		y.config(config, s)
		into.subs = append(into.subs, s)
	default:
		y.wrong(p.key, "config: unknown directive %s; %s", name, wantOneOf(name, []string{"source", "filter", "match", "label", "worker"}))
	}
}

// argument returns the argument of a section: the value of key, or its items joined by separator.
func (y fluentdYAML) argument(n *yaml.Node, key, separator string) string {
	v := yamlGet(n, key)
	switch {
	case v == nil || isEmptyYAML(v):
		return ""
	case v.Kind == yaml.SequenceNode:
		var list []string
		for _, item := range v.Content {
			if text, ok := y.value(key, item); ok {
				list = append(list, text)
			}
		}
		return strings.Join(list, separator)
	}
	text, _ := y.value(key, v)
	return text
}

// section reads a section, whose line is that of head, and adds it to into.
func (y fluentdYAML) section(name, arg string, head, n *yaml.Node, into *section, depth int) {
	s := &section{name: name, arg: arg, pos: y.at(head), source: y.file}
	switch {
	case isEmptyYAML(n):
	case n.Kind != yaml.MappingNode:
		y.wrong(n, "%s is %s; want a map: KEY: VALUE", name, yamlKind(n))
		return
	}
	for _, p := range yamlMerged(n) {
		y.entry(s, p, depth)
	}
	into.subs = append(into.subs, s)
}

// fluentdKeys maps the names of parameters in YAML to those with an @.
var fluentdKeys = map[string]string{"$type": "@type", "$label": "@label", "$id": "@id", "$log_level": "@log_level"}

// entry reads one entry of a section: a parameter, or one or more subsections.
func (y fluentdYAML) entry(s *section, p yamlPair, depth int) {
	key := p.key.Value
	at, special := fluentdKeys[key]
	switch {
	case key == "$tag" && (s.name == "filter" || s.name == "match") && depth == 0, key == "$arg" && depth > 0:
		return // already read as the section's argument
	case special:
		key = at
	}
	switch n := p.value; {
	case n.Tag == "!fluent/json" || n.Kind == yaml.ScalarNode:
		y.param(s, key, n)
	case n.Kind == yaml.MappingNode:
		y.section(key, y.argument(n, "$arg", ","), p.key, n, s, depth+1)
	case len(n.Content) > 0 && n.Content[0].Kind != yaml.ScalarNode:
		for _, v := range n.Content {
			y.section(key, y.argument(v, "$arg", ","), v, v, s, depth+1)
		}
	default:
		y.param(s, key, n)
	}
}

func (y fluentdYAML) param(s *section, key string, n *yaml.Node) {
	p := param{key: key, pos: y.at(n)}
	if n.Kind == yaml.ScalarNode && n.Tag == "!fluent/s" {
		v, err := y.evaluate(n)
		if err != nil {
			y.wrong(n, "%s: %s", key, err)
			return
		}
		y.warnUnset(p.pos, key, v.unset)
		if v.leaveOut {
			return
		}
		p.value, p.secret = v.text, isSecretOf(key, v.only)
		s.params = append(s.params, p)
		return
	}
	if isEmptyYAML(n) {
		return // as if it weren't there
	}
	var ok bool
	if p.value, ok = y.value(key, n); ok {
		s.params = append(s.params, p)
	}
}

// evaluate reads a text with embedded Ruby, like a double-quoted text of the classic syntax.
func (y fluentdYAML) evaluate(n *yaml.Node) (literal, error) {
	s := &scanner{text: n.Value + `"`, line: n.Line}
	v, err := y.doubleQuoted(s)
	if err == nil && !s.eof() {
		err = fmt.Errorf(`want \" for each quote in a text with !fluent/s`)
	}
	return v, err
}

// value returns the text of a value; lists and maps become JSON.
func (y fluentdYAML) value(key string, n *yaml.Node) (text string, ok bool) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!fluent/s" {
		v, err := y.evaluate(n)
		if err != nil {
			y.wrong(n, "%s: %s", key, err)
		}
		return v.text, err == nil
	}
	if n.Kind == yaml.ScalarNode && n.Tag != "!fluent/json" {
		return n.Value, true
	}
	b, err := json.Marshal(yamlJSON(n))
	if err != nil {
		y.wrong(n, "%s: the value can't be written as JSON", key)
	}
	return string(b), err == nil
}

// yamlJSON converts a value for json.Marshal. Maps keep the order of their entries.
func yamlJSON(n *yaml.Node) any {
	switch n.Kind {
	case yaml.SequenceNode:
		list := []any{}
		for _, v := range n.Content {
			list = append(list, yamlJSON(v))
		}
		return list
	case yaml.MappingNode:
		return yamlObject(yamlMerged(n))
	}
	plain := n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
	switch {
	case !plain:
	case isEmptyYAML(n):
		return nil
	case n.Value == "true" || n.Value == "false":
		return n.Value == "true"
	default:
		if i, err := strconv.ParseInt(n.Value, 10, 64); err == nil {
			return i
		}
		if x, err := strconv.ParseFloat(n.Value, 64); err == nil && !math.IsNaN(x) && !math.IsInf(x, 0) {
			return x
		}
	}
	return n.Value
}

// A yamlObject is a map as JSON.
type yamlObject []yamlPair

// MarshalJSON implements json.Marshaler.
func (o yamlObject) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, p := range o {
		if i > 0 {
			b = append(b, ',')
		}
		key, err := json.Marshal(p.key.Value)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(yamlJSON(p.value))
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, key...), ':'), value...)
	}
	return append(b, '}'), nil
}
