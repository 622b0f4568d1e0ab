package taskdef

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/firelane/firelane/config"
)

// A Grade says how bad a problem is.
type Grade uint8

// The grades.
const (
	Wrong   Grade = iota // AWS refuses it, or the task doesn't start
	Suspect              // it is ignored, or can't be checked
	Told                 // something isn't known, and what it would change
	Assumed              // what is taken for something that isn't known
)

// A Problem is something about a task definition as it is written.
type Problem struct {
	Place
	Grade
	Text string
}

// Diagnostic is the problem in one line, with the path of the value.
func (p Problem) Diagnostic() config.Diagnostic {
	if p.Path == "" {
		return config.Diagnostic{Pos: p.Pos, Text: p.Text}
	}
	return config.Diagnostic{Pos: p.Pos, Text: p.Path + ": " + p.Text}
}

const (
	// maxProblems is how many problems of a file are kept.
	maxProblems = 100
	// maxUnknown is for how many unknown keys of a file a similar known one is looked for.
	maxUnknown = 100
	// maxTaskValues is how many values a task definition may have. AWS takes 64 KiB.
	maxTaskValues = 40_000
)

// A style is how the keys of a file are written.
type style uint8

const (
	fromAPI            style = iota // containerDefinitions
	fromTerraform                   // container_definitions, and within it as the API
	fromCloudFormation              // ContainerDefinitions
)

// A decoder turns the values of a file into task definitions.
type decoder struct {
	file        string
	style       style
	generated   bool // a program has written the file
	definitions []*Definition
	problems    []Problem
	unknown     int // keys so far
	nulls       int // values of this task definition that are null
	firstNull   Place
}

// problem keeps a problem.
func (d *decoder) problem(at Place, grade Grade, format string, args ...any) {
	if len(d.problems) < maxProblems {
		text := fmt.Sprintf(format, args...)
		d.problems = append(d.problems, Problem{at, grade, text})
	}
}

func (d *decoder) pos(line int) config.Pos { return config.Pos{File: d.file, Line: line} }

// key returns the key of the API as the file's style writes it, within a container definition.
func (d *decoder) key(name string) string {
	if d.style == fromCloudFormation {
		return strings.ToUpper(name[:1]) + name[1:]
	}
	return name
}

// snake returns a key of the API as a resource of Terraform has it: taskRoleArn is task_role_arn.
func snake(name string) string {
	var out []byte
	for _, c := range []byte(name) {
		if c >= 'A' && c <= 'Z' {
			out = append(out, '_', c+'a'-'A')
		} else {
			out = append(out, c)
		}
	}
	return string(out)
}

// folded returns a key in the form in which misspelled ones are compared.
func folded(key string) string {
	out := make([]byte, 0, len(key))
	for _, c := range []byte(key) {
		switch {
		case c == '_' || c == '-':
		case c >= 'A' && c <= 'Z':
			out = append(out, c+'a'-'A')
		default:
			out = append(out, c)
		}
	}
	return string(out)
}

// A field is the value of a key, and its place. Without a value the node is nil.
type field struct {
	*node
	Place
}

// A fields is a map of the file, its keys in the API's spelling.
type fields struct {
	Place
	by    map[string]field
	known bool // it is a map
}

func (f fields) get(key string) field { return f.by[key] }

// places are where the keys are written, but for those with an empty text, as Terraform's state has them.
func (f fields) places() map[string]Place {
	list := make(map[string]Place, len(f.by))
	for key, value := range f.by {
		if value.kind != text || value.text != "" || value.unknown {
			list[key] = value.Place
		}
	}
	return list
}

// fields reads a map whose keys are known. It reports keys that are there twice, that have the wrong case, or that are probably
// misspelled; and if strict is set, every other key.
func (d *decoder) fields(n *node, at Place, spell func(string) string, strict bool, known ...string) fields {
	f := fields{Place: at, by: map[string]field{}}
	if n == nil {
		return f
	}
	if n.kind != object {
		d.problem(at, Wrong, "is %s; want a map", n.describe())
		return f
	}
	f.known = true
	for _, m := range n.members {
		name, right := "", true
		for _, k := range known {
			if spell(k) == m.key {
				name = k
				break
			}
		}
		if name == "" {
			if name, right = d.misspelled(m, at, spell, strict, known); name == "" {
				continue
			}
		}
		place := Place{d.pos(m.line), join(at.Path, m.key)}
		if before, twice := f.by[name]; twice && right {
			d.problem(place, Suspect, "is there twice, first in line %d; the last one is used", before.Line)
		}
		switch {
		case m.kind != null:
			f.by[name] = field{m.node, place}
		default:
			d.isNull(place)
		}
	}
	return f
}

// isNull notes a value that is null. Terraform's provider leaves it out, and so does the console of ECS, whose own export has many.
func (d *decoder) isNull(at Place) {
	if d.style == fromTerraform {
		return
	}
	if d.nulls++; d.nulls == 1 {
		d.firstNull = at
	}
}

// reportNulls reports all nulls of a task definition in one line.
func (d *decoder) reportNulls() {
	more := ""
	if d.nulls > 1 {
		more = fmt.Sprintf(", and so are %d other values", d.nulls-1)
	}
	if d.nulls > 0 {
		d.problem(d.firstNull, Suspect, "is null%s: `aws ecs register-task-definition` and CloudFormation refuse that; want the key left out", more)
	}
	d.nulls = 0
}

// misspelled reports a key that isn't known, and returns the one that it was meant to be if that is certain.
func (d *decoder) misspelled(m member, at Place, spell func(string) string, strict bool, known []string) (name string, right bool) {
	place := Place{d.pos(m.line), join(at.Path, m.key)}
	for _, k := range known {
		if strings.EqualFold(spell(k), m.key) {
			if d.style != fromTerraform { // Terraform's provider takes any case
				d.problem(place, Wrong, "is a key that AWS refuses, because of its case; want %s", spell(k))
			}
			return k, d.style == fromTerraform
		}
	}
	if d.unknown++; d.unknown > maxUnknown {
		return "", false
	}
	spelled, key := make([]string, len(known)), folded(m.key)
	for i, k := range known {
		spelled[i] = spell(k)
		if folded(k) == key {
			d.problem(place, Wrong, "is an unknown key; want %s", spell(k))
			return "", false
		}
	}
	near := config.Nearest(m.key, spelled)
	switch {
	case strict && slices.Contains(firelensOptions, m.key):
		d.problem(place, Wrong, "is an option, and no key beside them; want it in %s", spell("options"))
	case near != "":
		d.problem(place, Suspect, "is an unknown key; did you mean %s?", near)
	case strict:
		d.problem(place, Suspect, "is an unknown key; want one of %s", strings.Join(spelled, ", "))
	}
	return "", false
}

// join appends a key to a path.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// item is the place of an item of a list.
func (d *decoder) item(list field, n int) Place {
	return Place{d.pos(list.items[n].line), list.Path + "[" + strconv.Itoa(n) + "]"}
}

// describe names a value, for messages.
func (n *node) describe() string {
	if n.kind == text && len(n.text) < maxShown {
		return "the string " + shown(n.text)
	}
	if n.kind == number || n.kind == boolean {
		return shown(n.text)[1 : len(shown(n.text))-1]
	}
	return n.kind.String()
}

// value reads a string. A number, true or false stands for its text, which only CloudFormation accepts.
func (d *decoder) value(f field) Value {
	v := Value{Place: f.Place}
	if f.node == nil {
		return v
	}
	switch f.kind {
	case text:
	case number, boolean:
		if d.style != fromCloudFormation {
			d.problem(f.Place, Wrong, "is %s; want a string: %q", f.describe(), f.text)
		}
	case null:
		d.isNull(f.Place)
	default:
		d.problem(f.Place, Wrong, "is %s; want a string", f.kind)
	}
	v.Text, v.Unknown = f.text, f.unknown
	return v
}

// values reads a list of strings.
func (d *decoder) values(f field) (list []Value) {
	d.each(f, func(n *node, at Place) { list = append(list, d.value(field{n, at})) })
	return list
}

// each calls read for each item of a list.
func (d *decoder) each(f field, read func(n *node, at Place)) {
	if f.node == nil || f.unknown {
		return
	}
	if f.kind != list {
		d.problem(f.Place, Wrong, "is %s; want a list", f.describe())
		return
	}
	for i, n := range f.items {
		if at := d.item(f, i); n.kind == null {
			d.isNull(at)
		} else {
			read(n, at)
		}
	}
}

// integer reads a whole number, not less than 0. asText says that the API wants it as a string.
func (d *decoder) integer(f field, asText bool) int {
	if f.node == nil || f.unknown {
		return 0
	}
	s := strings.TrimSpace(f.text)
	scale := 1
	if unit := strings.ToUpper(s); asText && strings.HasSuffix(unit, "GB") {
		s, scale = strings.TrimSpace(s[:len(s)-2]), 1<<10
	}
	n, err := strconv.ParseFloat(s, 64)
	switch {
	case f.kind != text && f.kind != number || err != nil || n < 0 || n*float64(scale) > 1<<40 || n != n:
		d.problem(f.Place, Wrong, "is %s; want a number", f.describe())
		return 0
	case d.style == fromCloudFormation:
	case asText && f.kind == number && d.style != fromTerraform:
		d.problem(f.Place, Wrong, "is %s; want a string: %q", f.describe(), f.text)
	case !asText && f.kind == text && d.style != fromTerraform:
		d.problem(f.Place, Wrong, "is %s; want a number: %s", f.describe(), s)
	}
	return int(n * float64(scale))
}

// boolean reads true or false.
func (d *decoder) boolean(f field, otherwise bool) bool {
	if f.node == nil || f.unknown {
		return otherwise
	}
	switch strings.ToLower(f.text) {
	case "true", "yes", "on":
		otherwise = true
	case "false", "no", "off":
		otherwise = false
	default:
		d.problem(f.Place, Wrong, "is %s; want true or false", f.describe())
		return otherwise
	}
	if f.kind != boolean && d.style == fromAPI {
		d.problem(f.Place, Wrong, "is %s; want %t without quotes", f.describe(), otherwise)
	}
	return otherwise
}

// options reads a map of strings: log options.
func (d *decoder) options(f field) (list []Option) {
	if f.node == nil || f.unknown {
		return nil
	}
	if f.kind != object {
		d.problem(f.Place, Wrong, "is %s; want a map of strings", f.describe())
		return nil
	}
	last := map[string]int{}
	for i, m := range f.members {
		if before, twice := last[m.key]; twice {
			d.problem(Place{d.pos(m.line), join(f.Path, m.key)}, Suspect, "is there twice, first in line %d; the last one is used", f.members[before].line)
		}
		last[m.key] = i
	}
	for i, m := range f.members {
		if last[m.key] != i || m.kind == null && d.style == fromTerraform {
			continue
		}
		o := Option{m.key, d.value(field{m.node, Place{d.pos(m.line), join(f.Path, m.key)}})}
		if strings.ContainsAny(o.Name+o.Text, "\r\n") {
			d.problem(o.Place, Wrong, "has a line break, which the ECS agent writes as it is: what follows it becomes lines of the configuration; want a single line")
		}
		list = append(list, o)
	}
	return list
}

// pairs reads a list of maps, each with a name and another key: environment, secrets.
func (d *decoder) pairs(f field, other string) (list []Option) {
	d.each(f, func(n *node, at Place) {
		p := d.fields(n, at, d.key, false, "name", other)
		if !p.known {
			return
		}
		name, value := d.value(p.get("name")), d.value(p.get(other))
		if name.Text == "" {
			d.problem(at, Wrong, "has no %s", d.key("name"))
			return
		}
		if value.Line == 0 {
			value.Place = at
		}
		list = append(list, Option{name.Text, value})
	})
	return list
}
