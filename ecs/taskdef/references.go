package taskdef

import (
	"slices"
	"strings"
)

// maxReferences is how many references of a task definition are named.
const maxReferences = 20

// because names what makes the containers of a task definition unknown, as far as the plan tells.
func (t *terraform) because(address string) string {
	refs := t.references[withoutIndices(address)]
	unknown := slices.DeleteFunc(slices.Clone(refs), func(r string) bool {
		known, listed := t.attributes[r]
		return listed && !known
	})
	if len(unknown) > 0 {
		refs = unknown
	}
	if len(refs) == 0 {
		return ""
	}
	return ", because they refer to " + strings.Join(refs, ", ")
}

// configuration reads the configuration of a plan, for what the containers refer to, and for the provider's region.
func (t *terraform) configuration() error {
	if t.space() != '{' {
		return t.skip()
	}
	at, err := t.find("root_module", "provider_config")
	if err != nil {
		return err
	}
	err = t.look(at[1], func() error {
		n, err := t.parse()
		if err == nil && n.kind == object {
			if region := n.at("aws", "expressions", "region", "constant_value"); region != nil && region.kind == text {
				t.region = Value{Text: region.text}
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	return t.look(at[0], func() error { return t.calls("", nil) })
}

// calls reads a module of the configuration, and those that it calls. variables are what its variables refer to.
func (t *terraform) calls(module string, variables map[string][]string) error {
	if t.space() != '{' {
		return t.skip()
	}
	at, err := t.find("resources", "module_calls")
	if err != nil {
		return err
	}
	err = t.look(at[0], func() error {
		return t.list(func() error {
			at, err := t.find("type", "address", "expressions")
			if err != nil || !t.isText(at[0], resourceType) {
				return err
			}
			address := module + t.textAt(at[1])
			return t.look(at[2], func() error {
				n, err := t.parse()
				if refs := n.at("container_definitions", "references"); err == nil && refs != nil {
					t.refer(address, references(refs.items, module, variables))
				}
				return err
			})
		})
	})
	if err != nil || at[1] < 0 {
		return err
	}
	return t.look(at[1], func() error {
		if t.space() != '{' {
			return t.skip()
		}
		return t.object(func(name string, _ int) error {
			if t.space() != '{' {
				return t.skip()
			}
			begin := t.at
			if err := t.skip(); err != nil {
				return err
			}
			return t.look(begin, func() error { return t.call(module, name, variables) })
		})
	})
}

// call reads the call of a module.
func (t *terraform) call(module, name string, variables map[string][]string) error {
	at, err := t.find("module", "expressions")
	if err != nil {
		return err
	}
	given := map[string][]string{}
	err = t.look(at[1], func() error {
		n, err := t.parse()
		if err != nil || n.kind != object {
			return err
		}
		for _, m := range n.members {
			if refs := m.get("references"); refs != nil {
				given[m.key] = references(refs.items, module, variables)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return t.look(at[0], func() error { return t.calls(module+"module."+name+".", given) })
}

// references returns what an expression of a module refers to, by address without indices. A reference to a variable is what the
// variable refers to; one to a resource is left out beside one to its attribute.
func references(items []*node, module string, variables map[string][]string) (list []string) {
	items = items[:min(len(items), 10*maxReferences)]
	for _, i := range items {
		covered := slices.ContainsFunc(items, func(o *node) bool {
			return strings.HasPrefix(o.text, i.text+".") || strings.HasPrefix(o.text, i.text+"[")
		})
		variable, isVariable := strings.CutPrefix(i.text, "var.")
		switch {
		case i.kind != text || covered || strings.HasPrefix(i.text, "each.") || strings.HasPrefix(i.text, "count."):
		case isVariable:
			list = append(list, variables[variable]...)
		default:
			list = append(list, withoutIndices(module+i.text))
		}
		if len(list) >= maxReferences {
			return list[:maxReferences]
		}
	}
	return list
}

// refer keeps what a task definition refers to.
func (t *terraform) refer(address string, refs []string) {
	for _, r := range refs {
		if resource, _, ok := cutLast(r); ok && len(t.attributes) < maxValues {
			t.attributes[resource], t.attributes[r] = false, false
		}
	}
	t.references[address] = refs
}

// cutLast splits a text at its last dot.
func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, '.')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}
