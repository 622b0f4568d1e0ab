package config

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

// Limits of a YAML file. They are far above any real configuration.
const (
	maxYAMLSize  = 256 << 10 // bytes of one file; parsing takes up to 120 times as much memory
	maxYAMLDepth = 32        // nesting of maps and lists
	maxYAMLNodes = 50_000    // values of one file; the target of an alias counts again at each use
)

// isYAML reports whether a file is YAML: by its name, or by its first line.
func isYAML(f *file) bool {
	switch strings.ToLower(filepath.Ext(f.name)) {
	case ".yaml", ".yml":
		return true
	}
	return yamlText(f.text)
}

// yamlDialect returns the dialect of a YAML file: only Fluentd's has config or system at the top.
func yamlDialect(text string) Dialect {
	for line := range strings.Lines(text) {
		key, _, ok := strings.Cut(line, ":")
		if key = strings.Trim(key, `"'`); ok && (key == "config" || key == "system") {
			return Fluentd
		}
	}
	return FluentBit
}

// yamlText reports whether a text looks like YAML by its first line: "---", the beginning of a JSON object, or a section such as "pipeline:", "includes: […]", or
// "- source:" in a list.
func yamlText(text string) bool {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(strings.TrimRight(line, " \t\r\n"), " #")
		switch {
		case line == "" || line[0] == '#':
		case line == "---", line[0] == '{': // JSON is YAML
			return true
		default:
			key, value, ok := strings.Cut(strings.TrimPrefix(line, "- "), ":")
			value = strings.TrimLeft(value, " \t")
			return ok && key != "" && !strings.ContainsAny(key, " \t<[@") && (value == "" || value[0] == '[' || value[0] == '{')
		}
	}
	return false
}

// parseYAML reads the documents of a file. If aliases is true, each alias is replaced by what it stands for; otherwise an alias is an
// error. The error is one line, with its position in the file.
func parseYAML(f *file, aliases bool) (docs []*yaml.Node, wrong *Diagnostic) {
	defer func() {
		if v := recover(); v != nil { // the library panicked
			docs, wrong = nil, &Diagnostic{Pos: f.pos(0), Text: "the YAML can't be read"}
		}
	}()
	if len(f.text) > maxYAMLSize {
		return nil, &Diagnostic{Pos: f.pos(0), Text: fmt.Sprintf("the file is larger than %d KiB, the limit of a YAML file", maxYAMLSize>>10)}
	}
	limits := loaderlimits.New(loaderlimits.DepthValue(maxYAMLDepth), loaderlimits.AliasValue(maxYAMLNodes))
	loader, err := yaml.NewLoader(strings.NewReader(f.text), yaml.WithPlugin(limits))
	c := yamlCheck{f: f, aliases: aliases}
	for err == nil {
		doc := new(yaml.Node)
		if err = loader.Load(doc); err == nil {
			if doc = c.resolve(doc, 0); c.wrong != nil {
				return nil, c.wrong
			}
			docs = append(docs, doc)
		}
	}
	if !errors.Is(err, io.EOF) {
		return nil, yamlError(f, err)
	}
	return docs, nil
}

// yamlError turns an error of the library into one line.
func yamlError(f *file, err error) *Diagnostic {
	var e *yaml.LoadError
	if !errors.As(err, &e) {
		return &Diagnostic{Pos: f.pos(0), Text: "the file is not YAML: " + err.Error()}
	}
	if strings.Contains(e.Message, "max depth") {
		return &Diagnostic{Pos: f.pos(e.Mark.Line), Text: fmt.Sprintf("maps and lists are nested more than %d deep", maxYAMLDepth)}
	}
	text := "the file is not YAML: " + e.Message
	if e.ContextMsg != "" && e.ContextMark.Line > 0 && e.ContextMark.Line != e.Mark.Line {
		text += fmt.Sprintf(" (%s that begins in line %d)", e.ContextMsg, e.ContextMark.Line)
	}
	return &Diagnostic{Pos: f.pos(e.Mark.Line), Text: text + "; want a colon after each key, and the same indentation with spaces for all keys of a map"}
}

// A yamlCheck replaces aliases by what they stand for, and enforces the limits.
type yamlCheck struct {
	f       *file
	aliases bool
	nodes   int
	wrong   *Diagnostic
}

func (c *yamlCheck) resolve(n *yaml.Node, depth int) *yaml.Node {
	fail := func(format string, args ...any) *yaml.Node {
		if c.wrong == nil {
			c.wrong = &Diagnostic{Pos: c.f.pos(n.Line), Text: fmt.Sprintf(format, args...)}
		}
		return n
	}
	if c.nodes++; c.nodes > maxYAMLNodes {
		return fail("the file has more than %d values, with those that aliases stand for", maxYAMLNodes)
	}
	switch {
	case c.wrong != nil:
		return n
	case depth > maxYAMLDepth+1:
		return fail("maps and lists are nested more than %d deep", maxYAMLDepth)
	case n.Kind == yaml.AliasNode && !c.aliases:
		return fail("*%s: there are no aliases, as in Fluent Bit; want the value itself", n.Value)
	case n.Kind == yaml.AliasNode && n.Alias == nil:
		return fail("*%s: there is no &%s before it", n.Value, n.Value)
	case n.Kind == yaml.AliasNode:
		same := *n.Alias // a copy, so that an alias inside its own target ends at the depth limit
		same.Line, same.Content = n.Line, append([]*yaml.Node(nil), n.Alias.Content...)
		n = &same
	}
	for i := range n.Content {
		n.Content[i] = c.resolve(n.Content[i], depth+1)
		if key := n.Content[i]; n.Kind == yaml.MappingNode && i%2 == 0 && key.Kind != yaml.ScalarNode {
			return fail("a key is %s; want a name", yamlKind(key))
		}
	}
	return n
}

// A yamlPair is one entry of a map.
type yamlPair struct{ key, value *yaml.Node }

// yamlPairs returns the entries of a map; nil for an empty value.
func yamlPairs(n *yaml.Node) (list []yamlPair) {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		list = append(list, yamlPair{n.Content[i], n.Content[i+1]})
	}
	return list
}

// yamlGet returns the value of a key of a map, nil if there is none.
func yamlGet(n *yaml.Node, key string) *yaml.Node {
	for _, p := range yamlPairs(n) {
		if strings.EqualFold(p.key.Value, key) {
			return p.value
		}
	}
	return nil
}

// isEmptyYAML reports whether a value is null, such as that of a key with nothing after its colon.
func isEmptyYAML(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// yamlKind names the kind of a value, for messages.
func yamlKind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a map"
	case yaml.SequenceNode:
		return "a list"
	}
	return "a single value"
}
