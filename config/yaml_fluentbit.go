package config

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"
)

// A yamlFile reads one file in Fluent Bit's YAML syntax into the sections of a classicReader. These are the same as the sections of the
// classic syntax, so all later steps are the same, too.
//
//	env:                     as @SET
//	  NAME: value
//	includes: [file, …]      as @INCLUDE
//	service:                 as [SERVICE]
//	  flush: 1
//	parsers: [{…}, …]        as [PARSER]; so are multiline_parsers, stream_processor, upstream_servers
//	pipeline:
//	  inputs: [{name: …}]    as [INPUT]; so are filters and outputs
//
// If a value is a list, the option is repeated for each item; if it is a map, for each entry, with the value KEY VALUE. Values are
// texts: the options' types decide what they mean, as in the classic syntax.
type yamlFile struct {
	*classicReader
	*file
}

// readYAML reads one file and everything that it includes.
func (r *classicReader) readYAML(f *file) {
	docs, wrong := parseYAML(f, false)
	if wrong != nil {
		r.error(wrong.Pos, wrong.Text)
		return
	}
	y := yamlFile{r, f}
	for _, doc := range docs {
		for _, root := range doc.Content {
			if isEmptyYAML(root) {
				continue
			}
			if root.Kind != yaml.MappingNode {
				y.fail(root, "the file is %s; want a map with sections such as service and pipeline", yamlKind(root))
				continue
			}
			pairs := yamlPairs(root)
			if isOtherYAML(pairs) {
				y.fail(root, "the file is not a configuration: it has none of its sections; want, for example, pipeline or service")
				continue
			}
			for _, p := range pairs {
				y.top(p)
			}
		}
	}
}

// isOtherYAML reports whether a document is something other than a configuration: it has none of its sections, and a value that isn't a
// map, with which Fluent Bit doesn't start.
func isOtherYAML(pairs []yamlPair) bool {
	values := false
	for _, p := range pairs {
		if slices.Contains(yamlSections, strings.ToLower(p.key.Value)) {
			return false
		}
		values = values || p.value.Kind != yaml.MappingNode
	}
	return values
}

func (y yamlFile) at(n *yaml.Node) Pos { return y.pos(n.Line) }

func (y yamlFile) fail(n *yaml.Node, format string, args ...any) {
	if len(y.errors) <= maxErrors {
		y.error(y.at(n), fmt.Sprintf(format, args...))
	}
}

// yamlSections are the names at the top of a file.
var yamlSections = []string{
	"env", "includes", "service", "pipeline", "parsers", "multiline_parsers", "stream_processor", "plugins", "upstream_servers",
	"customs", "extensions",
}

// top reads one section.
func (y yamlFile) top(p yamlPair) {
	name := strings.ToLower(p.key.Value)
	if isEmptyYAML(p.value) {
		y.warning(y.at(p.key), fmt.Sprintf("%s is empty", p.key.Value))
		return
	}
	switch name {
	case "env":
		y.env(p.value)
	case "includes":
		y.includes(p.value)
	case "service":
		y.section("service", p.key, p.value)
	case "pipeline":
		y.pipeline(p.value)
	case "parsers":
		y.list("parser", p)
	case "multiline_parsers":
		y.list("multiline_parser", p)
	case "stream_processor":
		y.list(streamSection, p)
	case "customs":
		y.list("custom", p)
	case "upstream_servers":
		y.sections = append(y.sections, &section{name: "upstream_servers", pos: y.at(p.key), source: y.file})
	case "plugins":
		y.sections = append(y.sections, &section{name: "plugins", pos: y.at(p.key), source: y.file})
	case "extensions":
		y.warning(y.at(p.key), "extensions has no effect here")
	default:
		if p.value.Kind == yaml.MappingNode && !hasLists(p.value) {
			y.warning(y.at(p.key), fmt.Sprintf("unknown section %s, which is ignored; %s", p.key.Value, wantOneOf(name, yamlSections)))
			return
		}
		y.fail(p.key, "unknown section %s; %s", p.key.Value, wantOneOf(name, yamlSections))
	}
}

// hasLists reports whether a value of an unknown section's map is a list, with which Fluent Bit doesn't start.
func hasLists(n *yaml.Node) bool {
	return slices.ContainsFunc(yamlPairs(n), func(p yamlPair) bool { return p.value.Kind == yaml.SequenceNode })
}

// list reads a list of sections of one name.
func (y yamlFile) list(name string, p yamlPair) {
	if p.value.Kind != yaml.SequenceNode {
		y.fail(p.value, "%s is %s; want a list: - name: …", p.key.Value, yamlKind(p.value))
		return
	}
	for _, entry := range p.value.Content {
		y.section(name, entry, entry)
	}
}

// section reads one section, whose line is that of head. It returns nil if n isn't a map.
func (y yamlFile) section(name string, head, n *yaml.Node) *section {
	if n.Kind != yaml.MappingNode {
		y.fail(n, "%s is %s; want a map: KEY: VALUE", name, yamlKind(n))
		return nil
	}
	s := &section{name: name, pos: y.at(head), source: y.file}
	for _, p := range yamlPairs(n) {
		y.entry(s, p)
	}
	y.sections = append(y.sections, s)
	return s
}

// entry reads one entry of a section.
func (y yamlFile) entry(s *section, p yamlPair) {
	key := yamlKey(p.key.Value)
	switch {
	case s.name == "multiline_parser" && key == "rules":
		y.rules(s, p.value)
	case s.name == "service" && key == "telemetry", s.name == "input" && key == "telemetry":
		y.warning(y.at(p.key), fmt.Sprintf("%s: telemetry has no effect here", s.name))
	case s.pipelined() && p.key.Value == "processors":
		y.processors(s, p.value)
	case s.name == "input" && p.key.Value == "routes":
		y.routes(s, p.value)
	default:
		y.values(s, key, p.value)
	}
}

// pipelined reports whether the section is an input or an output, which may have processors.
func (s *section) pipelined() bool { return s.name == "input" || s.name == "output" }

// values adds an option to s: once for each of its values.
func (y yamlFile) values(s *section, key string, n *yaml.Node) {
	add := func(at *yaml.Node, value string) {
		s.params = append(s.params, param{key: key, value: strings.TrimSpace(value), pos: y.at(at)})
	}
	switch n.Kind {
	case yaml.ScalarNode:
		add(n, n.Value)
	case yaml.SequenceNode:
		for _, v := range n.Content {
			if v.Kind == yaml.SequenceNode {
				y.fail(v, "%s: a list in a list; want single values", key)
				continue
			}
			y.values(s, key, v)
		}
	case yaml.MappingNode:
		for _, p := range yamlPairs(n) {
			if p.value.Kind != yaml.ScalarNode {
				y.fail(p.value, "%s: %s is %s; want a single value", key, p.key.Value, yamlKind(p.value))
				continue
			}
			add(p.key, p.key.Value+" "+p.value.Value)
		}
	}
}

// rules reads the rules of a multiline parser, into options named rule as in the classic syntax.
func (y yamlFile) rules(s *section, n *yaml.Node) {
	if n.Kind != yaml.SequenceNode {
		y.fail(n, "rules is %s; want a list: - state: …", yamlKind(n))
		return
	}
	for _, rule := range n.Content {
		var words []string
		for _, key := range []string{"state", "regex", "next_state"} {
			v := yamlGet(rule, key)
			if v == nil || v.Kind != yaml.ScalarNode || v.Value == "" {
				if key == "next_state" {
					break
				}
				y.fail(rule, "rules: want state, regex and next_state in each rule")
				return
			}
			words = append(words, `"`+strings.ReplaceAll(v.Value, `"`, `\"`)+`"`)
		}
		s.params = append(s.params, param{key: "rule", value: strings.Join(words, " "), pos: y.at(rule)})
	}
}

// yamlKey returns an option's name in snake_case: Fluent Bit also accepts camelCase, unless the name has an underscore.
func yamlKey(key string) string {
	key = strings.TrimSpace(key)
	if key == "" || !unicode.IsLower(rune(key[0])) || strings.Contains(key, "_") {
		return key
	}
	var b strings.Builder
	for _, c := range key {
		if unicode.IsUpper(c) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}

// includes reads the files of a list.
func (y yamlFile) includes(n *yaml.Node) {
	list := n.Content
	if n.Kind == yaml.ScalarNode {
		list = []*yaml.Node{n}
	}
	for _, v := range list {
		if v.Kind != yaml.ScalarNode || n.Kind == yaml.MappingNode {
			y.fail(v, "includes: want a list of file names")
			return
		}
		if len(y.errors) > maxErrors {
			return
		}
		y.include(y.file, v.Line, "includes", v.Value)
	}
}

// env reads variables, in either of Fluent Bit's two forms: a map or a list.
func (y yamlFile) env(n *yaml.Node) {
	switch n.Kind {
	case yaml.MappingNode:
		for _, p := range yamlPairs(n) {
			if p.value.Kind != yaml.ScalarNode {
				y.fail(p.value, "env: %s is %s; want a single value", p.key.Value, yamlKind(p.value))
				continue
			}
			y.setVariable(p.key, p.key.Value, p.value.Value)
		}
	case yaml.SequenceNode:
		for _, entry := range n.Content {
			y.envEntry(entry)
		}
	default:
		y.fail(n, "env is %s; want a map: NAME: VALUE", yamlKind(n))
	}
}

// envEntry reads an entry of the list form of env: name with value or uri, or one NAME: VALUE.
func (y yamlFile) envEntry(n *yaml.Node) {
	name, value, uri, every := yamlGet(n, "name"), yamlGet(n, "value"), yamlGet(n, "uri"), yamlGet(n, "refresh_interval")
	pairs := yamlPairs(n)
	switch {
	case name == nil && len(pairs) == 1 && pairs[0].value.Kind == yaml.ScalarNode:
		y.setVariable(pairs[0].key, pairs[0].key.Value, pairs[0].value.Value)
	case name == nil || (value == nil) == (uri == nil):
		y.fail(n, "env: want name, and value or uri, in each entry")
	case value != nil:
		y.setVariable(name, name.Value, value.Value)
	default:
		if every != nil && every.Value != "0" {
			y.warning(y.at(every), "env: refresh_interval has no effect here: the file is read at the start")
		}
		y.setFromFile(name, name.Value, uri.Value)
	}
}

// setVariable sets a variable to a value or, if that is file://PATH, to the text of the file.
func (y yamlFile) setVariable(at *yaml.Node, name, value string) {
	if strings.HasPrefix(value, "file://") {
		y.setFromFile(at, name, value)
		return
	}
	y.set[name] = y.expand(y.at(at), value).value
}

// maxVariableFile is the largest size, in bytes, of a file whose text becomes a variable's value.
const maxVariableFile = 64 << 10

// setFromFile sets a variable to the text of a file, without its last line break. The value counts as a secret, since such files
// usually have one.
func (y yamlFile) setFromFile(at *yaml.Node, name, uri string) {
	text, err := readFile(strings.TrimPrefix(uri, "file://"), true)
	switch {
	case err != nil:
		y.fail(at, "env: %s: %s", name, err)
		return
	case len(text) > maxVariableFile:
		y.fail(at, "env: %s: the file is larger than %d KiB", name, maxVariableFile>>10)
		return
	}
	y.set[name] = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	y.hidden[name] = true
}
