package taskdef

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// resourceType is the type of Terraform's resource for a task definition.
const resourceType = "aws_ecs_task_definition"

// terraform reads what `terraform show -json` writes of a plan or a state. The values of a plan are those that it would apply.
func (d *decoder) terraform(s *scanner, at []int) error {
	d.style, d.generated = fromTerraform, true
	t := terraform{decoder: d, scanner: s, unknown: map[string][]string{}, references: map[string][]string{}, attributes: map[string]bool{}}
	what, values := "plan", at[keyPlanned]
	if values < 0 {
		what, values = "state", at[keyValues]
	}
	if err := s.look(at[keyConfiguration], t.configuration); err != nil {
		return err
	}
	if err := s.look(at[keyChanges], t.changes); err != nil {
		return err
	}
	err := s.look(values, func() error {
		if s.space() != '{' { // null: nothing is left
			return s.skip()
		}
		root, err := s.find("root_module")
		if err != nil {
			return err
		}
		return s.look(root[0], func() error { return t.module(t.resource) })
	})
	if err != nil {
		return err
	}
	if len(d.definitions)+len(d.problems) == 0 {
		text := fmt.Sprintf("the %s has no %s", what, resourceType)
		if at[keyErrored] >= 0 && bytes.HasPrefix(s.text[at[keyErrored]:], []byte("true")) {
			text += ", and Terraform could not complete it"
		}
		return none(d.file, text)
	}
	return nil
}

// A terraform reads a plan or a state.
type terraform struct {
	*decoder
	*scanner
	unknown    map[string][]string // by address of a task definition: attributes that are known only when the plan is applied
	references map[string][]string // by address without indices: what the containers refer to
	attributes map[string]bool     // those that they refer to, and whether they are unknown
	region     Value
}

// changes reads resource_changes, for what isn't known yet.
func (t *terraform) changes() error {
	return t.list(func() error {
		at, err := t.find("type", "address", "change")
		if err != nil {
			return err
		}
		address := t.textAt(at[1])
		task := t.isText(at[0], resourceType)
		if _, referred := t.attributes[withoutIndices(address)]; !task && !referred {
			return nil
		}
		return t.look(at[2], func() error {
			change, err := t.find("after_unknown")
			if err != nil {
				return err
			}
			return t.look(change[0], func() error {
				n, err := t.parse()
				if err != nil || n.kind != object {
					return err
				}
				for _, m := range n.members {
					if m.text != "true" {
						continue
					}
					t.attributes[withoutIndices(address)+"."+m.key] = true
					if task {
						t.unknown[address] = append(t.unknown[address], m.key)
					}
				}
				return nil
			})
		})
	})
}

// list reads an array of objects; anything else is skipped.
func (t *terraform) list(each func() error) error {
	if t.space() != '[' {
		return t.skip()
	}
	return t.array(func(int) error {
		if t.space() != '{' {
			return t.skip()
		}
		return each()
	})
}

// module reads a module of the values, and its child modules.
func (t *terraform) module(resource func() error) error {
	if t.space() != '{' {
		return t.skip()
	}
	at, err := t.find("resources", "child_modules")
	if err != nil {
		return err
	}
	if err := t.look(at[0], func() error { return t.list(resource) }); err != nil {
		return err
	}
	return t.look(at[1], func() error {
		return t.list(func() error { return t.module(resource) })
	})
}

// resource reads one resource of a module.
func (t *terraform) resource() error {
	at, err := t.find("type", "mode", "address", "values")
	if err != nil || !t.isText(at[0], resourceType) || !t.isText(at[1], "managed") {
		return err
	}
	address := t.textAt(at[2])
	return t.look(at[3], func() error {
		n, err := t.parse()
		if err != nil {
			return err
		}
		t.resourceValues(n, address)
		return nil
	})
}

// resourceValues reads the values of a resource.
func (t *terraform) resourceValues(n *node, address string) {
	if slices.Contains(t.unknown[address], "container_definitions") {
		t.problem(Place{Pos: t.pos(n.line), Path: address}, Suspect, "nothing of this task definition is checked: its container_definitions are known only when the plan is applied%s. "+
			"First create what they refer to (terraform apply -target=RESOURCE) and plan again, or check the state after the apply (terraform show -json)", t.because(address))
		return
	}
	containers := n.get("container_definitions")
	if containers == nil || containers.kind != text {
		t.problem(Place{Pos: t.pos(n.line), Path: address}, Wrong, "has no container_definitions")
		return
	}
	inner := newScanner([]byte(containers.text))
	inner.fixed, inner.count = containers.line, t.count
	parsed, err := inner.parse()
	if err == nil {
		err = inner.end()
	}
	t.count = inner.count
	if err != nil {
		t.problem(Place{Pos: t.pos(containers.line), Path: address + ".container_definitions"}, Wrong, "the string is not JSON: %s", err)
		return
	}
	for _, key := range t.unknown[address] {
		switch value := n.get(key); {
		case value == nil:
			n.members = append(n.members, member{key, n.line, &node{kind: text, line: n.line, unknown: true}})
		case value.kind == null: // "unknown values are omitted or set to null", says "JSON Output Format" of Terraform
			*value = node{kind: text, line: value.line, unknown: true}
		}
	}
	for i := range n.members {
		if n.members[i].key == "container_definitions" {
			n.members[i].node = parsed
		}
	}
	if def := t.definition(n, address); def != nil && def.Region == "" {
		def.Region = t.region.Text
	}
}

// withoutIndices removes the indices of an address: web["a"] is web in the configuration.
func withoutIndices(address string) string {
	var out strings.Builder
	for address != "" {
		before, rest, found := strings.Cut(address, "[")
		out.WriteString(before)
		if !found {
			break
		}
		if strings.HasPrefix(rest, `"`) {
			_, rest, _ = strings.Cut(rest[1:], `"`)
		}
		_, address, _ = strings.Cut(rest, "]")
	}
	return out.String()
}

// isText reports whether the value at an offset is that string.
func (t *terraform) isText(at int, want string) bool { return at >= 0 && t.textAt(at) == want }

// textAt returns the string at an offset, "" if there is another value.
func (t *terraform) textAt(at int) (text string) {
	_ = t.look(at, func() error {
		if t.space() != '"' {
			return nil
		}
		text, _ = t.string()
		return nil
	})
	return text
}

// terraformState reads the file terraform.tfstate.
func (d *decoder) terraformState(s *scanner, resources int) error {
	d.style, d.generated = fromTerraform, true
	t := terraform{decoder: d, scanner: s}
	err := s.look(resources, func() error {
		return t.list(func() error {
			at, err := t.find("type", "mode", "name", "module", "instances")
			if err != nil || !t.isText(at[0], resourceType) || !t.isText(at[1], "managed") {
				return err
			}
			address := resourceType + "." + t.textAt(at[2])
			if module := t.textAt(at[3]); module != "" {
				address = module + "." + address
			}
			return t.look(at[4], func() error { return t.list(func() error { return t.instance(address) }) })
		})
	})
	if err == nil && len(d.definitions)+len(d.problems) == 0 {
		err = none(d.file, "the state has no "+resourceType)
	}
	return err
}

// instance reads one instance of a resource of terraform.tfstate.
func (t *terraform) instance(address string) error {
	at, err := t.find("index_key", "attributes")
	if err != nil {
		return err
	}
	err = t.look(at[0], func() error {
		key, err := t.parse()
		if err == nil && key.kind == text {
			address += "[" + strconv.Quote(key.text) + "]"
		} else if err == nil && key.kind == number {
			address += "[" + key.text + "]"
		}
		return err
	})
	if err != nil {
		return err
	}
	return t.look(at[1], func() error {
		n, err := t.parse()
		if err == nil {
			t.resourceValues(n, address)
		}
		return err
	})
}
