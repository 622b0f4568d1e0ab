package taskdef

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/firelane/firelane/config"
)

// maxDefinitions is how many task definitions are read of one file.
const maxDefinitions = 1000

// A NoneError says that a file holds no task definition. Other is true if it isn't even of a kind that could hold one: it may
// be a router's configuration, or something else entirely.
type NoneError struct {
	config.Pos
	Text  string
	Other bool
}

func (e *NoneError) Error() string { return config.Diagnostic{Pos: e.Pos, Text: e.Text}.String() }

// none is the error for a file that has no task definition.
func none(name, text string) error { return &NoneError{Pos: config.Pos{File: name}, Text: text} }

// Mentions reports whether a text could hold a task definition: it names the key of the containers, in any of the kinds.
func Mentions(data []byte) bool {
	return bytes.Contains(data, []byte("ontainerDefinitions")) || bytes.Contains(data, []byte("container_definitions"))
}

// Read reads every task definition of a file: one as registered or described, container definitions alone, a plan or a state of
// Terraform, a template of CloudFormation. The problems are those of the file as it is written. The error is a
// config.Diagnostic if the file can't be read, and a NoneError if it holds no task definition.
func Read(name string, data []byte) ([]*Definition, []Problem, error) {
	d := &decoder{file: name}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	var err error
	switch {
	case isUTF16(data):
		err = &syntaxError{0, "the file is UTF-16, as > of Windows PowerShell writes it; want UTF-8: terraform show -json plan.out | Out-File -Encoding utf8 plan.json"}
	case isJSON(data):
		err = d.json(newScanner(data))
	case !isConfiguration(name, data) && isYAML(name, data):
		err = d.yaml(data)
	default:
		err = &NoneError{Pos: config.Pos{File: name}, Text: "is not a task definition", Other: true}
	}
	var syntax *syntaxError
	if errors.As(err, &syntax) {
		err = config.Diagnostic{Pos: config.Pos{File: name, Line: syntax.line}, Text: syntax.text}
	}
	if err != nil {
		return nil, nil, err
	}
	return d.definitions, d.problems, nil
}

func isUTF16(data []byte) bool {
	return bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff"))
}

// isJSON reports whether a text begins as a map or a list of JSON does. A section of Fluent Bit's configuration begins with a
// bracket, too.
func isJSON(data []byte) bool {
	data = bytes.TrimLeft(data, " \t\r\n")
	switch {
	case len(data) == 0:
		return false
	case data[0] == '{':
		return true
	case data[0] != '[':
		return false
	}
	data = bytes.TrimLeft(data[1:], " \t\r\n")
	return len(data) == 0 || data[0] == '{' || data[0] == ']'
}

// isYAML reports whether a text is one that could hold a task definition in YAML.
func isYAML(name string, data []byte) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".yml", ".yaml", ".template", ".json", "":
		return Mentions(data) || bytes.Contains(data, []byte("AWSTemplateFormatVersion"))
	}
	return false
}

// isConfiguration reports whether the first line that isn't a comment is one of a router's configuration.
func isConfiguration(name string, data []byte) bool {
	if e := strings.ToLower(filepath.Ext(name)); e == ".conf" {
		return true
	}
	for line := range bytes.Lines(data[:min(len(data), 4<<10)]) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' {
			return line[0] == '[' || line[0] == '<' || line[0] == '@'
		}
	}
	return true
}

// The positions of kinds.
const (
	keyContainers = iota
	keyDefinition
	keyPlanned
	keyValues
	keyChanges
	keyConfiguration
	keyResources
	keyTerraform
	keyVersion
	keyErrored
)

// kinds are the keys at the top of a file that decide its kind.
var kinds = []string{"containerDefinitions", "taskDefinition", "planned_values", "values", "resource_changes", "configuration", "Resources",
	"terraform_version", "resources", "errored"}

// json reads a file in JSON.
func (d *decoder) json(s *scanner) error {
	if s.space() == '[' {
		return d.containersAlone(s)
	}
	at, err := s.find(kinds...)
	if err == nil {
		err = s.end()
	}
	if err != nil {
		return s.lines(err)
	}
	switch {
	case at[keyPlanned] >= 0 || at[keyValues] >= 0 && at[keyTerraform] >= 0:
		return d.terraform(s, at)
	case at[keyTerraform] >= 0 && at[keyVersion] >= 0:
		return d.terraformState(s, at[keyVersion])
	case at[keyTerraform] >= 0 && at[keyResources] < 0:
		return none(d.file, "Terraform's state is empty")
	}
	s.at = 0
	top, err := s.parse()
	if err != nil {
		return err
	}
	return d.document(top)
}

// lines completes an error of the log that `terraform plan -json` writes, one JSON object a line.
func (s *scanner) lines(err error) error {
	if head := s.text[:min(len(s.text), 4<<10)]; bytes.HasPrefix(head, []byte(`{"@level"`)) {
		return &syntaxError{1, "this is the log of terraform's -json; want the plan: terraform plan -out=plan.out, then terraform show -json plan.out"}
	}
	return err
}

// document reads a file that isn't Terraform's, from its parsed value.
func (d *decoder) document(top *node) error {
	switch resources := top.get("Resources"); {
	case top.get("taskDefinition") != nil:
		return d.described(top)
	case resources != nil && resources.kind == object:
		return d.template(top)
	}
	known := top.kind == object && slices.ContainsFunc(top.members, func(m member) bool {
		return folded(m.key) == "containerdefinitions"
	})
	if !known {
		return &NoneError{Pos: config.Pos{File: d.file}, Other: true, Text: "is not a task definition, Terraform plan or CloudFormation template: it has none of the keys " +
			"containerDefinitions, taskDefinition, planned_values and Resources"}
	}
	d.definition(top, "")
	return nil
}

// described reads what `aws ecs describe-task-definition` writes.
func (d *decoder) described(top *node) error {
	n := top.get("taskDefinition")
	if n.kind != object {
		return &syntaxError{n.line, fmt.Sprintf("taskDefinition is %s; want a map", n.kind)}
	}
	d.definition(n, "")
	return nil
}

// containersAlone reads a list of container definitions.
func (d *decoder) containersAlone(s *scanner) error {
	n, err := s.parse()
	if err == nil {
		err = s.end()
	}
	if err != nil {
		return err
	}
	known := slices.ContainsFunc(n.items, func(c *node) bool {
		return slices.ContainsFunc(c.members, func(m member) bool { return m.key == "image" || m.key == "name" || folded(m.key) == "logconfiguration" })
	})
	if !known {
		return &NoneError{Pos: config.Pos{File: d.file}, Other: true, Text: "is a list, but none of container definitions, which have a name and an image"}
	}
	d.definition(&node{kind: object, line: n.line, members: []member{{d.key("containerDefinitions"), n.line, n}}}, "")
	return nil
}

// find reads the object at the present position, and returns the offsets of the values of some of its keys; -1 if it doesn't
// have a key.
func (s *scanner) find(keys ...string) ([]int, error) {
	at := make([]int, len(keys))
	for i := range at {
		at[i] = -1
	}
	err := s.object(func(key string, _ int) error {
		if i := slices.Index(keys, key); i >= 0 {
			at[i] = s.at
		}
		return s.skip()
	})
	return at, err
}

// look calls read with the position at an offset, and returns to the present one.
func (s *scanner) look(at int, read func() error) error {
	if at < 0 {
		return nil
	}
	back, depth := s.at, s.depth
	s.at = at
	err := read()
	if err == nil {
		s.at, s.depth = back, depth
	}
	return err
}
