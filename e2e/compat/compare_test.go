package compat

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A result is what a program wrote in a case.
type result struct {
	c    *testCase
	text string
	log  string
}

// diff describes how the result differs from want, "" if it doesn't.
func (r result) diff(want string) string {
	if r.c.canonical(r.text) == r.c.canonical(want) {
		return ""
	}
	return fmt.Sprintf("got:\n%swant:\n%s", r.text, want)
}

func (c *testCase) lines(text string) []string {
	text = strings.TrimSuffix(text, "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// canonical returns an output in a form that is the same for equivalent outputs.
func (c *testCase) canonical(text string) string {
	lines := c.lines(text)
	for i, line := range lines {
		lines[i] = canonicalLine(line)
	}
	if c.Output == "out" { // each tag's lines in their order, the tags in alphabetical order
		slices.SortStableFunc(lines, func(a, b string) int { return strings.Compare(tagOf(a), tagOf(b)) })
	}
	if c.outputs > 1 { // outputs are independent: their lines may come in any order
		slices.Sort(lines)
	}
	return strings.Join(lines, "\n")
}

func tagOf(line string) string {
	tag, _, _ := strings.Cut(line, ",")
	return tag
}

// canonicalLine returns a line with its JSON values in one spelling. A line that isn't JSON stays unchanged.
func canonicalLine(line string) string {
	if line == "" || !strings.ContainsAny(line[:1], "{[") {
		return line
	}
	dec := json.NewDecoder(strings.NewReader(line))
	dec.UseNumber()
	var all []string
	for dec.More() { // json_stream has several on a line
		text, err := canonicalValue(dec)
		if err != nil {
			return line
		}
		all = append(all, text)
	}
	return strings.Join(all, "")
}

func canonicalValue(dec *json.Decoder) (string, error) {
	token, err := dec.Token()
	if err != nil {
		return "", err
	}
	switch v := token.(type) {
	case json.Number:
		return canonicalNumber(v.String()), nil
	case json.Delim:
		if v != '{' && v != '[' {
			return "", io.ErrUnexpectedEOF
		}
		var members []string
		for dec.More() {
			key := ""
			if v == '{' {
				k, err := dec.Token()
				if err != nil {
					return "", err
				}
				key = strconv.Quote(fmt.Sprint(k)) + ":"
			}
			value, err := canonicalValue(dec)
			if err != nil {
				return "", err
			}
			members = append(members, key+value)
		}
		if _, err := dec.Token(); err != nil {
			return "", err
		}
		if v == '{' {
			slices.Sort(members)
			return "{" + strings.Join(members, ",") + "}", nil
		}
		return "[" + strings.Join(members, ",") + "]", nil
	case string:
		return strconv.Quote(v), nil
	}
	return fmt.Sprint(token), nil
}

// canonicalNumber leaves integers unchanged, and also the digits of times, which a float64 can't represent.
func canonicalNumber(n string) string {
	if exponent := strings.ContainsAny(n, "eE"); !exponent {
		whole, _, isFloat := strings.Cut(n, ".")
		switch {
		case !isFloat:
			return n
		case len(whole) == 10:
			return "float " + strings.TrimRight(n, "0")
		}
	}
	f, err := strconv.ParseFloat(n, 64)
	if err != nil {
		return n
	}
	return "float " + strconv.FormatFloat(f, 'g', -1, 64)
}

var (
	// outLine matches a line of Fluent Bit's output file: tag: [time, record].
	outLine = regexp.MustCompile(`^(.*?): \[(\d+)\.(\d{9}), (.*)\]$`)
	// stdoutLine matches a line of Fluentd's output stdout: time tag: record.
	stdoutLine = regexp.MustCompile(`^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{9} [-+]\d{4}) (.*?): (\{.*\})$`)
)

// A window is the time during which a case ran. Times in it are compared as "now".
type window struct{ from, to time.Time }

func (w window) spell(t time.Time) string {
	if t.After(w.from.Add(-2*time.Second)) && t.Before(w.to.Add(2*time.Second)) {
		return `"now"`
	}
	text := fmt.Sprintf("%d", t.Unix())
	if t.Nanosecond() != 0 {
		text += strings.TrimRight(fmt.Sprintf(".%09d", t.Nanosecond()), "0")
	}
	return text
}

var isoTime = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"`)

// markNow replaces times within the window by "now", in what a server received.
func (w window) markNow(text string) string {
	return isoTime.ReplaceAllStringFunc(text, func(s string) string {
		if t, err := time.Parse(`"`+time.RFC3339Nano+`"`, s); err == nil && w.spell(t) == `"now"` {
			return `"now"`
		}
		return s
	})
}

// metricTime matches the time with which Fluent Bit's output stdout begins the line of a metric.
var metricTime = regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z `)

// flowTime matches the time of a line of the output flowcounter.
var flowTime = regexp.MustCompile(`(?m)^\[out_flowcounter\] \[(\d+),`)

// markMetrics replaces times within the window, at the beginnings of lines, by "now".
func (w window) markMetrics(text string) string {
	text = flowTime.ReplaceAllStringFunc(text, func(s string) string {
		sec, _ := strconv.ParseInt(flowTime.FindStringSubmatch(s)[1], 10, 64)
		if w.spell(time.Unix(sec, 0)) == `"now"` {
			return `[out_flowcounter] ["now",`
		}
		return s
	})
	return metricTime.ReplaceAllStringFunc(text, func(s string) string {
		if t, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(s)); err == nil && w.spell(t) == `"now"` {
			return `"now" `
		}
		return s
	})
}

// fromFile converts the lines of Fluent Bit's output file to ["tag", time, record].
func (w window) fromFile(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if m := outLine.FindStringSubmatch(line); m != nil {
			sec, _ := strconv.ParseInt(m[2], 10, 64)
			nsec, _ := strconv.ParseInt(m[3], 10, 64)
			line = event(m[1], w.spell(time.Unix(sec, nsec)), m[4])
		}
		fmt.Fprintln(&b, line)
	}
	return b.String()
}

// fromStdout converts the lines of Fluentd's output stdout to the same, without Fluentd's own log.
func (w window) fromStdout(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		m := stdoutLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil || strings.HasPrefix(m[2], "fluent.") || strings.HasPrefix(m[2], "[") {
			continue
		}
		t, err := time.Parse("2006-01-02 15:04:05.000000000 -0700", m[1])
		if err != nil {
			continue
		}
		fmt.Fprintln(&b, event(m[2], w.spell(t), m[3]))
	}
	return b.String()
}

func event(tag, time, record string) string {
	return "[" + strconv.Quote(tag) + ", " + time + ", " + record + "]"
}
