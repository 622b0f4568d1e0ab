package config

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// hiddenText replaces a secret.
const hiddenText = "***"

// Write prints the plan for people: the service, every plugin with the options that differ from their defaults, and the
// routes. Secrets are hidden. The text is the same for the same configuration.
func (p *Plan) Write(w io.Writer) error {
	o := planWriter{plan: p}
	o.line(0, "dialect "+p.Dialect.String())
	for _, f := range p.Files {
		o.line(0, "file "+f)
	}
	o.head("service", Pos{})
	before := o.out.Len()
	if o.options(1, reflect.ValueOf(&p.Service).Elem(), nil); o.out.Len() == before {
		o.line(1, "defaults")
	}
	for i := range p.Inputs {
		in := &p.Inputs[i]
		o.instance("input", &in.Instance, in.Label)
	}
	for i := range p.Filters {
		f := &p.Filters[i]
		o.instance("filter", &f.Instance, f.Match)
		if f.When != nil {
			o.line(1, "when "+showText(f.When.String()))
		}
	}
	for i := range p.Outputs {
		out := &p.Outputs[i]
		o.instance("output", &out.Instance, out.Match)
	}
	for i := range p.Parsers {
		if p.Parsers[i].Pos.File != builtInName {
			o.instance("parser", &p.Parsers[i], "")
		}
	}
	for i := range p.Multiline {
		o.instance("multiline parser", &p.Multiline[i], "")
	}
	o.head("routes", Pos{})
	o.routes()
	_, err := w.Write(o.out.Bytes())
	return err
}

// OptionsOf returns the options of an instance that differ from their defaults, without those in sections. Secrets are hidden.
func (p *Plan) OptionsOf(i *Instance) (list []Pair) {
	o := planWriter{plan: p}
	v := reflect.ValueOf(i.Options).Elem()
	s := schemaOf(v.Type(), p.Dialect)
	for n := range s.options {
		opt := &s.options[n]
		if opt.section {
			continue
		}
		for _, text := range o.differing(opt, v.FieldByIndex(opt.index), opt.masked(i.hidden)) {
			list = append(list, Pair{displayName(opt), text})
		}
	}
	return list
}

type planWriter struct {
	plan *Plan
	out  bytes.Buffer
}

func (o *planWriter) line(depth int, text string) {
	o.out.WriteString(strings.Repeat("    ", depth) + text + "\n")
}

func (o *planWriter) head(title string, at Pos) {
	o.out.WriteByte('\n')
	if at.File != "" {
		title += fmt.Sprintf("  # %s:%d", at.File, at.Line)
	}
	o.line(0, title)
}

func (o *planWriter) instance(kind string, i *Instance, match string) {
	title := kind + " " + i.ID
	if !strings.HasPrefix(i.ID, i.Name+".") {
		title += " (" + i.Name + ")"
	}
	if match != "" {
		title += " for " + match
	}
	o.head(title, i.Pos)
	if i.LogLevel != "" {
		o.line(1, "log_level "+i.LogLevel)
	}
	o.options(1, reflect.ValueOf(i.Options).Elem(), i.hidden)
}

// options prints the options that differ from their defaults. hidden are names of options whose values aren't shown.
func (o *planWriter) options(depth int, v reflect.Value, hidden []string) {
	s := schemaOf(v.Type(), o.plan.Dialect)
	for i := range s.options {
		opt := &s.options[i]
		field := v.FieldByIndex(opt.index)
		if opt.section {
			o.section(depth, opt, field, hidden)
			continue
		}
		for _, text := range o.differing(opt, field, opt.masked(hidden)) {
			o.line(depth, displayName(opt)+" "+text)
		}
	}
}

// masked reports whether the option's value is not shown.
func (o *option) masked(hidden []string) bool {
	return o.secret || secretName(o.names[0]) || slices.ContainsFunc(o.names, func(name string) bool { return slices.Contains(hidden, name) })
}

// displayName is an option's name, as written in a section.
func displayName(o *option) string {
	if o.names[0] == "" {
		return "<>"
	}
	return o.names[0]
}

func (o *planWriter) section(depth int, opt *option, field reflect.Value, hidden []string) {
	switch field.Kind() {
	case reflect.Pointer:
		if !field.IsNil() {
			o.subSection(depth, opt, field.Elem(), hidden)
		}
	case reflect.Struct:
		if !field.IsZero() {
			o.subSection(depth, opt, field, hidden)
		}
	case reflect.Slice:
		if pairs, ok := field.Interface().([]Pair); ok {
			o.pairSection(depth, opt, pairs, hidden)
			return
		}
		for i := range field.Len() {
			o.subSection(depth, opt, field.Index(i), hidden)
		}
	}
}

func (o *planWriter) pairSection(depth int, opt *option, pairs []Pair, hidden []string) {
	if len(pairs) == 0 {
		return
	}
	o.line(depth, opt.name())
	for _, p := range pairs {
		o.line(depth+1, showPair(p, opt.secret || slices.Contains(hidden, fold(p.Key))))
	}
}

// subSection prints a section, unless all its options have their defaults.
func (o *planWriter) subSection(depth int, opt *option, v reflect.Value, hidden []string) {
	before := o.out.Len()
	o.line(depth, opt.name())
	title := o.out.Len()
	o.options(depth+1, v, hidden)
	if o.out.Len() == title && opt.kind.Kind() == reflect.Struct {
		o.out.Truncate(before)
	}
}

// differing returns the texts of an option's values, or nil if the option has its default.
func (o *planWriter) differing(opt *option, field reflect.Value, mask bool) []string {
	def := reflect.New(opt.kind).Elem()
	if opt.hasDef {
		opt.set(def, opt.def, o.plan.Dialect) // CheckCatalogue has validated it
	}
	if reflect.DeepEqual(def.Interface(), field.Interface()) {
		return nil
	}
	if field.Kind() == reflect.Pointer {
		field = field.Elem()
	}
	if field.Kind() != reflect.Slice {
		return []string{o.show(field, mask)}
	}
	if field.Type().Elem().Kind() == reflect.String {
		var list []string
		for i := range field.Len() {
			list = append(list, o.show(field.Index(i), mask))
		}
		return []string{strings.Join(list, ", ")}
	}
	var list []string
	for i := range field.Len() {
		list = append(list, o.show(field.Index(i), mask))
	}
	return list
}

// show is one value as text.
func (o *planWriter) show(v reflect.Value, mask bool) string {
	if p, ok := v.Interface().(Pair); ok {
		return showPair(p, mask)
	}
	if mask {
		return hiddenText
	}
	switch x := v.Interface().(type) {
	case Size:
		if x == Unlimited {
			return "unlimited"
		}
	case time.Duration:
		return x.String()
	case bool:
		if o.plan.Dialect == FluentBit {
			return map[bool]string{true: "on", false: "off"}[x]
		}
	case string:
		return showText(x)
	case Ordered:
		return showText(x.Value)
	}
	return fmt.Sprint(v.Interface())
}

func showPair(p Pair, mask bool) string {
	if mask || secretName(p.Key) {
		return showText(p.Key) + " " + hiddenText
	}
	return showText(p.Key) + " " + showText(p.Value)
}

// showText is a string, in quotes where it would be misread, and without the user and password of a URL.
func showText(s string) string {
	s = hideParameters(hideUserInfo(s))
	control := func(r rune) bool { return r < ' ' || r == 0x7f || r == '\ufffd' }
	if s == "" || strings.TrimSpace(s) != s || strings.ContainsFunc(s, control) {
		return strconv.Quote(s)
	}
	return s
}

// hideUserInfo hides the user and password, between :// and @, in every URL.
func hideUserInfo(s string) string {
	before, rest, ok := strings.Cut(s, "://")
	if !ok {
		return s
	}
	if i := authorityEnd(rest); i > 0 && i < len(rest) && rest[i] == '@' {
		rest = hiddenText + rest[i:]
	}
	return before + "://" + hideUserInfo(rest)
}

// authorityEnd returns where @, / or a blank first stands in s outside of %{…}, in which Fluentd's plugins escape anything.
func authorityEnd(s string) int {
	for i := 0; i < len(s); i++ {
		if n := strings.IndexByte(s[i:], '}'); n > 0 && strings.HasPrefix(s[i:], "%{") {
			i += n
		} else if strings.IndexByte("@/ \t", s[i]) >= 0 {
			return i
		}
	}
	return len(s)
}

// secretName reports whether the value of that name is probably a secret, whatever its type: custom headers and record
// fields may be.
func secretName(name string) bool {
	name = fold(name)
	for _, part := range []string{"passw", "secret", "token", "api_key", "apikey", "shared_key", "cloud_auth", "authorization", "header", "security.users"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}
