package check

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/ecs/taskdef"
	"github.com/firelane/firelane/sink"
)

// Rules are the rules about a configuration, whatever it belongs to: F101 to F499. Those about a task definition have lists of their own.
func Rules() []Rule {
	list := slices.Concat(syntaxRules(), namingRules(), networkRules(), signInRules(), awsRules(), flowRules(), queueingRules())
	slices.SortFunc(list, func(a, b Rule) int { return strings.Compare(a.Number, b.Number) })
	return list
}

// An outlet is an output of a subject, with what it says of itself. It makes findings.
type outlet struct {
	*config.Output
	*Subject
	desc  sink.Description
	index int
	tell  func(Finding)
}

// eachOutlet makes the check of a rule that looks at one output after another.
func eachOutlet(check func(o *outlet)) func(*Subject, func(Finding)) {
	return func(s *Subject, tell func(Finding)) {
		for i := range s.usable().Outputs {
			o := &outlet{Output: &s.Plan.Outputs[i], Subject: s, index: i, tell: tell}
			if d, ok := o.Options.(sink.Describer); ok {
				o.desc = d.Describe(s.Plan.Dialect, s.Now)
			}
			check(o)
		}
	}
}

// usable is the plan, empty if it can't be used.
func (s *Subject) usable() *config.Plan {
	if s.Plan == nil || len(s.Errors) > 0 {
		return new(config.Plan)
	}
	return s.Plan
}

// fluentd reports whether the configuration is one of Fluentd.
func (s *Subject) fluentd() bool { return s.Plan.Dialect == config.Fluentd }

// given is the first of these options that the output has. Those in <endpoint> and the like are endpoint.url.
func (o *outlet) given(names ...string) (g config.Given, ok bool) {
	return firstGiven(&o.Instance, names...)
}

// firstGiven is the first of these options that an instance has.
func firstGiven(in *config.Instance, names ...string) (g config.Given, ok bool) {
	for _, name := range names {
		if g, ok = in.Find(name); ok && !g.Unknown {
			return g, true
		}
	}
	return config.Given{}, false
}

// set reports whether the output has one of these options, with a value.
func (o *outlet) set(names ...string) bool {
	g, ok := o.given(names...)
	return ok && (g.Value != "" || g.Secret)
}

// switchedOn reports whether an option is on.
func (o *outlet) switchedOn(name string) bool {
	g, ok := o.given(name)
	return ok && isOn(g.Value)
}

func isOn(value string) bool {
	switch strings.ToLower(strings.Trim(value, `"`)) {
	case "on", "true", "yes":
		return true
	}
	return false
}

// spot is where the first of these options is, or else the output.
func (o *outlet) spot(names ...string) config.Pos {
	if g, ok := o.given(names...); ok {
		return g.Pos
	}
	return o.Pos
}

// unknown reports whether a plan or a template doesn't tell the value of one of these options: what stands for it is the name of a
// parameter, say.
func (o *outlet) unknown(names ...string) bool {
	if o.Task == nil {
		return false
	}
	at := o.Place(o.spot(names...))
	for _, c := range o.Task.Containers {
		if c.Log != nil && slices.ContainsFunc(c.Log.Options, func(l taskdef.Option) bool { return l.Unknown && l.Place == at }) {
			return true
		}
	}
	return false
}

// found makes a finding. want is "" if the text says it, and fix nil if a person has to decide.
func (s *Subject) found(severity Severity, at config.Pos, fix *Fix, want, format string, args ...any) Finding {
	return Finding{Severity: severity, At: s.Place(at), Text: sentence(clipped(fmt.Sprintf(format, args...))), Want: clipped(want), Fix: fix}
}

// maxText is the longest text of a finding, in bytes: a value in it may be as long as a file.
const maxText = 1000

// clipped is text, cut at maxText.
func clipped(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(text[:maxText], "") + "…"
}

// sentence is text with a full stop.
func sentence(text string) string {
	if text == "" || strings.ContainsAny(text[len(text)-1:], ".?!…") {
		return text
	}
	return text + "."
}

// maxFixSize is the largest file, in bytes, of which a fix shows a line. A file that people edit is smaller; a larger one is generated.
const maxFixSize = 4 << 20

// rewrite is the fix that replaces what is in a line of the configuration; nil if the line doesn't have it exactly once, as when it
// comes from a variable.
func (s *Subject) rewrite(at config.Pos, old, replacement string) *Fix {
	place := s.Place(at)
	line, ok := s.lineAt(place.Pos)
	if !ok || old == "" || strings.Count(line, old) != 1 || old == replacement {
		return nil
	}
	before, after, _ := strings.Cut(line, old)
	if isPlainYAML(before, place) && needsQuotes(replacement) {
		replacement = `"` + replacement + `"`
	}
	return &Fix{Pos: place.Pos, Old: line, New: before + replacement + after}
}

// isPlainYAML reports whether what follows the beginning of a line is a value of YAML without quotes.
func isPlainYAML(before string, place taskdef.Place) bool {
	return (place.Path != "" || isYAMLName(place.File)) && strings.HasSuffix(strings.TrimRight(before, " "), ":")
}

// needsQuotes reports whether a value begins with a sign that YAML keeps for itself ("Indicator characters" in YAML 1.2), such as the %
// of a date.
func needsQuotes(value string) bool {
	return value != "" && strings.IndexByte("%@`*&!|>{}[],#?:-", value[0]) >= 0 && !strings.ContainsAny(value, `"\\`)
}

// insert is the fix that adds an option after a line of the configuration; nil in a task definition, where a line is JSON.
func (s *Subject) insert(at config.Pos, option string) *Fix {
	place := s.Place(at)
	line, ok := s.lineAt(place.Pos)
	name := strings.TrimLeft(line, " \t")
	if !ok || place.Path != "" || name == "" || strings.HasPrefix(name, "[") || strings.HasPrefix(name, "<") {
		return nil
	}
	indent := line[:len(line)-len(name)]
	if isYAMLName(place.File) {
		if strings.ContainsAny(line, "{}[]|>") { // not a key and its value in a line of their own
			return nil
		}
		if item := strings.TrimLeft(strings.TrimPrefix(name, "-"), " "); name[0] == '-' { // the first key of an item
			indent += strings.Repeat(" ", len(name)-len(item))
		}
	}
	added := line
	for o := range strings.SplitSeq(option, "\n") {
		o = strings.TrimLeft(o, " \t")
		if key, value, _ := strings.Cut(o, " "); isYAMLName(place.File) {
			o = key + ": " + value
		}
		added += "\n" + indent + o
	}
	return &Fix{Pos: place.Pos, Old: line, New: added}
}

func isYAMLName(file string) bool {
	return strings.HasSuffix(file, ".yaml") || strings.HasSuffix(file, ".yml")
}

// lineAt is a line of a file, without its end.
func (s *Subject) lineAt(at config.Pos) (string, bool) {
	lines, ok := s.files[at.File]
	if !ok {
		if s.files == nil {
			s.files = map[string][]string{}
		}
		lines = linesOf(at.File)
		s.files[at.File] = lines
	}
	if at.Line < 1 || at.Line > len(lines) {
		return "", false
	}
	return lines[at.Line-1], true
}

// linesOf are the lines of a file, without their ends; none of one that can't be read or is too large.
func linesOf(file string) (lines []string) {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() > maxFixSize {
		return nil
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFixSize))
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(data)) {
		lines = append(lines, strings.TrimRight(line, "\r\n"))
	}
	return lines
}
