package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// A binder writes sections into options structs.
type binder struct {
	*report
	dialect Dialect
	schemas schemas
	builtIn bool // the section is built in: it isn't checked at every start, but by a test
}

// A binding binds one section to one struct.
type binding struct {
	binder
	what   string // the beginning of messages: the plugin's name
	from   *section
	schema *schema
	other  *schema // of the other dialect; nil until an option is unknown
	into   reflect.Value
	given  map[*option]param
	order  int // of the line among those of the section
	failed bool
}

// bind stores the options of a section in the struct that target points at, and reports whether all are valid. known are the
// names, in lower case for Fluent Bit, of options that the caller has handled.
func (b binder) bind(what string, from *section, target any, known ...string) bool {
	return b.bindValue(what, from, reflect.ValueOf(target).Elem(), known)
}

func (b binder) bindValue(what string, from *section, into reflect.Value, known []string) bool {
	g := binding{binder: b, what: what, from: from, into: into, given: map[*option]param{}}
	g.schema = b.schemas.of(into.Type(), b.dialect)
	for _, p := range from.params {
		if !slices.Contains(known, g.key(p.key)) {
			g.param(p)
		}
	}
	for _, sub := range from.subs {
		g.section(sub)
	}
	g.argument()
	for i := range g.schema.options {
		g.applyDefault(&g.schema.options[i])
	}
	if !g.failed && !g.builtIn {
		g.check()
	}
	return !g.failed
}

// key is a name as lookups use it: Fluent Bit's names ignore case.
func (g *binding) key(name string) string {
	if g.dialect == FluentBit {
		return fold(name)
	}
	return name
}

// param binds one line.
func (g *binding) param(p param) {
	o := g.schema.params[g.key(p.key)]
	if o == nil {
		g.unknownOption(p)
		return
	}
	if p.value == "" && g.dialect == FluentBit && !isText(o.kind) {
		return // a variable that isn't set, which has been reported
	}
	field := g.into.FieldByIndex(o.index)
	if before, ok := g.given[o]; ok && field.Kind() != reflect.Slice {
		g.warnTwice(before, p, o)
	}
	g.given[o] = p
	if on, err := parseBool(p.value, FluentBit); o.ignored != "" && (on || err != nil) { // what is off is not missed
		g.warning(p.pos, fmt.Sprintf("%s: %s has no effect here: %s", g.what, p.key, o.ignored)).as(CodeIgnored)
	}
	if number, ok := withoutComment(p.value); ok && g.dialect == FluentBit && isNumber(o.kind) {
		g.warning(p.pos, fmt.Sprintf("%s: %s: what follows the # is not a comment in this syntax; the value is read as %s, as in Fluent Bit", g.what, p.key, number)).as(CodeComment).fix(p.value, number)
		p.value = number
	}
	if number, ok := withoutUnit(p.value); ok && g.dialect == FluentBit && isInteger(o.kind) {
		g.warning(p.pos, fmt.Sprintf("%s: %s: %q is read as %s, as in Fluent Bit: the option is a number without a unit", g.what, p.key, p.value, number)).as(CodeAdvice).fix(p.value, number)
		p.value = number
	}
	err := o.set(field, p.value, g.dialect)
	switch {
	case err == nil:
	case o.other == NotWritten || o.other != "" && base(o.kind).Kind() == reflect.Bool:
		err = g.takeInstead(o, p, o.other, err.Error())
	case o.other != "" && !strings.HasPrefix(strings.ToLower(p.value), "otlp_"): // formats that Fluent Bit has
		g.warning(p.pos, fmt.Sprintf("%s: %s: %q is not known, so it is %s, as in Fluent Bit; want %s", g.what, p.key, p.value, o.other, enumerate(o.oneof, "or"))).as(CodeAdvice).fix(p.value, nearest(p.value, o.oneof))
		err = o.set(field, o.other, g.dialect)
	case g.isLenient(o, p):
		err = g.readAnyway(field, o, p, err)
	}
	if err != nil {
		g.wrongValue(p, o, err)
	} else if list, ok := field.Addr().Interface().(*[]Ordered); ok {
		(*list)[len(*list)-1].Order = g.order
	} else {
		g.wrapPort(field, o, p)
	}
	g.order++
}

// wrongValue reports that an option can't have its value.
func (g *binding) wrongValue(p param, o *option, err error) {
	text := fmt.Sprintf("%s: %s", p.key, hide(err, o, p))
	if before, ok := withoutComment(p.value); ok && g.dialect == FluentBit {
		g.fail(p.pos, because(text, "what follows the # is not a comment in this syntax")).as(CodeComment).fix(p.value, before)
		return
	}
	d := g.fail(p.pos, text).as(CodeValue)
	if !o.secret && !p.secret {
		d.fix(p.value, nearest(p.value, o.oneof))
	}
}

// because adds to an error why it is one, before what is wanted.
func because(text, why string) string {
	if at := strings.LastIndex(text, "; want"); at >= 0 {
		return text[:at] + ": " + why + text[at:]
	}
	return text + ": " + why
}

// withoutComment returns what is before a # in a value. Fluent Bit reads a number up to what isn't a part of it, so that such
// values work there; those that are no numbers don't.
func withoutComment(value string) (before string, ok bool) {
	before, _, ok = strings.Cut(value, "#")
	trimmed := strings.TrimRight(before, " \t")
	return trimmed, ok && trimmed != before && trimmed != ""
}

// isNumber reports whether an option's values are integers, numbers or times.
func isNumber(t reflect.Type) bool {
	t = base(t)
	return t != typeSize && (t == typeDuration || t.Kind() == reflect.Int || t.Kind() == reflect.Int64 || t.Kind() == reflect.Float64)
}

// isInteger reports whether an option is a whole number without a unit.
func isInteger(t reflect.Type) bool {
	t = base(t)
	return t != typeSize && t != typeDuration && (t.Kind() == reflect.Int || t.Kind() == reflect.Int64)
}

// withoutUnit returns the digits at the beginning of a value that goes on with letters.
func withoutUnit(value string) (number string, ok bool) {
	number = strings.TrimRightFunc(value, func(r rune) bool { return r < '0' || r > '9' })
	unit := value[len(number):]
	_, err := strconv.Atoi(number)
	return number, err == nil && unit != "" && strings.Trim(strings.ToLower(unit), "abcdefghijklmnopqrstuvwxyz") == ""
}

// warnTwice warns of an option that is given twice. An option without effect may have several unrelated names: those need no
// warning.
func (g *binding) warnTwice(before, p param, o *option) {
	if g.key(before.key) == g.key(p.key) {
		g.warning(p.pos, fmt.Sprintf("%s: %s is given twice, first in line %d; the last one is used", g.what, p.key, before.pos.Line)).as(CodeTwice)
		return
	}
	if !strings.HasPrefix(o.help, "accepted") && !strings.HasPrefix(o.help, "no effect") {
		g.warning(p.pos, fmt.Sprintf("%s: %s is another name of %s, given in line %d; the last one is used", g.what, p.key, before.key, before.pos.Line)).as(CodeTwice)
	}
}

// hide is the text of an error, without the value if that is a secret.
func hide(err error, o *option, p param) string {
	text := err.Error()
	if o.secret || p.secret {
		text = strings.ReplaceAll(text, strconv.Quote(p.value), "the value")
	}
	return text
}

// section binds one sub-section.
func (g *binding) section(sub *section) {
	o := g.schema.sections[sub.name]
	if o == nil {
		g.unknownSection(sub)
		return
	}
	if o.ignored != "" {
		g.warning(sub.pos, fmt.Sprintf("%s: <%s> has no effect here: %s", g.what, sub.name, o.ignored)).as(CodeIgnored)
	}
	before, again := g.given[o]
	g.given[o] = param{key: "<" + sub.name + ">", pos: sub.pos}
	field := g.into.FieldByIndex(o.index)
	t := field.Type()
	switch {
	case t == reflect.SliceOf(typePair):
		for _, p := range sub.params {
			field.Set(reflect.Append(field, reflect.ValueOf(Pair{p.key, p.value})))
		}
	case t.Kind() == reflect.Slice:
		v := reflect.New(t.Elem()).Elem()
		g.sub(sub, v)
		field.Set(reflect.Append(field, v))
	case again:
		g.fail(sub.pos, fmt.Sprintf("<%s> is given twice, first in line %d", sub.name, before.pos.Line)).as(CodeTwice)
	case t.Kind() == reflect.Pointer:
		v := reflect.New(t.Elem())
		g.sub(sub, v.Elem())
		field.Set(v)
	default:
		g.sub(sub, field)
	}
}

func (g *binding) sub(sub *section, into reflect.Value) {
	if !g.bindValue(g.what+" <"+sub.name+">", sub, into, subKnown) {
		g.failed = true
	}
}

// subKnown are parameters that Fluentd accepts in every section.
var subKnown = []string{"@id", "@log_level", "@label"}

// argument binds the argument after a section's name.
func (g *binding) argument() {
	o := g.schema.argument
	if g.from.arg == "" || o == nil {
		return
	}
	g.given[o] = param{value: g.from.arg, pos: g.from.pos}
	if err := o.set(g.into.FieldByIndex(o.index), g.from.arg, g.dialect); err != nil {
		g.fail(g.from.pos, err.Error()).as(CodeValue)
	}
}

// applyDefault sets an option that isn't written to its default, or adds an error if the option is required.
func (g *binding) applyDefault(o *option) {
	if _, ok := g.given[o]; ok {
		return
	}
	field := g.into.FieldByIndex(o.index)
	if o.section && field.Kind() == reflect.Struct {
		g.binder.defaults(field)
	}
	if o.required {
		g.fail(g.from.pos, "needs the option "+o.name()).as(CodeMissing)
		return
	}
	if o.hasDef && !o.section {
		if err := o.set(field, o.def, g.dialect); err != nil {
			g.fail(g.from.pos, fmt.Sprintf("the default of %s: %s", o.name(), err))
		}
	}
}

// defaults sets the options of a section that isn't written to their defaults.
func (b binder) defaults(into reflect.Value) {
	schema := b.schemas.of(into.Type(), b.dialect)
	for i := range schema.options {
		o := &schema.options[i]
		field := into.FieldByIndex(o.index)
		switch {
		case o.section && field.Kind() == reflect.Struct:
			b.defaults(field)
		case o.hasDef && !o.section:
			o.set(field, o.def, b.dialect) // CheckCatalogue has validated it
		}
	}
}

// check calls the struct's own Check and Warnings.
func (g *binding) check() {
	target := g.into.Addr().Interface()
	if c, ok := target.(interface{ Check(Dialect) error }); ok {
		errs := split(c.Check(g.dialect))
		for n := 0; g.takeOthers(errs) && n < len(g.schema.options); n++ {
			errs = split(c.Check(g.dialect))
		}
		for _, err := range errs {
			g.failCheck(err)
		}
	}
	if w, ok := target.(interface{ Warnings() []string }); ok {
		g.advise(w.Warnings(), CodeAdvice)
	}
	if w, ok := target.(interface{ FileWarnings() []string }); ok {
		g.advise(w.FileWarnings(), CodeNoFile)
	}
	if w, ok := target.(interface{ CheckedWarnings(Dialect) []string }); ok {
		g.advise(w.CheckedWarnings(g.dialect), CodeChecked)
	}
}

// advise adds warnings, each at the option that it begins with.
func (g *binding) advise(texts []string, c Code) {
	for _, text := range texts {
		at, _ := g.find(g.from, firstWord(text))
		g.warning(at.pos, g.what+": "+text).as(c)
	}
}

// split returns the errors that errors.Join has joined.
func split(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

func (g *binding) failCheck(err error) {
	wrong := (*OptionError)(nil)
	if !errors.As(err, &wrong) {
		g.fail(g.from.pos, err.Error()).as(CodeValue)
		return
	}
	at, _ := g.find(g.from, wrong.Option)
	text := wrong.Option + ": " + wrong.Reason
	if before, ok := withoutComment(at.value); ok && g.dialect == FluentBit {
		g.fail(at.pos, because(text, "what follows the # is not a comment in this syntax")).as(CodeComment).fix(at.value, before)
		return
	}
	if after, ok := strings.CutPrefix(at.value, "= "); ok {
		g.fail(at.pos, because(text, "there is no = between name and value in this syntax")).as(CodeSign).fix(at.value, after)
		return
	}
	code := CodeValue
	if strings.HasSuffix(wrong.Reason, "does not exist") {
		code = CodeFile
	}
	g.fail(at.pos, text).as(code)
}

// find is where an option is written, in the section or one inside it; otherwise where the section begins.
func (g *binding) find(s *section, name string) (param, bool) {
	name = strings.Trim(fold(name), "<>:,")
	if p, ok := s.get(name); ok {
		return p, true
	}
	for _, sub := range s.subs {
		if fold(sub.name) == name {
			return param{key: sub.name, pos: sub.pos}, true
		}
		if p, ok := g.find(sub, name); ok {
			return p, true
		}
	}
	return param{pos: s.pos}, false
}

func (g *binding) fail(at Pos, text string) *Diagnostic {
	g.failed = true
	return g.error(at, g.what+": "+text)
}

// isText reports whether the empty string is a value of the type.
func isText(t reflect.Type) bool {
	return base(t).Kind() == reflect.String || base(t) == typePair || base(t) == typeOrdered
}
