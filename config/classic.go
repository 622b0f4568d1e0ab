package config

import (
	"fmt"
	"strings"
)

// A classicReader reads Fluent Bit's configuration. The classic syntax goes line by line; for the other one see yamlFile.
//
//	@SET name=value
//	@INCLUDE file
//	# a comment, alone on its line
//	[SECTION]
//	    Key the rest of the line is the value
//
// Fluent Bit requires every key of a file to be indented like the first one. Here any indentation is accepted, since real
// files differ and none of them is ambiguous. Variables are expanded after everything has been read: @SET applies to the
// whole configuration, wherever it is written.
type classicReader struct {
	*report
	loader
	lookup   func(string) (string, bool)
	set      map[string]string // by @SET, or env in YAML
	hidden   map[string]bool   // variables whose values are secrets
	expanded int               // bytes of variables that were put into values
	sections []*section
}

func newClassicReader(r *report, l loader, lookup func(string) (string, bool)) *classicReader {
	return &classicReader{report: r, loader: l, lookup: lookup, set: map[string]string{}, hidden: map[string]bool{}}
}

// read reads one file, in either syntax, and everything that it includes.
func (r *classicReader) read(f *file) {
	if isYAML(f) {
		r.readYAML(f)
		return
	}
	r.readLines(f)
}

func (r *classicReader) readLines(f *file) {
	var current *section
	line := 0
	for text := range strings.Lines(f.text) {
		line++
		if len(r.errors) > maxErrors {
			return
		}
		text = strings.Trim(text, " \t\r\n\v\f")
		switch {
		case text == "" || text[0] == '#':
		case text[0] == '@':
			r.command(f, line, text)
		case text[0] == '[':
			current = r.header(f, line, text)
		case current == nil:
			r.error(f.pos(line), fmt.Sprintf("%s is before any section; want [SERVICE], [INPUT], [FILTER] or [OUTPUT] above it", firstWord(text)))
			current = &section{source: f} // report it once
		default:
			r.option(f, current, line, text)
		}
	}
}

// extra reads files that aren't included by a line.
func (r *classicReader) extra(list []Extra) {
	for _, e := range list {
		at := Pos{File: e.From}
		f, err := r.open(e.Name, nil, at)
		if err != nil {
			r.error(at, err.Error()).as(CodeFile)
			continue
		}
		r.read(f)
	}
}

// command is a line that begins with @.
func (r *classicReader) command(f *file, line int, text string) {
	word, rest, _ := cutBlank(text)
	switch strings.ToUpper(word) {
	case "@SET":
		name, value, ok := strings.Cut(rest, "=")
		name = strings.TrimSpace(name)
		if !ok || name == "" {
			r.error(f.pos(line), "@SET: want NAME=VALUE")
			return
		}
		r.set[name] = r.expand(f.pos(line), strings.TrimSpace(value)).value
	case "@INCLUDE":
		r.include(f, line, "@INCLUDE", rest)
	default:
		r.error(f.pos(line), fmt.Sprintf("unknown command %s; want @SET or @INCLUDE", word))
	}
}

// include reads the files that a name or a pattern stands for. what is the command, for messages.
func (r *classicReader) include(f *file, line int, what, name string) {
	at := f.pos(line)
	name = r.expand(at, name).value
	if name == "" {
		r.error(at, what+": want the name of a file")
		return
	}
	names, err := r.resolve(name, f)
	if err != nil {
		r.error(at, what+": "+err.Error()).as(CodeFile)
		return
	}
	if len(names) == 0 {
		r.warning(at, fmt.Sprintf("%s: no file matches %s", what, name)).as(CodeFile)
	}
	for _, n := range names {
		included, err := r.open(n, f, at)
		if err != nil {
			r.error(at, what+": "+err.Error()).as(CodeFile)
			continue
		}
		r.read(included)
	}
}

// header begins a section. After an invalid header the section is discarded, so that its keys cause no further errors.
func (r *classicReader) header(f *file, line int, text string) *section {
	s := &section{pos: f.pos(line), source: f}
	end := strings.IndexByte(text, ']')
	if end < 0 {
		r.error(s.pos, fmt.Sprintf("section %s is not closed; want ]", firstWord(text)))
		return s
	}
	s.name = strings.ToLower(strings.TrimSpace(text[1:end]))
	if s.name == "" {
		r.error(s.pos, "the section has no name; want [SERVICE], [INPUT], [FILTER] or [OUTPUT]")
		return s
	}
	if rest := strings.TrimSpace(text[end+1:]); rest != "" && rest[0] != '#' {
		r.warning(s.pos, fmt.Sprintf("text after [%s] on its line is ignored", text[1:end]))
	}
	r.sections = append(r.sections, s)
	return s
}

// option is one "Key value" line.
func (r *classicReader) option(f *file, s *section, line int, text string) {
	key, value, ok := cutBlank(text)
	if !ok {
		d := r.error(f.pos(line), fmt.Sprintf("%s has no value", key))
		if name, value, ok := strings.Cut(key, "="); ok && name != "" && value != "" {
			d.Text += ": there is no = between name and value in this syntax"
			d.as(CodeSign).fix(key, name+" "+value)
		}
		return
	}
	if after, ok := strings.CutPrefix(value, "= "); ok {
		after = strings.TrimLeft(after, " \t")
		r.warning(f.pos(line), fmt.Sprintf("the value of %s begins with =: there is no = between name and value in this syntax", key)).as(CodeSign).fix(value, after)
	}
	s.params = append(s.params, param{key: key, value: value, pos: f.pos(line)})
}

// expandAll expands the variables of every value that was read.
func (r *classicReader) expandAll(sections []*section) {
	for _, s := range sections {
		r.expandAll(s.processors)
		r.expandCondition(s.when)
		for i := range s.routes {
			r.expandCondition(s.routes[i].when)
			for n := range s.routes[i].outputs {
				p := &s.routes[i].outputs[n]
				p.value = r.expand(p.pos, p.value).value
			}
		}
		for i := range s.params {
			p := &s.params[i]
			e := r.expand(p.pos, p.value)
			p.value = e.value
			p.secret = e.secret || isSecretOf(p.key, e.only)
		}
	}
}

// cutBlank splits at the first blanks.
func cutBlank(s string) (first, rest string, ok bool) {
	i := strings.IndexAny(s, " \t")
	if i < 0 {
		return s, "", false
	}
	return s[:i], strings.TrimLeft(s[i:], " \t"), true
}

func firstWord(s string) string {
	w, _, _ := cutBlank(s)
	return w
}
