package check

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/firelane/firelane/config"
)

// jsonVersion is the version of the JSON report. Another field doesn't change it; a field that is gone or means something else does.
const jsonVersion = 1

// The JSON report, as docs/check.md describes it.
type (
	jsonReport struct {
		Version  int           `json:"version"`
		Subjects []jsonSubject `json:"subjects"`
		Totals   Totals        `json:"totals"`
	}
	jsonSubject struct {
		Name     string        `json:"name"`
		Now      time.Time     `json:"now"`
		Family   string        `json:"family,omitempty"`
		Router   string        `json:"router,omitempty"`
		Starts   bool          `json:"starts"`
		Dialect  string        `json:"dialect,omitempty"`
		Short    bool          `json:"flows_left_out,omitempty"`
		Flows    []jsonFlow    `json:"flows"`
		Outputs  []jsonOutput  `json:"outputs"`
		Findings []jsonFinding `json:"findings"`
	}
	jsonPlace struct {
		File string `json:"file,omitempty"`
		Line int    `json:"line,omitempty"`
		Path string `json:"path,omitempty"`
	}
	jsonFlow struct {
		From        []string   `json:"from,omitempty"`
		For         string     `json:"for,omitempty"`
		Tag         string     `json:"tag,omitempty"`
		DriverLines int        `json:"driver_lines,omitempty"`
		Steps       []jsonStep `json:"steps"`
		Outputs     []string   `json:"outputs"`
		Next        []jsonFlow `json:"next,omitempty"`
	}
	jsonStep struct {
		ID    string    `json:"id"`
		Name  string    `json:"name"`
		Place jsonPlace `json:"place"`
	}
	jsonOutput struct {
		ID      string       `json:"id"`
		Name    string       `json:"name"`
		Place   jsonPlace    `json:"place"`
		Service string       `json:"service,omitempty"`
		URL     string       `json:"url,omitempty"`
		Writes  string       `json:"writes,omitempty"`
		SignIn  string       `json:"sign_in,omitempty"`
		Servers []jsonServer `json:"servers,omitempty"`
		Region  string       `json:"aws_region,omitempty"`
		Queue   jsonQueue    `json:"queue"`
	}
	jsonServer struct {
		Host   string `json:"host"`
		Port   int    `json:"port"`
		TLS    bool   `json:"tls"`
		Verify bool   `json:"verify"`
		UDP    bool   `json:"udp"`
	}
	jsonQueue struct {
		Memory   bool   `json:"memory"`
		Path     string `json:"path,omitempty"`
		Volume   string `json:"volume,omitempty"`
		Limit    int    `json:"limit_bytes,omitempty"`
		WhenFull string `json:"when_full,omitempty"`
	}
	jsonFinding struct {
		Rule     string    `json:"rule"`
		Name     string    `json:"name"`
		Severity string    `json:"severity"`
		Place    jsonPlace `json:"place"`
		Text     string    `json:"text"`
		Want     string    `json:"want,omitempty"`
		Fix      *jsonFix  `json:"fix,omitempty"`
	}
	jsonFix struct {
		File string `json:"file"`
		Line int    `json:"line"`
		Old  string `json:"old"`
		New  string `json:"new"`
	}
)

// JSON writes the report for programs.
func (r *Report) JSON(w io.Writer) error {
	out := jsonReport{Version: jsonVersion, Subjects: []jsonSubject{}, Totals: r.Totals()}
	for i := range r.Subjects {
		out.Subjects = append(out.Subjects, r.json(&r.Subjects[i]))
	}
	return writeJSON(w, out)
}

// writeJSON writes JSON that is safe to show on a terminal: control characters are escaped. They occur only in strings.
func writeJSON(w io.Writer, doc any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(doc); err != nil {
		return err
	}
	text := b.String()
	b.Reset()
	for _, r := range text {
		if r == '\n' || !unicode.In(r, unicode.Cc, unicode.Cf) {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

func (r *Report) json(s *Checked) jsonSubject {
	out := jsonSubject{Name: s.Name, Now: s.Now, Flows: []jsonFlow{}, Outputs: []jsonOutput{}, Findings: []jsonFinding{}}
	if s.Task != nil && s.Task.Definition != nil {
		out.Family = s.Task.Family.Text
	}
	if s.Task != nil && s.Task.Router != nil {
		out.Router = s.Task.Router.Name.Text
	}
	if out.Starts = s.Plan != nil && len(s.Errors) == 0; out.Starts {
		out.Dialect = s.Plan.Dialect.String()
		var flows []flow
		flows, out.Short = s.flows()
		for i := range flows {
			out.Flows = append(out.Flows, s.jsonFlow(&flows[i]))
		}
		for i := range s.Plan.Outputs {
			out.Outputs = append(out.Outputs, s.jsonOutput(i))
		}
	}
	for i := range s.Findings {
		out.Findings = append(out.Findings, r.jsonFinding(&s.Findings[i]))
	}
	return out
}

func (s *Subject) jsonPlace(at config.Pos) jsonPlace {
	p := s.Place(at)
	return jsonPlace{p.File, p.Line, p.Path}
}

func (s *Subject) jsonFlow(f *flow) jsonFlow {
	out := s.jsonRoute(f.route)
	out.From, out.Tag = f.from, f.tag
	if f.drv != nil {
		out.DriverLines = f.drv.lines
	}
	for i := range f.again {
		next := s.jsonFlow(&f.again[i].flow)
		next.For = f.again[i].new.For
		out.Next = append(out.Next, next)
	}
	return out
}

func (s *Subject) jsonRoute(r config.Route) jsonFlow {
	out := jsonFlow{Tag: r.Tag, Steps: []jsonStep{}, Outputs: []string{}}
	for _, n := range r.Filters {
		f := &s.Plan.Filters[n]
		out.Steps = append(out.Steps, jsonStep{f.ID, f.Name, s.jsonPlace(f.Pos)})
	}
	for _, n := range r.Outputs {
		out.Outputs = append(out.Outputs, s.Plan.Outputs[n].ID)
	}
	for _, next := range r.Next {
		out.Next = append(out.Next, s.jsonRoute(next))
	}
	return out
}

func (s *Subject) jsonOutput(n int) jsonOutput {
	o, to := &s.Plan.Outputs[n], s.describe(n)
	q := s.queueOf(o)
	out := jsonOutput{
		ID: o.ID, Name: o.Name, Place: s.jsonPlace(o.Pos), Service: to.Service, URL: to.URL, Writes: to.Name, SignIn: to.SignIn, Region: to.AWSRegion,
		Queue: jsonQueue{Memory: q.inMemory(), Path: q.dir, Limit: q.limit, WhenFull: q.whenFull},
	}
	if q.inMemory() {
		out.Queue.Path = ""
	} else if q.mount != nil {
		out.Queue.Volume = q.mount.Volume
	}
	for _, server := range to.Servers {
		out.Servers = append(out.Servers, jsonServer(server))
	}
	return out
}

func (r *Report) jsonFinding(f *Finding) jsonFinding {
	out := jsonFinding{
		Rule: f.Rule.Number, Name: f.Rule.Name, Severity: f.Severity.String(), Place: jsonPlace{f.At.File, f.At.Line, f.At.Path}, Text: f.Text, Want: f.Want,
	}
	if fix := r.complete(f.Fix); fix != nil && hide(fix.New) == fix.New { // a program would write the stars into the file
		out.Fix = &jsonFix{fix.File, fix.Line, hide(fix.Old), hide(fix.New)}
	}
	return out
}
