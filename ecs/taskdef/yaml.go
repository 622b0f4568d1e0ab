package taskdef

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

// maxYAMLSize is the largest file in YAML, in bytes: the largest template that CloudFormation takes. Parsing takes up to 120 times as
// much memory.
const maxYAMLSize = 1 << 20

// yaml reads a file in YAML: a template of CloudFormation, or a task definition for --cli-input-yaml.
func (d *decoder) yaml(data []byte) error {
	if len(data) > maxYAMLSize {
		return &syntaxError{0, fmt.Sprintf("the file is larger than %d MiB, the largest template that CloudFormation takes", maxYAMLSize>>20)}
	}
	top, err := parseYAML(data)
	if err != nil {
		return err
	}
	if top.kind == list {
		top = &node{kind: object, line: top.line, members: []member{{"containerDefinitions", top.line, top}}}
	}
	return d.document(top)
}

// parseYAML reads the first document of a file.
func parseYAML(data []byte) (top *node, err error) {
	defer func() {
		if v := recover(); v != nil { // the library panicked
			top, err = nil, &syntaxError{0, "the YAML can't be read"}
		}
	}()
	limits := loaderlimits.New(loaderlimits.DepthValue(maxDepth), loaderlimits.AliasValue(maxValues))
	loader, err := yaml.NewLoader(strings.NewReader(string(data)), yaml.WithPlugin(limits))
	var doc yaml.Node
	if err == nil {
		err = loader.Load(&doc)
	}
	var wrong *yaml.LoadError
	switch {
	case errors.Is(err, io.EOF):
		return nil, &syntaxError{0, "the file is empty"}
	case errors.As(err, &wrong):
		return nil, &syntaxError{wrong.Mark.Line, "the file is not YAML: " + wrong.Message + "; want a colon after each key, and the same indentation with spaces for all keys of a map"}
	case err != nil:
		return nil, &syntaxError{0, "the file is not YAML: " + err.Error()}
	}
	c := yamlConversion{}
	return c.node(&doc, 0)
}

// A yamlConversion turns the values of the library into nodes.
type yamlConversion struct{ values int }

func (c *yamlConversion) node(y *yaml.Node, depth int) (*node, error) {
	if c.values++; c.values > maxValues {
		return nil, &syntaxError{y.Line, fmt.Sprintf("the file has more than %d values, with those that aliases stand for", maxValues)}
	}
	if depth > maxDepth {
		return nil, &syntaxError{y.Line, fmt.Sprintf("maps and lists are nested more than %d deep", maxDepth)}
	}
	switch {
	case y.Kind == yaml.DocumentNode && len(y.Content) > 0:
		return c.node(y.Content[0], depth)
	case y.Kind == yaml.AliasNode && y.Alias != nil:
		return c.node(y.Alias, depth+1)
	}
	n := &node{line: y.Line}
	switch y.Kind {
	case yaml.MappingNode:
		n.kind = object
		for i := 0; i+1 < len(y.Content); i += 2 {
			v, err := c.node(y.Content[i+1], depth+1)
			if err != nil {
				return nil, err
			}
			n.members = append(n.members, member{y.Content[i].Value, y.Content[i].Line, v})
		}
	case yaml.SequenceNode:
		n.kind = list
		for _, item := range y.Content {
			v, err := c.node(item, depth+1)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, v)
		}
	default:
		n.kind, n.text = yamlScalar(y)
	}
	return shortForm(y, n), nil
}

// yamlScalar returns the kind and the text of a single value.
func yamlScalar(y *yaml.Node) (kind, string) {
	switch y.Tag {
	case "!!null":
		return null, ""
	case "!!int", "!!float":
		return number, y.Value
	case "!!bool":
		return boolean, strings.ToLower(y.Value)
	}
	if y.Style == 0 { // plain: CloudFormation reads YAML 1.1, where these are booleans
		switch y.Value {
		case "yes", "Yes", "YES", "on", "On", "ON":
			return boolean, "true"
		case "no", "No", "NO", "off", "Off", "OFF":
			return boolean, "false"
		}
	}
	return text, y.Value
}

// shortForm turns CloudFormation's short functions into the long ones: !Ref, !Sub, !GetAtt.
func shortForm(y *yaml.Node, n *node) *node {
	name, ok := strings.CutPrefix(y.Tag, "!")
	if !ok || strings.HasPrefix(name, "!") || name == "" {
		return n
	}
	if name != "Ref" {
		name = "Fn::" + name
	}
	if n.kind == null {
		n.kind = text
	}
	return &node{kind: object, line: n.line, members: []member{{name, n.line, n}}}
}
