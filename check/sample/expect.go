package sample

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/firelane/firelane/config"
)

// Limits of a file of expectations.
const (
	maxExpected = 64 << 20 // bytes of a line
	maxTold     = 100      // differences that are told
)

// Expectations are what must become of the lines of a sample, in order. They are read as they are needed.
type Expectations struct {
	Tag  string    // of the sample; "": not said
	Time time.Time // zero: not said

	name   string
	r      *bufio.Reader
	number int          // of the last line that was read
	first  *expectation // read already, to find the header
}

// An expectation is one line of the file.
type expectation struct {
	number int
	text   []byte
}

// header is the file's first line. It may be missing.
type header struct {
	Sample *struct {
		Tag  string    `json:"tag"`
		Time time.Time `json:"time"`
	} `json:"sample"`
}

// ReadExpectations begins to read a file: JSON lines, and empty lines and lines that begin with #, which are left out.
func ReadExpectations(r io.Reader, name string) (*Expectations, error) {
	x := &Expectations{name: name, r: bufio.NewReaderSize(r, 64<<10)}
	first, err := x.read()
	if err != nil || first == nil {
		return x, err
	}
	var h header
	if bytes.HasPrefix(first.text, []byte("{")) && bytes.Contains(first.text, []byte(`"sample"`)) {
		if err := json.Unmarshal(first.text, &h); err != nil {
			return nil, x.wrong(fmt.Errorf(`want {"sample": {"tag": TAG, "time": "2026-11-26T12:00:00Z"}}: %w`, err))
		}
	}
	if h.Sample != nil {
		x.Tag, x.Time = h.Sample.Tag, h.Sample.Time
	} else {
		x.first = first
	}
	return x, nil
}

// wrong is an error in the line that was read last.
func (x *Expectations) wrong(err error) error { return fmt.Errorf("%s:%d: %w", x.name, x.number, err) }

var errExpected = errors.New(`want an object or an array of objects, for example {"output": "es.0", "document": {"level": "info"}} or {"dropped": true}`)

// read reads the next expectation; nil at the end.
func (x *Expectations) read() (*expectation, error) {
	if e := x.first; e != nil {
		x.first = nil
		return e, nil
	}
	for {
		text, read, end := readLine(x.r, maxExpected)
		x.number++
		switch {
		case errors.Is(end, errLongLine):
			return nil, x.wrong(fmt.Errorf("the line has more than %d MiB", maxExpected>>20))
		case end != nil && !errors.Is(end, io.EOF):
			return nil, fmt.Errorf("reading %s: %w", x.name, end)
		case read == 0:
			return nil, nil
		}
		if text = bytes.TrimSpace(text); len(text) == 0 || text[0] == '#' {
			continue
		}
		if text[0] != '{' && text[0] != '[' {
			return nil, x.wrong(errExpected)
		}
		if !json.Valid(text) {
			var v any
			return nil, x.wrong(fmt.Errorf("not JSON: %w", json.Unmarshal(text, &v)))
		}
		return &expectation{x.number, text}, nil
	}
}

// A Checker compares lines with Expectations, and tells what differs.
type Checker struct {
	w      *bufio.Writer
	plan   *config.Plan
	x      *Expectations
	sample string // the name of its file

	lines, differing, told int
}

// NewChecker makes a Checker. sample is the name of the file of lines.
func NewChecker(w io.Writer, plan *config.Plan, x *Expectations, sample string) *Checker {
	return &Checker{w: bufio.NewWriter(w), plan: plan, x: x, sample: sample}
}

// Line compares a line.
func (c *Checker) Line(l *Line) error {
	c.lines++
	want, err := c.x.read()
	if err != nil {
		return errors.Join(c.w.Flush(), err)
	}
	if want == nil {
		c.differing++
		c.tell(fmt.Sprintf("%s:%d: %s has no line for it; it becomes %s", c.sample, l.Number, c.x.name, short(outcome(l, c.plan))))
		return nil
	}
	diffs := differences(want.text, l, c.plan)
	for _, d := range diffs {
		c.tell(fmt.Sprintf("%s:%d (%s:%d): %s", c.sample, l.Number, c.x.name, want.number, d))
	}
	if len(diffs) > 0 {
		c.differing++
	}
	return nil
}

func (c *Checker) tell(text string) {
	if c.told++; c.told <= maxTold {
		fmt.Fprintln(c.w, printable(text))
	}
}

// End tells what is left, and reports whether all lines are as expected.
func (c *Checker) End() (ok bool, err error) {
	for {
		want, err := c.x.read()
		if err != nil {
			return false, errors.Join(c.w.Flush(), err)
		}
		if want == nil {
			break
		}
		c.differing++
		c.tell(fmt.Sprintf("%s:%d: %s has no line for it", c.x.name, want.number, c.sample))
	}
	if c.told > maxTold {
		fmt.Fprintf(c.w, "%d more differences\n", c.told-maxTold)
	}
	if c.told == 0 {
		fmt.Fprintf(c.w, "%s as expected\n", plural(c.lines, "line is", "lines are"))
	} else {
		fmt.Fprintf(c.w, "%s not as expected\n", plural(c.differing, "line is", "lines are"))
	}
	return c.told == 0, c.w.Flush()
}

// outcome is what becomes of a line, as one line of a file of expectations.
func outcome(l *Line, plan *config.Plan) []byte {
	results := l.Results()
	switch {
	case len(results) == 1:
		return appendResult(nil, results[0].expected(), plan)
	case len(results) > 1:
		b := []byte{'['}
		for i, r := range results {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendResult(b, r.expected(), plan)
		}
		return append(b, ']')
	case l.Joined > 0:
		o := begin(nil)
		o.number("joined", l.Joined)
		return o.end()
	}
	o := begin(nil)
	o.raw("dropped", []byte("true"))
	if lost := l.losses(); len(lost) > 0 {
		switch lost[0].Does {
		case Dropped, Failed:
			o.text("by", plan.Filters[lost[0].Filter].ID)
		default:
			o.text("by", words[lost[0].Does])
		}
	}
	return o.end()
}

// expected returns r without what is no use in a file of expectations: an id that differs each time.
func (r *Result) expected() *Result {
	e := *r
	e.Where, e.Binary = nil, 0
	for i := 0; i+1 < len(r.Where); i += 2 {
		if r.Where[i+1] != unknownID {
			e.Where = append(e.Where, r.Where[i:i+2]...)
		}
	}
	return &e
}

// short is the beginning of a text.
func short(b []byte) string { return cut(string(b), shownLine) }

// differences says in what a line differs from what is expected of it.
func differences(want []byte, l *Line, plan *config.Plan) []string {
	wanted, several := decode(want).([]any)
	if !several {
		wanted = []any{decode(want)}
	}
	got := outcome(l, plan)
	if first, ok := first(wanted).(map[string]any); ok && (first["dropped"] != nil || first["joined"] != nil) {
		if m, ok := decode(got).(map[string]any); ok && (m["dropped"] != nil || m["joined"] != nil) {
			return compare("", first, m)
		}
		return []string{fmt.Sprintf("want %s, got %s", short(want), short(got))}
	}
	var have []any
	for _, r := range l.Results() {
		have = append(have, decode(appendResult(nil, r, plan)))
	}
	if len(have) != len(wanted) {
		return []string{fmt.Sprintf("want %s, got %d: %s", counted(len(wanted), "result"), len(have), short(got))}
	}
	var list []string
	for _, w := range wanted {
		n, diffs := closest(w, have)
		for _, d := range diffs {
			output := ""
			if m, ok := have[n].(map[string]any); ok && len(wanted) > 1 {
				output = fmt.Sprint(m["output"], ": ")
			}
			list = append(list, output+d)
		}
		have = slices.Delete(have, n, n+1)
	}
	return list
}

func first(list []any) any {
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

// closest returns the one of have that w is most likely about: of its output, and with the fewest differences.
func closest(w any, have []any) (n int, diffs []string) {
	least := -1
	for i, h := range have {
		d := compare("", w, h)
		cost := len(d)
		if output(w) != "" && output(w) != output(h) {
			cost += 1 << 20
		}
		if least < 0 || cost < least {
			n, diffs, least = i, d, cost
		}
		if least == 0 {
			break
		}
	}
	return n, diffs
}

func output(v any) string {
	m, _ := v.(map[string]any)
	s, _ := m["output"].(string)
	return s
}

// compare says in what got differs from want, of which only the members that are given count. A null is a member that isn't there.
func compare(at string, want, got any) []string {
	switch w := want.(type) {
	case nil:
		if got == nil {
			return nil
		}
		return []string{fmt.Sprintf("%s: want nothing, got %s", at, show(got))}
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			break
		}
		var list []string
		for _, key := range sortedKeys(w) {
			have, ok := g[key]
			switch path := strings.TrimPrefix(at+"."+key, "."); {
			case !ok && w[key] != nil:
				list = append(list, fmt.Sprintf("%s: want %s, got nothing", path, show(w[key])))
			default:
				list = append(list, compare(path, w[key], have)...)
			}
		}
		return list
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			break
		}
		var list []string
		for i := range w {
			list = append(list, compare(fmt.Sprintf("%s[%d]", at, i), w[i], g[i])...)
		}
		return list
	case json.Number:
		if g, ok := got.(json.Number); ok && sameNumber(w, g) {
			return nil
		}
	default:
		if want == got {
			return nil
		}
	}
	return []string{strings.TrimPrefix(fmt.Sprintf("%s: want %s, got %s", at, show(want), show(got)), ": ")}
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func sameNumber(a, b json.Number) bool {
	if a == b {
		return true
	}
	if _, err := a.Int64(); err == nil {
		if _, err := b.Int64(); err == nil {
			return false // exactly, also where a float is too coarse
		}
	}
	x, errX := a.Float64()
	y, errY := b.Float64()
	return errX == nil && errY == nil && x == y
}

// decode decodes JSON that is valid.
func decode(b []byte) (v any) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	_ = d.Decode(&v)
	return v
}

func show(v any) string {
	b, _ := json.Marshal(v) // never fails for what was decoded from JSON
	return cut(string(b), shownLine)
}

// A Writer writes a file of expectations.
type Writer struct {
	w    *bufio.Writer
	plan *config.Plan
}

// NewWriter makes a Writer for a sample with a tag and a time, with which it begins.
func NewWriter(w io.Writer, plan *config.Plan, tag string, at time.Time) *Writer {
	x := &Writer{bufio.NewWriterSize(w, 64<<10), plan}
	o := begin(nil)
	o.key("sample")
	inner := begin(o.b)
	inner.text("tag", tag)
	inner.text("time", at.UTC().Format(time.RFC3339Nano))
	o.b = inner.end()
	x.w.Write(append(o.end(), '\n')) //nolint:errcheck // a bufio.Writer's first error is that of Flush
	return x
}

// Line writes what became of a line.
func (x *Writer) Line(l *Line) error {
	_, err := x.w.Write(append(outcome(l, x.plan), '\n'))
	return err
}

// End writes what is left.
func (x *Writer) End() error { return x.w.Flush() }
