package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/ecs/taskdef"
)

// A Report is what is told about subjects.
type Report struct {
	Subjects []Checked
	// Elsewhere is how many findings are told elsewhere: they count, and the report doesn't have them.
	Elsewhere Totals
	// Read returns the text of a file that a place names, for source lines; it may be nil. It is called once a file.
	Read func(name string) (text string, ok bool)

	sources map[string]*source
}

// A source is a file of which a report shows lines.
type source struct {
	text   string
	begins []int // of each line
}

// maxSourceLine is the longest line, in bytes, that is shown or mended: the lines of a file that a program wrote may have megabytes.
const maxSourceLine = 4 << 10

// A Checked is a subject and what the rules have found.
type Checked struct {
	*Subject
	Findings []Finding
}

// Exit codes of a report.
const (
	statusOK       = 0
	statusWarnings = 1 // warnings, where they count
	statusErrors   = 2
)

// Totals is how many findings there are of each severity.
type Totals struct {
	Errors   int `json:"errors"`
	Warnings int `json:"warnings"`
	Notes    int `json:"notes"`
}

// Add applies the rules to a subject, and adds it to the report.
func (r *Report) Add(s *Subject, rules []Rule) {
	list := known(s, once(s.Run(rules)))
	for i := range list {
		if f := &list[i]; brokenSecret(f) {
			f.Text, f.Want, f.Fix = "the value has a line break, so that ECS writes it as several lines, and one of them is not an option (not shown: it may be secret)", "a value without line breaks", nil
		}
		list[i].Text, list[i].Want = config.HideLogins(list[i].Text), config.HideLogins(list[i].Want)
	}
	r.Subjects = append(r.Subjects, Checked{s, list})
}

// brokenSecret reports whether a mistake in the text of a configuration is about another line of a secret option's value, and may quote it.
func brokenSecret(f *Finding) bool {
	_, option, ok := strings.Cut(strings.Replace(f.At.Path, ".Options.", ".options.", 1), ".options.") // of CloudFormation it is Options
	return ok && strings.HasPrefix(f.Rule.Number, "F10") && !strings.Contains(f.Text, option) && hide(option+" x") != option+" x"
}

// once leaves out what the compiler, the reader of the task definition or the list of differences has found where a rule about task
// definitions says more about the same value; and, where ECS doesn't write an output because of its name, what follows from that.
func once(list []Finding) []Finding {
	general := func(number string) bool {
		return strings.HasPrefix(number, "F1") || number == "F590" || number == "F624"
	}
	said, unnamed, allUnnamed := map[taskdef.Place]bool{}, map[string]bool{}, false // allUnnamed: of all containers
	for i := range list {
		f := &list[i]
		if number := f.Rule.Number; !strings.HasPrefix(number, "F5") || general(number) || number == "F591" {
			continue
		}
		if !aboutMore(f.Rule.Number) {
			said[f.At] = true
		}
		if f.Rule.Number == "F501" || f.Rule.Number == "F505" {
			whole, _, _ := strings.Cut(f.At.Path, ".options.")
			unnamed[whole] = true
			allUnnamed = allUnnamed || strings.HasSuffix(strings.ToLower(whole), ".firelensconfiguration.type")
		}
	}
	type told struct {
		number, text string
		at           taskdef.Place
	}
	before := map[told]bool{} // several lines of the configuration may come from one value
	return slices.DeleteFunc(list, func(f Finding) bool {
		key := told{f.Rule.Number, f.Text, f.At}
		twice := before[key]
		before[key] = true
		switch number := f.Rule.Number; {
		case twice:
			return true
		case number == "F404" && len(unnamed) > 0, (unnamed[f.At.Path] || allUnnamed && strings.HasSuffix(strings.ToLower(f.At.Path), ".logconfiguration")) && (number == "F402" || number == "F590"):
			return true
		default:
			return general(number) && said[f.At]
		}
	})
}

// aboutMore reports whether a rule is about more than the form of the value at its place: a finding about the form is then still needed.
func aboutMore(number string) bool {
	return slices.Contains([]string{"F521", "F522", "F523", "F524", "F530", "F531", "F533"}, number)
}

// complete makes a fix of one whose lines are only the words that it replaces; nil if the line isn't known, or doesn't have them
// once.
func (r *Report) complete(f *Fix) *Fix {
	if f == nil || len(f.Old)+len(f.New) > 2*maxSourceLine {
		return nil
	}
	line, ok := r.line(f.Pos)
	if ok && f.Old == line {
		return f
	}
	if !ok || f.Old == "" || strings.Count(line, f.Old) != 1 {
		return nil
	}
	return &Fix{Pos: f.Pos, Old: line, New: strings.Replace(line, f.Old, f.New, 1)}
}

// Totals counts the findings.
func (r *Report) Totals() (t Totals) {
	t = r.Elsewhere
	for _, s := range r.Subjects {
		for i := range s.Findings {
			switch s.Findings[i].Severity {
			case Error:
				t.Errors++
			case Warning:
				t.Warnings++
			default:
				t.Notes++
			}
		}
	}
	return t
}

// Status is the exit code: 2 with errors, 1 with warnings if strict, otherwise 0.
func (r *Report) Status(strict bool) int {
	switch t := r.Totals(); {
	case t.Errors > 0:
		return statusErrors
	case t.Warnings > 0 && strict:
		return statusWarnings
	}
	return statusOK
}

// String is the last line of a report.
func (t Totals) String() string {
	switch {
	case t.Errors+t.Warnings == 0 && t.Notes == 0:
		return "no mistakes found"
	case t.Errors+t.Warnings == 0:
		return "no mistakes found; " + count(t.Notes, "note") + " to read"
	}
	return count(t.Errors, "error") + ", " + count(t.Warnings, "warning") + ", " + count(t.Notes, "note")
}

// lastLine is the last line of the report as text.
func (r *Report) lastLine() string {
	t := r.Totals()
	if t.Errors+t.Warnings == 0 && slices.ContainsFunc(r.Subjects, func(c Checked) bool { return c.incomplete() }) {
		return "no mistakes found in what is here; " + count(t.Notes, "note")
	}
	return t.String()
}

// count is "1 error" or "2 errors".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%s %ss", grouped(n), what)
}

// line returns one line of a file, without its end; ok is false if it is too long to be shown.
func (r *Report) line(at config.Pos) (line string, ok bool) {
	src := r.source(at.File)
	if src == nil || at.Line < 1 || at.Line > len(src.begins) {
		return "", false
	}
	begin, end := src.begins[at.Line-1], len(src.text)
	if at.Line < len(src.begins) {
		end = src.begins[at.Line] - 1
	}
	if end-begin > maxSourceLine {
		return "", false
	}
	return strings.TrimSuffix(src.text[begin:end], "\r"), true
}

// source reads a file; nil if it can't be read.
func (r *Report) source(name string) *source {
	if r.Read == nil || name == "" {
		return nil
	}
	if src, ok := r.sources[name]; ok {
		return src
	}
	if r.sources == nil {
		r.sources = map[string]*source{}
	}
	r.sources[name] = nil
	if text, ok := r.Read(name); ok {
		src := &source{text, []int{0}}
		for i := range len(text) {
			if text[i] == '\n' {
				src.begins = append(src.begins, i+1)
			}
		}
		r.sources[name] = src
	}
	return r.sources[name]
}
