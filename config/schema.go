package config

import (
	"iter"
	"maps"
	"reflect"
	"slices"
	"strconv"
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
	strict   bool   // Fluent Bit doesn't start if the value isn't a number, time or size
	nonzero  bool   // Fluent Bit doesn't start if what it reads is 0
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
		o, ok := newOption(f, d, at)
		if !ok {
			if f.Anonymous && f.Type.Kind() == reflect.Struct {
				s.collect(f.Type, d, at)
			}
			continue
		}
		if f.IsExported() {
			s.options = append(s.options, o)
		}
	}
}

// newOption reads the tag of a field; false if it is no option in this dialect. It reads the tag once, from its beginning to its end:
// to look up each key takes several times as long, and was a tenth of the start.
func newOption(f reflect.StructField, d Dialect, index []int) (o option, ok bool) {
	o = option{index: index, kind: f.Type, secret: base(f.Type) == reflect.TypeFor[Secret]()}
	own := d.String()
	ownDefault := false
	for key, value := range tagPairs(f.Tag) {
		isTrue := value == "true"
		switch key {
		case own:
			ok = true
			o.setNames(value)
		case "required":
			o.required = isTrue
		case "strict":
			o.strict, o.nonzero = isTrue, value == "zero"
		case "negative":
			o.negative = value
		case "split":
			o.oneBlank = value == "blank" && d == FluentBit
		case "quotes":
			o.quotes = isTrue && d == FluentBit
		case "ignored":
			o.ignored = value
		case "unknown":
			o.leftOut = value == "left out"
		case "identity":
			o.identity = isTrue
		case "help":
			o.help = value
		case "secret":
			o.secret = o.secret || isTrue
		case "oneof":
			o.oneof = strings.Split(value, ",")
		case "other":
			if d == FluentBit {
				o.other = value
			}
		case "default":
			if !ownDefault {
				o.def, o.hasDef = value, true
			}
		case "default.fluentbit", "default.fluentd":
			if key[len("default."):] == own {
				o.def, o.hasDef, ownDefault = value, true, true
			}
		}
	}
	return o, ok
}

func (o *option) setNames(list string) {
	for name := range strings.SplitSeq(list, ",") {
		if inner, ok := strings.CutPrefix(name, "<"); ok {
			name = strings.TrimSuffix(inner, ">")
			o.section = name != ""
		}
		o.names = append(o.names, name)
	}
}

// tagPairs yields the keys of a tag with their values.
func tagPairs(tag reflect.StructTag) iter.Seq2[string, string] {
	return func(yield func(key, value string) bool) {
		for rest := string(tag); ; {
			key, after, _ := strings.Cut(strings.TrimLeft(rest, " "), ":")
			quoted, err := strconv.QuotedPrefix(after)
			if err != nil { // the end
				return
			}
			if value, err := strconv.Unquote(quoted); err != nil || !yield(key, value) {
				return
			}
			rest = after[len(quoted):]
		}
	}
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
