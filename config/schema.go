package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// An option is one field of an options struct, as one dialect sees it.
type option struct {
	names    []string // the usual one first; sections without their <>
	index    []int    // where the field is, for reflect
	kind     reflect.Type
	section  bool // it is a sub-section
	def      string
	hasDef   bool
	oneof    []string
	other    string // what a value that isn't one of oneof means in Fluent Bit; "": it is a mistake
	required bool
	secret   bool
	identity bool // it is part of what an output is
	quotes   bool
	oneBlank bool
	negative string // what a negative duration means; "": it is a mistake
	ignored  string
	leftOut  bool // without effect if it names a parser that isn't there, as in Fluent Bit; otherwise that is a mistake
	help     string
}

// A schema is an options struct as one dialect sees it.
type schema struct {
	options  []option
	params   map[string]*option // by lower-case name
	sections map[string]*option
	argument *option // the option that the argument of the section goes to, if any
}

// schemas caches the schema of each struct: reading the tags is most of the work of a compilation.
type schemas map[reflect.Type]*schema

func (m schemas) of(t reflect.Type, d Dialect) *schema {
	s, ok := m[t]
	if !ok {
		s = schemaOf(t, d)
		m[t] = s
	}
	return s
}

// schemaOf reads the tags of a struct. Of two options with the same name the one that is embedded less deep is used, at the
// same depth the first.
func schemaOf(t reflect.Type, d Dialect) *schema {
	s := &schema{params: map[string]*option{}, sections: map[string]*option{}}
	s.collect(t, d, nil)
	depth := map[*option]int{}
	for i := range s.options {
		o := &s.options[i]
		depth[o] = len(o.index)
		byName := s.params
		if o.section {
			byName = s.sections
		}
		for _, name := range o.names {
			if name == "" {
				s.argument = o
				continue
			}
			if other, ok := byName[name]; !ok || depth[o] < depth[other] {
				byName[name] = o
			}
		}
	}
	return s
}

func (s *schema) collect(t reflect.Type, d Dialect, index []int) {
	for i := range t.NumField() {
		f := t.Field(i)
		at := append(append([]int(nil), index...), i)
		tag, ok := f.Tag.Lookup(d.String())
		if !ok {
			if f.Anonymous && f.Type.Kind() == reflect.Struct {
				s.collect(f.Type, d, at)
			}
			continue
		}
		if !f.IsExported() {
			continue
		}
		s.options = append(s.options, newOption(f, tag, d, at))
	}
}

func newOption(f reflect.StructField, tag string, d Dialect, index []int) option {
	o := option{
		index:    index,
		kind:     f.Type,
		required: f.Tag.Get("required") == "true",
		negative: f.Tag.Get("negative"),
		oneBlank: f.Tag.Get("split") == "blank" && d == FluentBit,
		quotes:   f.Tag.Get("quotes") == "true" && d == FluentBit,
		ignored:  f.Tag.Get("ignored"),
		leftOut:  f.Tag.Get("unknown") == "left out",
		identity: f.Tag.Get("identity") == "true",
		help:     f.Tag.Get("help"),
	}
	for name := range strings.SplitSeq(tag, ",") {
		if inner, ok := strings.CutPrefix(name, "<"); ok {
			name = strings.TrimSuffix(inner, ">")
			o.section = name != ""
		}
		o.names = append(o.names, name)
	}
	o.secret = f.Tag.Get("secret") == "true" || base(f.Type) == reflect.TypeFor[Secret]()
	if list, ok := f.Tag.Lookup("oneof"); ok {
		o.oneof = strings.Split(list, ",")
	}
	if d == FluentBit {
		o.other = f.Tag.Get("other")
	}
	o.def, o.hasDef = f.Tag.Lookup("default." + d.String())
	if !o.hasDef {
		o.def, o.hasDef = f.Tag.Lookup("default")
	}
	return o
}

// name is what the option is called in messages.
func (o *option) name() string {
	if o.section {
		return "<" + o.names[0] + ">"
	}
	return o.names[0]
}

// names lists the names of options, or of sections.
func names(byName map[string]*option) []string {
	return slices.Sorted(maps.Keys(byName))
}

// base is the element type of a pointer or a slice.
func base(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t
}

var (
	typePair     = reflect.TypeFor[Pair]()
	typeOrdered  = reflect.TypeFor[Ordered]()
	typeSize     = reflect.TypeFor[Size]()
	typeDuration = reflect.TypeFor[time.Duration]()
)
