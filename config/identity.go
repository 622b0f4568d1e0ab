package config

import (
	"reflect"
	"slices"
	"strings"
)

// Identity returns what an output is, as lines "name value": its plugin, its match, and those options that are part of its
// identity and differ from their defaults, by name. It doesn't depend on the output's place or ID, and has no secrets: two
// outputs that differ only in a password, or in a value that came from ECS's secrets, have the same identity.
//
// Folders on disk are named by it. Lines that change in a later version make outputs lose their queues.
func (p *Plan) Identity(o *Output) []string {
	w := planWriter{plan: p}
	lines := w.identity(reflect.ValueOf(o.Options).Elem(), o.hidden)
	slices.Sort(lines)
	return append([]string{"plugin " + o.Plugin.names(p.Dialect)[0], "match " + showText(o.Match)}, lines...)
}

// identity returns a line for each option of v that is part of the identity, and one for each section that has such options.
func (o *planWriter) identity(v reflect.Value, hidden []string) (lines []string) {
	s := schemaOf(v.Type(), o.plan.Dialect)
	for i := range s.options {
		opt := &s.options[i]
		field := v.FieldByIndex(opt.index)
		switch {
		case opt.section:
			for _, section := range structsIn(field) {
				if inner := o.identity(section, hidden); len(inner) > 0 {
					lines = append(lines, opt.name()+" "+strings.Join(inner, " "))
				}
			}
		case opt.identity:
			for _, text := range o.differing(opt, field, opt.masked(hidden)) {
				lines = append(lines, displayName(opt)+" "+text)
			}
		}
	}
	return lines
}

// structsIn returns the structs that a field for a section holds.
func structsIn(v reflect.Value) (list []reflect.Value) {
	switch {
	case v.Kind() == reflect.Pointer && !v.IsNil():
		return structsIn(v.Elem())
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			list = append(list, structsIn(v.Index(i))...)
		}
	case v.Kind() == reflect.Struct && v.Type() != typePair && v.Type() != typeOrdered:
		return []reflect.Value{v}
	}
	return list
}
