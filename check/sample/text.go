package sample

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/firelane/firelane/config"
)

// How much is shown to people, in bytes.
const (
	shownLine     = 200
	shownValue    = 120
	shownDocument = 16 << 10
)

// A Text writes a report for people.
type Text struct {
	w     *bufio.Writer
	plan  *config.Plan
	Place func(config.Pos) string // where something is written

	joinedTo               int // the line that the present one was joined to
	lines, dropped, joined int
	stored, dead           map[int]int // by output
}

// NewText makes a Text for lines that are sent with a tag at a time, with which it begins.
func NewText(w io.Writer, plan *config.Plan, tag string, at time.Time) *Text {
	t := &Text{w: bufio.NewWriterSize(w, 64<<10), plan: plan, Place: place, stored: map[int]int{}, dead: map[int]int{}}
	fmt.Fprintf(t.w, "The lines are sent with the tag %s at %s.\n\n", printable(tag), at.UTC().Format(time.RFC3339Nano))
	return t
}

// Line writes what became of a line.
func (t *Text) Line(l *Line) error {
	t.count(l)
	fmt.Fprintf(t.w, "line %d: %s\n", l.Number, cut(string(l.Text), shownLine))
	for _, p := range l.Paths {
		if len(l.Paths) > 1 {
			t.line(1, "a part of the line:")
		}
		t.joinedTo = l.Joined
		t.entries(p.flat(), 1)
	}
	for _, note := range l.Notes {
		t.line(1, "log: "+cut(note, shownDocument))
	}
	t.w.WriteByte('\n')
	return nil
}

func (t *Text) count(l *Line) {
	t.lines++
	results := l.Results()
	for _, r := range results {
		if r.Dead != "" {
			t.dead[r.Output]++
		} else {
			t.stored[r.Output]++
		}
	}
	if l.Joined > 0 {
		t.joined++
	} else if len(results) == 0 {
		t.dropped++
	}
}

// End writes the sums.
func (t *Text) End() error {
	parts := []string{}
	for n := range t.plan.Outputs {
		o := &t.plan.Outputs[n]
		if c := t.stored[n]; c > 0 {
			parts = append(parts, fmt.Sprintf("%s gets %s", o.ID, counted(c, "record")))
		}
		if c := t.dead[n]; c > 0 {
			parts = append(parts, fmt.Sprintf("the dead letter of %s gets %d", o.ID, c))
		}
	}
	if t.joined > 0 {
		parts = append(parts, fmt.Sprintf("%s joined to an earlier one", plural(t.joined, "line is", "lines are")))
	}
	if t.dropped > 0 {
		parts = append(parts, fmt.Sprintf("%s dropped", plural(t.dropped, "line is", "lines are")))
	}
	fmt.Fprintf(t.w, "%s: %s\n", counted(t.lines, "line"), cmp.Or(strings.Join(parts, ", "), "nothing comes out"))
	return t.w.Flush()
}

func counted(n int, what string) string { return plural(n, what, what+"s") }

func plural(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

func (t *Text) line(depth int, text string) {
	fmt.Fprintf(t.w, "%s%s\n", strings.Repeat("  ", depth), text)
}

func (t *Text) entries(list []*Entry, depth int) {
	for _, e := range list {
		t.entry(e, depth)
	}
}

func (t *Text) entry(e *Entry, depth int) {
	switch e.Does {
	case Stored:
		t.result(e.Result, depth)
		return
	case Unrouted:
		t.line(depth, fmt.Sprintf("no output takes the tag %s here: dropped", printable(e.Tag)))
		return
	case Looped:
		t.line(depth, "rerouted too often: dropped; the rules form a loop")
		return
	case Branched:
		for n, p := range e.Paths {
			head := fmt.Sprintf("path %d of %d", n+1, len(e.Paths))
			if p.Tag != "" {
				head += ", with the tag " + printable(p.Tag)
			}
			t.line(depth, head+":")
			t.entries(p.flat(), depth+1)
		}
		return
	}
	f := &t.plan.Filters[e.Filter]
	head := fmt.Sprintf("%s (%s)", f.ID, t.Place(f.Pos))
	if f.Plugin == nil {
		head = fmt.Sprintf("condition (%s)", t.Place(f.Pos))
	}
	switch e.Does {
	case Dropped:
		t.line(depth, head+" drops it")
	case Failed:
		t.line(depth, head+" failed: a bug in firelane, please report it; the record is dropped")
	case Held:
		t.line(depth, fmt.Sprintf("%s joins it to line %d", head, t.joinedTo))
	case Joined:
		t.line(depth, fmt.Sprintf("%s joins %s%s", head, linesText(e.Lines), t.changes(": ", &e.Diff)))
	case Changed:
		t.line(depth, head+t.changes(" ", &e.Diff))
	case Emitted:
		if len(e.Paths) == 1 {
			t.path(e.Paths[0], head+" gives it ", depth)
			return
		}
		t.line(depth, fmt.Sprintf("%s makes %d records of it:", head, len(e.Paths)))
	}
	t.paths(e.Paths, depth+1)
}

func linesText(lines []int) string {
	first, last := lines[0], lines[len(lines)-1]
	switch {
	case first == last:
		return fmt.Sprintf("parts of line %d", first)
	case last-first == len(lines)-1:
		return fmt.Sprintf("lines %d to %d", first, last)
	}
	var b strings.Builder
	for i, n := range lines {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprint(&b, n)
	}
	return "lines " + b.String()
}

// paths writes paths that branch off.
func (t *Text) paths(list []*Path, depth int) {
	for _, p := range list {
		if p.Tag == "" && p.Label == "" {
			t.line(depth, "one goes on"+t.changes(": ", &p.Diff))
			t.entries(p.flat(), depth+1)
			continue
		}
		t.path(p, "one gets ", depth)
	}
}

// path writes a path that begins with another tag or label.
func (t *Text) path(p *Path, head string, depth int) {
	var parts []string
	if p.Tag != "" {
		parts = append(parts, "the tag "+printable(p.Tag))
	}
	if p.Label != "" {
		parts = append(parts, "the label "+printable(p.Label))
	}
	t.line(depth, head+strings.Join(parts, " and ")+t.changes("; it ", &p.Diff))
	t.entries(p.flat(), depth+1)
}

// changes is a Diff, after separator; "" if it is empty.
func (t *Text) changes(separator string, d *Diff) string {
	var parts []string
	if len(d.Added) > 0 {
		parts = append(parts, "adds "+membersText(d.Added, nil))
	}
	if len(d.Changed) > 0 {
		parts = append(parts, "changes "+membersText(d.Changed, d.Old))
	}
	if len(d.Removed) > 0 {
		names := make([]string, len(d.Removed))
		for i, name := range d.Removed {
			names[i] = cut(name, shownValue)
		}
		parts = append(parts, "removes "+strings.Join(names, ", "))
	}
	if !d.Time.IsZero() {
		parts = append(parts, "sets the time to "+d.Time.Format(time.RFC3339Nano))
	}
	if len(parts) == 0 {
		return ""
	}
	return separator + strings.Join(parts, "; ")
}

func membersText(list []Member, old [][]byte) string {
	parts := make([]string, len(list))
	for i, m := range list {
		if parts[i] = cut(m.Key, shownValue) + " = "; old != nil {
			parts[i] = cut(m.Key, shownValue) + " from " + cut(string(old[i]), shownValue) + " to "
		}
		parts[i] += cut(string(m.Value), shownValue)
	}
	return strings.Join(parts, ", ")
}

func (t *Text) result(r *Result, depth int) {
	o := &t.plan.Outputs[r.Output]
	head := fmt.Sprintf("-> %s (%s)", o.ID, t.Place(o.Pos))
	if r.Dead != "" {
		t.line(depth, head+": the dead letter gets it: "+cut(r.Dead, shownDocument))
		return
	}
	var where []string
	for i := 0; i+1 < len(r.Where); i += 2 {
		where = append(where, printable(r.Where[i])+" "+cut(r.Where[i+1], shownLine))
	}
	if r.Binary > 0 {
		where = append(where, fmt.Sprintf("sent as %d bytes that are not text", r.Binary))
	}
	if len(where) > 0 {
		head += ": " + strings.Join(where, ", ")
	}
	t.line(depth, head)
	document := string(r.Document)
	if r.IsText {
		document = textOf(r.Document)
	}
	if document != "" {
		t.line(depth, "   "+cut(document, shownDocument))
	}
}

// cut returns s without what controls a terminal, and no more than n bytes of it.
func cut(s string, n int) string {
	if len(s) <= n {
		return printable(s)
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return fmt.Sprintf("%s… (%d bytes)", printable(s[:n]), len(s))
}

// hidden are the characters that a terminal acts on or doesn't show.
var hidden = []*unicode.RangeTable{unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp}

// printable escapes characters that control a terminal, and bytes that aren't UTF-8.
func printable(s string) string {
	var b []byte
	for i, size := 0, 0; i < len(s); i += size {
		var r rune
		r, size = utf8.DecodeRuneInString(s[i:])
		switch {
		case ' ' <= r && r < 0x7f:
			b = append(b, s[i])
		case r == utf8.RuneError && size == 1:
			b = fmt.Appendf(b, `\x%02x`, s[i])
		case r == '\t':
			b = append(b, `\t`...)
		case r == '\n':
			b = append(b, `\n`...)
		case unicode.In(r, hidden...):
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = append(b, s[i:i+size]...)
		}
	}
	return string(b)
}
