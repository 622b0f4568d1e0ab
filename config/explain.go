package config

import (
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"
)

const (
	maxNear = 5 // names that are proposed instead of one that nothing has
	minPart = 3 // letters of a part of a name by which names are proposed
)

// everywhere are the options that plugins don't declare.
var everywhere = map[Dialect][]option{
	FluentBit: {
		{names: []string{"name"}, required: true, help: "which plugin it is"},
		{names: []string{"match"}, help: "tags of the events that a filter or an output gets; * stands for any text"},
		{names: []string{"match_regex"}, help: "the same, as a regular expression"},
		{names: []string{"alias"}, help: "what the log and the metrics call the plugin"},
		{names: []string{"log_level"}, help: "which lines of the plugin the router's own log shows"},
		{names: []string{"log_suppress_interval"}, help: "accepted; repeated lines are always suppressed"},
	},
	Fluentd: {
		{names: []string{"@type"}, required: true, help: "which plugin it is"},
		{names: []string{"@id"}, help: "what the log and the metrics call the plugin"},
		{names: []string{"@label"}, help: "the label to which events go"},
		{names: []string{"@log_level"}, help: "which lines of the plugin the router's own log shows"},
	},
}

// Explain writes the reference of what name says: an option, plugin.option, or a plugin, in both dialects. If there is nothing of
// that name, it writes nothing, and returns what is to be said of similar names, which may be "".
func Explain(w io.Writer, catalogue []Plugin, name string) (near string) {
	x := explainer{name: queryName(name)}
	for _, d := range []Dialect{FluentBit, Fluentd} {
		x.dialect(catalogue, d)
	}
	if x.out.Len() > 0 {
		_, _ = io.WriteString(w, x.out.String())
		return ""
	}
	all := slices.Compact(slices.Sorted(slices.Values(x.seen)))
	slices.SortStableFunc(all, func(a, b string) int { return distance(x.name, a) - distance(x.name, b) })
	all = slices.DeleteFunc(all, func(n string) bool {
		return distance(x.name, n) > max(1, len(x.name)/3) && (len(x.name) < minPart || !strings.Contains(n, x.name))
	})
	if len(all) == 0 {
		return ""
	}
	return "; did you mean " + enumerate(all[:min(len(all), maxNear)], "or") + "?"
}

// queryName makes buffer.flush_interval of "<buffer> Flush_Interval".
func queryName(name string) string {
	name = strings.NewReplacer("<", "", ">", " ", "[", "", "]", "").Replace(fold(name))
	return strings.Join(strings.Fields(name), ".")
}

type explainer struct {
	name string
	out  strings.Builder
	seen []string // all names
}

// An explained is an option and the plugins that have it in the same way.
type explained struct {
	path    string // with its sections
	option  *option
	owners  []string // "output es, elasticsearch"
	outputs int      // of owners
}

// dialect writes what a dialect has of that name.
func (x *explainer) dialect(catalogue []Plugin, d Dialect) {
	var plugins []*Plugin
	var options []explained
	add := func(owner string, aliases []string, list []explained) {
		for _, e := range list {
			x.seen = append(x.seen, e.path)
			if x.matches(e.path, e.option.names, aliases) {
				options = addExplained(options, e, owner)
			}
		}
	}
	service := map[Dialect]string{FluentBit: "service", Fluentd: "system"}[d]
	serviceOptions := optionsOf(reflect.TypeFor[Service](), d)
	add("["+service+"]", []string{service}, serviceOptions)
	for i := range everywhere[d] {
		o := &everywhere[d][i]
		o.kind = reflect.TypeFor[string]()
		add("every plugin", nil, []explained{{path: o.names[0], option: o}})
	}
	outputs := 0
	for i := range catalogue {
		p := &catalogue[i]
		names := p.names(d)
		if len(names) == 0 {
			continue
		}
		if p.Kind == KindOutput {
			outputs++
		}
		x.seen = append(x.seen, names...)
		if slices.Contains(names, x.name) {
			plugins = append(plugins, p)
		}
		add(fmt.Sprintf("%s %s", p.Kind, strings.Join(names, ", ")), names, optionsOf(optionsType(p), d))
	}
	if len(plugins) > 0 || len(options) > 0 || x.name == service {
		fmt.Fprintf(&x.out, "%s\n\n", d.product())
	}
	if x.name == service {
		x.list("["+service+"]", "", serviceOptions)
	}
	for _, p := range plugins {
		x.list(fmt.Sprintf("%s %s", p.Kind, strings.Join(p.names(d), ", ")), p.Help, optionsOf(optionsType(p), d))
	}
	for _, e := range options {
		x.option(&e, outputs)
	}
}

// matches reports whether the name is that of an option, with or without its sections and a plugin's name before it.
func (x *explainer) matches(path string, names, plugins []string) bool {
	prefix := strings.TrimSuffix(path, names[0])
	for _, name := range names {
		full := prefix + name
		if x.name == full || x.name == name && name != "" {
			return true
		}
		for _, p := range plugins {
			if x.name == p+"."+full || x.name == p+"."+name && name != "" {
				return true
			}
		}
	}
	return false
}

// optionsOf lists the options of a struct with those of its sections, each once.
func optionsOf(t reflect.Type, d Dialect) (list []explained) {
	seen := map[string]bool{}
	var walk func(t reflect.Type, prefix string)
	walk = func(t reflect.Type, prefix string) {
		s := schemaOf(t, d)
		for i := range s.options {
			o := &s.options[i]
			path := prefix + o.names[0]
			if path = strings.TrimSuffix(path, "."); path == "" || seen[path] {
				continue
			}
			seen[path] = true
			list = append(list, explained{path: path, option: o})
			if inner := base(o.kind); o.section && inner.Kind() == reflect.Struct && inner != typePair {
				walk(inner, path+".")
			}
		}
	}
	walk(t, "")
	return list
}

// addExplained adds an option of a plugin, to one that is the same if there is one.
func addExplained(list []explained, e explained, plugin string) []explained {
	for i := range list {
		o := &list[i]
		if o.path == e.path && slices.Equal(o.option.names, e.option.names) && o.option.meaning() == e.option.meaning() &&
			o.option.defaultText() == e.option.defaultText() && o.option.kind == e.option.kind {
			*o = o.with(plugin)
			return list
		}
	}
	e.owners = nil
	return append(list, e.with(plugin))
}

func (e explained) with(owner string) explained {
	e.owners = append(e.owners, owner)
	if strings.HasPrefix(owner, KindOutput.String()+" ") {
		e.outputs++
	}
	return e
}

// ownersText says which plugins have an option. outputs is how many there are in the dialect.
func (e *explained) ownersText(outputs int) string {
	list := e.owners
	if e.outputs == outputs && outputs > 1 {
		list = slices.DeleteFunc(slices.Clone(list), func(o string) bool { return strings.HasPrefix(o, KindOutput.String()+" ") })
		list = append(list, "every output")
	}
	return "of " + strings.Join(list, "; ")
}

// option writes an option of one or more plugins.
func (x *explainer) option(e *explained, outputs int) {
	o := e.option
	fmt.Fprintf(&x.out, "  %s\n      %s\n", strings.Join(withPrefix(e.path, o.names), ", "), o.meaningText())
	fmt.Fprintf(&x.out, "      %s\n", o.typeText())
	fmt.Fprintf(&x.out, "      %s\n\n", e.ownersText(outputs))
}

// list writes a plugin and its options, a line each.
func (x *explainer) list(title, help string, options []explained) {
	fmt.Fprintf(&x.out, "  %s\n", title)
	if help != "" {
		fmt.Fprintf(&x.out, "      %s\n", help)
	}
	x.out.WriteByte('\n')
	for _, e := range options {
		fmt.Fprintf(&x.out, "    %s\n        %s\n        %s\n", strings.Join(withPrefix(e.path, e.option.names), ", "), e.option.meaningText(), e.option.typeText())
	}
	x.out.WriteByte('\n')
}

// withPrefix writes an option's names with the sections that it is in: <buffer> flush_interval.
func withPrefix(path string, names []string) []string {
	prefix := ""
	for section := range strings.SplitSeq(strings.TrimSuffix(strings.TrimSuffix(path, names[0]), "."), ".") {
		if section != "" {
			prefix += "<" + section + "> "
		}
	}
	list := slices.Clone(names)
	for i := range list {
		list[i] = strings.TrimSpace(prefix + list[i])
	}
	return list
}

func (o *option) meaningText() string { return strings.ReplaceAll(o.meaning(), "`", "") }

// typeText says what values an option takes, and its default.
func (o *option) typeText() string {
	text := o.kindText()
	switch {
	case o.required:
		text += "; required"
	case o.hasDef && o.def != "":
		text += "; default " + strings.ReplaceAll(o.def, "\n", `\n`)
	}
	return text
}

// kindText says what values an option takes.
func (o *option) kindText() string {
	repeated := ""
	if o.kind.Kind() == reflect.Slice {
		repeated = ", may be repeated"
	}
	t := base(o.kind)
	switch {
	case o.section:
		return "a section" + repeated
	case len(o.oneof) > 0:
		return "one of the words" + repeated
	case o.secret:
		return "a secret" + repeated
	}
	switch t {
	case typePair:
		return "a key and a value" + repeated
	case typeOrdered:
		return "text, may be repeated; the order matters"
	case typeSize:
		return "a size, such as 512k or 10M" + repeated
	case reflect.TypeFor[time.Duration]():
		return "a time, such as 5s or 10m; a number alone is seconds" + repeated
	}
	switch t.Kind() {
	case reflect.Bool:
		return "on or off" + repeated
	case reflect.Int, reflect.Int64:
		return "a whole number" + repeated
	case reflect.Float64:
		return "a number" + repeated
	}
	return "text" + repeated
}
