package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// Reference is a Markdown page of every plugin that exists in the dialect, and its options. Options that several plugins
// embed are described once, at the end. examples has a configuration for each plugin, under its kind and its first name: "input tail".
func Reference(catalogue []Plugin, d Dialect, examples map[string]string) string {
	w := reference{dialect: d, examples: examples, uses: map[reflect.Type]int{}}
	for i := range catalogue {
		if len(catalogue[i].names(d)) > 0 {
			for _, t := range embedded(optionsType(&catalogue[i])) {
				w.uses[t]++
			}
		}
	}
	title := map[Dialect]string{FluentBit: "[SERVICE]", Fluentd: "<system>"}[d]
	fmt.Fprintf(&w.out, "## `%s`\n\n", title)
	w.table(reflect.TypeFor[Service]())
	for kind := KindInput; kind <= KindReroute; kind++ {
		for i := range catalogue {
			if p := &catalogue[i]; p.Kind == kind && len(p.names(d)) > 0 {
				w.plugin(p)
			}
		}
	}
	for _, t := range w.shared {
		fmt.Fprintf(&w.out, "## %s\n\n", typeTitle(t))
		w.table(t)
	}
	return w.out.String()
}

type reference struct {
	dialect  Dialect
	examples map[string]string
	out      strings.Builder
	uses     map[reflect.Type]int // in how many plugins a struct is embedded
	shared   []reflect.Type       // those in more than one plugin, in the order of the page
}

func optionsType(p *Plugin) reflect.Type { return reflect.TypeOf(p.Options()).Elem() }

// embedded lists the structs that a struct embeds, directly or through others.
func embedded(t reflect.Type) []reflect.Type {
	var list []reflect.Type
	for i := range t.NumField() {
		if f := t.Field(i); f.Anonymous && f.Type.Kind() == reflect.Struct {
			list = append(list, f.Type)
			list = append(list, embedded(f.Type)...)
		}
	}
	return list
}

// typeTitle makes "Output options" of OutputOptions.
func typeTitle(t reflect.Type) string {
	var b strings.Builder
	name := t.Name()
	for i := range len(name) {
		c := name[i]
		upper := 'A' <= c && c <= 'Z'
		if upper && i > 0 && !('A' <= name[i-1] && name[i-1] <= 'Z') {
			b.WriteByte(' ')
			c += 'a' - 'A'
		}
		if upper && i > 1 && i+1 < len(name) && 'a' <= name[i+1] && name[i+1] <= 'z' && 'A' <= name[i-1] && name[i-1] <= 'Z' {
			b.WriteByte(' ')
			c += 'a' - 'A'
		}
		b.WriteByte(c)
	}
	return b.String()
}

func (w *reference) plugin(p *Plugin) {
	names := p.names(w.dialect)
	fmt.Fprintf(&w.out, "## %s `%s`\n\n", p.Kind, names[0])
	if p.Help != "" {
		fmt.Fprintf(&w.out, "%s.", strings.ToUpper(p.Help[:1])+strings.TrimSuffix(p.Help[1:], "."))
		if len(names) > 1 {
			fmt.Fprintf(&w.out, " Also called `%s`.", strings.Join(names[1:], "`, `"))
		}
		w.out.WriteString("\n\n")
	}
	if example := w.examples[p.Kind.String()+" "+names[0]]; example != "" {
		w.out.WriteString("```\n" + example + "```\n\n")
	}
	w.table(optionsType(p))
	var also []string
	for _, t := range embedded(optionsType(p)) {
		if w.isShared(t) {
			title := typeTitle(t)
			also = append(also, fmt.Sprintf("[%s](#%s)", title, strings.ReplaceAll(strings.ToLower(title), " ", "-")))
			w.addShared(t)
		}
	}
	if len(also) > 0 {
		fmt.Fprintf(&w.out, "And: %s.\n\n", strings.Join(also, ", "))
	}
}

func (w *reference) isShared(t reflect.Type) bool {
	if w.uses[t] < 2 {
		return false
	}
	s := schema{}
	s.collect(t, w.dialect, nil)
	return len(s.options) > 0
}

func (w *reference) addShared(t reflect.Type) {
	for _, s := range w.shared {
		if s == t {
			return
		}
	}
	w.shared = append(w.shared, t)
}

// table prints the options of a struct, without those of the structs that it shares with others.
func (w *reference) table(t reflect.Type) {
	var rows strings.Builder
	w.rows(&rows, t, "")
	if rows.Len() == 0 {
		return
	}
	w.out.WriteString("| option | default | meaning |\n|---|---|---|\n" + rows.String() + "\n")
}

func (w *reference) rows(b *strings.Builder, t reflect.Type, prefix string) {
	s := schema{}
	s.collect(t, w.dialect, nil)
	for i := range s.options {
		o := &s.options[i]
		if w.inShared(t, o.index) {
			continue
		}
		name := "`" + prefix + o.name() + "`"
		if o.name() == "" {
			name = "`" + strings.TrimSuffix(prefix, "> ") + " …>`"
		}
		if len(o.names) > 1 && len(o.names) < 6 && !o.section {
			name += ", `" + strings.Join(o.names[1:], "`, `") + "`"
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", name, o.defaultText(), strings.ReplaceAll(o.meaning(), "|", `\|`))
		if inner := base(o.kind); o.section && inner.Kind() == reflect.Struct && inner != typePair {
			w.rows(b, inner, prefix+o.name()+" ")
		}
	}
}

// inShared reports whether the field at index is in an embedded struct that is described on its own.
func (w *reference) inShared(t reflect.Type, index []int) bool {
	for _, i := range index[:len(index)-1] {
		t = t.Field(i).Type
		if w.isShared(t) {
			return true
		}
	}
	return false
}

func (o *option) defaultText() string {
	switch {
	case o.required:
		return "required"
	case o.hasDef && o.def != "":
		return "`" + strings.ReplaceAll(o.def, "\n", `\n`) + "`"
	}
	return ""
}

func (o *option) meaning() string {
	text := o.help
	if len(o.oneof) > 0 {
		text += " (`" + strings.Join(o.oneof, "`, `") + "`)"
	}
	if o.ignored != "" {
		text += "; " + o.ignored
	}
	return text
}

// CheckCatalogue finds mistakes in the declarations of options: an unknown type, a default that isn't of the type,
// an option without a help line. It is for tests.
func CheckCatalogue(catalogue []Plugin) error {
	var errs []error
	for i := range catalogue {
		p := &catalogue[i]
		for _, d := range []Dialect{FluentBit, Fluentd} {
			if names := p.names(d); len(names) > 0 {
				errs = append(errs, checkSchema(fmt.Sprintf("%s %s of %s", p.Kind, names[0], d), optionsType(p), d))
			}
		}
	}
	return errors.Join(errs...)
}

func checkSchema(what string, t reflect.Type, d Dialect) error {
	var errs []error
	s := schemaOf(t, d)
	for i := range s.options {
		o := &s.options[i]
		name := what + ": " + o.name()
		inner := base(o.kind)
		if o.help == "" {
			errs = append(errs, fmt.Errorf("%s: no help", name))
		}
		if o.identity && o.masked(nil) {
			errs = append(errs, fmt.Errorf("%s: a secret can't be part of an identity", name))
		}
		switch {
		case o.section && inner.Kind() == reflect.Struct && inner != typePair:
			errs = append(errs, checkSchema(name, inner, d))
		case o.section && o.kind != reflect.SliceOf(typePair):
			errs = append(errs, fmt.Errorf("%s: a section can't be of type %s", name, o.kind))
		case o.section:
		default:
			errs = append(errs, o.checkType(name, d))
		}
	}
	return errors.Join(errs...)
}

// checkType sets the option to its default or, where it has none, to a value that suits its type.
func (o *option) checkType(name string, d Dialect) error {
	tries := []string{"1", "on"}
	if o.hasDef {
		tries = []string{o.def}
	} else if len(o.oneof) > 0 {
		tries = o.oneof[:1]
	}
	var err error
	for _, text := range tries {
		if err = o.set(reflect.New(o.kind).Elem(), text, d); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%s: %w", name, err)
}
