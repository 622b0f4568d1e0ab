package config

import (
	"fmt"
	"strings"
)

// maxNesting is how deep sections may be nested; real ones reach 4.
const maxNesting = 32

// A fluentdReader reads Fluentd's configuration; for YAML see fluentdYAML. The v1 syntax is:
//
//	<directive argument>
//	  parameter value   # a comment
//	  <section>
//	  </section>
//	</directive>
//	@include file
//
// The rules that look odd are those of fluentd's own lib/fluent/config/v1_parser.rb and literal_parser.rb.
type fluentdReader struct {
	*report
	loader
	ruby ruby
}

// read reads one file, in either syntax, and everything that it includes, into a section.
func (r *fluentdReader) read(f *file, into *section) {
	if isYAML(f) {
		r.readYAML(f, into)
		return
	}
	r.readText(f, into)
}

func (r *fluentdReader) readText(f *file, into *section) {
	s := &scanner{text: f.text, line: 1}
	open := []*section{into}
	for {
		s.skipSpacing()
		top := open[len(open)-1]
		switch {
		case len(r.errors) > maxErrors:
			return
		case s.eof():
			for _, o := range open[1:] {
				r.error(o.pos, fmt.Sprintf("<%s> is not closed; want </%s>", o.name, o.name))
			}
			return
		case s.skip("</"):
			open = open[:r.close(f, s, open)]
		case s.skip("<"):
			if sub := r.openTag(f, s); sub != nil {
				if len(open) > maxNesting {
					r.error(sub.pos, fmt.Sprintf("sections are nested more than %d deep", maxNesting))
					return
				}
				top.subs = append(top.subs, sub)
				open = append(open, sub)
			}
		default:
			r.param(f, s, top)
		}
	}
}

// openTag reads what follows the < of an opening tag; nil if it is not a valid tag.
func (r *fluentdReader) openTag(f *file, s *scanner) *section {
	sub := &section{pos: f.pos(s.line), source: f}
	if sub.name = s.word(); sub.name == "" {
		r.fail(f, s, s.line, "want the name of a section after <")
		return nil
	}
	s.skipSpacing()
	arg, err := r.tagArgument(s)
	if err != nil {
		r.fail(f, s, sub.pos.Line, fmt.Sprintf("<%s>: %s", sub.name, err))
		return sub
	}
	sub.arg = arg
	s.skipSpacing()
	if !s.skip(">") || !s.skipLineEnd() {
		r.fail(f, s, sub.pos.Line, fmt.Sprintf("<%s is not closed; want > and the end of the line", sub.name))
	}
	return sub
}

// tagArgument reads the argument of an opening tag, quoted or up to the >.
func (r *fluentdReader) tagArgument(s *scanner) (string, error) {
	switch c := s.peek(); c {
	case '"', '\'':
		v, err := r.quoted(s)
		return v.text, err
	}
	return strings.TrimRight(s.until(">\r\n"), " \t"), nil
}

// close reads what follows the </ of a closing tag, and returns how many of the open sections stay open.
func (r *fluentdReader) close(f *file, s *scanner, open []*section) int {
	line := s.line
	name := s.word()
	s.skipSpacing()
	if !s.skip(">") || !s.skipLineEnd() {
		r.fail(f, s, line, fmt.Sprintf("</%s is not closed; want > and the end of the line", name))
	}
	n := len(open) - 1
	if n == 0 {
		r.error(f.pos(line), fmt.Sprintf("</%s> without <%s>", name, name))
		return 1
	}
	if open[n].name == name {
		return n
	}
	r.error(f.pos(line), fmt.Sprintf("got </%s>, want </%s> for the <%s> of line %d", name, open[n].name, open[n].name, open[n].pos.Line))
	for i := n - 1; i > 0; i-- {
		if open[i].name == name {
			return i
		}
	}
	return n // as if the name were that of the innermost section
}

// param reads one parameter, or an include.
func (r *fluentdReader) param(f *file, s *scanner, into *section) {
	p := param{pos: f.pos(s.line)}
	key, err := r.key(s)
	if err != nil {
		r.fail(f, s, p.pos.Line, err.Error())
		return
	}
	p.key = key
	s.skipBlanks()
	if key == "@include" || key == "include" && into.name == "" {
		r.include(f, s, into, p.pos)
		return
	}
	if c := s.peek(); c == 0 || c == '\r' || c == '\n' { // no value: the empty one
		into.params = append(into.params, p)
		return
	}
	v, err := r.value(s)
	if err == nil && !s.skipLineEnd() {
		err = fmt.Errorf("want the end of the line after the value; is a quote missing, or one too many?")
	}
	if err != nil {
		r.fail(f, s, p.pos.Line, fmt.Sprintf("%s: %s", key, err))
		return
	}
	r.warnUnset(p.pos, key, v.unset)
	if v.leaveOut {
		return
	}
	p.value = v.text
	p.secret = isSecretOf(key, v.only)
	into.params = append(into.params, p)
}

// key reads the name of a parameter.
func (r *fluentdReader) key(s *scanner) (string, error) {
	switch s.peek() {
	case '"', '\'':
		v, err := r.quoted(s)
		return v.text, err
	}
	return s.until(" \t\r\n"), nil
}

func (r *fluentdReader) include(f *file, s *scanner, into *section, at Pos) {
	v, err := r.stringValue(s)
	if err == nil && !s.skipLineEnd() {
		err = fmt.Errorf("want the end of the line after the name of the file")
	}
	name := strings.TrimPrefix(v.text, "file://")
	switch {
	case err != nil:
	case name == "":
		err = fmt.Errorf("want the name of a file")
	case strings.Contains(name, "://"):
		err = fmt.Errorf("%s: only files can be included", name)
	}
	if err != nil {
		r.fail(f, s, at.Line, "@include: "+err.Error()).as(CodeFile)
		return
	}
	r.warnUnset(at, "@include", v.unset)
	names, err := r.resolve(name, f)
	if err != nil {
		r.error(at, "@include: "+err.Error()).as(CodeFile)
		return
	}
	if len(names) == 0 {
		r.warning(at, fmt.Sprintf("@include: no file matches %s", name)).as(CodeFile)
	}
	for _, n := range names {
		included, err := r.open(n, f, at)
		if err != nil {
			r.error(at, "@include: "+err.Error()).as(CodeFile)
			continue
		}
		r.read(included, into)
	}
}

// readFolder reads the files in the folder that config_include_dir of <system> names, except for those that were read already.
func (r *fluentdReader) readFolder(root *section) {
	all := &section{}
	for _, s := range root.subs {
		if s.name == "system" {
			all.override(s)
		}
	}
	p, ok := all.get("config_include_dir")
	if !ok || p.value == "" {
		return
	}
	if !isFolder(p.value) {
		r.warning(p.pos, fmt.Sprintf("config_include_dir: there is no folder %s", p.value)).as(CodeFile)
		return
	}
	names, err := r.filesIn(p.value, true)
	if err != nil {
		r.error(p.pos, "config_include_dir: "+err.Error()).as(CodeFile)
		return
	}
	read := map[string]bool{}
	for _, name := range r.names {
		read[absolute(name)] = true
	}
	for _, name := range names {
		if read[absolute(name)] {
			continue
		}
		f, err := r.open(name, nil, p.pos)
		if err != nil {
			r.error(p.pos, "config_include_dir: "+err.Error()).as(CodeFile)
			continue
		}
		r.read(f, root)
	}
}

func (r *fluentdReader) warnUnset(at Pos, key string, names []string) {
	for _, name := range names {
		r.warning(at, fmt.Sprintf("%s: variable %s is not set and becomes empty", key, name)).as(CodeVariable)
	}
}

// fail reports a mistake and continues at the beginning of the line after line.
func (r *fluentdReader) fail(f *file, s *scanner, line int, text string) *Diagnostic {
	s.toLineAfter(line)
	return r.error(f.pos(line), text)
}
