package check

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/firelane/firelane/ecs/taskdef"
)

// Text writes the report for people: for each subject a picture of what will happen to each line, then the findings; at the end how
// many there are. No line but a long word or a line of a diff is longer than pageWidth.
func (r *Report) Text(w io.Writer) error {
	var p page
	for i := range r.Subjects {
		s := &r.Subjects[i]
		p.wrap("", "", short(title(s.Subject), 4*pageWidth))
		p.line(strings.Repeat("=", min(utf8.RuneCountInString(title(s.Subject)), pageWidth)))
		p.line("")
		s.picture(&p, s.Findings)
		for _, severity := range []Severity{Error, Warning, Note} {
			for n := range s.Findings {
				if s.Findings[n].Severity == severity {
					r.finding(&p, s.Subject, &s.Findings[n])
				}
			}
		}
	}
	if len(r.Subjects) == 0 {
		p.line("nothing to check")
	} else {
		p.line(r.lastLine())
	}
	_, err := io.WriteString(w, p.String())
	return err
}

// title is the heading of a subject.
func title(s *Subject) string {
	if s.Task == nil || s.Task.Router == nil {
		return s.Name
	}
	text := s.Name + " (log router " + s.Task.Router.Name.Text
	if s.Task.Router.FireLens != nil {
		text += ", type " + s.Task.Router.FireLens.Type.Text
	}
	return text + ")"
}

// finding writes one finding: what, where, the line, what follows, what is wanted, and the fix.
func (r *Report) finding(p *page, s *Subject, f *Finding) {
	fix := r.complete(f.Fix)
	head, place := fmt.Sprintf("%s %s %s", f.Severity, f.Rule.Number, f.Rule.Name), clean(f.At.File)
	if f.At.Line > 0 {
		place += fmt.Sprintf(":%d", f.At.Line)
	}
	if utf8.RuneCountInString(head+"  "+place) > pageWidth {
		p.line(head)
		head = ""
	}
	p.line(head + "  " + place)
	if f.At.Path != "" {
		p.line("  at " + clean(f.At.Path))
	}
	if line, ok := r.line(f.At.Pos); ok && fix == nil && strings.Trim(line, " \t{}[],") != "" {
		p.line(short("  | "+s.sourceLine(f.At, line), pageWidth))
	}
	p.wrap("  ", "  ", f.Text)
	if f.Want != "" {
		p.wrap("  want: ", "        ", f.Want)
	}
	if fix != nil {
		diff(p, fix)
	}
	p.line("")
}

// sourceLine is a line of a file without its indent, its secrets, and what a terminal would obey. The value of a variable of firelane or
// of the init image is no secret; it is shown if the line has no other one.
func (s *Subject) sourceLine(at taskdef.Place, line string) string {
	line = strings.TrimSpace(line)
	if s.ownVariable(at) && len(valueLine().FindAllString(line, 2)) == 1 {
		return clean(hideBy(line, secretLine()))
	}
	return clean(hide(line))
}

// ownVariable reports whether the value at a place is that of such a variable of the router.
func (s *Subject) ownVariable(at taskdef.Place) bool {
	if s.Task == nil || s.Task.Router == nil || at.Path == "" {
		return false
	}
	return slices.ContainsFunc(s.Task.Router.Environment, func(o taskdef.Option) bool {
		name := strings.ToLower(o.Name)
		return o.Place == at && !isSecretName(name) && (strings.HasPrefix(name, "firelane_") || strings.HasPrefix(name, "aws_fluent_bit_init_"))
	})
}

// diffText is how many characters of a line a diff shows. A longer one is shown without what both lines have in common.
const diffText = 400

// diff writes a fix.
func diff(p *page, f *Fix) {
	before, after := printable(f.Old), printable(f.New)
	if len(before) > diffText || len(after) > diffText {
		before, after = differing(before, after)
	}
	p.line("  fix:")
	if added, ok := strings.CutPrefix(after, before+"\n"); ok { // the line stays
		p.line("    " + before)
		after = added
	} else {
		p.line("  - " + before)
	}
	for line := range strings.SplitSeq(after, "\n") {
		p.line("  + " + line)
	}
}

// printable is text, which may have several lines, as a diff shows it.
func printable(text string) string {
	lines := strings.Split(strings.ReplaceAll(text, "\t", "    "), "\n")
	for i := range lines {
		lines[i] = clean(hide(lines[i]))
	}
	return strings.Join(lines, "\n")
}

// context is how many bytes of what two long lines have in common a diff shows.
const context = 40

// differing cuts two lines down to where they differ.
func differing(a, b string) (string, string) {
	start := 0
	for start < len(a) && start < len(b) && a[start] == b[start] {
		start++
	}
	end := 0
	for end < len(a)-start && end < len(b)-start && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	from, to := max(start-context, 0), max(end-context, 0)
	cut := func(s string) string {
		return short(strings.ToValidUTF8("..."+s[from:len(s)-to]+"...", "?"), diffText)
	}
	return cut(a), cut(b)
}
