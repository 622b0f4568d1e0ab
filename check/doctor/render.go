package doctor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/firelane/firelane/sink/probe"
)

// JSON writes the report as one JSON document.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// Text writes the report for people.
func (r *Report) Text(w io.Writer) error {
	var b bytes.Buffer
	for _, p := range r.Parts {
		b.WriteString(p.title() + "\n")
		for _, f := range p.Facts {
			fmt.Fprintf(&b, "  %-7s  %-11s  %s\n", f.Level, f.Step, f.Text)
			if f.Fix != "" && f.Level != probe.OK {
				fmt.Fprintf(&b, "  %-7s  %-11s  -> %s\n", "", "", f.Fix)
			}
		}
		b.WriteByte('\n')
	}
	b.WriteString(r.sum() + "\n")
	_, err := w.Write(b.Bytes())
	return err
}

func (p *Part) title() string {
	title := p.Kind + " " + p.ID
	if p.Place != "" {
		title += " (" + p.Place + ")"
	}
	if p.Server != "" {
		title += ": " + p.Server
	}
	return visible(title)
}

func (r *Report) sum() string {
	if r.Errors+r.Warnings == 0 {
		return "no errors, no warnings"
	}
	var parts []string
	if r.Errors > 0 {
		parts = append(parts, plural(r.Errors, "error"))
	}
	if r.Warnings > 0 {
		parts = append(parts, plural(r.Warnings, "warning"))
	}
	return strings.Join(parts, ", ")
}
