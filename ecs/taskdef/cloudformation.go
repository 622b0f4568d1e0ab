package taskdef

import (
	"strings"
)

// Limits of what the functions of a template compose. A task definition has at most 64 KiB.
const (
	maxComposed    = 64 << 10 // bytes of one value
	maxComposedAll = 8 << 20  // bytes of all values of a file
)

// templateType is the type of CloudFormation's resource for a task definition.
const templateType = "AWS::ECS::TaskDefinition"

// pseudo are the pseudo parameters of CloudFormation, and what stands for them.
var pseudo = map[string]string{
	"AWS::AccountId": "123456789012", "AWS::Partition": "aws", "AWS::Region": "", "AWS::URLSuffix": "amazonaws.com",
	"AWS::StackName": "stack", "AWS::StackId": "stack",
}

// template reads a template of CloudFormation, or what `cdk synth` writes.
func (d *decoder) template(top *node) error {
	d.style = fromCloudFormation
	values := &templateValues{parameters: map[string]*node{}}
	if p := top.get("Parameters"); p != nil {
		for _, m := range p.members {
			if secret := m.get("NoEcho"); secret != nil && strings.EqualFold(secret.text, "true") {
				continue // its default is a secret: the parameter's name stands for it
			}
			if def := m.get("Default"); def != nil && def.text != "" {
				values.parameters[m.key] = def
			}
		}
	}
	found := false
	for _, m := range top.get("Resources").members {
		if !m.get("Type").is(templateType) {
			continue
		}
		found = true
		path := "Resources." + m.key + ".Properties"
		properties := m.get("Properties")
		if properties == nil {
			d.problem(Place{d.pos(m.line), path}, Wrong, "%s has no Properties", m.key)
			continue
		}
		d.generated = m.at("Metadata", "aws:cdk:path") != nil
		resolved := values.resolve(properties)
		if resolved == nil || resolved.unknown {
			continue
		}
		if def := d.definition(resolved, path); def != nil && def.Family.Text == "" {
			def.Family = Value{Text: m.key, Unknown: true, Place: Place{d.pos(m.line), "Resources." + m.key}}
		}
	}
	if !found {
		return none(d.file, "the template has no resource of type "+templateType)
	}
	return nil
}

// A templateValues computes the values of a template, as far as they are literal.
type templateValues struct {
	parameters map[string]*node // their defaults
	composed   int              // bytes so far
}

// resolve returns the value without functions; nil if there is to be none. A value that isn't literal has the text that is.
func (t *templateValues) resolve(n *node) *node {
	if name, arg, ok := function(n); ok {
		return t.call(n, name, arg)
	}
	switch n.kind {
	case object:
		out := *n
		out.members = make([]member, 0, len(n.members))
		for _, m := range n.members {
			if v := t.resolve(m.node); v != nil {
				out.members = append(out.members, member{m.key, m.line, v})
			}
		}
		return &out
	case list:
		out := *n
		out.items = make([]*node, 0, len(n.items))
		for _, i := range n.items {
			if v := t.resolve(i); v != nil {
				out.items = append(out.items, v)
			}
		}
		return &out
	}
	return n
}

// function returns the function that a value is, {"Ref": …} or {"Fn::…": …}.
func function(n *node) (name string, arg *node, ok bool) {
	if n.kind != object || len(n.members) != 1 {
		return "", nil, false
	}
	m := n.members[0]
	if m.key != "Ref" && !strings.HasPrefix(m.key, "Fn::") {
		return "", nil, false
	}
	return m.key, m.node, true
}

// literal makes a value from text.
func (t *templateValues) literal(n *node, s string, unknown bool) *node {
	if t.composed += len(s); len(s) > maxComposed || t.composed > maxComposedAll {
		s, unknown = "", true
	}
	return &node{kind: text, line: n.line, text: s, unknown: unknown}
}

// call computes a function.
func (t *templateValues) call(n *node, name string, arg *node) *node {
	switch name {
	case "Ref":
		if arg.is("AWS::NoValue") {
			return nil
		}
		s, unknown := t.reference(arg.text)
		return t.literal(n, s, unknown)
	case "Fn::GetAtt":
		s := arg.text
		for _, i := range arg.items {
			s = join(s, i.text)
		}
		return t.literal(n, s, true)
	case "Fn::Sub":
		return t.substitute(n, arg)
	case "Fn::Join":
		return t.joined(n, arg)
	case "Fn::If":
		for _, branch := range arg.items[min(1, len(arg.items)):] {
			if v := t.resolve(branch); v != nil {
				return v
			}
		}
		return nil
	}
	return t.literal(n, strings.TrimPrefix(name, "Fn::"), true)
}

// reference returns what stands for a parameter or a resource.
func (t *templateValues) reference(name string) (s string, unknown bool) {
	if def := t.parameters[name]; def != nil {
		return def.text, false
	}
	if s, ok := pseudo[name]; ok {
		if name == "AWS::Region" {
			s = PlaceholderRegion
		}
		return s, true
	}
	return name, true
}

// substitute computes Fn::Sub: a text, or a list of a text and a map of variables.
func (t *templateValues) substitute(n, arg *node) *node {
	template, own := arg, map[string]*node{}
	if arg.kind == list && len(arg.items) > 0 {
		template = arg.items[0]
		if len(arg.items) > 1 {
			for _, m := range arg.items[1].members {
				own[m.key] = m.node
			}
		}
	}
	var out strings.Builder
	unknown := false
	for rest := template.text; ; {
		before, after, found := strings.Cut(rest, "${")
		out.WriteString(before)
		if !found || out.Len() > maxComposed {
			break
		}
		name, tail, closed := strings.Cut(after, "}")
		rest = tail
		switch {
		case !closed:
			out.WriteString("${" + after)
			rest = ""
		case strings.HasPrefix(name, "!"):
			out.WriteString("${" + name[1:] + "}")
		case own[name] != nil:
			v := t.resolve(own[name])
			if v == nil {
				v = &node{kind: text}
			}
			own[name] = v // computed once, however often the text names it
			out.WriteString(v.text)
			unknown = unknown || v.unknown
		default:
			s, u := t.reference(strings.TrimSpace(name))
			out.WriteString(s)
			unknown = unknown || u
		}
	}
	return t.literal(n, out.String(), unknown)
}

// joined computes Fn::Join.
func (t *templateValues) joined(n, arg *node) *node {
	if len(arg.items) != 2 || arg.items[1].kind != list {
		return t.literal(n, "Join", true)
	}
	var out strings.Builder
	unknown := false
	for i, item := range arg.items[1].items {
		if i > 0 {
			out.WriteString(arg.items[0].text)
		}
		if v := t.resolve(item); v != nil {
			out.WriteString(v.text)
			unknown = unknown || v.unknown
		}
		if out.Len() > maxComposed {
			break
		}
	}
	return t.literal(n, out.String(), unknown)
}
