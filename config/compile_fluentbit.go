package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// classicKnown are options that every plugin of Fluent Bit has and that are handled here.
var classicKnown = []string{"name", "match", "match_regex", "alias", "log_level", "log_suppress_interval"}

// classicIgnored are sections of Fluent Bit that have no effect here.
var classicIgnored = map[string]string{
	"plugins":          "plugins can't be loaded",
	"custom":           "there are no custom plugins",
	"stream_task":      "it belongs in a file of its own, which Streams_File names",
	"upstream":         "it belongs in a file of its own, which an output names",
	"node":             "it belongs in a file of its own, which an output names",
	"upstream_servers": "an output has one server, its host and port",
}

// classic compiles Fluent Bit's dialect.
func (k *compilation) classic(f *file, l loader) {
	r := newClassicReader(&k.report, l, k.lookup)
	r.extra(k.Before)
	r.read(f)
	r.extra(k.After)
	k.syntax()
	k.plan.Files = r.names
	k.plan.Variables = r.set
	if len(k.errors) > 0 {
		return
	}
	r.expandAll(r.sections)
	service := k.service(r)
	for _, s := range r.sections {
		switch s.name {
		case "parser":
			k.parser(s)
		case "multiline_parser":
			k.multilineParser(s)
		}
	}
	k.builtInParsers(r)
	k.checkMultiline()
	k.withMetadata(service, r.sections, k.classicSection)
	k.matchDefault(routeTargets(r.sections))
	k.inputRoutes(r.sections)
	k.addEmitters()
	k.streamTasks(r)
	k.warnParsers()
	k.plan.Files = r.names
}

// classicSection compiles one section, except for [SERVICE], [PARSER] and [MULTILINE_PARSER].
func (k *compilation) classicSection(s *section) {
	switch s.name {
	case "service", "parser", "multiline_parser", streamSection:
	case "input":
		if i, ok := k.classicInstance(KindInput, s); ok {
			k.plan.Inputs = append(k.plan.Inputs, Input{Instance: i, processors: k.processors(s, i.ID)})
		}
	case "filter":
		k.classicFilter(s)
	case "output":
		k.classicOutput(s)
	default:
		if why, ok := classicIgnored[s.name]; ok {
			k.warning(s.pos, fmt.Sprintf("[%s] has no effect here: %s", strings.ToUpper(s.name), why)).as(CodeIgnored)
			return
		}
		known := []string{"SERVICE", "INPUT", "FILTER", "OUTPUT", "PARSER"}
		name := strings.ToUpper(s.name)
		d := k.warning(s.pos, fmt.Sprintf("unknown section [%s], which is ignored, as in Fluent Bit; %s", name, wantOneOf(s.name, known))).as(CodeSection)
		d.fix(name, strings.ToUpper(Nearest(s.name, known)))
	}
}

func (k *compilation) classicInstance(kind Kind, s *section) (Instance, bool) {
	name, ok := s.get("name")
	if wrong, has := s.get("name:"); !ok && has {
		k.error(wrong.pos, fmt.Sprintf("[%s] has no Name: there is no : between name and value in this syntax; want Name %s", strings.ToUpper(s.name), wrong.value)).as(CodeSign).fix(wrong.key, strings.TrimSuffix(wrong.key, ":"))
		return Instance{}, false
	}
	if !ok || name.value == "" {
		k.error(s.pos, fmt.Sprintf("[%s] has no Name; %s", strings.ToUpper(s.name), k.wantPlugin(kind, ""))).as(CodeMissing)
		return Instance{}, false
	}
	alias, _ := s.get("alias")
	i, ok := k.instance(kind, s, name, alias.value, classicKnown)
	if ok {
		k.checkParsers(i, s)
		k.checkMultilineNames(i, s)
	}
	return i, ok
}

// classicFilter compiles a [FILTER]. One without a Match is left out, as in Fluent Bit.
func (k *compilation) classicFilter(s *section) {
	i, ok := k.classicInstance(KindFilter, s)
	m, text, found := k.classicMatch(s)
	switch {
	case !ok:
	case !found:
		k.warning(s.pos, fmt.Sprintf("%s: the filter has no Match and is left out; use Match * for every tag", i.Name)).as(CodeNoMatch)
	default:
		k.addFilter(Filter{Instance: i, Match: text}, m)
	}
}

func (k *compilation) classicOutput(s *section) {
	i, ok := k.classicInstance(KindOutput, s)
	m, text, _ := k.classicMatch(s)
	if ok {
		k.plan.Outputs = append(k.plan.Outputs, Output{Instance: i, Match: text, processors: k.processors(s, i.ID)})
		k.plan.outputs = append(k.plan.outputs, m)
	}
}

// matchDefault handles outputs without a Match: they get nothing and are left out, except that a single output takes
// everything from a single input, as in Fluent Bit. Those that routes name need none.
func (k *compilation) matchDefault(named []string) {
	if p := k.plan; len(p.Outputs) == 1 && len(p.Inputs) == 1 && p.Outputs[0].Match == "" {
		p.Outputs[0].Match, p.outputs[0] = "*", wildcard("*")
		return
	}
	var outputs []Output
	var matchers []matcher
	for n, o := range k.plan.Outputs {
		if o.Match == "" && !slices.ContainsFunc(named, o.isCalled) {
			k.warning(o.Pos, fmt.Sprintf("%s: the output has no Match and is left out; use Match * for every tag", o.Name)).as(CodeNoMatch)
			continue
		}
		outputs, matchers = append(outputs, o), append(matchers, k.plan.outputs[n])
	}
	k.plan.Outputs, k.plan.outputs = outputs, matchers
}

// classicMatch compiles Match and Match_Regex; a tag has to match one of them.
func (k *compilation) classicMatch(s *section) (m matcher, text string, ok bool) {
	var list anyOf
	var texts []string
	if p, ok := s.get("match_regex"); ok && p.value != "" {
		re, err := matchRegex(p.value)
		if err != nil {
			k.error(p.pos, fmt.Sprintf("%s: %s", p.key, err)).as(CodeValue)
			return wildcard(""), inSlashes(p.value), true
		}
		list, texts = append(list, re), append(texts, inSlashes(p.value))
	}
	if p, ok := s.get("match"); ok && p.value != "" {
		list, texts = append(list, wildcard(p.value)), append(texts, p.value)
	}
	if len(list) == 1 {
		return list[0], texts[0], true
	}
	return list, strings.Join(texts, " or "), len(list) > 0
}

// service compiles the [SERVICE] sections as one, which it returns, and reads the files of parsers that they name.
func (k *compilation) service(r *classicReader) (all *section) {
	all = &section{name: "service", pos: k.plan.pos()}
	for _, s := range r.sections {
		if s.name == "service" {
			all.override(s)
		}
	}
	k.bind("[SERVICE]", all, &k.plan.Service)
	k.grace(all)
	k.keepSettings(all)
	k.environment()
	k.streams, _ = all.get("streams_file")
	read := map[string]bool{}
	for _, p := range all.params {
		if fold(p.key) == "parsers_file" && p.value != "" && !read[p.value] {
			read[p.value] = true
			k.parsersFile(r, p)
		}
	}
	return all
}

// grace applies the compiler's Grace.
func (k *compilation) grace(service *section) {
	if _, ok := service.get("grace"); !ok && k.Grace > 0 {
		k.plan.Service.Grace = k.Grace
	}
}

// pluginLogLevel is the level of a plugin's own log lines: log_level of Fluent Bit, @log_level of Fluentd. A wrong one is an error.
func (k *compilation) pluginLogLevel(what string, s *section) string {
	p, ok := s.get("log_level")
	if k.plan.Dialect == Fluentd {
		if own, given := s.get("@log_level"); given {
			p, ok = own, true
		}
	}
	if !ok || p.value == "" {
		return ""
	}
	level := strings.ToLower(p.value)
	if !slices.Contains(logLevels, level) {
		k.error(p.pos, fmt.Sprintf("%s: %s: %q is not supported; want %s", what, p.key, p.value, enumerate(logLevels, "or")))
	}
	return level
}

// pos is the first line of the main file.
func (p *Plan) pos() Pos { return Pos{p.Files[0], 1} }

// override adds the parameters of a later section, which replace those of the same name, except for parsers_file.
func (s *section) override(later *section) {
	if len(s.params) == 0 {
		s.pos = later.pos
	}
	kept := s.params[:0]
	for _, p := range s.params {
		if _, again := later.get(fold(p.key)); !again || fold(p.key) == "parsers_file" {
			kept = append(kept, p)
		}
	}
	s.params = append(kept, later.params...)
	s.subs = append(s.subs, later.subs...)
}

// sectionsOf reads the file that an option of [SERVICE] names. A relative name is relative to the folder of the main file, or
// otherwise to the working directory. There are no sections if the file is wrong, which has been reported.
func (k *compilation) sectionsOf(r *classicReader, p param) []*section {
	name := p.value
	if beside := filepath.Join(filepath.Dir(r.main), name); !filepath.IsAbs(name) && (r.exists(beside) || !r.exists(name)) {
		name = beside
	}
	files := &classicReader{report: r.report, loader: r.loader, lookup: r.lookup, set: r.set, hidden: r.hidden}
	files.again = true
	f, err := files.open(name, nil, p.pos)
	if err != nil {
		k.error(p.pos, fmt.Sprintf("%s: %s", p.key, err)).as(CodeFile)
		return nil
	}
	before := len(k.errors)
	k.syntaxOf(func() { files.read(f) })
	r.names = files.names
	if len(k.errors) > before {
		return nil
	}
	files.expandAll(files.sections)
	return files.sections
}

// parsersFile reads a file of parsers.
func (k *compilation) parsersFile(r *classicReader, p param) {
	for _, s := range k.sectionsOf(r, p) {
		switch s.name {
		case "parser":
			k.parser(s)
		case "multiline_parser":
			k.multilineParser(s)
		default:
			k.warning(s.pos, fmt.Sprintf("[%s] has no effect in a parsers file", strings.ToUpper(s.name))).as(CodeIgnored)
		}
	}
}

// inSlashes returns a pattern as /pattern/, if it isn't written so.
func inSlashes(pattern string) string {
	if strings.HasPrefix(pattern, "/") {
		return pattern
	}
	return "/" + pattern + "/"
}
