package sample

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
)

// A JSON writes a report as JSON: an object for each line of the sample.
type JSON struct {
	w     *bufio.Writer
	plan  *config.Plan
	Place func(config.Pos) string
	buf   []byte
}

// NewJSON makes a JSON.
func NewJSON(w io.Writer, plan *config.Plan) *JSON {
	return &JSON{w: bufio.NewWriterSize(w, 64<<10), plan: plan, Place: place}
}

// End writes what is left.
func (j *JSON) End() error { return j.w.Flush() }

// Line writes what became of a line.
func (j *JSON) Line(l *Line) error {
	o := begin(j.buf[:0])
	o.number("line", l.Number)
	o.text("log", string(l.Text))
	if l.Joined > 0 {
		o.number("joined", l.Joined)
	}
	results := l.Results()
	at := make(map[*Result]int, len(results))
	for i, r := range results {
		at[r] = i
	}
	if len(l.Paths) > 0 {
		o.list("paths", len(l.Paths), func(b []byte, i int) []byte { return j.path(b, l.Paths[i], at) })
	}
	o.list("results", len(results), func(b []byte, i int) []byte { return appendResult(b, results[i], j.plan) })
	if len(l.Notes) > 0 {
		o.list("log_lines", len(l.Notes), func(b []byte, i int) []byte { return appendString(b, l.Notes[i]) })
	}
	j.buf = append(o.end(), '\n')
	_, err := j.w.Write(escaped(j.buf))
	if cap(j.buf) > maxPending {
		j.buf = nil
	}
	return err
}

// escaped is a line of JSON with escapes for what a terminal acts on or doesn't show, such as U+202E. Such characters are only in strings.
func escaped(line []byte) []byte {
	if !slices.ContainsFunc(line, func(c byte) bool { return c >= 0x7f }) {
		return line
	}
	out := make([]byte, 0, len(line)+64)
	for i, size := 0, 0; i < len(line); i += size {
		var r rune
		r, size = utf8.DecodeRune(line[i:])
		switch {
		case r < 0x7f || !unicode.In(r, hidden...):
			out = append(out, line[i:i+size]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}

func (j *JSON) path(b []byte, p *Path, at map[*Result]int) []byte {
	o := begin(b)
	if p.Tag != "" {
		o.text("tag", p.Tag)
	}
	if p.Label != "" {
		o.text("label", p.Label)
	}
	o.diff(&p.Diff)
	steps := p.flat()
	o.list("steps", len(steps), func(b []byte, i int) []byte { return j.entry(b, steps[i], at) })
	return o.end()
}

// words are the values of the member does.
var words = [...]string{
	Changed: "changed", Dropped: "dropped", Held: "held", Joined: "joined", Emitted: "emitted", Branched: "branched",
	Stored: "stored", Unrouted: "unrouted", Looped: "rerouted too often", Failed: "failed",
}

func (j *JSON) entry(b []byte, e *Entry, at map[*Result]int) []byte {
	o := begin(b)
	switch e.Does {
	case Stored:
		out := &j.plan.Outputs[e.Result.Output]
		o.text("output", out.ID)
		o.text("at", j.Place(out.Pos))
		o.number("result", at[e.Result])
		return o.end()
	case Unrouted, Looped, Branched:
	default:
		f := &j.plan.Filters[e.Filter]
		o.text("step", f.ID)
		o.text("at", j.Place(f.Pos))
	}
	o.text("does", words[e.Does])
	if e.Tag != "" {
		o.text("tag", e.Tag)
	}
	o.diff(&e.Diff)
	if len(e.Lines) > 0 {
		o.list("lines", len(e.Lines), func(b []byte, i int) []byte { return record.AppendJSON(b, record.AppendInt(nil, int64(e.Lines[i]))) })
	}
	if len(e.Paths) > 0 {
		o.list("paths", len(e.Paths), func(b []byte, i int) []byte { return j.path(b, e.Paths[i], at) })
	}
	return o.end()
}

// appendResult appends a result as an object: output, where it goes, document, or dead_letter.
func appendResult(b []byte, r *Result, plan *config.Plan) []byte {
	o := begin(b)
	o.text("output", plan.Outputs[r.Output].ID)
	for i := 0; i+1 < len(r.Where); i += 2 {
		o.text(r.Where[i], r.Where[i+1])
	}
	switch {
	case r.Dead != "":
		o.text("dead_letter", r.Dead)
		return o.end()
	case r.Binary > 0:
		o.number("binary_bytes", r.Binary)
	}
	o.raw("document", r.Document)
	return o.end()
}

// An object is a JSON object that is being written.
type object struct {
	b     []byte
	first bool
}

func begin(b []byte) *object { return &object{append(b, '{'), true} }

func (o *object) end() []byte { return append(o.b, '}') }

func (o *object) key(name string) {
	if !o.first {
		o.b = append(o.b, ',')
	}
	o.first = false
	o.b = append(appendString(o.b, name), ':')
}

func (o *object) text(name, value string) {
	o.key(name)
	o.b = appendString(o.b, value)
}

func (o *object) number(name string, n int) {
	o.raw(name, record.AppendJSON(nil, record.AppendInt(nil, int64(n))))
}

func (o *object) raw(name string, value []byte) {
	o.key(name)
	o.b = append(o.b, value...)
}

func (o *object) list(name string, n int, add func(b []byte, i int) []byte) {
	o.key(name)
	o.b = append(o.b, '[')
	for i := range n {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.b = add(o.b, i)
	}
	o.b = append(o.b, ']')
}

func (o *object) diff(d *Diff) {
	members := func(name string, list []Member) {
		if len(list) == 0 {
			return
		}
		o.key(name)
		inner := begin(o.b)
		for _, m := range list {
			inner.raw(m.Key, m.Value)
		}
		o.b = inner.end()
	}
	members("added", d.Added)
	members("changed", d.Changed)
	if len(d.Removed) > 0 {
		o.list("removed", len(d.Removed), func(b []byte, i int) []byte { return appendString(b, d.Removed[i]) })
	}
	if !d.Time.IsZero() {
		o.text("time", d.Time.Format(time.RFC3339Nano))
	}
}

// appendString appends a text as a JSON string.
func appendString(b []byte, s string) []byte { return record.AppendJSONString(b, []byte(s)) }

// textOf is the text of a JSON string.
func textOf(value []byte) (text string) {
	_ = json.Unmarshal(value, &text)
	return text
}
