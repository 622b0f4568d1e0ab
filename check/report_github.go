package check

import (
	"io"
	"strconv"
	"strings"
	"unicode"
)

// What GitHub's own toolkit escapes in the message of a command, and in a property of it.
var (
	githubData     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	githubProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// GitHub writes the findings as workflow commands, which make annotations at the lines of a pull request ("Workflow commands for
// GitHub Actions", "Setting an error message"). GitHub shows at most ten of each severity for a step.
func (r *Report) GitHub(w io.Writer) error {
	var b strings.Builder
	for i := range r.Subjects {
		for n := range r.Subjects[i].Findings {
			r.githubCommand(&b, &r.Subjects[i].Findings[n])
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) githubCommand(b *strings.Builder, f *Finding) {
	b.WriteString("::" + map[Severity]string{Error: "error", Warning: "warning", Note: "notice"}[f.Severity] + " ")
	if f.At.File != "" {
		b.WriteString("file=" + githubProperty.Replace(uncontrolled(f.At.File)))
		if f.At.Line > 0 {
			b.WriteString(",line=" + strconv.Itoa(f.At.Line))
		}
		b.WriteByte(',')
	}
	b.WriteString("title=" + githubProperty.Replace(f.Rule.Number+" "+f.Rule.Name) + "::")
	text := f.Text
	if f.At.Path != "" {
		text = f.At.Path + ": " + text
	}
	if f.Want != "" {
		text += "\nwant: " + f.Want
	}
	if fix := r.complete(f.Fix); fix != nil {
		text += "\n- " + hide(strings.TrimSpace(fix.Old)) + "\n+ " + hide(strings.TrimSpace(fix.New))
	}
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = clean(lines[i])
	}
	b.WriteString(githubData.Replace(strings.Join(lines, "\n")) + "\n")
}

// uncontrolled is the name of a file without what a terminal would obey. Its line breaks are escaped later.
func uncontrolled(name string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\r' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
			return '?'
		}
		return r
	}, name)
}
