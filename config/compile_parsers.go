package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// parser compiles a [PARSER]. One whose format isn't supported is skipped, which is an error only where a plugin names it.
func (k *compilation) parser(s *section) {
	name, _ := s.get("name")
	format, _ := s.get("format")
	if name.value == "" {
		k.error(s.pos, "[PARSER] has no Name").as(CodeParser)
		return
	}
	if format.value == "" {
		k.error(s.pos, fmt.Sprintf("parser %s has no Format; %s", name.value, k.wantPlugin(KindParser, ""))).as(CodeParser)
		return
	}
	if k.plan.parser(name.value) != nil {
		return // as in Fluent Bit, the first one is used
	}
	plugin := k.find(KindParser, format.value)
	if plugin == nil {
		if _, ok := k.skipped[fold(name.value)]; !ok {
			k.skipped[fold(name.value)] = &skippedParser{name: name.value, format: format.value}
		}
		return
	}
	i := Instance{Plugin: plugin, Name: format.value, ID: name.value, Options: plugin.Options(), Pos: s.pos}
	if k.KeepGiven {
		i.Given = k.given(s, k.schemas.of(reflect.TypeOf(i.Options).Elem(), k.plan.Dialect), "", nil)
	}
	if k.bind("parser "+name.value, s, i.Options) {
		k.plan.Parsers = append(k.plan.Parsers, i)
	}
}

// builtInParsers adds the built-in parsers whose names the configuration doesn't use for its own.
func (k *compilation) builtInParsers(r *classicReader) {
	text, _ := BuiltIn("/fluent-bit/parsers/parsers.conf")
	b := newClassicReader(r.report, loader{}, r.lookup)
	b.read(&file{name: builtInName, text: text})
	for _, s := range b.sections {
		if format, _ := s.get("format"); k.find(KindParser, format.value) != nil {
			k.parser(s)
		}
	}
}

// builtInName is the file name in the positions of built-in parsers.
const builtInName = "(built in)"

// parser is the parser of that name, nil if there is none.
func (p *Plan) parser(name string) *Instance {
	for i := range p.Parsers {
		if strings.EqualFold(p.Parsers[i].ID, name) {
			return &p.Parsers[i]
		}
	}
	return nil
}

// checkParsers looks up the parsers that a plugin's options Parser and Parser_Firstline name.
func (k *compilation) checkParsers(i Instance, s *section) {
	for _, option := range []string{"parser", "parser_firstline"} {
		used, at := k.named(i, s, option)
		used = k.leaveOut(i, i.Name, option, used, at)
		for _, name := range k.knownParsers(i, used, at) {
			k.checkParser(i.Name, at, name)
		}
	}
}

// leaveOut empties an option that has no effect if it names an unknown parser. It returns what the option names then.
func (k *compilation) leaveOut(i Instance, user, name string, used []string, at Pos) []string {
	v := reflect.ValueOf(i.Options).Elem()
	o := k.schemas.of(v.Type(), FluentBit).params[name]
	if o == nil || !o.leftOut && !isUnusedFirstLine(i, name) || used[0] == "" || k.plan.parser(used[0]) != nil || k.skipped[fold(used[0])] != nil {
		return used
	}
	k.warning(at, fmt.Sprintf("%s: unknown parser %s, which is left out; %s", user, used[0], wantOneOf(used[0], k.parserNames()))).as(CodeParser)
	v.FieldByIndex(o.index).SetString("")
	return nil
}

// isUnusedFirstLine reports whether an option is the parser of the first line of an input that joins no lines by it.
func isUnusedFirstLine(i Instance, name string) bool {
	joins := reflect.ValueOf(i.Options).Elem().FieldByName("Joined")
	return name == "parser_firstline" && joins.IsValid() && !joins.Bool()
}

// knownParsers leaves out the unknown parsers of a filter that names others, too, as in Fluent Bit.
func (k *compilation) knownParsers(i Instance, used []string, at Pos) []string {
	known := slices.DeleteFunc(slices.Clone(used), func(name string) bool { return k.plan.parser(name) == nil && k.skipped[fold(name)] == nil })
	if i.Plugin.Kind != KindFilter || len(known) == 0 || len(known) == len(used) {
		return used
	}
	for _, name := range used {
		if !slices.Contains(known, name) {
			k.warning(at, fmt.Sprintf("%s: unknown parser %s, which is left out", i.Name, name)).as(CodeParser)
		}
	}
	reflect.ValueOf(i.Options).Elem().FieldByIndex(k.schemas.of(reflect.TypeOf(i.Options).Elem(), FluentBit).params["parser"].index).Set(reflect.ValueOf(known))
	return known
}

// named returns the names in an option of a plugin, and where they are.
func (k *compilation) named(i Instance, s *section, name string) (used []string, at Pos) {
	v := reflect.ValueOf(i.Options).Elem()
	o := k.schemas.of(v.Type(), FluentBit).params[name]
	if o == nil {
		return nil, at
	}
	p, _ := s.get(name)
	switch field := v.FieldByIndex(o.index).Interface().(type) {
	case string:
		used = []string{field}
	case []string:
		used = field
	}
	return used, p.pos
}

func (k *compilation) checkParser(user string, at Pos, name string) {
	if name == "" || k.plan.parser(name) != nil {
		return
	}
	if p, ok := k.skipped[fold(name)]; ok {
		p.used = true
		k.error(at, fmt.Sprintf("%s: parser %s has the format %s, which is not supported; %s", user, p.name, p.format, k.wantPlugin(KindParser, p.format))).as(CodeParser)
		return
	}
	k.error(at, fmt.Sprintf("%s: unknown parser %s; %s", user, name, wantOneOf(name, k.parserNames()))).as(CodeParser)
}

func (k *compilation) parserNames() (names []string) {
	for _, p := range k.plan.Parsers {
		names = append(names, p.ID)
	}
	return names
}

// warnParsers warns of the skipped parsers that no plugin names.
func (k *compilation) warnParsers() {
	var list []string
	for _, p := range k.skipped {
		if !p.used {
			list = append(list, p.name+" ("+p.format+")")
		}
	}
	if len(list) == 0 {
		return
	}
	k.warning(Pos{File: k.plan.Files[0]}, "parsers whose format is not supported are left out: "+byNearness("", list, "and")).as(CodeParser)
}

// MultilineBuiltIns are the names of the multiline parsers that Fluent Bit has without a section.
func MultilineBuiltIns() []string { return []string{"docker", "cri", "go", "java", "python", "ruby"} }

// multilineParser compiles a [MULTILINE_PARSER]. As in Fluent Bit, of two with the same name the first is used.
func (k *compilation) multilineParser(s *section) {
	name, _ := s.get("name")
	kind, _ := s.get("type")
	switch {
	case name.value == "":
		k.warning(s.pos, "[MULTILINE_PARSER] has no Name and is left out").as(CodeParser)
		return
	case kind.value == "":
		k.warning(s.pos, fmt.Sprintf("multiline parser %s has no Type and is left out; want regex, endswith or equal", name.value)).as(CodeParser)
		return
	case slices.ContainsFunc(MultilineBuiltIns(), func(b string) bool { return strings.EqualFold(b, name.value) }):
		k.warning(s.pos, fmt.Sprintf("multiline parser %s has the name of a built-in one, which is used, as in Fluent Bit; give it another name", name.value)).as(CodeParser)
		return
	case k.plan.multiline(name.value) != nil:
		return
	}
	plugin := k.find(KindMultiline, kind.value)
	if plugin == nil {
		k.error(kind.pos, fmt.Sprintf("multiline parser %s: unknown type %s; %s", name.value, kind.value, k.wantPlugin(KindMultiline, kind.value))).as(CodeParser)
		return
	}
	i := Instance{Plugin: plugin, Name: kind.value, ID: name.value, Options: plugin.Options(), Pos: s.pos}
	if k.bind("multiline parser "+name.value, s, i.Options) {
		k.plan.Multiline = append(k.plan.Multiline, i)
		k.multilineSections = append(k.multilineSections, s)
	}
}

// multiline is the multiline parser of that name, nil if there is none.
func (p *Plan) multiline(name string) *Instance {
	for i := range p.Multiline {
		if strings.EqualFold(p.Multiline[i].ID, name) {
			return &p.Multiline[i]
		}
	}
	return nil
}

// checkMultiline looks up the parsers that multiline parsers name, once all are known.
func (k *compilation) checkMultiline() {
	for n, i := range k.plan.Multiline {
		used, at := k.named(i, k.multilineSections[n], "parser")
		used = k.leaveOut(i, "multiline parser "+i.ID, "parser", used, at)
		for _, name := range used {
			k.checkParser("multiline parser "+i.ID, at, name)
		}
	}
}

// checkMultilineNames looks up the multiline parsers that a plugin names.
func (k *compilation) checkMultilineNames(i Instance, s *section) {
	used, at := k.named(i, s, "multiline.parser")
	for _, name := range used {
		list := MultilineBuiltIns()
		for _, p := range k.plan.Multiline {
			list = append(list, p.ID)
		}
		if !slices.ContainsFunc(list, func(known string) bool { return strings.EqualFold(known, name) }) {
			k.error(at, fmt.Sprintf("%s: unknown multiline parser %s; %s", i.Name, name, wantOneOf(name, list))).as(CodeParser)
		}
	}
}
